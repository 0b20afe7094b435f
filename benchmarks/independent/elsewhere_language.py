"""Tokens, sequences, penalties and aggregation as other code bases write them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import torch
import torch.nn.functional as F
from scipy.special import logsumexp

from benchmarks.independent.records import correct, faulty

# --- token-log-probs ------------------------------------------------------------------------------


@correct("token-log-probs")
def row_by_row_to_save_memory(logits, input_ids, temperature=1.0):
    """One sequence at a time: selected logit minus logsumexp."""
    out = []
    for row, ids in zip(logits, input_ids, strict=True):
        row = row / temperature
        picked = row.gather(-1, ids.unsqueeze(-1)).squeeze(-1)
        out.append(picked - torch.logsumexp(row, dim=-1))
    return torch.stack(out)


@correct("token-log-probs")
def flattened_cross_entropy(logits, labels, loss_mask):
    batch, time, vocabulary = logits.shape
    nll = F.cross_entropy(
        logits.reshape(-1, vocabulary), labels.reshape(-1).long(), reduction="none"
    ).reshape(batch, time)
    return torch.where(loss_mask.bool(), -nll, torch.zeros_like(nll))


@correct("token-log-probs")
def one_hot_contraction(logits, target_ids, temperature=1.0):
    log_p = jax.nn.log_softmax(logits / temperature, axis=-1)
    hot = jax.nn.one_hot(target_ids, logits.shape[-1], dtype=log_p.dtype)
    return jnp.einsum("btv,btv->bt", log_p, hot)


@correct("token-log-probs")
def ignore_index_of_minus_hundred(logits, labels, mask):
    """Places that do not count get the label that cross entropy ignores."""
    labels = labels.masked_fill(~mask.bool(), -100)
    return -F.cross_entropy(logits.transpose(1, 2), labels, reduction="none", ignore_index=-100)


@faulty("token-log-probs", "temperature-ignored")
def temperature_taken_and_forgotten(logits, tokens, temperature):
    log_p = torch.log_softmax(logits, dim=-1)
    return log_p.gather(-1, tokens[..., None])[..., 0]


@faulty("token-log-probs", "logits-shifted")
def shifted_once_more(logits, tokens):
    """The caller has shifted already."""
    log_p = F.log_softmax(logits[:, :-1], dim=-1)
    picked = log_p.gather(-1, tokens[:, 1:].unsqueeze(-1)).squeeze(-1)
    return F.pad(picked, (1, 0))


@faulty("token-log-probs", "normalised-over-the-wrong-axis")
def normalised_down_the_sequence(logits, tokens):
    log_p = logits - logsumexp(logits, axis=1, keepdims=True)
    return np.take_along_axis(log_p, tokens[..., None], axis=-1)[..., 0]


@faulty("token-log-probs", "greedy-token-scored")
def best_of_every_place(logits, tokens):
    return jnp.max(jax.nn.log_softmax(logits, axis=-1), axis=-1)


@faulty("token-log-probs", "temperature-after-the-softmax")
def divided_too_late(logits, tokens, temperature):
    log_p = F.log_softmax(logits, dim=-1) / temperature
    return log_p.gather(2, tokens.unsqueeze(2)).squeeze(2)


# --- sequence-log-probs ---------------------------------------------------------------------------


@correct("sequence-log-probs")
def nan_to_num_of_a_mean(per_token_logps, loss_mask, average_log_prob=False):
    total = (per_token_logps * loss_mask).sum(-1)
    return total / loss_mask.sum(-1).clamp(min=1) if average_log_prob else total


@correct("sequence-log-probs")
def vector_product(logprobs, mask):
    return jnp.einsum("bt,bt->b", logprobs, mask.astype(logprobs.dtype))


@correct("sequence-log-probs")
def boolean_selection(log_probs, mask):
    return np.array(
        [row[keep.astype(bool)].sum() for row, keep in zip(log_probs, mask, strict=True)]
    )


@faulty("sequence-log-probs", "last-token-dropped")
def one_column_too_few(logps, mask):
    return (logps[:, :-1] * mask[:, :-1]).sum(-1)


@faulty("sequence-log-probs", "mask-shifted")
def mask_not_shifted_with_the_labels(logps, mask):
    return (logps[:, 1:] * mask[:, :-1]).sum(-1)


@faulty("sequence-log-probs", "padded-length-denominator")
def mean_of_the_masked_rows(log_probs, attention_mask):
    return (log_probs * attention_mask).mean(dim=-1)


# --- aggregate ------------------------------------------------------------------------------------


@correct("aggregate")
def nanmean_over_what_counts(loss_mat, loss_mask):
    return torch.nanmean(torch.where(loss_mask.bool(), loss_mat, torch.nan))


@correct("aggregate")
def mean_of_means_guarded(per_token_loss, completion_mask):
    lengths = completion_mask.sum(axis=1)
    return jnp.mean((per_token_loss * completion_mask).sum(axis=1) / jnp.maximum(lengths, 1))


@correct("aggregate")
def loop_over_sequences(losses, masks):
    total = 0.0
    for row, keep in zip(losses, masks, strict=True):
        total = total + (row * keep).sum() / keep.sum()
    return total / len(losses)


@correct("aggregate")
def sum_over_a_budget(losses, mask, max_tokens):
    return torch.einsum("bt,bt->", losses, mask.to(losses.dtype)) / max_tokens


@faulty("aggregate", "padded-length-denominator")
def mean_after_masking(losses, mask):
    return (losses * mask).mean()


@faulty("aggregate", "denominator-capped-at-one")
def minimum_instead_of_maximum(loss, mask, loss_scale_factor):
    return (loss * mask).sum() / min(loss_scale_factor, 1)


@faulty("aggregate", "longest-length-denominator")
def divided_by_the_longest(losses, mask):
    return ((losses * mask).sum(-1) / mask.sum(-1).max()).mean()


@faulty("aggregate", "tokens-without-loss-not-counted")
def zeros_not_counted(losses, mask):
    kept = losses * mask
    return kept.sum() / (kept != 0).sum().clamp(min=1)


# --- kl-estimate ----------------------------------------------------------------------------------


@correct("kl-estimate")
def expm1_of_the_difference(logps, ref_logps):
    """k3 without cancellation."""
    delta = ref_logps - logps
    return torch.expm1(delta) - delta


@correct("kl-estimate")
def clamped_like_a_trainer(log_prob, ref_log_prob):
    delta = torch.clamp(ref_log_prob - log_prob, min=-20, max=20)
    return torch.clamp(delta.exp() - delta - 1, min=-10, max=10)


@correct("kl-estimate")
def half_the_square(logprobs, ref_logprobs, mask):
    return 0.5 * jnp.square(logprobs - ref_logprobs) * mask


@correct("kl-estimate")
def first_argument_is_the_reference(ref_log_probs, log_probs):
    return np.asarray(log_probs) - np.asarray(ref_log_probs)


@faulty("kl-estimate", "direction-reversed")
def policy_minus_reference_in_k3(log_probs, ref_log_probs):
    delta = log_probs - ref_log_probs
    return delta.exp() - delta - 1


@faulty("kl-estimate", "one-missing")
def without_the_constant(logp, ref_logp):
    delta = ref_logp - logp
    return jnp.exp(delta) - delta


@faulty("kl-estimate", "absolute-value")
def absolute_difference(log_probs, ref_log_probs):
    return np.abs(log_probs - ref_log_probs)


@faulty("kl-estimate", "partly-detached")
def exponential_without_gradient(log_probs, ref_log_probs):
    delta = ref_log_probs - log_probs
    return delta.detach().exp() - delta - 1


# --- rlhf-token-rewards ---------------------------------------------------------------------------


@correct("rlhf-token-rewards")
def scattered_at_the_last_token(reward_score, logprobs, ref_logprobs, response_mask, kl_ctl):
    rewards = -kl_ctl * (logprobs - ref_logprobs) * response_mask
    positions = torch.arange(response_mask.shape[1]).expand_as(response_mask)
    last = torch.where(response_mask.bool(), positions, -1).max(dim=1).values
    return rewards.scatter_add(1, last.unsqueeze(1), reward_score.unsqueeze(1))


@correct("rlhf-token-rewards")
def mask_minus_its_shift(scores, log_probs, ref_log_probs, mask, beta):
    """The last token is where the mask ends, in a mask without holes."""
    mask = mask.astype(log_probs.dtype)
    following = jnp.concatenate([mask[:, 1:], jnp.zeros_like(mask[:, :1])], axis=1)
    after = jnp.flip(jnp.cumsum(jnp.flip(following, 1), 1), 1)
    is_last = mask * (after == 0)
    return is_last * scores[:, None] - beta * mask * (log_probs - ref_log_probs)


@faulty("rlhf-token-rewards", "score-at-the-last-column")
def score_in_the_last_column(scores, log_probs, ref_log_probs, mask, kl_coef):
    rewards = -kl_coef * (log_probs - ref_log_probs) * mask
    rewards[:, -1] += scores
    return rewards


@faulty("rlhf-token-rewards", "kl-sign-flipped")
def penalty_with_a_plus(scores, logprobs, ref_logprobs, mask, kl_coef):
    rewards = kl_coef * (logprobs - ref_logprobs) * mask
    last = mask.shape[1] - 1 - np.argmax(mask[:, ::-1], axis=1)
    rewards[np.arange(len(scores)), last] += scores
    return rewards


@faulty("rlhf-token-rewards", "score-overwrites-the-penalty")
def assigned_instead_of_added(scores, log_probs, ref_log_probs, mask, kl_coef):
    rewards = -kl_coef * (log_probs - ref_log_probs) * mask
    places = torch.arange(mask.shape[1]).expand_as(mask)
    last = torch.where(mask.bool(), places, -1).argmax(dim=1)
    rewards[torch.arange(len(scores)), last] = scores
    return rewards


@faulty("rlhf-token-rewards", "score-missing")
def penalty_and_nothing_else(scores, log_probs, ref_log_probs, mask, kl_coef):
    return -kl_coef * (log_probs - ref_log_probs) * mask
