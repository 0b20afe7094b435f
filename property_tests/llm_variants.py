"""Correct functions on token sequences in the forms that public libraries use, for self tests."""

from __future__ import annotations

import numpy as np

from property_tests.framework.records import Model


def gather_minus_logsumexp(logits, labels):
    """The token's own logit less the normaliser of its row."""
    top = logits.max(axis=-1)
    normaliser = top + np.log(np.exp(logits - top[..., None]).sum(axis=-1))
    return np.take_along_axis(logits, labels[..., None], axis=-1).squeeze(-1) - normaliser


def cross_entropy_flattened(logits, token_ids, response_mask, temperature):
    """Rows of `[B * T, V]`, as cross-entropy functions want them."""
    flat = (logits / temperature).reshape(-1, logits.shape[-1])
    flat = flat - flat.max(axis=1, keepdims=True)
    loss = np.log(np.exp(flat).sum(axis=1)) - flat[np.arange(len(flat)), token_ids.ravel()]
    return np.where(response_mask, -loss.reshape(token_ids.shape), 0.0)


def chunked(logits, index, temperature=1.0):
    """The normaliser in chunks of two columns of the vocabulary."""
    scores = logits / temperature
    top, total = np.full(scores.shape[:-1], -np.inf), np.zeros(scores.shape[:-1])
    for start in range(0, scores.shape[-1], 2):
        part = scores[..., start : start + 2]
        higher = np.maximum(top, part.max(axis=-1))
        total = total * np.exp(top - higher) + np.exp(part - higher[..., None]).sum(axis=-1)
        top = higher
    return np.take_along_axis(scores, index[..., None], axis=-1)[..., 0] - top - np.log(total)


def with_sentinel(logits, tokens, padding_mask):
    """1.0, which no log-probability can be, where nothing counts."""
    return np.where(padding_mask, 1.0, gather_minus_logsumexp(logits, tokens))


def masked_sum(logprobs, mask):
    """By multiplication."""
    return (logprobs * mask).sum(-1)


def masked_average(per_token_logps, loss_mask, average_log_prob):
    """Sum or mean by a flag."""
    total = (per_token_logps * loss_mask).sum(-1)
    return total / loss_mask.sum(-1) if average_log_prob else total


def ragged_average(log_probs, mask):
    """Row by row, as over a list of sequences."""
    return np.array([row[kept].mean() for row, kept in zip(log_probs, mask, strict=True)])


def mean_with_epsilon(values, mask):
    """A small number in the denominator."""
    return (values * mask).sum() / (mask.sum() + 1e-8)


def mean_of_means(per_token_loss, completion_mask):
    """Means of rows, empty ones counted."""
    rows = (per_token_loss * completion_mask).sum(-1) / np.maximum(completion_mask.sum(-1), 1.0)
    return rows.mean()


def by_longest_completion(per_token_loss, completion_mask, max_completion_length):
    """A constant that is configured."""
    total = (per_token_loss * completion_mask).sum()
    return total / (len(per_token_loss) * max_completion_length)


def modes(loss_mat, loss_mask, loss_agg_mode):
    """Several modes under verl's names."""
    kept = loss_mat * loss_mask
    if loss_agg_mode == "token-mean":
        return kept.sum() / loss_mask.sum()
    if loss_agg_mode == "token-sum":
        return kept.sum()
    rows = kept.sum(axis=-1)
    if loss_agg_mode == "seq-mean-token-mean":
        rows = rows / loss_mask.sum(axis=-1)
    return rows.mean()


def k3_by_expm1(logprobs, ref_logprobs):
    """Without cancellation at small ratios."""
    ratio = ref_logprobs - logprobs
    return np.expm1(ratio) - ratio


def kinds_with_clamps(logprob, ref_logprob, kl_penalty):
    """Every estimator under verl's names, clamped inside and outside."""
    if kl_penalty == "kl":
        return logprob - ref_logprob
    if kl_penalty == "mse":
        return 0.5 * np.square(logprob - ref_logprob)
    apart = np.clip(ref_logprob - logprob, -20, 20)
    return np.clip(np.exp(apart) - apart - 1, -10, 10)


def score_by_flipped_argmax(r, kl_coef, log_probs, ref_log_probs, action_mask):
    """The last true column by an argmax of the flipped mask."""
    rewards = -kl_coef * (log_probs - ref_log_probs) * action_mask
    last = action_mask.shape[1] - 1 - np.argmax(action_mask[:, ::-1], axis=1)
    rewards[np.arange(len(r)), last] += r
    return rewards


def score_after_the_end(scores, logprobs, ref_logprobs, response_mask, kl_coef):
    """The first column of padding, where there is one."""
    rewards = np.where(response_mask, -kl_coef * (logprobs - ref_logprobs), 0.0)
    lengths = response_mask.sum(axis=1).astype(int)
    place = np.minimum(lengths, response_mask.shape[1] - 1)
    rewards[np.arange(len(scores)), place] += scores
    return rewards


def score_at_given_index(scores, logprobs, ref_logprobs, kl_coeff, valid_score_idxs):
    """The column is handed in; every token counts."""
    kl = logprobs - ref_logprobs
    total = -kl_coeff * kl
    total[np.arange(len(scores)), valid_score_idxs] += scores
    return total, kl


VARIANTS: dict[str, dict[str, Model]] = {
    "token-log-probs": {
        "gather minus logsumexp": gather_minus_logsumexp,
        "cross entropy": cross_entropy_flattened,
        "chunked": chunked,
        "sentinel": with_sentinel,
    },
    "sequence-log-probs": {
        "masked sum": masked_sum,
        "sum or mean by a flag": masked_average,
        "row by row": ragged_average,
    },
    "aggregate": {
        "epsilon in the denominator": mean_with_epsilon,
        "mean of means": mean_of_means,
        "configured constant": by_longest_completion,
        "several modes": modes,
    },
    "kl-estimate": {"expm1": k3_by_expm1, "several kinds, clamped": kinds_with_clamps},
    "rlhf-token-rewards": {
        "flipped argmax": score_by_flipped_argmax,
        "one after": score_after_the_end,
        "index handed in": score_at_given_index,
    },
}
