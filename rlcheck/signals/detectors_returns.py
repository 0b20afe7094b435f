"""Detectors on the return and on episodes."""

from __future__ import annotations

import numpy as np

from rlcheck.signals import faults
from rlcheck.signals.course import Course, course
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
from rlcheck.signals.statistics import blocks, settled_from, window

_AMPLE = 20_000
"""Steps after which some movement is expected in an environment that Gymnasium calls solvable."""

_NO_WAY = 0.05
"""Share of the way to the goal that is as good as none."""

_LASTING = 0.25
"""Share of the run that a return must stay down: learners by replay dip deeply and recover."""

_ALL_LOST = 0.1
"""Share of the gain that is left where it counts as lost: correct agents lose much of it at times."""

_ENDLESS = 1_000_000
"""Steps after which a return that was exactly the same in every record is no sparse reward any more."""

_LONG = 200_000
"""Steps after which a return that never moved is a fault of the run, whatever the reason.

Before, a correct agent may be slow, or may not have found a sparse reward yet: PPO in MountainCar-v0,
DQN with a long schedule in CartPole-v1.
"""


def return_kept(log: Log) -> Finding:
    """A return that rose, stayed up and fell back for good."""
    returns = course(log, least=20)
    if returns is None:
        return Unknown("20 values of the return are needed")
    if not returns.collapsed or returns.at_goal:
        return Clear(
            f"the return went from {show(returns.start.median)} to {show(returns.last.median)}, "
            f"with its peak at {show(returns.peak.median)}"
        )
    half = 0.5 * (returns.peak.median + returns.last.median)
    start = settled_from(returns.points, returns.points.values < half)
    first, end = float(returns.points.steps[0]), float(returns.points.steps[-1])
    short = start is None or end - start < _LASTING * (end - first) or returns.improving
    kept = returns.last.median - returns.start.median
    if short or kept > _ALL_LOST * (returns.peak.median - returns.start.median):
        return Doubt(
            f"the return rose from {show(returns.start.median)} to {show(returns.peak.median)} and "
            f"ends at {show(returns.last.median)}, too high or not for long enough to tell a dip from a "
            "collapse: train on, and keep the best model"
        )
    span = (returns.last.start if start is None else start, float(returns.points.steps[-1]))
    return Alarm(
        "return-collapsed",
        f"the return rose from {show(returns.start.median)} to {show(returns.peak.median)} and "
        f"fell to {show(returns.last.median)} in {steps(span)}",
        span,
        {"peak": returns.peak.median, "last": returns.last.median, "first": returns.start.median},
        strength=0.7,
    )


def return_moves(log: Log) -> Finding:
    """A return without any variance, or one that stays at the level of a random policy."""
    returns = course(log, least=30)
    if returns is None:
        return Unknown("30 values of the return are needed")
    points = returns.points
    span = (float(points.steps[0]), float(points.steps[-1]))
    if np.ptp(points.values) == 0:
        value = float(points.values[0])
        if value > 0 or returns.at_goal:
            remark = f"the return is exactly {show(value)} in all {len(points)} records"
            return Clear("the return is constant, and may be the best there is", (remark,))
        if span[1] < _ENDLESS:
            return Doubt(
                f"the return is exactly {show(value)} in all {len(points)} records of "
                f"{steps(span)}: either no episode has found the reward yet, or it is never given. "
                "Look at the reward of a few random episodes, or train for longer"
            )
        return Alarm(
            "return-without-variance",
            f"the return is exactly {show(value)} in all {len(points)} records of {steps(span)}",
            span,
            {"return": value},
            strength=0.8,
        )
    goal = returns.goal
    level = 0.0 if goal is None else max(goal - returns.start.median, 0.0)
    gained = float(blocks(points, 10)[0].max()) - returns.start.median
    # Greedy learners of action values do worse than chance before they do better; policies do not.
    of_a_policy = not {"epsilon", "q_mean"} & set(log.signals)
    if of_a_policy and returns.worsens and not returns.sparse:
        return _worsens(returns, span)
    wrong_way = returns.below_first and of_a_policy
    ample = wrong_way or span[1] - span[0] >= _AMPLE
    flat = gained < _NO_WAY * level and not returns.ever_rose
    if goal is not None and level > 0 and (flat or wrong_way) and ample:
        words = (
            f"the return is {show(returns.start.median)} at first and {show(returns.last.median)} "
            f"at the end of {steps(span)}, never above {show(returns.start.median + gained)} for "
            f"a tenth of the run; solved is {show(goal)}"
        )
        if (span[1] < _LONG or returns.sparse) and not wrong_way:
            return Doubt(f"{words}. A correct agent may be that slow: train for longer")
        return Alarm(
            "return-stuck",
            words,
            span,
            {"first": returns.start.median, "last": returns.last.median, "goal": goal},
            strength=0.6,
        )
    if not returns.ever_rose and goal is None:
        remark = (
            "the return did not rise; whether its level is good cannot be told from the log "
            "(--set env_id=ID names the environment)"
        )
        return Clear("the return varies", (remark,))
    return Clear(
        f"the return went from {show(returns.start.median)} to {show(returns.last.median)}"
    )


