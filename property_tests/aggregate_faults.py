"""Wrong versions of the aggregation of token losses, each with the mistake that it models.

Those that replace a mean are wrong versions of the means; the constants have their own.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from property_tests.framework.records import Array, FaultyVersion, Model
from property_tests.llm_faults import GITHUB, graph_cut, mask_faults, on_other


def _kept(values: Array, mask: Array) -> Array:
    return np.where(mask, values, 0.0)


def _weighted(weight: Callable[[Array], Array | float]) -> Model:
    """The sum over the tokens that count, each with a weight made of the mask."""

    def model(values, mask):
        return (_kept(values, mask) * weight(mask)).sum()

    return model


def _lengths(mask: Array) -> Array:
    return mask.sum(axis=1, keepdims=True)


def _constant(divisor: Callable[[float], float], per_row: bool) -> Model:
    """The sum over the tokens that count, by something else than the denominator."""

    def model(values, mask, denominator):
        rows = len(mask) if per_row else 1
        return _kept(values, mask).sum() / (rows * divisor(denominator))

    return model


def _by_column(values, mask):
    counts = np.maximum(mask.sum(axis=0), 1)
    return (_kept(values, mask).sum(axis=0) / counts).mean()


def _off_by_one(by: int, per_row: bool) -> Model:
    def model(values, mask):
        if per_row:
            counts = np.maximum(mask.sum(axis=1) + by, 1)
            return (_kept(values, mask).sum(axis=1) / counts).mean()
        return _kept(values, mask).sum() / max(mask.sum() + by, 1)

    return model


def _nonzero_counted(values, mask):
    kept = _kept(values, mask)
    return kept.sum() / max(np.count_nonzero(kept), 1)


def _last_row(values, mask):
    return _kept(values, mask)[-1].sum() / mask[-1].sum()


def _first_row(values, mask):
    return _kept(values, mask)[0].sum() / mask[0].sum()


def _dropped(first: bool) -> Model:
    """A column is left out: one shift too many."""
    part = slice(1, None) if first else slice(None, -1)

    def model(values, mask, denominator, aggregation):
        kept, mask = _kept(values, mask)[:, part], mask[:, part]
        if aggregation == "token-mean":
            return kept.sum() / max(mask.sum(), 1)
        if aggregation == "seq-mean":
            return (kept.sum(axis=1) / np.maximum(mask.sum(axis=1), 1)).mean()
        rows = len(mask) if aggregation == "constant-per-sequence" else 1
        return kept.sum() / (rows * denominator)

    return model


def _negated(oracle: Model) -> Model:
    def model(values, mask, denominator, aggregation):
        return -oracle(values, mask, denominator, aggregation)[0]

    return model


_MASKED_MEAN = "(values * mask).sum() / mask.sum()"
_COUNT = "the divisor"


def faults(oracle: Model) -> tuple[FaultyVersion, ...]:
    """The catalogue, with the mistakes that every function on token sequences can have."""
    return (
        *mask_faults(oracle),
        FaultyVersion(
            "padded-length-denominator",
            _weighted(lambda mask: 1.0 / mask.size),
            "padding is zeroed and then counted: the divisor is the width of the batch",
            "The loss shrinks with padding: what a token weighs depends on the longest sequence.",
            f"Divide by the tokens that count: {_MASKED_MEAN}.",
            "(values * mask).mean(), mean(axis=1), shape[1]",
            (
                f"{GITHUB}huggingface/trl/commit/7c1fa85ad5d1",
                f"{GITHUB}volcengine/verl/commit/b49178f0f3ac",
            ),
            variants=(_weighted(lambda mask: 1.0 / mask.shape[1]),),
        ),
        FaultyVersion(
            "longest-length-denominator",
            _weighted(lambda mask: 1.0 / (len(mask) * _lengths(mask).max())),
            "the divisor is the length of the longest sequence",
            "One long answer makes all others count less.",
            f"Divide by the tokens that count: {_MASKED_MEAN}.",
            "max() over the lengths",
            (f"{GITHUB}PrimeIntellect-ai/prime-rl/commit/1d9ca9255116",),
        ),
        FaultyVersion(
            "mean-over-the-batch-axis",
            _by_column,
            "each position is averaged over the batch, then the positions",
            "The last tokens of the longest sequence count as much as the first of all together.",
            "Reduce over the last axis first.",
            "sum(axis=0) or dim=0",
            (f"{GITHUB}pytorch/torchtune/commit/68d4f3ee1287",),
        ),
        FaultyVersion(
            "normalised-twice",
            _weighted(lambda mask: 1.0 / (len(mask) * mask.sum())),
            "the loss is divided twice",
            "The learning rate falls with the size of the batch or the length of the answers.",
            "Divide in one place.",
            "a mean in a helper, and again in the loss",
            (
                f"{GITHUB}unslothai/unsloth-zoo/pull/1023",
                f"{GITHUB}volcengine/verl/commit/4d722b17682e",
            ),
            variants=(
                _weighted(lambda mask: 1.0 / mask.sum() ** 2),
                _weighted(lambda mask: 1.0 / (len(mask) * _lengths(mask) ** 2)),
                _weighted(lambda mask: 1.0 / (len(mask) ** 2 * _lengths(mask))),
                _weighted(lambda mask: 1.0 / (_lengths(mask) * mask.sum())),
                _weighted(lambda mask: 1.0 / (len(mask) * _lengths(mask) * mask.sum())),
            ),
        ),
        FaultyVersion(
            "sum-of-means",
            _weighted(lambda mask: 1.0 / _lengths(mask)),
            "the means of the sequences are summed, not averaged",
            "The learning rate grows with the number of sequences.",
            "Take the mean over sequences.",
            "sum() in place of mean() at the end",
            (f"{GITHUB}huggingface/trl/commit/d14f7f3eb274",),
        ),
        FaultyVersion(
            "count-off-by-one",
            _off_by_one(1, False),
            "one token too many or too few is counted",
            "Short sequences are off by most.",
            f"Divide by the tokens that count: {_MASKED_MEAN}.",
            _COUNT,
            (f"{GITHUB}OpenRLHF/OpenRLHF/commit/37aad73eab32",),
            variants=(_off_by_one(-1, False), _off_by_one(1, True), _off_by_one(-1, True)),
        ),
        FaultyVersion(
            "tokens-without-loss-not-counted",
            _nonzero_counted,
            "tokens are counted by a loss that is not 0",
            "Tokens with no advantage, or clipped ones, are taken for padding: the others weigh more.",
            "Count by the mask.",
            "(values != 0).sum()",
            (f"{GITHUB}OpenRLHF/OpenRLHF/commit/33f9d72fbac7",),
        ),
        FaultyVersion(
            "first-column-dropped",
            _dropped(True),
            "the first column is left out",
            "The first token of every answer is never trained.",
            "Values and mask are aligned: slice neither.",
            "[:, 1:]",
            (f"{GITHUB}volcengine/verl/commit/2d6c6dbb39bf",),
        ),
        FaultyVersion(
            "last-column-dropped",
            _dropped(False),
            "the last column is left out",
            "The end of the longest answer is never trained.",
            "Values and mask are aligned: slice neither.",
            "[:, :-1]",
            (f"{GITHUB}huggingface/trl/commit/7f2ccbe3a24d",),
        ),
        FaultyVersion(
            "one-sequence-for-all",
            _last_row,
            "one sequence stands for the batch",
            "The others are never trained.",
            "Reduce over all sequences.",
            "an index, or a loop that overwrites what it should add to",
            (f"{GITHUB}allenai/open-instruct/commit/48664c50478d",),
            variants=(_first_row,),
        ),
        FaultyVersion(
            "denominator-ignored",
            _constant(lambda denominator: 1.0, False),
            "the denominator has no effect",
            "Micro-batches are normalised by themselves, not by the whole batch.",
            "Divide by the denominator that is given.",
            _COUNT,
            (
                f"{GITHUB}volcengine/verl/commit/e160d3b2e0e0",
                f"{GITHUB}volcengine/verl/commit/b49178f0f3ac",
            ),
            variants=(_constant(lambda denominator: 1.0, True),),
        ),
        FaultyVersion(
            "denominator-capped-at-one",
            _constant(lambda denominator: min(denominator, 1.0), False),
            "the divisor is min(denominator, 1): it never normalises",
            "The loss is a sum: the learning rate grows with the number of tokens.",
            "Guard against 0 with max(denominator, 1).",
            _COUNT,
            (f"{GITHUB}PrimeIntellect-ai/prime-rl/commit/dece5e7fca42",),
            variants=(_constant(lambda denominator: min(denominator, 1.0), True),),
        ),
        FaultyVersion(
            "denominator-multiplied",
            _constant(lambda denominator: 1.0 / denominator, False),
            "the sum is multiplied by the denominator",
            "The learning rate is off by its square.",
            "Divide.",
            _COUNT,
            (f"{GITHUB}unslothai/unsloth-zoo/pull/1023",),
            variants=(_constant(lambda denominator: 1.0 / denominator, True),),
        ),
        FaultyVersion(
            "absolute-values",
            on_other(oracle, values=np.abs),
            "absolute values are aggregated",
            "Good and bad tokens push in the same direction.",
            "Aggregate the losses as they are.",
            "abs()",
        ),
        FaultyVersion(
            "sign-flipped",
            _negated(oracle),
            "the loss has the wrong sign",
            "What should be minimised is maximised.",
            "Negate once, where the loss is made.",
            "a minus sign in the aggregation and in the loss",
            (f"{GITHUB}volcengine/verl/commit/a65c9157bc0b",),
        ),
        graph_cut(oracle, "values"),
    )
