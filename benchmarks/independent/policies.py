"""Log-probabilities and entropies of policies."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch import distributions
from torch.nn import functional

from benchmarks.independent.records import correct, faulty

# --- categorical ----------------------------------------------------------------------------------


@correct("categorical-log-prob")
def torch_distribution(logits, actions):
    return distributions.Categorical(logits=logits).log_prob(actions)


@correct("categorical-log-prob")
def numpy_max_trick(logits, actions):
    top = logits.max(axis=1, keepdims=True)
    norm = top[:, 0] + np.log(np.exp(logits - top).sum(axis=1))
    return logits[np.arange(len(logits)), actions] - norm


@correct("categorical-log-prob")
def jax_masked(logits, actions, action_mask):
    logits = jnp.where(action_mask, logits, -1e30)
    logp = jax.nn.log_softmax(logits)
    return jnp.take_along_axis(logp, actions[:, None], axis=1).squeeze(1)


@faulty("categorical-log-prob", "softmax-twice")
def probabilities_as_logits(logits, actions):
    probs = functional.softmax(logits, dim=-1)
    return distributions.Categorical(logits=probs).log_prob(actions)


@faulty("categorical-log-prob", "mask-multiplied")
def mask_times_logits(logits, actions, action_mask):
    return distributions.Categorical(logits=logits * action_mask).log_prob(actions)


@faulty("categorical-log-prob", "normalised-over-the-batch")
def dim_zero(logits, actions):
    logp = functional.log_softmax(logits, dim=0)
    return logp.gather(1, actions.long().unsqueeze(1)).squeeze(1)


@faulty("categorical-log-prob", "whole-axis-indexed")
def all_rows_all_actions(logits, actions):
    return torch.log_softmax(logits, dim=1)[:, actions.long()]


@faulty("categorical-log-prob", "softmax-overflows")
def exponentials(logits, actions):
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return np.log(p[np.arange(len(p)), actions])


@faulty("categorical-log-prob", "mask-ignored")
def mask_lost_in_the_update(logits, actions, action_mask):
    return distributions.Categorical(logits=logits).log_prob(actions)


# --- entropy --------------------------------------------------------------------------------------


@correct("entropy")
def library(logits):
    return distributions.Categorical(logits=logits).entropy()


@correct("entropy")
def logsumexp_form(logits):
    norm = torch.logsumexp(logits, dim=-1, keepdim=True)
    p = torch.softmax(logits, dim=-1)
    return (norm.squeeze(-1)) - (p * logits).sum(-1)


@correct("entropy")
def jax_plain(logits):
    logp = jax.nn.log_softmax(logits)
    return -jnp.sum(jnp.exp(logp) * logp, axis=-1)


@faulty("entropy", "sign-flipped")
def negative_entropy(logits):
    logp = logits.log_softmax(-1)
    return (logp.exp() * logp).sum(-1)


@faulty("entropy", "averaged-over-actions")
def mean_over_actions(logits):
    logp = logits.log_softmax(-1)
    return -(logp.exp() * logp).mean(-1)


@faulty("entropy", "wrong-unit")
def bits(logits):
    p = torch.softmax(logits, -1)
    return -(p * torch.log2(p)).sum(-1)


@faulty("entropy", "logits-for-log-probabilities")
def unnormalised(logits):
    return -(functional.softmax(logits, dim=-1) * logits).sum(dim=-1)


@faulty("entropy", "taken-action-only")
def surprise_of_the_action(logits, actions):
    p = torch.softmax(logits, dim=-1).gather(1, actions.long()[:, None])[:, 0]
    return -p * torch.log(p)


@faulty("entropy", "weights-missing")
def sum_of_log_probs(logits):
    return -jnp.sum(jax.nn.log_softmax(logits, axis=-1), axis=-1)


# --- Gaussian -------------------------------------------------------------------------------------


@correct("gaussian-log-prob")
def normal_summed(mean, log_std, actions):
    return distributions.Normal(mean, log_std.exp()).log_prob(actions).sum(-1)


@correct("gaussian-log-prob")
def spinup_like(mu, log_std, act):
    z = (act - mu) / np.exp(log_std)
    return np.sum(-0.5 * (z**2 + 2 * log_std + np.log(2 * np.pi)), axis=1)


@correct("gaussian-log-prob")
def jax_with_sigma(mu, sigma, actions):
    return jax.scipy.stats.norm.logpdf(actions, mu, sigma).sum(axis=-1)


@faulty("gaussian-log-prob", "dimensions-not-summed")
def per_dimension(mean, log_std, actions):
    return distributions.Normal(mean, log_std.exp()).log_prob(actions)


@faulty("gaussian-log-prob", "std-for-variance")
def divided_by_std(mean, log_std, actions):
    std = log_std.exp()
    terms = -((actions - mean) ** 2) / (2 * std) - log_std - 0.5 * math.log(2 * math.pi)
    return terms.sum(-1)


@faulty("gaussian-log-prob", "log-std-not-exponentiated")
def log_std_as_scale(mean, log_std, actions):
    std = log_std
    terms = -0.5 * ((actions - mean) / std) ** 2 - 0.5 * math.log(2 * math.pi)
    return (terms - torch.log(torch.abs(std))).sum(-1)


@faulty("gaussian-log-prob", "constant-wrong")
def pi_without_two(mean, log_std, actions):
    z = (actions - mean) * np.exp(-log_std)
    return (-0.5 * z**2 - log_std - 0.5 * np.log(np.pi)).sum(axis=-1)


@faulty("gaussian-log-prob", "dimensions-averaged")
def averaged_dimensions(mean, log_std, actions):
    return distributions.Normal(mean, log_std.exp()).log_prob(actions).mean(dim=-1)


# --- squashed Gaussian ----------------------------------------------------------------------------


@correct("tanh-gaussian-log-prob")
def stable_softplus(mean, log_std, pre_tanh):
    base = distributions.Normal(mean, log_std.exp()).log_prob(pre_tanh).sum(-1)
    return base - (2 * (math.log(2) - pre_tanh - functional.softplus(-2 * pre_tanh))).sum(-1)


@correct("tanh-gaussian-log-prob")
def usual_epsilon(mean, log_std, raw_action):
    squashed = torch.tanh(raw_action)
    logp = distributions.Normal(mean, log_std.exp()).log_prob(raw_action)
    return (logp - torch.log(1 - squashed**2 + 1e-6)).sum(dim=-1)


@faulty("tanh-gaussian-log-prob", "tanh-correction-missing")
def forgotten_jacobian(mean, log_std, pre_tanh):
    return distributions.Normal(mean, log_std.exp()).log_prob(pre_tanh).sum(-1)


@faulty("tanh-gaussian-log-prob", "correction-sign-flipped")
def correction_added(mean, log_std, pre_tanh):
    logp = distributions.Normal(mean, log_std.exp()).log_prob(pre_tanh)
    return (logp + torch.log(1 - torch.tanh(pre_tanh) ** 2 + 1e-6)).sum(-1)


@faulty("tanh-gaussian-log-prob", "square-missing")
def one_minus_action(mean, log_std, pre_tanh):
    logp = distributions.Normal(mean, log_std.exp()).log_prob(pre_tanh)
    return (logp - torch.log(1 - torch.tanh(pre_tanh) + 1e-6)).sum(-1)


@faulty("tanh-gaussian-log-prob", "correction-of-the-wrong-variable")
def squared_before_tanh(mean, log_std, pre_tanh):
    """The tanh is applied twice: the correction is taken at tanh(tanh(u))."""
    action = torch.tanh(pre_tanh)
    logp = distributions.Normal(mean, log_std.exp()).log_prob(pre_tanh)
    return (logp - torch.log(1 - torch.tanh(action) ** 2 + 1e-6)).sum(-1)


@faulty("tanh-gaussian-log-prob", "stable-form-wrong")
def softplus_sign(mean, log_std, pre_tanh):
    base = distributions.Normal(mean, log_std.exp()).log_prob(pre_tanh).sum(-1)
    return base - (2 * (math.log(2) - pre_tanh - functional.softplus(2 * pre_tanh))).sum(-1)


@faulty("tanh-gaussian-log-prob", "density-at-the-action")
def density_of_the_squashed(mean, log_std, pre_tanh):
    action = torch.tanh(pre_tanh)
    logp = distributions.Normal(mean, log_std.exp()).log_prob(action)
    return (logp - torch.log(1 - action**2 + 1e-6)).sum(-1)
