"""What the return did over a training: the background before which every other signal is judged.

A low entropy, a growing action value or an episode of constant length is healthy where the return is
high and a fault where it is not. The scale of a return is unknown in general, so a level counts as low
only against the run itself (it never got better than at the start, or fell back there), or against the
goal that Gymnasium has on record for the environment.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from rlcheck.signals.findings import RETURN_SIGNALS, show
from rlcheck.signals.series import FloatArray, Log, Series
from rlcheck.signals.statistics import Window, apart, blocks, noise, spanned, trend, window

_HEAD, _TAIL = 0.1, 0.2
_MUCH = 0.3
"""A rise by this share of the first level is one, however smooth the record."""

_SURE = 5.0  # standard errors of a median; records that share episodes make them too small
_SETTLED = 0.12  # range of returns that have come to rest, as a share of their fall
_KEPT = 0.3
"""A return that keeps less than this share of its gain has collapsed."""


@dataclass(frozen=True, slots=True)
class Course:
    """The course of a return.

    Args:
        points: its finite values.
        start: the first tenth of the run.
        last: the last fifth.
        peak: the tenth with the highest median.
        goal: return at which Gymnasium calls the environment solved, None where it is unknown.
    """

    points: Series
    start: Window
    last: Window
    peak: Window
    goal: float | None = None

    @property
    def noise(self) -> float:
        """Spread around the trend; computed when asked for, since most detectors never ask."""
        return noise(self.points)

    @property
    def rose(self) -> bool:
        """Whether it ends above its start; in doubt it does."""
        return self._above(self.last.median)

    @property
    def ever_rose(self) -> bool:
        """Whether it was above its start at any time; in doubt it was."""
        return self._above(self.peak.median)

    @property
    def low(self) -> bool:
        """Whether the end is known to be low: no better than the start, and short of the goal."""
        if self.goal is not None:
            floor = min(self.start.median, self.last.median)
            return bool(self.last.median < floor + 0.5 * (self.goal - floor))
        return not self.rose

    @property
    def sparse(self) -> bool:
        """Whether a quarter of the records have exactly the same return: most episodes tell nothing.

        Both of all records and of the first third, since a ruined policy repeats itself, too.
        """
        values = self.points.values
        return min(_commonest(values), _commonest(values[: max(len(values) // 3, 5)])) >= 0.25

    @property
    def far_from_goal(self) -> bool:
        """Whether it is known to end at a fifth of the way to the goal at most."""
        if self.goal is None:
            return False
        floor = min(self.start.median, self.last.median)
        return bool(self.last.median < floor + 0.2 * (self.goal - floor))

    @property
    def below_first(self) -> bool:
        """Whether all of the second half is far below the first record, that of an untrained policy.

        By three times the noise at least, and settled there: the first record may owe its height to luck,
        and means over many episodes go on falling from it for long.
        """
        first, half = float(self.points.values[0]), window(self.points, 0.5, 1.0)
        fall = first - float(np.max(half.values))
        low, high = np.percentile(half.values, [10, 90])
        settled = high - low < _SETTLED * (first - half.median)
        return bool(fall > max(0.3 * abs(first), 3 * self.noise) and settled and not self.rose)

    @property
    def worsens(self) -> bool:
        """Whether it falls from each fifth of the run to the next, by half of its first level in all.

        By five times the noise at least, and by four standard deviations of Kendall's rank statistic.
        """
        middles, _ = blocks(self.points, 5)
        fall = float(middles[0] - middles[-1])
        return bool(
            np.all(np.diff(middles) < 0)
            and fall > max(5 * self.noise, 0.5 * abs(float(middles[0])))
            and trend(self.points.values).z < -4.0
        )

    @property
    def learned(self) -> bool:
        """Whether it rose beyond doubt: by half of its first level, and by three times its noise."""
        gain = self.last.median - self.start.median
        return bool(gain > max(3 * self.noise, 0.5 * abs(self.start.median)))

    @property
    def settled(self) -> bool:
        """Whether the last tenth of the returns are exactly equal: there is nothing more to learn."""
        return bool(np.ptp(window(self.points, 0.9, 1.0).values) == 0)

    @property
    def improving(self) -> bool:
        """Whether it still rose from the middle of the run to its end, by five standard errors.

        Where the goal is known a creeping rise is none: it takes a twentieth of the way.
        """
        before, after = window(self.points, 0.4, 0.6), self.last
        counts = 1 / max(len(before.values), 1) + 1 / max(len(after.values), 1)
        gain = after.median - before.median
        way = 0.0 if self.goal is None else 0.05 * (self.goal - self.start.median)
        return bool(gain > max(_SURE * 1.25 * self.noise * counts**0.5, way))

    @property
    def at_goal(self) -> bool:
        """Whether it is known to end where the environment counts as solved."""
        return self.goal is not None and self.last.median >= 0.95 * self.goal

    @property
    def collapsed(self) -> bool:
        """Whether it rose, stayed up for a tenth of the run, and lost most of what it had gained."""
        gain = self.peak.median - self.start.median
        drop = self.peak.median - self.last.median
        return bool(
            self.peak.end <= self.last.start
            # Means over many episodes wander smoothly, so that their noise looks small.
            and gain > max(0.5 * spanned(self.points), _MUCH * abs(self.start.median))
            and drop > 0.7 * spanned(self.points)
            and self.last.median < self.start.median + _KEPT * gain
            and apart(self.last.values, self.peak.values, 5.0)
            and self._above(self.peak.median)
        )

    def in_words(self) -> str:
        """Where it began, where it ends, and where it should be."""
        goal = f"; solved is {show(self.goal)}" if self.goal is not None else ""
        return f"the return went from {show(self.start.median)} to {show(self.last.median)}{goal}"

    def _above(self, level: float) -> bool:
        gain, size = level - self.start.median, abs(self.start.median)
        # Smoothed returns have next to no noise: a rise by a hundredth of the level is none.
        return bool(gain > max(3 * self.noise, 0.02 * size) or gain > max(0.1 * size, self.noise))


def _commonest(values: FloatArray) -> float:
    """Share of the most frequent value."""
    return float(np.unique(values, return_counts=True)[1].max() / len(values))


@functools.lru_cache(maxsize=2)  # every detector asks for it
def course(log: Log, least: int = 10) -> Course | None:
    """The course of the log's return; None if it has none, or fewer than `least` values of it."""
    points = log.first(*RETURN_SIGNALS)
    if points is None or len(points) < least:
        return None
    # A goal is one of whole episodes.
    episodes = log.first(RETURN_SIGNALS[0])
    whole = episodes is not None and len(episodes) >= least
    middles, steps = blocks(points, 10)
    best = int(np.argmax(middles))
    edges = np.arange(len(middles) + 1) * len(points) // len(middles)
    values = points.values[edges[best] : edges[best + 1]]
    end = steps[best + 1] if best + 1 < len(steps) else points.steps[-1]
    return Course(
        points=points,
        start=window(points, 0.0, _HEAD),
        last=window(points, 1.0 - _TAIL, 1.0),
        peak=Window(float(steps[best]), float(end), values),
        goal=known_goal(log) if whole else None,
    )


def known_goal(log: Log) -> float | None:
    """The return at which Gymnasium calls the log's environment solved."""
    env_id = log.config.get("env_id")
    if not isinstance(env_id, str):
        return None
    return _goal(env_id)


def _goal(env_id: str) -> float | None:
    import gymnasium

    found = gymnasium.registry.get(env_id)
    return None if found is None else found.reward_threshold


def known_actions(log: Log) -> int | None:
    """How many discrete actions there are, where the log says so or Gymnasium knows the environment."""
    stated = log.config.get("num_actions")
    if stated is not None:
        return int(stated)
    return _TOY_ACTIONS.get(str(log.config.get("env_id", "")))


_TOY_ACTIONS = {
    "CartPole-v0": 2,
    "CartPole-v1": 2,
    "Acrobot-v1": 3,
    "MountainCar-v0": 3,
    "LunarLander-v2": 4,
    "LunarLander-v3": 4,
    "FrozenLake-v1": 4,
    "CliffWalking-v0": 4,
    "CliffWalking-v1": 4,
    "Taxi-v3": 6,
    "Taxi-v4": 6,
}
"""Numbers of actions of environments that the registry has without making one (ALE games differ)."""
