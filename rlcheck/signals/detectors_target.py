"""Detectors on the target network and on replay."""

from __future__ import annotations

import numpy as np

from rlcheck.signals import faults
from rlcheck.signals.course import course
from rlcheck.signals.findings import (
    RETURN,
    RETURN_SIGNALS,
    Alarm,
    Clear,
    Detector,
    Doubt,
    Finding,
    Unknown,
    need,
    show,
    steps,
)
from rlcheck.signals.series import Log
from rlcheck.signals.statistics import blocks, window

_SHORT = 10
"""A training that is shorter than the target's interval by less than this factor is just short."""

_MOST_BACK = 0.07
"""Share of the largest distance so far by which that of a target that is updated falls at some time."""


def target_follows(log: Log) -> Finding:
    """The distance between online and target network must come and go."""
    distance = log["target_distance"]
    span = (float(distance.steps[0]), float(distance.steps[-1]))
    if np.all(np.abs(distance.values) <= 1e-12):
        return Alarm(
            "target-is-online",
            f"the target network equals the online network in all {len(distance)} records of "
            f"{steps(span)}",
            span,
            {"distance": 0.0},
        )
    middles, _ = blocks(distance, 8)
    largest = np.maximum.accumulate(np.abs(distance.values))
    back = float(np.min(np.abs(distance.values) / np.maximum(largest, 1e-12)))
    if 1.0 - back < _MOST_BACK and middles[-1] > 1.05 * middles[0] > 0:
        return Alarm(
            "target-never-updated",
            f"the distance of the target network grows from {show(middles[0])} to "
            f"{show(middles[-1])} in {steps(span)}, and never falls by more than {1 - back:.1%} from "
            "the largest so far",
            span,
            {"first": float(middles[0]), "last": float(middles[-1]), "largest_fall": 1.0 - back},
        )
    return Clear("the target network follows the online network")


def target_due(log: Log) -> Finding:
    """The interval at which the target is updated, as configured, against the length of the run."""
    interval = log.config.get("target_update_interval")
    if interval is None:
        return Unknown(
            "the log does not say how often the target network is updated; "
            "say so with --set target_update_interval=N"
        )
    returns = course(log)
    if returns is None:
        return _never_planned(log, float(interval))
    last = float(returns.points.steps[-1])
    if interval <= last or returns.rose:
        return Clear(f"the target network is updated every {show(float(interval))} steps")
    if interval <= _SHORT * last:
        return Doubt(
            f"the target network is updated every {show(float(interval))} steps, and the log ends at "
            f"{last:,.0f}: a short training, or too long an interval"
        )
    return Alarm(
        "target-never-updated",
        f"the target network is updated every {show(float(interval))} steps, and the run has "
        f"{last:,.0f}; {returns.in_words()}",
        (float(returns.points.steps[0]), last),
        {"interval": float(interval), "steps": last, "return": returns.last.median},
    )


def _never_planned(log: Log, interval: float) -> Finding:
    """An interval that not even ten times the planned training would reach, in a log without returns."""
    planned = log.config.get("total_timesteps")
    if planned is None or interval <= _SHORT * planned:
        return Unknown("10 values of the return are needed")
    last = max(float(points.steps[-1]) for points in log.signals.values() if len(points))
    return Alarm(
        "target-never-updated",
        f"the target network is updated every {show(interval)} steps, and {planned:,.0f} are planned",
        (0.0, last),
        {"interval": interval, "steps": float(planned)},
    )


def replay_diverse(log: Log) -> Finding:
    """What is replayed stays diverse, unless the policy has converged."""
    diversity, returns = log["replay_diversity"], course(log)
    assert returns is not None, "needs a return"
    first, end = window(diversity, 0.0, 0.3), window(diversity, 0.8, 1.0)
    if end.median > 0.2 * first.median or returns.rose:
        return Clear(f"the diversity of the replayed transitions ends at {show(end.median)}")
    return Alarm(
        "replay-homogeneous",
        f"the diversity of the replayed transitions fell from {show(first.median)} to "
        f"{show(end.median)} in {steps(end.span)}, and the return did not rise",
        end.span,
        {"first": first.median, "last": end.median},
    )


DETECTORS: tuple[Detector, ...] = (
    Detector(
        "target-network-follows",
        "The target network follows the online network at a distance.",
        "The distance, measured before each synchronisation, comes and goes. One that grows and "
        "never falls by 7 % from the largest so far shows a target that is never updated, one "
        "that is always 0 a target that shares the online network's weights.",
        (need("target_distance"),),
        target_follows,
        (faults.TARGET_NEVER, faults.TARGET_ONLINE),
        ("target_distance",),
    ),
    Detector(
        "target-network-is-due",
        "The target network is updated within the run.",
        "The configured interval is more than ten times as long as the whole run, and the return did "
        "not rise; where no return is known, ten times as long as planned. Between once and ten times it "
        "is inconclusive: the run may just be short.",
        (need("loss", "value_loss", "q_mean", *RETURN_SIGNALS, least=1),),
        target_due,
        (faults.TARGET_NEVER,),
        RETURN_SIGNALS,
    ),
    Detector(
        "replay-stays-diverse",
        "Replayed transitions stay diverse.",
        "The diversity falls to a fifth of its first level while the return does not rise.",
        (need("replay_diversity"), RETURN),
        replay_diverse,
        (faults.REPLAY_HOMOGENEOUS,),
        ("replay_diversity", *RETURN_SIGNALS),
    ),
)
