"""Losses of actor and critic as other code bases write them."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.independent.records import correct, faulty

# --- policy-gradient-loss -------------------------------------------------------------------------


@correct("policy-gradient-loss")
def weighted_cross_entropy(neg_log_probs, advantages):
    """Takes -log pi(a|s), as cross entropy with reduction="none" gives it."""
    return (neg_log_probs * advantages.detach()).mean()


@correct("policy-gradient-loss")
def weighted_sum_of_rows(logp, weights):
    return -jnp.sum(jax.lax.stop_gradient(weights) * logp) / logp.shape[0]


@correct("policy-gradient-loss")
def tutorial_with_lists(log_probs, returns):
    policy_loss = []
    for log_prob, ret in zip(log_probs, returns, strict=True):
        policy_loss.append((-log_prob * ret).reshape(1))
    return torch.cat(policy_loss).sum()


@faulty("policy-gradient-loss", "sign-flipped")
def objective_handed_to_a_minimiser(logp, adv):
    return (logp * adv).mean()


@faulty("policy-gradient-loss", "advantages-centred")
def baseline_of_the_batch(log_prob, advantages):
    return -(log_prob * (advantages - advantages.mean())).mean()


@faulty("policy-gradient-loss", "graph-cut")
def through_numpy(log_probs, advantages):
    value = -np.mean(log_probs.detach().numpy() * advantages.numpy())
    return torch.tensor(value, requires_grad=True)


# --- ppo-loss -------------------------------------------------------------------------------------


class ClippedSurrogate(nn.Module):
    """A loss that is a module."""

    def __init__(self, clip_epsilon: float = 0.2) -> None:
        super().__init__()
        self.clip_epsilon = clip_epsilon

    def forward(self, log_prob, old_log_prob, advantage):
        ratio = (log_prob - old_log_prob).exp()
        gain = torch.stack([ratio, ratio.clamp(1 - self.clip_epsilon, 1 + self.clip_epsilon)])
        return -(gain * advantage).amin(dim=0).mean()


loss_as_a_module = correct("ppo-loss", constants={"clip_epsilon": 0.2})(ClippedSurrogate(0.2))


@correct("ppo-loss")
def by_cases_of_the_sign(new_logp, old_logp, adv, clip_ratio=0.2):
    """min(r A, clip(r) A) = min(r A, g(A)), as in Spinning Up."""
    bound = jnp.where(adv > 0, (1 + clip_ratio) * adv, (1 - clip_ratio) * adv)
    return -jnp.minimum(jnp.exp(new_logp - old_logp) * adv, bound).mean()


@dataclass
class LossInfo:
    loss: torch.Tensor
    approx_kl: torch.Tensor
    clip_fraction: torch.Tensor


@correct("ppo-loss")
def with_diagnostics(
    advantages, log_probs, old_log_probs, clip_range=0.2, normalize_advantage=False
):
    if normalize_advantage:
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    log_ratio = log_probs - old_log_probs
    ratio = log_ratio.exp()
    clipped = torch.clip(ratio, 1 - clip_range, 1 + clip_range)
    loss = torch.maximum(-advantages * ratio, -advantages * clipped).mean()
    with torch.no_grad():
        kl = ((ratio - 1) - log_ratio).mean()
        fraction = ((ratio - 1).abs() > clip_range).double().mean()
    return LossInfo(loss, kl, fraction)


@correct("ppo-loss")
def guarded_exponent(logprobs, old_logprobs, advantages, cliprange):
    """The log-ratio is kept within +-20, far from where anything is decided."""
    ratio = torch.exp(torch.clamp(logprobs - old_logprobs, -20.0, 20.0))
    unclipped = -advantages * ratio
    clipped = -advantages * torch.clamp(ratio, 1.0 - cliprange, 1.0 + cliprange)
    return torch.mean(torch.max(unclipped, clipped))


@faulty("ppo-loss", "minimum-missing")
def clipped_objective_alone(logp, old_logp, adv, clip_eps):
    ratio = jnp.exp(logp - old_logp)
    return -(jnp.clip(ratio, 1 - clip_eps, 1 + clip_eps) * adv).mean()


@faulty("ppo-loss", "old-log-prob-recomputed")
def against_its_own_detached_copy(log_probs, old_log_probs, advantages, clip_epsilon):
    ratio = torch.exp(log_probs - log_probs.detach())
    surrogate = torch.min(
        ratio * advantages, ratio.clamp(1 - clip_epsilon, 1 + clip_epsilon) * advantages
    )
    return -surrogate.mean()


@faulty("ppo-loss", "log-ratio-clipped")
def clip_before_the_exponential(log_probs, old_log_probs, advantages, clip_epsilon):
    log_ratio = log_probs - old_log_probs
    clipped = np.exp(np.clip(log_ratio, -clip_epsilon, clip_epsilon))
    return -np.minimum(np.exp(log_ratio) * advantages, clipped * advantages).mean()


@faulty("ppo-loss", "clipped-rows-dropped")
def zero_outside_the_range(log_probs, old_log_probs, advantages, clip_epsilon):
    ratio = torch.exp(log_probs - old_log_probs)
    inside = (ratio - 1).abs() <= clip_epsilon
    return -(ratio * advantages * inside).mean()


@faulty("ppo-loss", "dual-clip-on-all-advantages")
def second_clip_everywhere(log_probs, old_log_probs, advantages, clip_epsilon, dual_clip=3.0):
    ratio = torch.exp(log_probs - old_log_probs)
    first = torch.min(
        ratio * advantages, ratio.clamp(1 - clip_epsilon, 1 + clip_epsilon) * advantages
    )
    return -torch.max(first, dual_clip * advantages).mean()


# --- value-loss -----------------------------------------------------------------------------------


@correct("value-loss")
def mse_of_a_column(value_preds, value_targets):
    """[B, 1] against [B]: both are flattened first."""
    return F.mse_loss(value_preds.flatten(), value_targets.flatten())


@correct(
    "value-loss",
    bind={"vpreds": "values", "values": "old_values", "cliprange_value": "clip_epsilon"},
)
def masked_and_clipped(vpreds, returns, values, response_mask, cliprange_value):
    """As for language models: `values` are the old ones; half the mean over what counts."""
    clipped = torch.clamp(vpreds, values - cliprange_value, values + cliprange_value)
    losses = torch.max((vpreds - returns) ** 2, (clipped - returns) ** 2)
    return 0.5 * (losses * response_mask).sum() / response_mask.sum()


@faulty("value-loss", "rows-crossed")
def column_against_row(values, returns):
    return 0.5 * torch.pow(values.reshape(-1, 1) - returns.reshape(-1), 2).mean()


@faulty("value-loss", "errors-cancel")
def square_of_the_mean(v, targets):
    return 0.5 * jnp.square(jnp.mean(v - targets))


@faulty("value-loss", "minimum-for-maximum")
def optimistic_clipping(values, returns, old_values, clip_epsilon):
    bounded = old_values + np.clip(values - old_values, -clip_epsilon, clip_epsilon)
    return 0.5 * np.mean(np.minimum((values - returns) ** 2, (bounded - returns) ** 2))


@faulty("value-loss", "huber-for-square")
def huber(newvalue, returns):
    return F.smooth_l1_loss(newvalue, returns)


@faulty("value-loss", "graph-cut")
def target_and_value_the_wrong_way_round(values, returns):
    return 0.5 * ((values.detach() - returns) ** 2).mean()


# --- advantage-normalisation ----------------------------------------------------------------------


@correct("advantage-normalisation")
def whiten(values, shift_mean=True):
    """Reciprocal square root of the biased variance."""
    mean, var = torch.mean(values), torch.var(values, unbiased=False)
    whitened = (values - mean) * torch.rsqrt(var + 1e-8)
    return whitened if shift_mean else whitened + mean


@correct("advantage-normalisation")
def z_score(advs):
    return jax.nn.standardize(advs.reshape(-1), epsilon=1e-8).reshape(advs.shape)


@correct("advantage-normalisation")
def masked_moments(adv, mask):
    n = mask.sum()
    mean = (adv * mask).sum() / n
    var = (((adv - mean) * mask) ** 2).sum() / n
    return (adv - mean) / np.sqrt(var + 1e-8) * mask


@correct("advantage-normalisation")
def in_place_and_returned_from_a_copy(adv, eps=1e-5):
    out = adv.clone()
    out -= out.mean()
    out /= out.std(correction=1) + eps
    return out


@faulty("advantage-normalisation", "normalised-per-column")
def over_time_only(advantages):
    mean, std = advantages.mean(0, keepdim=True), advantages.std(0, keepdim=True)
    return (advantages - mean) / (std + 1e-8)


@faulty("advantage-normalisation", "masked-counted-as-zeros")
def mask_multiplied_first(advantages, mask):
    kept = advantages * mask
    return (kept - kept.mean()) / (kept.std() + 1e-8)


@faulty("advantage-normalisation", "constant-divides-by-zero")
def deviation_unguarded(adv):
    return (adv - np.mean(adv)) / np.std(adv)


@faulty("advantage-normalisation", "parentheses-missing")
def precedence_of_division(adv):
    return adv - adv.mean() / (adv.std() + 1e-8)
