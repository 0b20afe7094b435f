"""Losses of reinforcement learning of language models, all to be minimised.

Data (old and reference log-probabilities, advantages) come without gradient. Everything is computed in
float32 or wider, and what lies under a mask of 0 is never read. The functions that have a file of their
own can be had from here too.
"""

from __future__ import annotations

import torch
from torch import Tensor

from reference_agents._expect import (
    expect_choice,
    expect_finite,
    expect_last_axis,
    expect_positive,
    expect_same_shape,
)
from reference_agents.llm.advantages import group_advantages
from reference_agents.llm.kl import exponent_limit, kl_estimate
from reference_agents.llm.log_probs import sequence_log_probs, token_log_probs, widened
from reference_agents.llm.preferences import dpo_loss, reward_model_loss
from reference_agents.llm.rewards import rlhf_token_rewards

__all__ = [
    "aggregate",
    "dpo_loss",
    "group_advantages",
    "grpo_loss",
    "kl_estimate",
    "reward_model_loss",
    "rlhf_token_rewards",
    "sequence_log_probs",
    "token_log_probs",
]

AGGREGATIONS = ("seq-mean", "token-mean", "constant")
RATIOS = ("token", "sequence-mean", "sequence-product")


def aggregate(
    values: Tensor,
    mask: Tensor,
    *,
    aggregation: str = "seq-mean",
    denominator: float | Tensor | None = None,
) -> Tensor:
    """One number from one number a token.

        seq-mean:    sum_b (sum_t m x / sum_t m) / D,   D the number of sequences B
        token-mean:  sum_bt m x / D,                    D the number of tokens that count
        constant:    sum_bt m x / D,                    D given, for example B times the longest length

    A batch in parts: give every part the D of the whole batch, and the sum over parts is the whole.

    Args:
        values: [B, T]  x.
        mask:   [B, T]  m, True where a token counts.
        aggregation: "seq-mean", "token-mean" or "constant".
        denominator: D; None for the batch's own, which "constant" does not have.

    Returns:
        Scalar. A sequence without tokens contributes 0 and counts in B; nothing at all gives 0.

    Raises:
        ValueError: the shapes differ, a value that counts is not finite, the aggregation is unknown,
            or "constant" lacks its D.

    References: seq-mean: Shao et al. 2024, arXiv:2402.03300, eq. 3; token-mean: Yu et al. 2025,
        arXiv:2503.14476, eq. 12; constant: Liu et al. 2025, arXiv:2503.20783, section 3.2.
    """
    expect_choice("aggregation", aggregation, AGGREGATIONS)
    expect_same_shape("values", values, mask=mask)
    mask = mask.bool()
    expect_finite(mask, values=values)
    kept = widened(values).masked_fill(~mask, 0.0)
    if aggregation == "constant" and denominator is None:
        raise ValueError(
            "`denominator` must be given with aggregation 'constant'; "
            "give the number of sequences times the longest length that sampling allows"
        )
    if aggregation == "seq-mean":
        kept = kept.sum(dim=-1) / mask.sum(dim=-1).clamp(min=1)
    if denominator is None:
        denominator = max(len(values), 1) if aggregation == "seq-mean" else mask.sum().clamp(min=1)
    return kept.sum() / denominator


def importance_ratios(log_ratios: Tensor, mask: Tensor, *, level: str) -> Tensor:
    """Ratios pi / pi_old of each token, of the sequence's geometric mean, or of the whole sequence.

    Args:
        log_ratios: [B, T]  log pi(y_t) - log pi_old(y_t), 0 where the mask is 0.
        mask:       [B, T]  True where a token counts.
        level: "token", "sequence-mean" or "sequence-product".

    Returns:
        [B, T], or [B, 1] for the two levels of sequences.

    References: sequence-mean: Zheng et al. 2025, arXiv:2507.18071, eq. 7; sequence-product: Ahmadian
        et al. 2024, arXiv:2402.14740, section 3.
    """
    expect_choice("ratio", level, RATIOS)
    if level != "token":
        log_ratios = log_ratios.sum(dim=-1, keepdim=True)
    if level == "sequence-mean":
        log_ratios = log_ratios / mask.sum(dim=-1, keepdim=True).clamp(min=1)
    limit = exponent_limit(log_ratios.dtype)
    return log_ratios.clamp(-limit, limit).exp()


def grpo_loss(
    log_probs: Tensor,
    old_log_probs: Tensor,
    advantages: Tensor,
    mask: Tensor,
    ref_log_probs: Tensor | None = None,
    *,
    clip_epsilon: float,
    kl_coef: float = 0.0,
    clip_epsilon_high: float | None = None,
    ratio: str = "token",
    aggregation: str = "seq-mean",
    kl_estimator: str = "k3",
    denominator: float | Tensor | None = None,
) -> Tensor:
    """Clipped policy-gradient surrogate of responses, with an optional penalty on leaving a reference.

        L = aggregate(-min(r A, clip(r, 1 - eps_low, 1 + eps_high) A) + kl_coef * kl)

    Args:
        log_probs:     [B, T]  log pi(y_t), with gradient.
        old_log_probs: [B, T]  the same under the policy that sampled, data.
        advantages:    [B] or [B, T]  A, data.
        mask:          [B, T]  True where a token counts.
        ref_log_probs: [B, T]  log pi_ref(y_t), data; needed where kl_coef is not 0.
        clip_epsilon: eps_low, and eps_high unless that is given.
        kl_coef: weight of the penalty; see `kl_estimate` for what its gradient is.
        clip_epsilon_high: eps_high.
        ratio: level of r: "token", "sequence-mean" or "sequence-product"; see `importance_ratios`.
        aggregation, denominator: see `aggregate`.
        kl_estimator: see `kl_estimate`.

    Returns:
        Scalar. Ratios saturate where they would overflow.

    Raises:
        ValueError: the shapes differ, a number that counts is not finite, a name is unknown, or
            `ref_log_probs` is missing.

    References: Shao et al. 2024, arXiv:2402.03300, eq. 3; two bounds: Yu et al. 2025,
        arXiv:2503.14476, eq. 10.
    """
    expect_positive("clip_epsilon", clip_epsilon)
    expect_same_shape("log_probs", log_probs, old_log_probs=old_log_probs, mask=mask)
    if advantages.dim() == 1:
        expect_last_axis("log_probs", log_probs, advantages=advantages)
        advantages = advantages.unsqueeze(-1).expand_as(log_probs)
    expect_same_shape("log_probs", log_probs, advantages=advantages)
    if kl_coef and ref_log_probs is None:
        raise ValueError(
            f"`ref_log_probs` must be given with kl_coef = {kl_coef}; give them, or kl_coef = 0"
        )
    keep = mask.bool()
    expect_finite(keep, log_probs=log_probs, old_log_probs=old_log_probs, advantages=advantages)
    log_ratios = (widened(log_probs) - widened(old_log_probs)).masked_fill(~keep, 0.0)
    ratios = importance_ratios(log_ratios, keep, level=ratio)
    high = clip_epsilon if clip_epsilon_high is None else clip_epsilon_high
    advantages = advantages.masked_fill(~keep, 0.0)
    clipped = ratios.clamp(1.0 - clip_epsilon, 1.0 + high)
    losses = -torch.minimum(ratios * advantages, clipped * advantages)
    if kl_coef and ref_log_probs is not None:
        penalty = kl_estimate(log_probs, ref_log_probs, keep, estimator=kl_estimator)
        losses = losses + kl_coef * penalty
    return aggregate(losses, keep, aggregation=aggregation, denominator=denominator)
