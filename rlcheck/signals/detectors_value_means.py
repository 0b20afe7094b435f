"""Detectors on the mean of what a critic says, beside the mean of what it is to say.

The explained variance is blind to a critic that says the same of every state, and so is it where returns
hardly differ. The two means are not: whatever the task, a critic that is trained moves towards its
targets, and the targets have the sign of the returns.
"""

from __future__ import annotations

import numpy as np

from rlcheck.signals import faults
from rlcheck.signals.course import course
from rlcheck.signals.findings import (
    RETURN_SIGNALS,
    Alarm,
    Clear,
    Detector,
    Finding,
    Unknown,
    need,
    show,
    steps,
)
from rlcheck.signals.series import FloatArray, Log, Series
from rlcheck.signals.statistics import blocks, trend, window

LEAST = 12
_BLOCKS = 8
_FEW_RETURNS = 5
"""A sign takes fewer returns than a level."""

_UNMOVED, _HARDLY = 0.01, 0.03
"""Movement of the mean value, as a share of what it is off by, that states which change explain."""

_STEADY = (0.7, 0.4)
"""Rank correlation with time from which on such a movement is one: tiny learning rates move steadily."""

_OFTEN, MOSTLY = 0.9, 0.8

_MATTERS = 0.2
"""Share of the critic's error from which on its mean error counts."""


def critic_moves(log: Log) -> Finding:
    """The mean value moves towards the mean target."""
    found = both(log)
    if found is None:
        return TOO_FEW
    values, targets = found
    off = targets.values - values.values
    side = float(np.sign(np.median(off)))
    late = window(Series(values.steps, off), 0.4, 1.0)
    moved = float(np.ptp(blocks(values, _BLOCKS)[0]))
    words = f"the mean value moved by {show(moved)}, and is off by {show(late.median)}"
    same_side = float(np.mean(np.sign(off) == side)) if side else 0.0
    explains = "explained_variance" in log.signals and _explains(log["explained_variance"])
    if same_side < MOSTLY or explains or not _matters(log, late.median):
        return Clear(words)
    steady, share = trend(side * values.values).tau, moved / max(abs(late.median), 1e-300)
    if share > _HARDLY or steady > _STEADY[share > _UNMOVED]:
        return Clear(words)
    span = (float(values.steps[0]), float(values.steps[-1]))
    return Alarm(
        "critic-not-trained",
        f"the critic does not move: its mean value stays at {show(window(values, 0.8, 1.0).median)} in "
        f"{steps(span)}, while its targets are off by {show(late.median)}, always to the same side",
        span,
        {"moved": moved, "off": late.median},
    )


def targets_have_the_sign(log: Log) -> Finding:
    """The targets of the critic have the sign of the returns."""
    found, returns = both(log), course(log, least=1)
    if found is None or returns is None:
        return TOO_FEW
    values, targets = found
    of_returns, got = _side(returns.points.values), _side(targets.values)
    words = f"the mean target is {show(window(targets, 0.8, 1.0).median)}"
    late = window(values, 0.8, 1.0).median
    reversed_ = of_returns and got == -of_returns and late * got > 0
    if not reversed_ or returns.rose or not _matters(log, window(targets, 0.5, 1.0).median):
        return Clear(words)
    explains = "explained_variance" in log.signals and _explains(log["explained_variance"])
    unsure = explains or returns.sparse or len(returns.points) < _FEW_RETURNS
    if unsure and _approaches(values, targets):
        return Clear(f"{words}, which is not that of the logged returns (an intrinsic reward?)")
    span = (float(targets.steps[0]), float(targets.steps[-1]))
    return Alarm(
        "value-targets-reversed",
        f"the critic is taught values around {show(window(targets, 0.5, 1.0).median)} and arrived at "
        f"{show(late)} in {steps(span)}, while {returns.in_words()}: the opposite sign",
        span,
        {"target": window(targets, 0.5, 1.0).median, "value": late, "return": returns.last.median},
    )


def both(log: Log) -> tuple[Series, Series] | None:
    """Mean value and mean target of the same steps."""
    values, targets = log["value_mean"], log["value_target_mean"]
    _, here, there = np.intersect1d(values.steps, targets.steps, return_indices=True)
    if len(here) < LEAST:
        return None
    return (
        Series(values.steps[here], values.values[here]),
        Series(targets.steps[there], targets.values[there]),
    )


def _side(values: FloatArray) -> float:
    """The sign that nine of ten values have, 0 if there is none."""
    for sign in (1.0, -1.0):
        if np.mean(sign * values > 0) >= _OFTEN:
            return sign
    return 0.0


def _approaches(values: Series, targets: Series) -> bool:
    """Whether what the mean value is off by became smaller, as it does in a critic that learns."""
    off = Series(values.steps, np.abs(targets.values - values.values))
    return window(off, 0.8, 1.0).median < 0.9 * window(off, 0.0, 0.2).median


def _explains(explained: Series) -> bool:
    late = window(explained, 0.5, 1.0)
    return bool(late.median > 0.1)


def _matters(log: Log, error: float) -> bool:
    """Whether a mean error is large beside the root of the value loss, where that is known."""
    loss = log.first("value_loss")
    if loss is None or not len(loss):
        return True
    return abs(error) > _MATTERS * max(float(np.median(loss.values)), 0.0) ** 0.5


TOO_FEW = Unknown(f"{LEAST} records that hold value_mean and value_target_mean are needed")

DETECTORS: tuple[Detector, ...] = (
    Detector(
        "critic-moves-to-its-targets",
        "The mean of the critic's values moves towards the mean of its targets.",
        "An alarm needs targets that are off to the same side in four of five records, by a fifth of the "
        "critic's root error at least, and a mean value that never moved by 3 % of that (1 % where it "
        "moved steadily in the right direction). A critic that explains a tenth of the variance passes.",
        (need("value_mean", least=LEAST), need("value_target_mean", least=LEAST)),
        critic_moves,
        (faults.CRITIC_UNTRAINED,),
        ("value_mean", "value_target_mean", "explained_variance"),
    ),
    Detector(
        "value-targets-agree-with-returns",
        "The targets of the critic have the sign of the returns.",
        "Averaged over the states of an episode, rewards to come have the sign of the return "
        "(late rewards count more). An alarm needs nine of ten returns of one sign, nine of ten "
        "mean targets of the other, values that followed them, and a return that does not rise. "
        "An intrinsic or shaped reward may have another sign than what is logged: where the "
        "critic explains a tenth of the variance, most returns are equal, or fewer than five are "
        "known, a mean value that came nearer to its target passes.",
        (
            need("value_mean", least=LEAST),
            need("value_target_mean", least=LEAST),
            need(*RETURN_SIGNALS, least=1),
        ),
        targets_have_the_sign,
        (faults.TARGETS_REVERSED,),
        ("value_mean", "value_target_mean", *RETURN_SIGNALS),
    ),
)
