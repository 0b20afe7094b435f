"""What the contracts on distributions of a policy share: one number for each state of a batch.

Inputs are a short list of rows, one a state, with round numbers. A mistake in the reduction shows
by its shape: faulty versions here return arrays of the wrong shape as user code does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from property_tests.framework.models import Run, evaluate
from property_tests.framework.records import Array, Case, FaultyVersion, Mismatch, Model, Property
from rlcheck.functions.layouts import Layout

LAYOUTS = (Layout.AS_WRITTEN, Layout.COLUMN, Layout.SINGLE)
GITHUB = "https://github.com/"
_BATCH_REDUCED = (f"{GITHUB}PacktPublishing/Tensorflow-2-Reinforcement-Learning-Cookbook/pull/46",)
_NOT_SUMMED = (f"{GITHUB}DLR-RM/stable-baselines3/commit/fd9e73cfb87f",)
_CROSSED = (f"{GITHUB}vwxyzjn/cleanrl/commit/0fceeefbd99f",)


def _rows(run: Run, case: Case) -> Mismatch | None:
    arrays = [name for name, value in case.items() if np.ndim(value)]
    count = len(case[arrays[0]])
    if count < 2 or "batch" not in run.fitted.domain:
        return None
    order = np.roll(np.arange(count), 1)
    # Doubled rows: whatever one row takes from the batch is no longer what it was.
    doubled = {**case, **{n: np.concatenate([case[n], case[n][order[:1]]]) for n in arrays}}
    expected = run(case)[[*range(count), order[0]]]
    return run.compare(doubled, expected, "a further row in the batch changed the others' answers")


def row_independence() -> Property:
    """The answer for one row depends on that row alone."""
    return Property(
        "rows-are-independent",
        "The answer for one state does not depend on the others in the batch.",
        "A reduction over the batch axis, or (N,) against (N, 1) broadcasting, mixes states that "
        "have nothing to do with each other; nothing crashes.",
        _rows,
        needs={"batch": "it takes one state at a time"},
    )


def wrong_reductions(value: Model) -> tuple[FaultyVersion, ...]:
    """Faults of every function that owes one number a row.

    Args:
        value: the right [B] by the contract's names.
    """

    def with_shape(change: Callable[[Array], Any]) -> Model:
        return following(value, change)

    return (
        FaultyVersion(
            "batch-summed",
            with_shape(np.sum),
            "one number for the whole batch, not one a state",
            "The reduction runs over all axes. Every advantage is then multiplied by the same "
            "number, and credit no longer reaches the action that earned it.",
            "Reduce over the last axis only: `.sum(-1)`.",
            "a `.sum()` without an axis",
            _BATCH_REDUCED,
            variants=(with_shape(lambda v: np.full_like(v, v.sum())),),
        ),
        FaultyVersion(
            "batch-averaged",
            with_shape(np.mean),
            "the mean over the batch, not one number a state",
            "All states share one number: credit no longer reaches the action that earned it.",
            "Reduce over the last axis only, and take the mean where the loss is made.",
            "a `.mean()` without an axis",
            _BATCH_REDUCED,
            variants=(
                with_shape(lambda v: np.full_like(v, v.mean())),
                with_shape(lambda v: -v.mean()),
            ),
        ),
        FaultyVersion(
            "rows-crossed",
            with_shape(lambda v: np.tile(v, (len(v), 1))),
            "a matrix [B, B]: every row against every other",
            "(B,) and (B, 1) broadcast to (B, B), or an index meets a whole axis.",
            "Give both operands the same shape; index rows with `arange(B)`, or gather.",
            "`unsqueeze`, `keepdim`, `x[:, index]`",
            _CROSSED,
            variants=(with_shape(lambda v: np.tile(v[:, None], (1, len(v)))),),
        ),
        FaultyVersion(
            "batch-axis-squeezed",
            with_shape(np.squeeze),
            "a batch of one row loses its axis",
            "`squeeze()` without an axis drops every axis of length one, the batch's too; what "
            "follows broadcasts a number against arrays.",
            "Name the axis: `.squeeze(-1)`.",
            "a `.squeeze()` without an axis",
        ),
        FaultyVersion(
            "rows-shifted",
            with_shape(lambda v: np.roll(v, 1)),
            "each state gets the answer of its neighbour",
            "Rows of the answer are one off against those of the inputs.",
            "Keep one order of rows from inputs to answer.",
            "a roll, a shift by one step, two different shuffles",
            variants=(with_shape(lambda v: np.roll(v, -1)), with_shape(lambda v: v[::-1])),
        ),
    )


def not_summed(value: Model, axis: str) -> FaultyVersion:
    """The fault of leaving out the sum over the last axis.

    Args:
        value: the terms [B, ...] by the contract's names.
        axis: what the last axis holds.
    """
    return FaultyVersion(
        f"{axis}-not-summed",
        value,
        f"one number for each of the {axis}, not their sum",
        "The sum over the last axis is missing: what should be one number a state broadcasts "
        "against advantages and ratios.",
        "Sum over the last axis: `.sum(-1)`.",
        "the last step of the function",
        _NOT_SUMMED,
    )


def following(model: Model, change: Callable[[Array], Any]) -> Model:
    """A wrong version: something done to the right value."""
    import functools

    @functools.wraps(model)
    def changed(**inputs: Any) -> Any:
        return change(evaluate(model, inputs)[0])

    return changed


def in_range(names: Iterable[str], case: Case) -> float:
    """Largest number among some inputs."""
    return max(float(np.abs(case[name]).max()) for name in names)
