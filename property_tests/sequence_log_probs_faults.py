"""Wrong versions of sequence log-probabilities, each with the mistake that it models."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from property_tests.framework.records import Array, FaultyVersion, Model
from property_tests.llm_faults import GITHUB, graph_cut, mask_faults, rows_misaligned


def _reduced(log_probs: Array, mask: Array, reduction: str, counts: Array | None = None) -> Array:
    totals = np.where(mask, log_probs, 0.0).sum(axis=1)
    return (
        totals / (mask.sum(axis=1) if counts is None else counts) if reduction == "mean" else totals
    )


def _divided(count: Callable[[Array], Array | float]) -> Model:
    """The sum over the tokens that count, divided by something else than their number."""

    def model(log_probs, mask):
        return np.where(mask, log_probs, 0.0).sum(axis=1) / count(mask)

    return model


def _ends(mask: Array, first: bool) -> Array:
    """The mask without the first (or last) token that counts."""
    ranks = np.cumsum(mask, axis=1)
    return mask & (ranks > 1 if first else ranks < ranks[:, -1:])


def _outer(mask: Array, first: bool) -> Array:
    """The mask without the first (or last) column."""
    left = mask.copy()
    left[:, 0 if first else -1] = False
    return left


def _dropped(part: Callable[[Array], Array], recount: bool) -> Model:
    def model(log_probs, mask, reduction):
        left = part(mask)
        return _reduced(log_probs, left, reduction, (left if recount else mask).sum(axis=1))

    return model


def _probability(log_probs, mask, reduction):
    return np.exp(_reduced(log_probs, mask, reduction))


def _sum_of_probabilities(log_probs, mask, reduction):
    return _reduced(np.exp(np.where(mask, log_probs, 0.0)), mask, reduction)


def _log_of_sum(log_probs, mask, reduction):
    return np.log(_sum_of_probabilities(log_probs, mask, reduction))


def _negated(log_probs, mask, reduction):
    return -_reduced(log_probs, mask, reduction)


def _twice(log_probs, mask):
    counts = mask.sum(axis=1)
    return _reduced(log_probs, mask, "sum") / counts**2


def _batch_total(log_probs, mask, reduction):
    total = np.where(mask, log_probs, 0.0).sum()
    return np.full(len(mask), total / mask.sum() if reduction == "mean" else total)


def _only(last: bool) -> Model:
    def model(log_probs, mask):
        places = [np.flatnonzero(kept) for kept in mask]
        end = -1 if last else 0
        return np.array([log_probs[b, p[end]] if len(p) else 0.0 for b, p in enumerate(places)])

    return model


def _last_column(log_probs, mask):
    return np.where(mask, log_probs, 0.0)[:, -1]


def _by_count(log_probs, mask, reduction):
    """The first n columns, with n the number of tokens that count: wherever they stand."""
    first = np.arange(mask.shape[1]) < mask.sum(axis=1, keepdims=True)
    return _reduced(log_probs, first, reduction)


def _nonzero_counted(log_probs, mask):
    kept = np.where(mask, log_probs, 0.0)
    return kept.sum(axis=1) / np.maximum((kept != 0).sum(axis=1), 1)


def faults(oracle: Model) -> tuple[FaultyVersion, ...]:
    """The catalogue, with the mistakes that every function on token sequences can have."""
    counted = functools.partial(np.sum, axis=1)
    return (
        *mask_faults(oracle),
        FaultyVersion(
            "padded-length-denominator",
            _divided(lambda mask: mask.shape[1]),
            "the mean divides by the width of the batch, not by the tokens that count",
            "Short sequences look likelier the longer their neighbours are.",
            "Divide by mask.sum(axis=1).",
            "mean(axis=1) after masking, shape[1], a maximum length",
            (f"{GITHUB}huggingface/trl/commit/7c1fa85ad5d1",),
        ),
        FaultyVersion(
            "length-of-the-batch",
            _divided(lambda mask: mask.sum()),
            "the mean divides by the tokens of the whole batch, or by the longest or mean length",
            "What a sequence weighs depends on its neighbours.",
            "Divide by mask.sum(axis=1).",
            "sum() without axis, max() or mean() over the lengths",
            (f"{GITHUB}PrimeIntellect-ai/prime-rl/commit/1d9ca9255116",),
            variants=(
                _divided(lambda mask: counted(mask).max()),
                _divided(lambda mask: counted(mask).mean()),
                _divided(len),
            ),
        ),
        FaultyVersion(
            "length-off-by-one",
            _divided(lambda mask: counted(mask) + 1),
            "the mean divides by one token too many or too few",
            "Short sequences are off by most: length normalisation itself is biased by length.",
            "Sum and count with the same mask.",
            "a count that has, or lacks, the end of the sequence",
            (f"{GITHUB}OpenRLHF/OpenRLHF/commit/37aad73eab32",),
            variants=(_divided(lambda mask: np.maximum(counted(mask) - 1, 1)),),
        ),
        FaultyVersion(
            "first-token-dropped",
            _dropped(functools.partial(_ends, first=True), True),
            "the first token is left out",
            "The first token decides about the rest of an answer; it is never trained.",
            "Shift logits and labels once, and sum over all that is left.",
            "[:, 1:] on something that is aligned already",
            (
                f"{GITHUB}huggingface/trl/commit/18f187db1625",
                f"{GITHUB}volcengine/verl/commit/2d6c6dbb39bf",
            ),
            variants=(
                _dropped(functools.partial(_ends, first=True), False),
                _dropped(functools.partial(_outer, first=True), True),
                _dropped(functools.partial(_outer, first=True), False),
            ),
        ),
        FaultyVersion(
            "last-token-dropped",
            _dropped(functools.partial(_ends, first=False), True),
            "the last token is left out",
            "The last token is the end of the sequence: a model without it never learns to stop.",
            "Shift logits and labels once, and sum over all that is left.",
            "[:, :-1] on something that is aligned already",
            (
                f"{GITHUB}huggingface/trl/commit/7f2ccbe3a24d",
                f"{GITHUB}OpenRLHF/OpenRLHF/commit/37aad73eab32",
                f"{GITHUB}huggingface/trl/commit/485852c942ae",
            ),
            variants=(
                _dropped(functools.partial(_ends, first=False), False),
                _dropped(functools.partial(_outer, first=False), True),
                _dropped(functools.partial(_outer, first=False), False),
            ),
        ),
        FaultyVersion(
            "normalised-twice",
            _twice,
            "the mean is divided by the length once more",
            "Long sequences hardly count.",
            "Divide by the length once.",
            "a mean over tokens in a helper, and again in the loss",
            (f"{GITHUB}unslothai/unsloth-zoo/pull/1023",),
        ),
        FaultyVersion(
            "probabilities-for-logarithms",
            _probability,
            "probabilities are returned or summed, not their logarithms",
            "Differences between policies are no log-ratios.",
            "Sum log-probabilities.",
            "exp()",
            variants=(_sum_of_probabilities, _log_of_sum),
        ),
        FaultyVersion(
            "sign-flipped",
            _negated,
            "the negative log-likelihood is returned",
            "Chosen and rejected, or policy and reference, change places.",
            "Negate what a cross entropy returns.",
            "cross_entropy or nll without a minus sign",
            (f"{GITHUB}volcengine/verl/commit/a65c9157bc0b",),
        ),
        FaultyVersion(
            "summed-over-the-batch",
            _batch_total,
            "every sequence gets the number of the whole batch",
            "Chosen and rejected cannot be told apart.",
            "Sum over the last axis.",
            "sum() without axis",
            (f"{GITHUB}PrimeIntellect-ai/prime-rl/commit/1d9ca9255116",),
        ),
        FaultyVersion(
            "one-token-for-all",
            _only(True),
            "one token stands for the sequence",
            "The rest of the answer is never trained.",
            "Sum over the tokens that count.",
            "[:, -1] or a gather at the last token",
            (f"{GITHUB}EleutherAI/gpt-neox/pull/1285",),
            variants=(_only(False), _last_column),
        ),
        FaultyVersion(
            "lengths-for-positions",
            _by_count,
            "the first n columns are taken, with n the number of tokens that count",
            "With left padding, or a tool's output in between, other tokens are summed.",
            "Use the mask itself.",
            "arange(T) < lengths",
            (f"{GITHUB}OpenRLHF/OpenRLHF/commit/be9ce7510930",),
        ),
        FaultyVersion(
            "certain-tokens-not-counted",
            _nonzero_counted,
            "tokens are counted by a log-probability that is not 0",
            "A token of probability 1 is taken for padding.",
            "Count by the mask.",
            "(log_probs != 0).sum()",
            (f"{GITHUB}OpenRLHF/OpenRLHF/commit/33f9d72fbac7",),
        ),
        rows_misaligned(oracle, "mask", (f"{GITHUB}OpenRLHF/OpenRLHF/commit/6106fb22f183",)),
        graph_cut(oracle, "log_probs"),
    )
