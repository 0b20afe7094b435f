"""What hyper-parameters are called."""

ALIASES = {
    "clip_range": ("clip_range", "clip_eps", "clip_epsilon", "clip_coef", "clip"),
    "max_grad_norm": ("max_grad_norm", "grad_clip", "max_gradient_norm"),
    "ent_coef": ("ent_coef", "entropy_coef", "entropy_coefficient", "entropy_weight"),
    "gae_lambda": ("gae_lambda", "lam", "lambda_"),
    "learning_rate": ("learning_rate", "lr"),
    "gamma": ("gamma",),
}
