"""Detectors on what the reward stands for: held-out measures, its components, length."""

from __future__ import annotations

import numpy as np

from rlcheck.signals import faults, vocabulary
from rlcheck.signals.findings import (
    RETURN,
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
from rlcheck.signals.series import Log, Series
from rlcheck.signals.statistics import Window, apart, blocks, spanned, window

_HELD_OUT_FALL = 0.5
"""Share of all that the held-out measure did by which it must fall from its peak."""

_EVALUATIONS = 4
"""Values of the held-out measure in the last fifth with which its fall can be told from scatter."""


def _later(points: Series) -> tuple[Window, Window]:
    return window(points, 0.0, 0.3), window(points, 0.75, 1.0)


def _rises(points: Series) -> bool:
    """Whether a series ends clearly above its beginning, by more than half of all that it did."""
    before, after = _later(points)
    gain = after.median - before.median
    return bool(gain > 0.5 * spanned(points) and apart(before.values, after.values))


def reward_is_earned(log: Log) -> Finding:
    """The training reward after the peak of the held-out measure: does it go on rising?"""
    reward, real = log.first(*RETURN_SIGNALS), log["eval_return"]
    assert reward is not None, "needs a return"
    if len(reward) < 20:
        return Unknown("20 values of the reward are needed")
    fall = _fall(real)
    if fall is not None and _rises_since(reward, fall.start):
        peak, end = fall.values
        after = window(reward, 0.8, 1.0)
        return Alarm(
            "reward-hacking",
            f"the held-out measure falls from {show(peak)} to {show(end)} in {steps(fall.span)}, "
            f"while the training reward goes on rising, to {show(after.median)}",
            fall.span,
            {"heldout_peak": float(peak), "heldout_last": float(end), "reward": after.median},
        )
    return Clear("the held-out measure does not fall while the training reward rises")


def _fall(real: Series) -> Window | None:
    """The stretch from the peak of the held-out measure to its end, if it fell by much and for good."""
    middles, begins = blocks(real, min(10, max(5, len(real) // 3)))
    best = int(np.argmax(middles[:-1]))
    end = window(real, 0.8, 1.0)
    drop = float(middles[best] - end.median)
    start = best * len(real) // len(middles)
    top = real.values[start : max((best + 1) * len(real) // len(middles), start + 3)]
    large = drop > _HELD_OUT_FALL * float(np.ptp(middles)) and drop > 0.25 * abs(
        float(middles[best])
    )
    # A few evaluations scatter: at the end there must be enough of them, all below the peak's.
    large = large and len(end.values) >= _EVALUATIONS
    early = begins[best] <= real.steps[0] + 0.7 * (real.steps[-1] - real.steps[0])
    if not (large and early and apart(end.values, top)):
        return None
    return Window(float(begins[best]), float(real.steps[-1]), np.array([middles[best], end.median]))


def _rises_since(points: Series, step: float) -> bool:
    later = points.steps >= step
    if later.sum() < 10:
        return False
    part = Series(points.steps[later], points.values[later])
    before, after = window(part, 0.0, 0.3), window(part, 0.7, 1.0)
    gain = after.median - before.median
    return bool(gain > 0.15 * spanned(points) and apart(before.values, after.values, 25.0))


def components_balance(log: Log) -> Finding:
    """A total that rises by one component while another falls."""
    parts = {
        name.removeprefix(vocabulary.COMPONENT): log[name]
        for name in log.signals
        if name.startswith(vocabulary.COMPONENT) and len(log[name]) >= 20
    }
    if len(parts) < 2:
        return Unknown("the log has no components of the reward, such as reward_component/NAME")
    gains = {
        name: _later(points)[1].median - _later(points)[0].median for name, points in parts.items()
    }
    risen = [name for name, points in parts.items() if _rises(points)]
    # Costs grow in every healthy run that moves more: what falls must have been a gain, and be half lost.
    fallen = [
        name
        for name, points in parts.items()
        if _rises(Series(points.steps, -points.values))
        and (had := _later(points)[0].median) > 0
        and gains[name] < -0.5 * had
    ]
    total = log.first(*RETURN_SIGNALS)
    rising = total is None or len(total) < 20 or _rises(total)
    best = max(gains, key=lambda name: gains[name])
    positive = sum(gain for gain in gains.values() if gain > 0)
    if not (rising and fallen and best in risen and gains[best] >= 0.8 * positive):
        return Clear("no component of the reward grows at the expense of another")
    span = window(parts[best], 0.0, 1.0).span
    worst = min(fallen, key=lambda name: gains[name])
    return Alarm(
        "reward-component-takes-over",
        f"component {best} rises by {show(gains[best])} while {worst} falls by "
        f"{show(-gains[worst])} in {steps(span)}",
        span,
        {"rise": gains[best], "fall": gains[worst]},
        strength=0.8,
    )


def length_not_gamed(log: Log) -> Finding:
    """Length and reward rise together, the held-out measure does not."""
    reward, length, real = log.first(*RETURN_SIGNALS), log["response_length"], log["eval_return"]
    assert reward is not None, "needs a reward"
    before, after = _later(length)
    grown = after.median > 1.5 * before.median and _rises(length)
    first, end = window(real, 0.0, 0.3), window(real, 0.7, 1.0)
    better = end.median > first.median + 0.1 * spanned(real)
    if not (grown and _rises(reward)) or better:
        return Clear("the reward is not bought with length")
    if 0.9 < first.median <= 1.0 and end.median > 0.9:
        return Clear("the held-out measure was at its maximum from the start")
    span = (before.end, after.end)
    return Alarm(
        "length-gaming",
        f"responses grow from {show(before.median)} to {show(after.median)} tokens in "
        f"{steps(span)} and the reward with them, while the held-out measure goes from "
        f"{show(window(real, 0.0, 0.3).median)} to {show(window(real, 0.7, 1.0).median)}",
        span,
        {"first": before.median, "last": after.median},
        strength=0.85,
    )


DETECTORS: tuple[Detector, ...] = (
    Detector(
        "reward-means-what-it-should",
        "The training reward does not rise while the held-out measure falls.",
        "From the peak of the held-out measure on: it loses more than half of all that it did "
        "and a quarter of its peak, and the training reward goes on rising. Name your measure "
        "with "
        '--bind "orders_shipped=eval_return".',
        (RETURN, need("eval_return", least=8)),
        reward_is_earned,
        (faults.REWARD_HACKING,),
        ("eval_return", *RETURN_SIGNALS),
    ),
    Detector(
        "reward-components-balance",
        "No component of the reward grows at the expense of another.",
        "The total rises, one component brings more than 80 % of all gains, and another one, which "
        "had been a gain, falls by more than half of all that it did and of its first level. Costs "
        "that grow with the movement are no such thing.",
        (),
        components_balance,
        (faults.ONE_COMPONENT,),
        RETURN_SIGNALS,
    ),
    Detector(
        "length-is-not-rewarded",
        "The reward is not bought with longer responses.",
        "Length (by half) and reward rise together while the held-out measure does not. Growing "
        "responses whose held-out score grows too pass.",
        (need("response_length"), RETURN, need("eval_return", least=8)),
        length_not_gamed,
        (faults.LENGTH_GAMING,),
        ("response_length", "eval_return", *RETURN_SIGNALS),
    ),
)
