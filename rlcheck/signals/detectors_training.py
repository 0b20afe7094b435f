"""Detectors on the optimisation: numbers that are none, gradients, dead units, speed."""

from __future__ import annotations

import numpy as np

from rlcheck.signals import faults
from rlcheck.signals.course import course
from rlcheck.signals.findings import (
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
from rlcheck.signals.series import FlagArray, Log, Series
from rlcheck.signals.statistics import blocks, settled_from, window

_NEVER_MISSING = ("loss", "policy_loss", "value_loss", "entropy", "approx_kl", "q_mean", "q_max")
"""Signals that are finite in every healthy record. Others use NaN for "nothing to report": a return
before the first episode ends, an explained variance of equal returns."""

_CAN_OVERFLOW = ("grad_norm",)
"""Signals that mixed precision makes infinite now and then, on purpose."""

_PERSISTENT = 3

_EXPLODED = 300.0
"""How many times its early level the gradient of a training reaches that grows with the rewards."""

_MOST_DEAD = 0.8
"""Share of dead units that is a fault from whatever beginning; healthy networks have up to two thirds
where observations hardly vary."""


def stays_finite(log: Log) -> Finding:
    """Signals that end in NaN or infinities."""
    gone: list[tuple[float, str, int]] = []
    passing: list[str] = []
    for name in (*_NEVER_MISSING, *_CAN_OVERFLOW):
        if name not in log.signals:
            continue
        points = log.signals[name]
        finite = np.isfinite(points.values)
        if finite.all() or not len(points):
            continue
        tail = _length_of_tail(~finite)
        needed = _PERSISTENT if name in _CAN_OVERFLOW else 1
        if finite.any():
            # A log that uses NaN for "not logged" has such gaps all along; the beginning is no gap.
            needed = max(needed, 3 * _longest_gap(finite[int(np.argmax(finite)) :]))
        if tail >= needed and (finite.any() or tail >= _PERSISTENT):
            gone.append((float(points.steps[len(points) - tail]), name, tail))
        elif finite.any():
            passing.append(
                f"{name} is not finite in {int((~finite).sum())} of {len(points)} records"
            )
    if not gone:
        return Clear("losses, gradients and values are finite", tuple(passing))
    gone.sort()
    start, first, _ = gone[0]
    points = log.signals[first]
    span = (start, float(points.steps[-1]))
    also = ", ".join(name for _, name, _ in gone[1:])
    return Alarm(
        "not-finite",
        f"{first} is NaN or infinite from step {start:,.0f} to the end"
        + (f"; so are {also}" if also else ""),
        span,
        {"first_step": start, "signals": float(len(gone))},
        strength=0.95,
    )


def _length_of_tail(flags: FlagArray) -> int:
    """How many flags at the end are set without a gap."""
    unset = np.nonzero(~flags)[0]
    return len(flags) if not len(unset) else len(flags) - 1 - int(unset[-1])


def _longest_gap(finite: FlagArray) -> int:
    """The longest stretch without a finite value that ends in one."""
    where = np.nonzero(finite)[0]
    return int(np.max(np.diff(where), initial=1)) - 1


def gradients_flow(log: Log) -> Finding:
    """Gradients that are 0 at the end, or orders of magnitude above their beginning."""
    gradient = log["grad_norm"]
    early, end = window(gradient, 0.0, 0.25), window(gradient, 0.8, 1.0)
    floor = 1e-8 * max(early.median, float(np.median(gradient.values)))
    zero = gradient.values <= max(floor, 1e-12)
    tail = _length_of_tail(zero)
    returns = course(log)
    if tail >= max(10, 0.2 * len(gradient)):
        if returns is not None and (returns.at_goal or (returns.learned and returns.settled)):
            remark = f"the norm of the gradient is 0 in the last {tail} records"
            return Clear("the gradient vanished with the differences between returns", (remark,))
        if returns is not None and returns.sparse:
            return Doubt(
                f"the norm of the gradient is 0 in the last {tail} records, and most returns are "
                "equal: where no reward is found there is nothing to learn from"
            )
        span = (float(gradient.steps[len(gradient) - tail]), float(gradient.steps[-1]))
        return Alarm(
            "gradients-zero",
            f"the norm of the gradient is 0 in all {tail} records of {steps(span)}"
            + (f", after {show(early.median)} at first" if early.median > 0 else ""),
            span,
            {"records": float(tail), "first": early.median},
        )
    rising = returns is not None and returns.rose
    # Before the first reward is found gradients are next to nothing: the larger ones count.
    usual = max(early.median, 0.1 * float(np.max(early.values, initial=0.0)))
    if end.median > _EXPLODED * max(usual, 1e-12) and usual > 0 and not rising:
        if returns is not None and returns.sparse:
            return Doubt(
                f"the norm of the gradient grew from {show(early.median)} to {show(end.median)}, and "
                "most returns are equal: the first rewards that are found do that, too"
            )
        start = settled_from(gradient, gradient.values > 30 * early.median)
        span = (end.start if start is None else start, float(gradient.steps[-1]))
        return Alarm(
            "gradients-exploding",
            f"the norm of the gradient grew from {show(early.median)} to {show(end.median)} in "
            f"{steps(span)}",
            span,
            {"first": early.median, "last": end.median},
            strength=0.8,
        )
    return Clear(f"the norm of the gradient goes from {show(early.median)} to {show(end.median)}")


def units_alive(log: Log) -> Finding:
    """The share of dead units at the end, and how it grew."""
    dead = log["dead_fraction"]
    first, end = window(dead, 0.0, 0.1), window(dead, 0.8, 1.0)
    most = max(end.median, float(blocks(dead, 6)[0].max()))
    if end.median < 0.5 or (most < _MOST_DEAD and end.median - first.median < 0.4):
        return Clear(f"{end.median:.0%} of the units are dead at the end")
    returns = course(log)
    if returns is not None and (returns.learned or returns.at_goal):
        remark = f"{end.median:.0%} of the units are dead at the end; the others are enough so far"
        return Clear("the return rose all the same", (remark,))
    start = settled_from(dead, dead.values > 0.5)
    span = (end.start if start is None else start, float(dead.steps[-1]))
    return Alarm(
        "dead-units",
        f"{end.median:.0%} of the hidden units are dead in {steps(span)}, after "
        f"{first.median:.0%} at first",
        span,
        {"first": first.median, "last": end.median},
    )


def speed_kept(log: Log) -> Finding:
    """Steps a second in eight stretches: a steady decline to a fifth, the start-up left out."""
    speed = log["throughput"]
    # Off-policy algorithms collect without learning at first, many times faster.
    later = Series(speed.steps, speed.values)
    from_quarter = later.steps >= later.steps[0] + 0.25 * (later.steps[-1] - later.steps[0])
    later = Series(later.steps[from_quarter], later.values[from_quarter])
    if len(later) < 16:
        return Unknown(f"{len(later)} records after the first quarter are too few")
    middles, _ = blocks(later, 8)
    # Speeds are often averages since the start: those of a run that began to learn late fall for long,
    # ever more slowly. What gets slower and slower goes on falling at the end.
    falling = bool(np.all(np.diff(middles) < 0) and np.all(middles[-3:] < 0.92 * middles[-4:-1]))
    if not falling or middles[-1] > 0.2 * middles[0]:
        return Clear(f"{show(float(middles[-1]))} steps a second at the end")
    span = (float(later.steps[0]), float(later.steps[-1]))
    return Alarm(
        "throughput-dropping",
        f"steps a second fall without a break from {show(float(middles[0]))} to "
        f"{show(float(middles[-1]))} in {steps(span)}",
        span,
        {"first": float(middles[0]), "last": float(middles[-1])},
        strength=0.7,
    )


DETECTORS: tuple[Detector, ...] = (
    Detector(
        "numbers-stay-finite",
        "Losses, gradients and values stay finite.",
        "A loss, entropy, divergence or action value that ends in NaN or infinity; a gradient "
        "norm that does so for three records, since mixed precision overflows now and then on "
        "purpose. Returns and explained variances use NaN for 'nothing to report' and are not "
        "looked at. Passing NaN are remarked on, and where a signal has gaps of NaN all along, only "
        "an end of three times the longest counts.",
        (need(*_NEVER_MISSING, *_CAN_OVERFLOW, least=0),),
        stays_finite,
        (faults.NOT_FINITE,),
        (*_NEVER_MISSING, *_CAN_OVERFLOW),
    ),
    Detector(
        "gradients-flow",
        "The gradient neither vanishes nor explodes.",
        "A norm of exactly 0 (or below 1e-8 of its usual size) in the last fifth of the records; "
        "or a median at the end 300 times that of the first quarter while the return does not "
        "rise. A gradient that vanished once all returns were equal and high passes; where most returns "
        "are equal from the start both are inconclusive.",
        (need("grad_norm"),),
        gradients_flow,
        (faults.GRADIENT_ZERO, faults.GRADIENT_EXPLODING),
        ("grad_norm", *RETURN_SIGNALS),
    ),
    Detector(
        "units-stay-alive",
        "Most hidden units stay alive.",
        "More than 50 % dead at the end, after an increase by 40 points or a sixth of the run "
        "with more than 80 %. A return that rose all the same makes it a remark.",
        (need("dead_fraction", least=10),),
        units_alive,
        (faults.DEAD_UNITS,),
        ("dead_fraction",),
    ),
    Detector(
        "speed-is-kept",
        "The training does not get slower and slower.",
        "Steps a second after the first quarter, in eight stretches: each slower than the one "
        "before, still so at the end, and the last at less than a fifth of the first. A busy machine "
        "makes some stretches slow, not each slower than the last.",
        (need("throughput", least=24),),
        speed_kept,
        (faults.THROUGHPUT,),
        ("throughput",),
    ),
)
