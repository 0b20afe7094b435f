"""What language-model RL does with tokens: log-probabilities, sums, means."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch.nn import functional

from benchmarks.independent.records import correct, faulty

# --- log-probabilities of tokens ------------------------------------------------------------------


@correct("token-log-probs")
def gather_log_softmax(logits, tokens, mask, temperature):
    logps = functional.log_softmax(logits / temperature, dim=-1)
    chosen = logps.gather(-1, tokens.long().unsqueeze(-1)).squeeze(-1)
    return torch.where(mask.bool(), chosen, torch.zeros_like(chosen))


@correct("token-log-probs")
def selected_minus_logsumexp(logits, labels):
    picked = torch.gather(logits, -1, labels.long()[..., None])[..., 0]
    return picked - torch.logsumexp(logits, dim=-1)


@correct("token-log-probs")
def cross_entropy_per_token(logits, input_ids, attention_mask):
    losses = functional.cross_entropy(
        logits.flatten(0, 1), input_ids.long().flatten(), reduction="none"
    )
    return -losses.view(input_ids.shape).masked_fill(~attention_mask.bool(), 0.0)


@correct("token-log-probs")
def jax_one_hot(logits, tokens, temperature):
    logp = jax.nn.log_softmax(logits / temperature)
    return jnp.sum(jax.nn.one_hot(tokens, logits.shape[-1]) * logp, axis=-1)


@faulty("token-log-probs", "logits-shifted", "result-shifted")
def shifted_although_aligned(logits, tokens, mask):
    """The usual shift by one, where logits and tokens are aligned already."""
    logp = logits.log_softmax(-1)
    earlier = torch.cat([logp[:, :1], logp[:, :-1]], dim=1)
    return earlier.gather(-1, tokens.long()[..., None])[..., 0] * mask


@faulty("token-log-probs", "temperature-ignored")
def temperature_unused(logits, tokens, mask, temperature):
    logp = logits.log_softmax(-1)
    return logp.gather(-1, tokens.long()[..., None])[..., 0] * mask


@faulty("token-log-probs", "normalised-over-the-wrong-axis")
def softmax_over_time(logits, tokens):
    logp = functional.log_softmax(logits, dim=1)
    return logp.gather(-1, tokens.long()[..., None]).squeeze(-1)


@faulty("token-log-probs", "greedy-token-scored")
def argmax_scored(logits, tokens):
    return logits.log_softmax(-1).max(-1).values


@faulty("token-log-probs", "normaliser-missing")
def raw_logits(logits, tokens, mask):
    return logits.gather(-1, tokens.long()[..., None])[..., 0] * mask


@faulty("token-log-probs", "temperature-after-the-softmax")
def scaled_log_probs(logits, tokens, temperature):
    logp = jax.nn.log_softmax(logits) / temperature
    return jnp.take_along_axis(logp, tokens[..., None], axis=-1)[..., 0]


@faulty("token-log-probs", "exponential-overflows")
def naive_softmax(logits, tokens):
    weights = np.exp(logits)
    logp = np.log(weights / weights.sum(-1, keepdims=True))
    return np.take_along_axis(logp, tokens[..., None], axis=-1)[..., 0]


# --- log-probabilities of sequences ---------------------------------------------------------------


@correct("sequence-log-probs")
def masked_sum(log_probs, mask):
    return (log_probs * mask).sum(-1)


@correct("sequence-log-probs", dialect={"reduction": "mean"})
def average_log_prob(per_token_logps, loss_mask):
    return (per_token_logps * loss_mask).sum(-1) / loss_mask.sum(-1)


@correct("sequence-log-probs")
def numpy_where(logps, attention_mask):
    return np.where(attention_mask, logps, 0.0).sum(axis=1)


@faulty("sequence-log-probs", "padded-length-denominator", dialect={"reduction": "mean"})
def mean_over_columns(log_probs, mask):
    return (log_probs * mask).mean(-1)


@faulty("sequence-log-probs", "mask-shifted")
def shifted_mask(log_probs, mask):
    mask = torch.cat([mask[:, 1:], torch.zeros_like(mask[:, :1])], dim=1)
    return (log_probs * mask).sum(1)


@faulty("sequence-log-probs", "last-token-dropped")
def final_column_cut(log_probs, mask):
    return (log_probs[:, :-1] * mask[:, :-1]).sum(1)


@faulty("sequence-log-probs", "certain-tokens-not-counted", dialect={"reduction": "mean"})
def nonzero_counts(log_probs, mask):
    kept = log_probs * mask
    return kept.sum(-1) / (kept != 0).sum(-1)


@faulty("sequence-log-probs", "length-of-the-batch", dialect={"reduction": "mean"})
def all_tokens_divide(log_probs, mask):
    return (log_probs * mask).sum(-1) / mask.sum()


# --- aggregation ----------------------------------------------------------------------------------


@correct("aggregate")
def mean_of_means(values, mask):
    return ((values * mask).sum(1) / mask.sum(1).clamp(min=1)).mean()


@correct("aggregate", dialect={"aggregation": "token-mean"})
def masked_mean(losses, mask):
    return jnp.sum(losses * mask) / jnp.maximum(jnp.sum(mask), 1)


@correct("aggregate", dialect={"aggregation": "constant"})
def dr_grpo(per_token_loss, mask, max_tokens):
    return (per_token_loss * mask).sum() / max_tokens


@correct("aggregate", dialect={"aggregation": "token-mean"})
def boolean_index(values, mask):
    return values[mask.bool()].mean() if mask.any() else values.sum() * 0.0


@faulty("aggregate", "padded-length-denominator")
def plain_mean_of_zeroed(values, mask):
    return (values * mask).mean()


@faulty("aggregate", "denominator-capped-at-one", dialect={"aggregation": "constant"})
def min_for_max(values, mask, denominator):
    return (values * mask).sum() / min(denominator, 1.0)


@faulty("aggregate", "mean-over-the-batch-axis")
def positions_first(values, mask):
    return ((values * mask).sum(0) / mask.sum(0).clamp(min=1)).mean()


@faulty("aggregate", "sum-of-means")
def means_summed(values, mask):
    return ((values * mask).sum(1) / mask.sum(1).clamp(min=1)).sum()


@faulty("aggregate", "longest-length-denominator")
def longest_divides(values, mask):
    return ((values * mask).sum(1) / mask.sum(1).max()).mean()


@faulty("aggregate", "mask-ignored")
def everything_counts(values, mask):
    return values.mean(1).mean()
