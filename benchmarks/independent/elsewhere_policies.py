"""Log-probabilities and entropies of policies as other code bases write them."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import torch
import torch.nn.functional as F
from scipy.special import log_softmax, logsumexp, xlogy
from torch import distributions

from benchmarks.independent.records import correct, faulty

# --- categorical-log-prob -------------------------------------------------------------------------


@correct("categorical-log-prob")
def minus_cross_entropy(logits, actions):
    return -F.cross_entropy(logits, actions.long(), reduction="none")


@correct("categorical-log-prob")
def from_the_distribution_with_a_mask(action_logits, action, action_mask=None):
    if action_mask is not None:
        action_logits = action_logits.masked_fill(~action_mask.bool(), float("-inf"))
    return distributions.Categorical(logits=action_logits).log_prob(action)


@correct("categorical-log-prob")
def gathered_in_jax(logits, actions):
    picked = jnp.take_along_axis(logits, actions[..., None], axis=-1).squeeze(-1)
    return picked - jax.scipy.special.logsumexp(logits, axis=-1)


@correct("categorical-log-prob")
def large_negative_for_illegal(logits, actions, legal_mask):
    logits = np.where(legal_mask, logits, np.finfo(np.float32).min)
    return log_softmax(logits, axis=1)[np.arange(len(actions)), actions]


@faulty("categorical-log-prob", "not-normalised")
def raw_logit(logits, actions):
    return logits.gather(1, actions.unsqueeze(1)).squeeze(1)


@faulty("categorical-log-prob", "normalised-over-the-batch")
def softmax_over_axis_zero(logits, actions):
    log_p = F.log_softmax(logits, dim=0)
    return log_p[torch.arange(len(actions)), actions]


@faulty("categorical-log-prob", "mask-too-weak", "mask-multiplied")
def minus_ten_for_illegal(logits, actions, action_mask):
    logits = logits + (1 - action_mask.to(logits.dtype)) * -10.0
    return F.log_softmax(logits, -1).gather(-1, actions[:, None]).squeeze(-1)


@faulty("categorical-log-prob", "softmax-twice")
def distribution_of_probabilities(logits, actions):
    probs = torch.softmax(logits, dim=-1)
    return distributions.Categorical(logits=probs).log_prob(actions)


@faulty("categorical-log-prob", "softmax-overflows")
def exp_over_sum(logits, actions):
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return np.log(p[np.arange(len(actions)), actions])


# --- entropy --------------------------------------------------------------------------------------


@correct("entropy")
def log_normaliser_minus_mean(logits):
    """H = log Z - E[logit]."""
    p = jax.nn.softmax(logits, axis=-1)
    return jax.nn.logsumexp(logits, axis=-1) - jnp.sum(p * logits, axis=-1)


@correct("entropy")
def xlogy_of_scipy(logits):
    p = np.exp(logits - logsumexp(logits, axis=1, keepdims=True))
    return -xlogy(p, p).sum(1)


@correct("entropy")
def stable_baselines_before_distributions(logits):
    """Shifted by the maximum, one pass."""
    a0 = logits - logits.max(dim=-1, keepdim=True).values
    ea0 = torch.exp(a0)
    z0 = ea0.sum(dim=-1, keepdim=True)
    p0 = ea0 / z0
    return (p0 * (torch.log(z0) - a0)).sum(dim=-1)


@correct("entropy")
def masked_distribution(logits, mask):
    logits = torch.where(mask.bool(), logits, torch.tensor(-1e8, dtype=logits.dtype))
    log_p = logits - logits.logsumexp(-1, keepdim=True)
    p_log_p = torch.where(mask.bool(), log_p.exp() * log_p, torch.tensor(0.0, dtype=logits.dtype))
    return -p_log_p.sum(-1)


@faulty("entropy", "sign-flipped")
def sum_of_p_log_p(logits):
    log_p = jax.nn.log_softmax(logits)
    return jnp.sum(jnp.exp(log_p) * log_p, axis=-1)


@faulty("entropy", "taken-action-only")
def only_the_action_taken(logits, actions):
    p = torch.softmax(logits, -1).gather(-1, actions.unsqueeze(-1)).squeeze(-1)
    return -p * torch.log(p)


@faulty("entropy", "averaged-over-actions")
def mean_for_sum(logits):
    log_p = log_softmax(logits, axis=-1)
    return -np.mean(np.exp(log_p) * log_p, axis=-1)


@faulty("entropy", "zero-times-infinity")
def nan_for_certain_actions(logits, mask):
    p = torch.softmax(logits.masked_fill(~mask.bool(), float("-inf")), dim=-1)
    return -(p * torch.log(p)).sum(dim=-1)


@faulty("entropy", "logits-for-log-probabilities")
def weighted_logits(logits):
    return -(F.softmax(logits, dim=1) * logits).sum(dim=1)


# --- gaussian-log-prob ----------------------------------------------------------------------------


@correct("gaussian-log-prob")
def independent_normal(loc, scale, sample):
    return distributions.Independent(distributions.Normal(loc, scale), 1).log_prob(sample)


@correct("gaussian-log-prob")
def with_a_covariance(mu, log_std, act):
    cov = torch.diag_embed(torch.exp(2 * log_std))
    return distributions.MultivariateNormal(mu, covariance_matrix=cov).log_prob(act)


@correct("gaussian-log-prob")
def from_the_precision(mean, log_std, actions):
    z = (actions - mean) * jnp.exp(-log_std)
    dims = actions.shape[-1]
    return -0.5 * (jnp.square(z).sum(-1) + dims * jnp.log(2 * jnp.pi)) - log_std.sum(-1)


@correct("gaussian-log-prob")
def small_number_beside_the_deviation(x, mu, log_std, eps=1e-8):
    pre_sum = -0.5 * (((x - mu) / (np.exp(log_std) + eps)) ** 2 + 2 * log_std + np.log(2 * np.pi))
    return np.sum(pre_sum, axis=1)


@faulty("gaussian-log-prob", "dimensions-not-summed")
def one_number_a_dimension(mean, std, actions):
    return distributions.Normal(mean, std).log_prob(actions)


@faulty("gaussian-log-prob", "std-for-variance")
def not_squared(mean, log_std, actions):
    std = np.exp(log_std)
    terms = (actions - mean) ** 2 / (2 * std) + log_std + 0.5 * math.log(2 * math.pi)
    return -terms.sum(-1)


@faulty("gaussian-log-prob", "constant-wrong")
def constant_counted_once(mu, log_std, act):
    z = (act - mu) / log_std.exp()
    return -(0.5 * z.pow(2) + log_std).sum(-1) - 0.5 * math.log(2 * math.pi)


@faulty("gaussian-log-prob", "wrong-scale")
def variance_for_scale(mean, log_std, actions):
    var = torch.exp(log_std) ** 2
    return distributions.Normal(mean, var).log_prob(actions).sum(dim=-1)


# --- tanh-gaussian-log-prob -----------------------------------------------------------------------


@correct("tanh-gaussian-log-prob")
def jacobian_of_the_bijector(mean, log_std, pre_tanh):
    base = distributions.Normal(mean, log_std.exp())
    bijector = distributions.transforms.TanhTransform()
    return (base.log_prob(pre_tanh) - bijector.log_abs_det_jacobian(pre_tanh, None)).sum(-1)


@correct("tanh-gaussian-log-prob", bind={"pi_action": "pre_tanh"})
def softplus_form(mu, log_std, pi_action):
    """`pi_action` is the sample before the tanh."""
    logp = jax.scipy.stats.norm.logpdf(pi_action, mu, jnp.exp(log_std)).sum(axis=-1)
    return logp - (2 * (jnp.log(2) - pi_action - jax.nn.softplus(-2 * pi_action))).sum(axis=1)


@correct("tanh-gaussian-log-prob")
def clipped_before_the_atanh(action, mean, log_std, eps=1e-6):
    bounded = action.clamp(-1 + 1e-7, 1 - 1e-7)
    u = 0.5 * (bounded.log1p() - (-bounded).log1p())
    normal = -0.5 * ((u - mean) / log_std.exp()) ** 2 - log_std - 0.5 * math.log(2 * math.pi)
    return (normal - torch.log(1 - bounded.pow(2) + eps)).sum(-1)


@faulty("tanh-gaussian-log-prob", "tanh-correction-missing")
def gaussian_of_the_raw_action(mean, log_std, pre_tanh):
    return distributions.Normal(mean, log_std.exp()).log_prob(pre_tanh).sum(-1)


@faulty("tanh-gaussian-log-prob", "correction-not-summed", "correction-scaled")
def correction_of_one_dimension(mean, log_std, raw_action):
    u = raw_action
    logp = distributions.Normal(mean, log_std.exp()).log_prob(u).sum(-1)
    return logp - torch.log(1 - torch.tanh(u) ** 2 + 1e-6).mean(-1)


@faulty("tanh-gaussian-log-prob", "correction-of-the-wrong-variable")
def tanh_of_the_squashed_action(mean, log_std, pre_tanh, actions):
    """tanh twice in the correction."""
    logp = distributions.Normal(mean, log_std.exp()).log_prob(pre_tanh)
    return (logp - torch.log(1 - torch.tanh(actions).pow(2) + 1e-6)).sum(-1)


@faulty("tanh-gaussian-log-prob", "correction-sign-flipped")
def jacobian_added(mean, log_std, pre_tanh):
    z = (pre_tanh - mean) / np.exp(log_std)
    normal = -0.5 * z**2 - log_std - 0.5 * np.log(2 * np.pi)
    return np.sum(normal + np.log(1 - np.tanh(pre_tanh) ** 2 + 1e-6), axis=-1)


@faulty("tanh-gaussian-log-prob", "square-missing")
def one_minus_a(mean, log_std, pre_tanh):
    normal = jax.scipy.stats.norm.logpdf(pre_tanh, mean, jnp.exp(log_std))
    return (normal - jnp.log(1 - jnp.abs(jnp.tanh(pre_tanh)) + 1e-6)).sum(-1)
