"""Where a signal lies in health: for plots that show an alarm beside what would have been usual."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from rlcheck.signals.findings import RETURN_SIGNALS, Alarm
from rlcheck.signals.series import Series

USUAL: Mapping[str, tuple[float, float]] = {
    "approx_kl": (0.0, 0.05),
    "clip_fraction": (0.02, 0.3),
    "explained_variance": (0.3, 1.0),
    "advantage_logprob_correlation": (0.03, 0.6),
    "ratio_mean": (0.9, 1.1),
    "dead_fraction": (0.0, 0.3),
    "sampler_ratio": (0.95, 1.05),
    "zero_signal_groups": (0.0, 0.5),
}
"""Ranges that do not depend on the task: what a clip range of 0.1 to 0.3 leaves of the updates
(arXiv:1707.06347, arXiv:2006.05990), a critic that learns, updates along the advantages, units that live
(arXiv:2302.12902)."""

_LEAST = 10
_MOVING = (
    *RETURN_SIGNALS,
    "eval_return",
    "episode_length",
    "entropy",
    "action_std",
    "q_mean",
    "q_max",
)


class Band(NamedTuple):
    """A healthy range and why it is one."""

    low: float
    high: float
    label: str


def healthy_band(name: str, points: Series, alarm: Alarm) -> Band | None:
    """What the detector says, else the usual range, else what the run did before the alarm, or None.

    What the return or the entropy did before an alarm is no measure of health: they are to move.

    Args:
        name: of the signal.
        points: its finite values.
        alarm: what was seen.
    """
    if name in alarm.healthy:
        return Band(*alarm.healthy[name], "healthy")
    if name in USUAL:
        return Band(*USUAL[name], "usual")
    before = points.values[points.steps < alarm.window[0]]
    if len(before) < _LEAST or name in _MOVING:
        return None
    low, high = np.percentile(before, [5, 95])
    return Band(float(low), float(high), "before the alarm")