def _worsens(returns: Course, span: tuple[float, float]) -> Alarm:
    fifths = " > ".join(show(float(level)) for level in blocks(returns.points, 5)[0])
    return Alarm(
        "return-stuck",
        f"the return falls from each fifth of {steps(span)} to the next, {fifths}, though the policy "
        "follows its gradient: what makes it worse is taken for better",
        span,
        {"first": returns.start.median, "last": returns.last.median},
        strength=0.7,
    )


def episodes_vary(log: Log) -> Finding:
    """A length that became exactly constant while the return stays below what it was before."""
    lengths, returns = log["episode_length"], course(log, least=20)
    if returns is None:
        return Unknown("20 values of the return are needed")
    last = float(lengths.values[-1])
    same = np.abs(lengths.values - last) <= 1e-9
    start = settled_from(lengths, same)
    share = float(same[-max(len(same) // 5, 1) :].mean())
    varied = window(lengths, 0.0, 0.3)
    if start is None or share < 0.95 or np.ptp(varied.values) <= 0.1 * max(varied.median, 1.0):
        return Clear(f"the length of the episodes ends at {show(last)}")
    fallen = returns.start.median - returns.last.median
    worse = fallen > max(3 * returns.noise, 0.2 * abs(returns.start.median))
    if not (returns.collapsed or (returns.low and worse)):
        return Clear(
            f"all episodes have length {show(last)} at the end, and the return is no worse"
        )
    if returns.sparse:
        return Doubt(
            f"all episodes have length {show(last)} at the end, and most returns are equal: the policy "
            "may have lost a reward that is hardly ever found"
        )
    span = (start, float(lengths.steps[-1]))
    return Alarm(
        "episodes-of-one-length",
        f"every episode has exactly {show(last)} steps in {steps(span)}, after "
        f"{show(varied.values.min())} to {show(varied.values.max())} at first, and the return is "
        f"{show(returns.last.median)} after a peak of {show(returns.peak.median)}",
        span,
        {"length": last, "return": returns.last.median},
        strength=0.75,
    )


DETECTORS: tuple[Detector, ...] = (
    Detector(
        "return-is-kept",
        "The return does not fall back from its peak for good.",
        "It rose by more than half of all that it ever did, held that for a tenth of the run, "
        "and ends at less than 30 % of the gain; values at the peak and in the last fifth hardly "
        "overlap. A dip that recovers, and the swings of a stationary return, pass; one that lasted "
        "for less than a quarter of the run, leaves more than a tenth of the gain, or is being made "
        "good, is inconclusive.",
        (RETURN,),
        return_kept,
        (faults.RETURN_COLLAPSED,),
        RETURN_SIGNALS,
    ),
    Detector(
        "return-moves",
        "The return varies, and leaves the level of its start.",
        "Exactly equal returns from the first record on, none of them positive (inconclusive up to "
        "1,000,000 steps); or, where Gymnasium knows the environment's goal, a return that never rose, "
        "nor came nearer by 5 % of the way, in 20,000 steps. Up to 200,000 steps that is inconclusive, "
        "and where most returns are equal it always is, since a correct agent may be slow or may not "
        "have found a sparse reward yet; it fails where the return is worse than the "
        "untrained policy's. Without a goal a flat return may be a good one: that is a remark; one of a "
        "policy that falls from each fifth of the run to the next, by half of its first level and five "
        "times its noise, fails.",
        (RETURN,),
        return_moves,
        (faults.RETURN_CONSTANT, faults.RETURN_STUCK),
        RETURN_SIGNALS,
    ),
    Detector(
        "episodes-do-not-freeze",
        "Episodes do not freeze at one length while the return is low.",
        "A constant length is right for tasks of fixed length and at the time limit of a solved "
        "one. An alarm needs a length that used to vary and a return that collapsed, or ends clearly "
        "below its start. Inconclusive where most returns are equal.",
        (need("episode_length"), RETURN),
        episodes_vary,
        (faults.STUCK_EPISODES,),
        ("episode_length", *RETURN_SIGNALS),
    ),
)
