"""Log-probabilities for large vocabularies without [B, T, V] in memory.

The output matrix is applied to a chunk of tokens at a time. The forward pass keeps one number a token,
the logarithm of its normaliser; the backward pass computes the chunk's logits again. Values and
gradients are those of the plain form.

References: the gradient row is onehot - softmax; recomputation: Chen et al. 2016, arXiv:1604.06174.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from reference_agents._expect import expect_last_axis, expect_positive, expect_same_shape
from reference_agents.llm.log_probs import kept_tokens, spread, widened


def chunked_log_probs(
    hidden: Tensor,
    output_matrix: Tensor,
    tokens: Tensor,
    mask: Tensor | None = None,
    *,
    temperature: float = 1.0,
    chunk_size: int = 1024,
) -> Tensor:
    """Log-probabilities of given tokens from the hidden states that predict them.

        z_t = W h_t / tau,   log pi(y_t) = z_t[y_t] - log sum_v exp(z_t[v])

    Memory: chunk_size * V numbers, once in the precision of W and once in float32.

    Args:
        hidden:        [B, T, H]  h, where h_t predicts token t of the response.
        output_matrix: [V, H]     W.
        tokens:        [B, T]     y, in [0, V).
        mask:          [B, T]     True where a token counts; None for all. Others are not computed.
        temperature: tau, the one at which the tokens were sampled.
        chunk_size: tokens at a time.

    Returns:
        [B, T], in float32 or wider, 0 where the mask is 0.

    Raises:
        ValueError: the shapes do not match, a kept token is not in the vocabulary, or a number is
            not positive.
    """
    expect_last_axis("hidden", hidden, tokens=tokens)
    expect_positive("temperature", temperature)
    expect_positive("chunk_size", chunk_size)
    if mask is not None:
        expect_same_shape("tokens", tokens, mask=mask)
    if hidden.shape[-1] != output_matrix.shape[-1]:
        raise ValueError(
            f"`output_matrix` must have the width of `hidden`, {hidden.shape[-1]}, in its last axis, "
            f"it has the shape {tuple(output_matrix.shape)}; give it as [V, H]"
        )
    chosen = kept_tokens(tokens, mask, len(output_matrix))
    rows = hidden.flatten(0, -2) if mask is None else hidden[mask.bool()]
    kept = _ChunkedLogProbs.apply(rows, output_matrix, chosen, temperature, int(chunk_size))
    return spread(kept, tokens, mask)


def _logits(rows: Tensor, output_matrix: Tensor, temperature: float) -> Tensor:
    """[chunk, V] in float32 or wider; the product itself in the precision of its factors."""
    return widened(rows @ output_matrix.T).div_(temperature)


class _ChunkedLogProbs(torch.autograd.Function):
    """rows [M, H], output matrix [V, H], chosen [M] -> [M]."""

    @staticmethod
    def forward(
        ctx: Any,
        rows: Tensor,
        output_matrix: Tensor,
        chosen: Tensor,
        temperature: float,
        chunk_size: int,
    ) -> Tensor:
        normalisers = widened(rows.new_empty(0)).new_empty(len(rows))
        taken = torch.empty_like(normalisers)
        for start in range(0, len(rows), chunk_size):
            part = slice(start, start + chunk_size)
            logits = _logits(rows[part], output_matrix, temperature)
            taken[part] = logits.gather(-1, chosen[part].unsqueeze(-1)).squeeze(-1)
            normalisers[part] = logits.logsumexp(dim=-1)
        ctx.save_for_backward(rows, output_matrix, chosen, normalisers)
        ctx.temperature, ctx.chunk_size = temperature, chunk_size
        return taken - normalisers

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        rows, output_matrix, chosen, normalisers = ctx.saved_tensors
        wants_rows, wants_matrix = ctx.needs_input_grad[:2]
        grad_rows = torch.empty_like(rows) if wants_rows else None
        grad_matrix = torch.zeros_like(output_matrix) if wants_matrix else None
        scaled = grads[0] / ctx.temperature
        for start in range(0, len(rows), ctx.chunk_size):
            part = slice(start, start + ctx.chunk_size)
            weights = scaled[part].unsqueeze(-1)
            # d log pi(y) / d logits = onehot(y) - softmax, in the memory of the logits.
            slopes = _logits(rows[part], output_matrix, ctx.temperature)
            slopes.sub_(normalisers[part].unsqueeze(-1)).exp_().mul_(-weights)
            slopes.scatter_add_(-1, chosen[part].unsqueeze(-1), weights)
            slopes = slopes.to(output_matrix.dtype)
            if grad_rows is not None:
                torch.mm(slopes, output_matrix, out=grad_rows[part])
            if grad_matrix is not None:
                grad_matrix.addmm_(slopes.T, rows[part])
        return grad_rows, grad_matrix, None, None, None
