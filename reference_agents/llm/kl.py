"""Estimates of a Kullback-Leibler divergence from samples, and how far an exponent may go."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from reference_agents._expect import expect_choice, expect_finite, expect_same_shape
from reference_agents.llm.log_probs import widened

ESTIMATORS = ("k1", "k2", "k3")


def exponent_limit(dtype: torch.dtype) -> float:
    """Largest log-ratio that is exponentiated: e^20 below overflow, so that sums stay finite.

    Clamping before `exp` gives a gradient of 0 beyond; clamping after it would give 0 * inf = NaN.
    """
    return math.log(torch.finfo(dtype).max) - 20.0


def kl_estimate(
    log_probs: Tensor,
    ref_log_probs: Tensor,
    mask: Tensor | None = None,
    *,
    estimator: str = "k3",
) -> Tensor:
    """Estimates KL(pi || pi_ref) from each token sampled from pi.

        d = log pi - log pi_ref:   k1 = d,   k2 = d^2 / 2,   k3 = exp(-d) - 1 + d

    k1 and k3 are unbiased as values. As a loss, on-policy, the expected gradient of k1 is 0, of k2
    that of KL(pi || pi_ref), and of k3 that of KL(pi_ref || pi).

    Args:
        log_probs:     [B, T]  log pi(y_t), with gradient.
        ref_log_probs: [B, T]  log pi_ref(y_t), data.
        mask:          [B, T]  True where a token counts; None for all.
        estimator: "k1", "k2" or "k3".

    Returns:
        [B, T], 0 where the mask is 0. k3 saturates where exp(-d) would overflow.

    Raises:
        ValueError: the shapes differ, a number that counts is not finite, or the estimator is unknown.

    References: Schulman 2020, "Approximating KL divergence"; Tang and Munos 2025, arXiv:2506.09477.
    """
    expect_choice("estimator", estimator, ESTIMATORS)
    expect_same_shape("log_probs", log_probs, ref_log_probs=ref_log_probs)
    keep = torch.ones_like(log_probs, dtype=torch.bool) if mask is None else mask.bool()
    expect_same_shape("log_probs", log_probs, mask=keep)
    expect_finite(keep, log_probs=log_probs, ref_log_probs=ref_log_probs)
    difference = (widened(log_probs) - widened(ref_log_probs)).masked_fill(~keep, 0.0)
    if estimator == "k1":
        return difference
    if estimator == "k2":
        return 0.5 * difference.square()
    difference = difference.clamp(min=-exponent_limit(difference.dtype))
    # expm1 keeps the digits that exp(-d) - 1 loses for small d.
    return torch.expm1(-difference) + difference
