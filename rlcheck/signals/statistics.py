"""Robust, scale-free statistics of one series: medians of windows, gains, points of change."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np

from rlcheck.signals.series import FlagArray, FloatArray, Series

BLOCKS = 20
_LEAST = 3
"""A window with fewer values than this says nothing."""


def middle(values: FloatArray) -> float:
    """Median of finite values, NaN of none; several times faster than `np.median` on short arrays."""
    count = len(values)
    if not count:
        return float("nan")
    ordered = np.sort(values)
    return float(0.5 * (ordered[(count - 1) // 2] + ordered[count // 2]))


class Window(NamedTuple):
    """A stretch of a series: where it begins and ends, and its values."""

    start: float
    end: float
    values: FloatArray

    @property
    def median(self) -> float:
        """Its middle value; NaN if it is empty."""
        return middle(self.values)

    @property
    def span(self) -> tuple[float, float]:
        """First and last step."""
        return self.start, self.end


def window(points: Series, low: float, high: float) -> Window:
    """The values of a stretch given as fractions of the series' own span of steps.

    Where steps bunch up so that hardly a value lies in the stretch, fractions of the number of values
    are taken instead.
    """
    if not len(points):
        return Window(0.0, 0.0, points.values)
    first, last = points.steps[0], points.steps[-1]
    a, b = first + low * (last - first), first + high * (last - first)
    inside = (points.steps >= a) & (points.steps <= b)
    if inside.sum() < min(_LEAST, len(points)):
        count = len(points)
        start = min(int(low * count), count - 1)
        end = max(int(np.ceil(high * count)), start + 1)
        return Window(
            float(points.steps[start]), float(points.steps[end - 1]), points.values[start:end]
        )
    return Window(
        float(points.steps[inside][0]), float(points.steps[inside][-1]), points.values[inside]
    )


def blocks(points: Series, count: int = BLOCKS) -> tuple[FloatArray, FloatArray]:
    """Medians of `count` consecutive stretches of equally many values, and the step where each begins."""
    count = max(1, min(count, len(points)))
    edges = np.arange(count + 1) * len(points) // count
    medians = np.array(
        [middle(points.values[start:end]) for start, end in itertools.pairwise(edges)]
    )
    return medians, points.steps[edges[:-1]]


def spread(values: FloatArray) -> float:
    """Standard deviation of a Gaussian with the same quartiles: (q75 - q25) / 1.349."""
    if len(values) < 2:
        return 0.0
    low, high = np.percentile(values, [25, 75])
    return float((high - low) / 1.349)


def noise(points: Series) -> float:
    """Spread of the values around the median of their block: what is no trend."""
    count = max(1, min(BLOCKS, len(points) // _LEAST))
    edges = np.arange(count + 1) * len(points) // count
    sizes = np.diff(edges)
    return spread(points.values - np.repeat(blocks(points, count)[0], sizes))


def apart(lower: FloatArray, upper: FloatArray, tail: float = 10.0) -> bool:
    """Whether all but `tail` % of one sample lie above all but `tail` % of the other."""
    if len(lower) < _LEAST or len(upper) < _LEAST:
        return False
    return bool(np.percentile(upper, tail) > np.percentile(lower, 100 - tail))


def spanned(points: Series) -> float:
    """Distance between the 1st and the 99th percentile: the scale of all that the series did."""
    if not len(points):
        return 0.0
    low, high = np.percentile(points.values, [1, 99])
    return float(high - low)


class Trend(NamedTuple):
    """Rank correlation of values with their order.

    Args:
        tau: in [-1, 1].
        z: the same in standard deviations of noise without a trend.
    """

    tau: float
    z: float


def trend(values: FloatArray) -> Trend:
    """Kendall's rank correlation of values with their order.

        S = sum_{i<j} sign(x_j - x_i),  tau = S / (n (n - 1) / 2),  z = S / sqrt(n (n - 1) (2 n + 5) / 18)

    Of more than 200 values the medians of 200 stretches are taken.

    References: Mann 1945, Econometrica 13 (3); Kendall, Rank Correlation Methods.
    """
    if len(values) > 200:
        values = blocks(Series(np.arange(len(values), dtype=np.float64), values), 200)[0]
    count = len(values)
    if count < 3:
        return Trend(0.0, 0.0)
    later = np.sign(values[None, :] - values[:, None])
    total = float(np.triu(later, 1).sum())
    pairs = count * (count - 1)
    return Trend(2 * total / pairs, total / (pairs * (2 * count + 5) / 18) ** 0.5)


def settled_from(points: Series, condition: FlagArray) -> float | None:
    """The step from which on a condition holds for (nearly) all values, None if it does not at the end.

    Nearly: the longest end of the series of which at least 95 % fulfil it.
    """
    if not len(points) or not condition[-1]:
        return None
    count = np.arange(1, len(points) + 1)
    share = np.cumsum(condition[::-1]) / count
    longest = int(np.max(np.nonzero(share >= 0.95)[0]))
    return float(points.steps[len(points) - 1 - longest])


def monotone(values: FloatArray, slack: float) -> bool:
    """Whether values rise from each to the next, up to `slack`."""
    return bool(np.all(np.diff(values) >= -slack))


def thinned(points: Series, most: int = 200) -> dict[str, list[float]]:
    """At most `most` points of a series, as JSON for reports: medians of stretches beyond that."""
    if len(points) <= most:
        return {"steps": points.steps.tolist(), "values": points.values.tolist()}
    medians, steps = blocks(points, most)
    return {"steps": steps.tolist(), "values": medians.tolist()}
