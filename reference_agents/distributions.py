"""Log-probabilities and entropies of the policies: categorical, Gaussian, tanh-Gaussian.

Rows are states, `[B]` or any shape; the last axis holds the actions `A` of a categorical or the
dimensions `D` of a continuous action.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus

from reference_agents._expect import expect_last_axis, expect_same_shape

LOG_TWO_PI = math.log(2.0 * math.pi)


class SquashedActions(NamedTuple):
    """Actions in (-1, 1) [B, D] and their log-probabilities [B]."""

    actions: Tensor
    log_probs: Tensor


def masked_log_softmax(logits: Tensor, mask: Tensor | None = None) -> Tensor:
    """Log-probabilities of all actions, with the forbidden ones at probability 0.

        log pi(a|s) = logit_a - log sum_{b permitted} exp(logit_b),   -inf where forbidden

    Args:
        logits: [B, A]  unnormalised log-probabilities.
        mask:   [B, A]  True where the action is permitted; None permits all.

    Returns:
        [B, A] log-probabilities. A row without any permitted action is NaN.

    Raises:
        ValueError: the shapes differ.

    References: Huang and Ontanon 2022, arXiv:2006.14171.
    """
    if mask is not None:
        expect_same_shape("logits", logits, mask=mask)
        # -inf rather than a large negative number: the probability is then exactly 0 in any dtype.
        logits = logits.masked_fill(~mask.bool(), -math.inf)
    return logits.log_softmax(dim=-1)


def categorical_log_prob(logits: Tensor, actions: Tensor, mask: Tensor | None = None) -> Tensor:
    """Log-probability of the chosen actions under softmax(logits).

        log pi(a|s) = logit_a - log sum_b exp(logit_b)

    Args:
        logits:  [B, A]  unnormalised log-probabilities.
        actions: [B]     a, an index in [0, A).
        mask:    [B, A]  True where an action is permitted; None permits all.

    Returns:
        [B] log pi(a|s), -inf for a forbidden action.

    Raises:
        ValueError: the shapes do not match.
    """
    expect_last_axis("logits", logits, actions=actions)
    log_probs = masked_log_softmax(logits, mask)
    return log_probs.gather(-1, actions.long().unsqueeze(-1)).squeeze(-1)


def categorical_entropy(logits: Tensor, mask: Tensor | None = None) -> Tensor:
    """Entropy of softmax(logits), in nats.

        H = -sum_a pi(a) log pi(a)

    Args:
        logits: [B, A]  unnormalised log-probabilities.
        mask:   [B, A]  True where an action is permitted; None permits all.

    Returns:
        [B] H, between 0 and the logarithm of the number of permitted actions.

    Raises:
        ValueError: the shapes differ.
    """
    log_probs = masked_log_softmax(logits, mask)
    probabilities = log_probs.exp()
    # The limit of p log p at 0 is 0, but 0 * -inf is NaN, in the value and in the gradient.
    return -(probabilities * log_probs.masked_fill(probabilities == 0.0, 0.0)).sum(dim=-1)


def gaussian_log_prob(mean: Tensor, log_std: Tensor, actions: Tensor) -> Tensor:
    """Log-density of a diagonal Gaussian, summed over the dimensions of the action.

        log p(a|s) = -sum_d [ (a_d - mean_d)^2 / (2 std_d^2) + log std_d + log(2 pi) / 2 ]

    Args:
        mean:    [B, D]  mean.
        log_std: [B, D]  logarithm of the standard deviation.
        actions: [B, D]  a.

    Returns:
        [B] log p(a|s).

    Raises:
        ValueError: the shapes differ.
    """
    expect_same_shape("mean", mean, log_std=log_std, actions=actions)
    standardised = (actions - mean) * (-log_std).exp()
    return -(0.5 * standardised.square() + log_std + 0.5 * LOG_TWO_PI).sum(dim=-1)


def gaussian_entropy(log_std: Tensor) -> Tensor:
    """Differential entropy of a diagonal Gaussian, in nats.

        H = sum_d [ log std_d + (1 + log(2 pi)) / 2 ]

    Args:
        log_std: [B, D]  logarithm of the standard deviation.

    Returns:
        [B] H.
    """
    return (log_std + 0.5 * (1.0 + LOG_TWO_PI)).sum(dim=-1)


def tanh_log_det(pre_tanh: Tensor) -> Tensor:
    """Logarithm of the derivative of tanh, summed over the last axis, exact at saturation.

        log(1 - tanh(u)^2) = 2 * (log 2 - u - softplus(-2 u))

    1 - tanh(u)^2 rounds to 0 from |u| = 9 on in float32; this form is linear there, as it must be.

    Args:
        pre_tanh: [B, D]  u.

    Returns:
        [B] sum_d log(1 - tanh(u_d)^2).
    """
    return (2.0 * (math.log(2.0) - pre_tanh - softplus(-2.0 * pre_tanh))).sum(dim=-1)


def tanh_gaussian_log_prob(mean: Tensor, log_std: Tensor, actions: Tensor) -> Tensor:
    """Log-density of a = tanh(u) with u drawn from a diagonal Gaussian.

        log p(a|s) = log N(u; mean, std) - sum_d log(1 - a_d^2),   u = atanh(a)

    An action at the boundary, where rounding has lost u, counts as the nearest number inside.
    Where u is still known use `tanh_gaussian_sample`, which never leaves it.

    Args:
        mean:    [B, D]  mean of u.
        log_std: [B, D]  logarithm of the standard deviation of u.
        actions: [B, D]  a in [-1, 1].

    Returns:
        [B] log p(a|s), finite.

    Raises:
        ValueError: the shapes differ.

    References: Haarnoja et al. 2018, arXiv:1812.05905, appendix C.
    """
    expect_same_shape("mean", mean, log_std=log_std, actions=actions)
    largest = 1.0 - 0.5 * torch.finfo(actions.dtype).eps  # the largest number below 1
    pre_tanh = actions.clamp(-largest, largest).atanh()
    return gaussian_log_prob(mean, log_std, pre_tanh) - tanh_log_det(pre_tanh)


def tanh_gaussian_sample(mean: Tensor, log_std: Tensor, noise: Tensor) -> SquashedActions:
    """Reparameterised actions of a tanh-Gaussian policy, with their log-densities.

        u = mean + std * noise,   a = tanh(u),   log p(a|s) = log N(u; mean, std) - log |da/du|

    Args:
        mean:    [B, D]  mean of u.
        log_std: [B, D]  logarithm of the standard deviation of u.
        noise:   [B, D]  standard normal draws.

    Returns:
        `SquashedActions(actions, log_probs)`, both differentiable in mean and log_std.

    Raises:
        ValueError: the shapes differ.

    References: Haarnoja et al. 2018, arXiv:1812.05905, eq. 20 and appendix C.
    """
    expect_same_shape("mean", mean, log_std=log_std, noise=noise)
    pre_tanh = mean + log_std.exp() * noise
    log_probs = gaussian_log_prob(mean, log_std, pre_tanh) - tanh_log_det(pre_tanh)
    return SquashedActions(pre_tanh.tanh(), log_probs)
