"""Log-probabilities of the tokens of responses, and of whole responses.

What lies under a mask of 0 is never read: it is left out, not multiplied by 0, so that padding of any
content, NaN included, touches neither a value nor a gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor

from reference_agents._expect import (
    expect_finite,
    expect_last_axis,
    expect_positive,
    expect_same_shape,
)


def widened(tensor: Tensor) -> Tensor:
    """The tensor in float32 or wider: sums and exponentials of 8 bits of mantissa are noise."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def kept_tokens(tokens: Tensor, mask: Tensor | None, vocabulary: int) -> Tensor:
    """The tokens under the mask, `[M]`, as indices.

    Raises:
        ValueError: one of them is not in the vocabulary.
    """
    kept = (tokens.flatten() if mask is None else tokens[mask.bool()]).long()
    if kept.numel() and not 0 <= int(kept.min()) <= int(kept.max()) < vocabulary:
        raise ValueError(
            f"`tokens` must lie in [0, {vocabulary}) where the mask keeps them, they reach from "
            f"{int(kept.min())} to {int(kept.max())}; mask out labels such as -100"
        )
    return kept


def spread(kept: Tensor, tokens: Tensor, mask: Tensor | None) -> Tensor:
    """Puts one number a kept token `[M]` back in its place in `[B, T]`, 0 elsewhere.

    Raises:
        ValueError: one of them is not a number.
    """
    if kept.isnan().any():
        raise ValueError("the logits of a token that counts hold NaN; mend what made them")
    if mask is None:
        return kept.view(tokens.shape)
    return kept.new_zeros(tokens.shape).masked_scatter(mask.bool(), kept)


def token_log_probs(
    logits: Tensor, tokens: Tensor, mask: Tensor | None = None, *, temperature: float = 1.0
) -> Tensor:
    """Log-probabilities of given tokens under the policy that samples at a temperature.

        log pi(y_t) = z_t[y_t] / tau - log sum_v exp(z_t[v] / tau)

    Args:
        logits: [B, T, V]  z, where z_t predicts token t of the response (shifted already).
        tokens: [B, T]     y, in [0, V).
        mask:   [B, T]     True where a token counts; None for all.
        temperature: tau, the one at which the tokens were sampled.

    Returns:
        [B, T] log-probabilities, in float32 or wider, 0 where the mask is 0.

    Raises:
        ValueError: the shapes do not match, a kept token is not in the vocabulary, or tau <= 0.

    References: Sutton and Barto 2018, section 13.1; `reference_agents.llm.chunked` for large V.
    """
    expect_last_axis("logits", logits, tokens=tokens)
    expect_positive("temperature", temperature)
    if mask is not None:
        expect_same_shape("tokens", tokens, mask=mask)
    chosen = kept_tokens(tokens, mask, logits.shape[-1])
    rows = widened(logits.flatten(0, -2) if mask is None else logits[mask.bool()]) / temperature
    taken = rows.gather(-1, chosen.unsqueeze(-1)).squeeze(-1)
    return spread(taken - rows.logsumexp(dim=-1), tokens, mask)


def sequence_log_probs(
    log_probs: Tensor, mask: Tensor | None = None, *, reduction: str = "sum"
) -> Tensor:
    """Log-probability of each response: the sum over its tokens, or their mean.

        log pi(y|x) = sum_t m_t log pi(y_t | x, y_<t)

    Args:
        log_probs: [B, T]  log pi(y_t | x, y_<t).
        mask:      [B, T]  m, True where a token counts; None for all.
        reduction: "sum", or "mean" over the tokens that count.

    Returns:
        [B]; an empty response has 0, the logarithm of the certain event.

    Raises:
        ValueError: the shapes differ, a log-probability that counts is not finite, or the reduction
            is unknown.

    References: mean: Meng et al. 2024, arXiv:2405.14734, eq. 3.
    """
    if reduction not in ("sum", "mean"):
        raise ValueError(f"`reduction` must be 'sum' or 'mean', it is {reduction!r}; give one")
    mask = torch.ones_like(log_probs, dtype=torch.bool) if mask is None else mask.bool()
    expect_same_shape("log_probs", log_probs, mask=mask)
    expect_finite(mask, log_probs=log_probs)
    total = widened(log_probs).masked_fill(~mask, 0.0).sum(dim=-1)
    return total / mask.sum(dim=-1).clamp(min=1) if reduction == "mean" else total
