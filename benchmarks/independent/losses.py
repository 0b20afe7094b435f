"""Losses of policies and critics, and what is done to advantages before them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch.nn import functional

from benchmarks.independent.records import correct, faulty

# --- policy gradient ------------------------------------------------------------------------------


@correct("policy-gradient-loss")
def reinforce(log_probs, advantages):
    return -(log_probs * advantages).mean()


@correct("policy-gradient-loss", dialect={"aggregation": "sum"})
def summed_list(log_probs, returns):
    loss = 0
    for log_prob, g in zip(log_probs, returns, strict=True):
        loss = loss - log_prob * g
    return loss.sum() if loss.ndim else loss


@correct("policy-gradient-loss")
def jax_reinforce(logp, adv):
    return jnp.mean(-logp * jax.lax.stop_gradient(adv))


@faulty("policy-gradient-loss", "sign-flipped")
def maximised_by_a_minimiser(log_probs, advantages):
    return torch.mean(log_probs * advantages.detach())


@faulty("policy-gradient-loss", "graph-cut")
def item_by_item(log_probs, advantages):
    total = 0.0
    for lp, a in zip(log_probs.reshape(-1), advantages.reshape(-1), strict=True):
        total += -lp.item() * a.item()
    return torch.tensor(total / log_probs.numel(), dtype=log_probs.dtype, requires_grad=True)


@faulty("policy-gradient-loss", "advantages-normalised")
def standardised_inside(log_probs, advantages):
    advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    return -(log_probs * advantages).mean()


@faulty("policy-gradient-loss", "probability-for-log-probability")
def probabilities(log_probs, advantages):
    return -(torch.exp(log_probs) * advantages).mean()


@faulty("policy-gradient-loss", "rows-crossed")
def column_times_row(log_probs, advantages):
    return -(log_probs.reshape(-1, 1) * advantages.reshape(1, -1)).mean()


@faulty("policy-gradient-loss", "divided-by-the-batch-twice")
def mean_and_count(log_probs, advantages):
    return -(log_probs * advantages).mean() / len(advantages)


# --- PPO ------------------------------------------------------------------------------------------


@correct("ppo-loss")
def two_surrogates(log_probs, old_log_probs, advantages, clip_epsilon):
    ratio = torch.exp(log_probs - old_log_probs)
    plain = ratio * advantages
    clipped = torch.clamp(ratio, 1 - clip_epsilon, 1 + clip_epsilon) * advantages
    return -torch.min(plain, clipped).mean()


@correct("ppo-loss")
def maximum_of_losses(new_logprobs, old_logprob, advs, clip_coef):
    logratio = new_logprobs - old_logprob
    ratio = logratio.exp()
    pg_loss1 = -advs * ratio
    pg_loss2 = -advs * torch.clamp(ratio, 1 - clip_coef, 1 + clip_coef)
    return torch.max(pg_loss1, pg_loss2).mean()


@correct("ppo-loss")
def spinning_up_form(logp, old_logp, adv, clip_ratio):
    """The bound (1 + eps) A for A > 0 and (1 - eps) A for A < 0."""
    ratio = jnp.exp(logp - old_logp)
    bound = jnp.where(adv > 0, (1 + clip_ratio) * adv, (1 - clip_ratio) * adv)
    return -jnp.mean(jnp.minimum(ratio * adv, bound))


@correct("ppo-loss", dialect={"dual_clip": 3.0})
def dual_clipped(log_prob, old_log_prob, advantages, clip_range):
    ratio = (log_prob - old_log_prob).exp()
    inner = torch.minimum(
        ratio * advantages, ratio.clip(1 - clip_range, 1 + clip_range) * advantages
    )
    outer = torch.where(advantages < 0, torch.maximum(inner, 3.0 * advantages), inner)
    return -outer.mean()


@faulty("ppo-loss", "maximum-for-minimum")
def optimist(log_probs, old_log_probs, advantages, clip_epsilon):
    ratio = torch.exp(log_probs - old_log_probs)
    s1 = ratio * advantages
    s2 = ratio.clamp(1 - clip_epsilon, 1 + clip_epsilon) * advantages
    return -torch.max(s1, s2).mean()


@faulty("ppo-loss", "old-log-prob-recomputed")
def detached_copy(log_probs, old_log_probs, advantages, clip_epsilon):
    """The old log-probabilities are overwritten by the current ones, detached."""
    old_log_probs = log_probs.detach()
    ratio = torch.exp(log_probs - old_log_probs)
    s2 = ratio.clamp(1 - clip_epsilon, 1 + clip_epsilon) * advantages
    return -torch.min(ratio * advantages, s2).mean()


@faulty("ppo-loss", "clip-around-zero")
def clamp_without_the_one(log_probs, old_log_probs, advantages, clip_epsilon):
    ratio = torch.exp(log_probs - old_log_probs)
    clipped = torch.clamp(ratio, -clip_epsilon, clip_epsilon)
    return -torch.min(ratio * advantages, clipped * advantages).mean()


@faulty("ppo-loss", "clip-epsilon-hard-coded")
def always_a_fifth(log_probs, old_log_probs, advantages, clip_epsilon=0.2):
    ratio = np.exp(log_probs - old_log_probs)
    clipped = np.clip(ratio, 0.8, 1.2)
    return -np.mean(np.minimum(ratio * advantages, clipped * advantages))


@faulty("ppo-loss", "minimum-after-the-mean")
def means_compared(log_probs, old_log_probs, advantages, clip_epsilon):
    ratio = torch.exp(log_probs - old_log_probs)
    a = (ratio * advantages).mean()
    b = (ratio.clamp(1 - clip_epsilon, 1 + clip_epsilon) * advantages).mean()
    return -torch.min(a, b)


@faulty("ppo-loss", "minimum-missing")
def clamp_only(log_probs, old_log_probs, advantages, clip_epsilon):
    ratio = jnp.clip(jnp.exp(log_probs - old_log_probs), 1 - clip_epsilon, 1 + clip_epsilon)
    return -jnp.mean(ratio * advantages)


@faulty("ppo-loss", "ratio-inverted")
def old_over_new(log_probs, old_log_probs, advantages, clip_epsilon):
    ratio = torch.exp(old_log_probs - log_probs)
    s2 = ratio.clamp(1 - clip_epsilon, 1 + clip_epsilon) * advantages
    return -torch.min(ratio * advantages, s2).mean()


# --- value loss -----------------------------------------------------------------------------------


@correct("value-loss")
def half_mse(values, returns):
    return 0.5 * ((values - returns) ** 2).mean()


@correct("value-loss")
def library_mse(values, returns):
    return functional.mse_loss(values.flatten(), returns.flatten())


@correct("value-loss", dialect={"clipped": True})
def pessimistic(newvalue, return_, old_value, clip_coef):
    unclipped = (newvalue - return_) ** 2
    moved = old_value + torch.clamp(newvalue - old_value, -clip_coef, clip_coef)
    return 0.5 * torch.max(unclipped, (moved - return_) ** 2).mean()


@correct("value-loss")
def masked(values, returns, mask):
    errors = (values - returns) ** 2 * mask
    return 0.5 * errors.sum() / mask.sum()


@correct("value-loss")
def jax_l2(values, targets):
    return 0.5 * jnp.mean(jnp.square(targets - values))


@faulty("value-loss", "rows-crossed")
def column_minus_row(values, returns):
    return functional.mse_loss(values.reshape(-1, 1) - returns.reshape(-1), torch.zeros(()))


@faulty("value-loss", "minimum-for-maximum")
def optimistic_clip(values, returns, old_values, clip_epsilon):
    clipped = old_values + (values - old_values).clamp(-clip_epsilon, clip_epsilon)
    return 0.5 * torch.min((values - returns) ** 2, (clipped - returns) ** 2).mean()


@faulty("value-loss", "old-values-not-added-back")
def movement_for_value(values, returns, old_values, clip_epsilon):
    clipped = torch.clamp(values - old_values, -clip_epsilon, clip_epsilon)
    return 0.5 * torch.max((values - returns).pow(2), (clipped - returns).pow(2)).mean()


@faulty("value-loss", "errors-cancel")
def squared_mean(values, returns):
    return 0.5 * (values - returns).mean() ** 2


@faulty("value-loss", "root-taken")
def rmse(values, returns):
    return torch.sqrt(functional.mse_loss(values, returns) + 1e-12)


@faulty("value-loss", "huber-for-square")
def smooth_l1(values, returns):
    return functional.smooth_l1_loss(values, returns)


# --- advantages -----------------------------------------------------------------------------------


@correct("advantage-normalisation")
def usual(advantages):
    return (advantages - advantages.mean()) / (advantages.std() + 1e-8)


@correct("advantage-normalisation")
def numpy_population(adv):
    return (adv - np.mean(adv)) / (np.std(adv) + 1e-5)


@correct("advantage-normalisation")
def masked_whiten(advantages, mask):
    mask = mask.to(advantages.dtype)
    n = mask.sum()
    mean = (advantages * mask).sum() / n
    var = ((advantages - mean) ** 2 * mask).sum() / n
    return (advantages - mean) * torch.rsqrt(var + 1e-8) * mask


@faulty("advantage-normalisation", "parentheses-missing")
def precedence(advantages):
    return advantages - advantages.mean() / (advantages.std() + 1e-8)


@faulty("advantage-normalisation", "variance-for-std")
def by_the_variance(advantages):
    return (advantages - np.mean(advantages)) / (np.var(advantages) + 1e-8)


@faulty("advantage-normalisation", "normalised-per-column")
def along_time_only(advantages):
    return (advantages - advantages.mean(0)) / (advantages.std(0) + 1e-8)


@faulty("advantage-normalisation", "mask-ignored")
def padding_counts(advantages, mask):
    return (advantages - advantages.mean()) / (advantages.std() + 1e-8) * mask


@faulty("advantage-normalisation", "masked-counted-as-zeros")
def zeros_count(advantages, mask):
    a = advantages * mask
    return (a - a.mean()) / (a.std() + 1e-8) * mask


@faulty("advantage-normalisation", "constant-divides-by-zero")
def no_guard(advantages):
    return (advantages - advantages.mean()) / advantages.std()
