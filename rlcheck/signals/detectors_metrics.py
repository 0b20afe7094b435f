"""Detectors of metrics that are not what their name says, where raw data were at hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from rlcheck.records import Fault
from rlcheck.signals import faults
from rlcheck.signals.findings import Alarm, Clear, Detector, Doubt, Finding, Unknown, need, show
from rlcheck.signals.recomputed import PREFIX
from rlcheck.signals.series import FloatArray, Log

_LEAST = 5
_SAME, _ALIKE = 0.002, 0.1
"""Deviations, as shares of the size of what is compared: of the same number, and of one that averages
over other parts of the same data."""


def honest(metric: str, fault: Fault) -> Callable[[Log], Finding]:
    """A detector's look: does the logged metric equal one of the right formulas, or a wrong one?"""

    def look(log: Log) -> Finding:
        compared = sorted(_compared(log, metric))
        if not compared:
            return Unknown(
                f"the raw data of {metric} are not at hand; a monitor's log(..., raw=...) takes them"
            )
        _, version, logged, ours, span = compared[0]
        right = [one for one in compared if one[1].startswith("right/")]
        wrongly = not version.startswith("right/") and compared[0][0] <= _SAME
        if right and right[0][0] <= _ALIKE and not (wrongly and right[0][0] > _SAME):
            return Clear(f"{metric} is {right[0][1].partition('/')[2]}, as recomputed")
        if not wrongly:
            return Doubt(
                f"{metric} is logged as {show(float(np.median(logged)))} and recomputed as "
                f"{show(float(np.median((right or compared)[0][3])))} (medians), and no usual mistake "
                "explains it; is it of the same samples?"
            )
        wrong = version.partition("/")[2]
        best = float(np.median((right or compared)[0][3]))
        return Alarm(
            fault.name.partition("/")[2],
            f"the logged {metric} equals {wrong}; recomputed from the raw data it is {show(best)} "
            f"where {show(float(np.median(ours)))} is logged (medians of {len(logged)} records)",
            span,
            {"logged": float(np.median(logged)), "recomputed": best},
            strength=0.95,
        )

    return look


_Compared = tuple[float, str, FloatArray, FloatArray, tuple[float, float]]


def _compared(log: Log, metric: str) -> Iterator[_Compared]:
    """For each version: median deviation, its name, both series where both exist, first and last step."""
    logged, start = log[metric], f"{PREFIX}{metric}/"
    for name in log.signals:
        if not name.startswith(start):
            continue
        ours = log[name]
        steps, here, there = np.intersect1d(logged.steps, ours.steps, return_indices=True)
        if len(steps) < _LEAST:
            continue
        one, other = logged.values[here], ours.values[there]
        size = max(float(np.median(np.abs(other))), 1e-3)
        apart = float(np.median(np.abs(one - other))) / size
        yield apart, name.removeprefix(start), one, other, (float(steps[0]), float(steps[-1]))


def _detector(metric: str, fault: Fault, title: str) -> Detector:
    return Detector(
        f"{metric.replace('_', '-')}-is-what-it-says",
        title,
        "Recomputed from the raw data of each record, where the training hands them over "
        "(`watch.log(step, metrics, raw={...})`; the callback of Stable-Baselines3 does so for the "
        "explained variance). A logged metric that equals a wrong formula (to 0.2 %) and no right one "
        "fails; one that is near to a right one (10 %) passes; any other is inconclusive.",
        (need(metric, least=_LEAST),),
        honest(metric, fault),
        (fault,),
        (metric,),
    )


DETECTORS: tuple[Detector, ...] = (
    _detector("explained_variance", faults.WRONG_EXPLAINED,
        "The logged explained variance is 1 - Var(R - V) / Var(R)."),
    _detector("approx_kl", faults.WRONG_KL,
        "The logged divergence is an estimate of KL(old || new)."),
    _detector("clip_fraction", faults.WRONG_CLIPPED,
        "The logged clip fraction counts the ratios outside of the clip range."),
)  # fmt: skip
