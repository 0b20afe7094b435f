"""What a training log is once it is read: series of numbers over steps, the configuration, remarks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]
FlagArray = NDArray[np.bool_]

MOST_POINTS = 50_000
"""Points of one series that are kept at least; a longer one is thinned to between this and its double."""

_SAWTOOTH = 3
"""Steps that go back at least this often are a counter that starts again, not a restarted run."""


@dataclass(frozen=True, slots=True)
class Series:
    """One signal over time.

    Args:
        steps: when each value was logged, non-decreasing, [N].
        values: may hold NaN and infinities; values that were not logged are absent instead, [N].
    """

    steps: FloatArray
    values: FloatArray

    def __len__(self) -> int:
        return len(self.values)

    def finite(self) -> Series:
        """The series without NaN and infinities."""
        known = np.isfinite(self.values)
        return self if known.all() else Series(self.steps[known], self.values[known])


def series(steps: Sequence[float] | FloatArray, values: Sequence[float] | FloatArray) -> Series:
    """A series from any two sequences of equal length."""
    return Series(np.asarray(steps, dtype=np.float64), np.asarray(values, dtype=np.float64))


@dataclass(frozen=True, slots=True)
class RawLog:
    """A log as its file names things.

    Args:
        columns: name in the file -> its series.
        config: hyper-parameters by whatever names the log gives them.
        notes: one sentence for each thing that could not be read.
    """

    columns: Mapping[str, Series]
    config: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


# Compared by identity, so that what is computed of one can be kept.
@dataclass(frozen=True, slots=True, eq=False)
class Log:
    """A log in the vocabulary of `rlcheck.signals.vocabulary`: what every detector takes.

    Args:
        signals: name in the vocabulary -> its series.
        config: name in `rlcheck.signals.hyper_parameters` -> value.
        sources: name in the vocabulary -> name in the file.
        notes: remarks for the report.
    """

    signals: Mapping[str, Series]
    config: Mapping[str, Any] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Series:
        """The finite values of a signal."""
        return self.signals[name].finite()

    def first(self, *names: str) -> Series | None:
        """The finite values of the first of these signals that has ten, else of the longest; or None."""
        found = [self[name] for name in names if name in self.signals]
        usable = (points for points in found if len(points) >= 10)
        return next(usable, max(found, key=len, default=None))


class Gatherer:
    """Collects one series in bounded memory.

    Once twice `most` points are held, every point stays with probability 1/2, and new ones are taken
    with the same probability. The remaining points are an unbiased sample whatever pattern the log has,
    where every k-th point would alias with minibatches and epochs.
    """

    def __init__(self, seed: int = 0, most: int = MOST_POINTS) -> None:
        self._rng = np.random.default_rng(seed)
        self._most = most
        self._steps: list[FloatArray] = []
        self._values: list[FloatArray] = []
        self._held = 0
        self._share = 1.0
        self._last: tuple[float, float] | None = None

    def add(
        self, steps: Sequence[float] | FloatArray, values: Sequence[float] | FloatArray
    ) -> None:
        """Takes further points, in the order in which they were logged."""
        new = series(steps, values)
        if not len(new):
            return
        self._last = (float(new.steps[-1]), float(new.values[-1]))
        if self._share < 1.0:
            new = self._sample(new, self._share)
        self._steps.append(new.steps)
        self._values.append(new.values)
        self._held += len(new)
        if self._held > 2 * self._most:
            half = self._sample(self._all(), 0.5)
            self._steps, self._values, self._held = [half.steps], [half.values], len(half)
            self._share /= 2

    def series(self) -> Series:
        """Everything kept, the very last point included."""
        kept = self._all()
        if self._share == 1.0 or self._last is None:
            return kept
        step, value = self._last
        return Series(np.append(kept.steps, step), np.append(kept.values, value))

    @property
    def thinned(self) -> bool:
        """Whether points were left out."""
        return self._share < 1.0

    def _all(self) -> Series:
        if not self._steps:
            return series([], [])
        return Series(np.concatenate(self._steps), np.concatenate(self._values))

    def _sample(self, points: Series, share: float) -> Series:
        kept = self._rng.random(len(points)) < share
        return Series(points.steps[kept], points.values[kept])


def in_order(points: Series) -> tuple[Series, str]:
    """The series with non-decreasing steps, and what was done to it ("" for nothing).

    A step that goes back is a run that was restarted from a checkpoint: what it overwrites is dropped,
    as TensorBoard does. A counter that goes back again and again starts anew each epoch: then the
    number of the record takes its place.
    """
    known = np.isfinite(points.steps)
    odd = len(points) - int(known.sum())
    if odd:
        points = Series(points.steps[known], points.values[known])
    said = f"{odd} records without a usable step left out" if odd else ""
    jumps = np.concatenate([np.diff(points.steps) < 0, [False]])
    back = int(jumps.sum())
    if not back:
        return points, said
    # For each record the lowest step at which a later restart begins.
    restarts = np.where(jumps, np.append(points.steps[1:], np.inf), np.inf)
    kept = points.steps < np.minimum.accumulate(restarts[::-1])[::-1]
    if back >= _SAWTOOTH and kept.mean() < 0.5:
        numbered = Series(np.arange(len(points), dtype=np.float64), points.values)
        return numbered, f"steps go back {back} times: records are numbered instead"
    dropped = int(len(points) - kept.sum())
    return Series(points.steps[kept], points.values[kept]), (
        f"steps go back {back} time{'s' if back > 1 else ''}: {dropped} records that were logged "
        "again left out"
    )
