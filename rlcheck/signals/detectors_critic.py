"""Detectors on the critic: what it explains, and what its loss does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rlcheck.signals import faults
from rlcheck.signals.course import Course, course
from rlcheck.signals.detectors_values import largest_value
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
from rlcheck.signals.series import Log, Series
from rlcheck.signals.statistics import apart, settled_from, spanned, window

_NOTHING = 0.01
"""Explained variance that counts as none; even a critic that learns slowly soon has 0.02."""

_SOME = 0.1
"""Explained variance of a critic that learns; one of ten records may reach it by chance."""

_MANY = 30
"""Records after which a critic that learns has explained something."""

_YOUNG = 100_000
_LARGE = 50.0
"""Returns from which on an output that begins at 0 has far to go."""

_RESCALED = 10.0
"""How many times all that rewards add up to the error of a critic may be: they may be rescaled."""

_EXPLODED = 100.0
"""How many times its early level a value loss reaches that grew with the returns alone."""


def critic_explains(log: Log) -> Finding:
    """The explained variance is above 0 at some time, unless there is nothing to explain."""
    explained, returns = log["explained_variance"], course(log)
    # The first few records may be good by chance: an untrained critic against tiny returns.
    start = explained.steps[0] + 0.15 * (explained.steps[-1] - explained.steps[0])
    later = Series(
        explained.steps[explained.steps >= start], explained.values[explained.steps >= start]
    )
    middle, best = window(later, 0.0, 1.0).median, float(np.percentile(later.values, 90))
    if log.config.get("value_coef") == 0 and middle < _SOME:
        found = _nothing(explained, middle, best, ": the value loss has a weight of 0", 0.9)
        return replace(found, fault="critic-not-trained")
    if best > _SOME or middle > _NOTHING:
        return Clear(f"the critic explains {middle:.1%} of the variance of the returns (median)")
    beyond = _beyond_rewards(log, returns)
    if beyond > _RESCALED:
        why = (
            f", and its error is {show(beyond)} times what the logged rewards can add up to: the "
            "rewards that it learns from are far larger"
        )
        return _nothing(explained, middle, best, why, 0.85)
    if len(explained) < _MANY:
        return Unknown(f"explained_variance has {len(explained)} values, {_MANY} are needed")
    if returns is not None and spanned(returns.points) <= 1e-9 * max(abs(returns.last.median), 1.0):
        return Unknown("all returns are equal: there is no variance to explain")
    if returns is not None and returns.at_goal:
        return Clear("the critic explains nothing, and the environment is solved")
    if returns is not None and returns.learned and _error_fell(log, returns.last.median):
        # Where nearly all returns are equal little variance is left: the error tells more.
        return Clear("the critic explains nothing, and its error fell while the return rose")
    if _begins_to_explain(later):
        return Doubt(
            f"the explained variance is {show(middle)} (median), nearly always positive and growing: the "
            "critic learns slowly (rewards of hundreds need a higher learning rate, or scaling)"
        )
    if returns is not None and not returns.learned and _far_to_go(log, returns):
        return Doubt(
            f"the explained variance is {show(middle)} (median) so far, and the return hardly moved from "
            f"{show(returns.start.median)}: critics need long to reach values of that size (a higher "
            "learning rate helps, or scaled rewards)"
        )
    unclear = _unclear(log, returns, middle)
    if unclear:
        return Doubt(
            f"the explained variance is {show(middle)} (median), and {unclear}"
            ": a critic that is not trained looks like that, and so does one that says the same for "
            "every state because its units are saturated (a lower learning rate helps)"
        )
    assert returns is not None  # without returns it is unclear
    why = "; a critic that learns reaches 0.5 and more"
    return _nothing(explained, middle, best, why, 0.75 if returns.rose else 0.85)


def _nothing(explained: Series, middle: float, best: float, why: str, strength: float) -> Alarm:
    span = (float(explained.steps[0]), float(explained.steps[-1]))
    return Alarm(
        "critic-explains-nothing",
        f"the explained variance is {show(middle)} (median) and rarely above {show(best)} in "
        f"{steps(span)}{why}",
        span,
        {"median": middle, "best": best},
        strength=strength,
    )


def _beyond_rewards(log: Log, returns: Course | None) -> float:
    """The critic's error late in the run over the largest return that the logged rewards allow, or 0.

    To say 0 everywhere leaves the error of the targets at most. A critic that explains some of them may
    see rewards that are rescaled on purpose.
    """
    loss, bound = log.first("value_loss"), largest_value(log)
    if loss is None or len(loss) < 10 or not bound or (returns is not None and returns.learned):
        return 0.0
    return max(window(loss, 0.5, 1.0).median, 0.0) ** 0.5 / bound


def _unclear(log: Log, returns: Course | None, explained: float) -> str:
    """Why a critic that explains nothing may be right all the same, "" where it cannot be.

    PPO fits its critic to each batch several times: a correct one explains something soon. One step
    a batch, as in A2C, may take longer than the run. A rising return makes the errors larger and hides
    what the critic does.
    """
    if returns is None:
        return "fewer than 10 returns are known"
    if returns.sparse:
        return "most returns are equal"
    once = "clip_fraction" not in log.signals
    if once and (returns.rose or not _diverged(log, explained)):
        return "the critic takes one step a batch"
    return ""


def _begins_to_explain(explained: Series) -> bool:
    """Whether the explained variance is positive in four of five records and higher at the end."""
    first, last = window(explained, 0.0, 1 / 3), window(explained, 2 / 3, 1.0)
    return bool(np.mean(explained.values > 0) >= 0.8 and apart(first.values, last.values, 25.0))


def _far_to_go(log: Log, returns: Course) -> bool:
    """Whether returns are of a size that the first 100,000 steps of a critic need not reach.

    Its error must be one of such returns: an error of nothing, or of a thousand times as much, is no
    matter of time.
    """
    loss, level = log.first("value_loss"), abs(returns.last.median)
    if loss is None or not len(loss) or returns.points.steps[-1] > _YOUNG or level < _LARGE:
        return False
    return bool(0.01 < max(float(np.median(loss.values)), 0.0) ** 0.5 / level < 3.0)


def _diverged(log: Log, explained: float) -> bool:
    """Whether the critic is worse than a constant by far, or its error grew to six times the first."""
    if explained < -0.5:
        return True
    if "value_loss" not in log.signals or len(log["value_loss"]) < 10:
        return False
    loss = log["value_loss"]
    return window(loss, 0.8, 1.0).median > 6 * window(loss, 0.0, 0.1).median


def _error_fell(log: Log, level: float) -> bool:
    """Whether the value loss fell to less than a third, and is still one of returns of this level.

    A critic whose targets are 0 has an error of nothing at all.
    """
    if "value_loss" not in log.signals or len(log["value_loss"]) < 10:
        return False
    loss = log["value_loss"]
    late = window(loss, 0.8, 1.0).median
    return 1e-5 * level**2 < late < window(loss, 0.0, 0.2).median / 3


def value_loss_bounded(log: Log) -> Finding:
    """The value loss against its beginning and against the square of the returns."""
    # Learners of action values have no other loss, and call it just that.
    ours = "value_loss" if "value_loss" in log.signals else "loss"
    if ours == "loss" and ("epsilon" not in log.signals or "policy_loss" in log.signals):
        return Unknown("the log has no value_loss")
    loss = log[ours]
    early, end = window(loss, 0.02, 0.25), window(loss, 0.8, 1.0)
    bound = largest_value(log)
    ceiling = _EXPLODED * max(early.median, 1e-12)
    if bound is not None:
        ceiling = max(ceiling, bound * bound)
    q = log.first("q_mean", "q_max")
    if q is not None and len(q):
        # Values of costs that nobody has counted yet: an error of a tenth of them is a small one.
        ceiling = max(ceiling, (0.1 * window(q, 0.8, 1.0).median) ** 2)
    returns = course(log)
    growing = end.median > 10 * window(loss, 0.3, 0.5).median or end.median > 1e4 * early.median
    if end.median <= ceiling or not growing or (returns is not None and returns.rose):
        return Clear(
            f"the value loss ends at {show(end.median)}, after {show(early.median)} at first"
        )
    start = settled_from(loss, loss.values > 10 * early.median)
    span = (float(end.start) if start is None else start, float(loss.steps[-1]))
    return Alarm(
        "value-loss-explosion",
        f"the value loss grew from {show(early.median)} to {show(end.median)} in {steps(span)}, "
        "beyond what the size of the returns accounts for",
        span,
        {"first": early.median, "last": end.median},
        strength=0.8,
        healthy={ours: (0.0, ceiling)},
    )


DETECTORS: tuple[Detector, ...] = (
    Detector(
        "critic-explains-returns",
        "The critic explains some of the variance of the returns.",
        "After the first 15 % of the run: a median of at most 0.01, and nine of ten records below "
        "0.1. A critic that learns slowly lies above that. One whose explained variance fell when "
        "all returns became equal passes, and so does one whose error fell to a third while the "
        "return rose by half. Inconclusive is one that is nearly always positive and grows, one "
        "of returns above 50 that did not rise by half in fewer than 100,000 steps, one where "
        "most returns are equal, and one of an algorithm that uses each batch once (no clip "
        "fraction), unless the return did not rise and it is far worse than a constant or its "
        "error grew sixfold. An alarm in any case: a stated weight of the value loss of 0 (with a median "
        "below 0.1, since the critic may have a loss of its own), and an "
        "error of ten times the largest return that the logged rewards allow.",
        (need("explained_variance", least=12),),
        critic_explains,
        (faults.CRITIC_USELESS, faults.CRITIC_UNTRAINED),
        ("explained_variance", "value_loss", *RETURN_SIGNALS),
    ),
    Detector(
        "value-loss-bounded",
        "The value loss stays within the square of the returns.",
        "It grows with the returns, by their square. An alarm needs a hundred times the early "
        "level, more than the square of the largest possible return and of a tenth of the action "
        "values, a growth that goes on, and a return that does not rise.",
        (need("value_loss", "loss", least=15),),
        value_loss_bounded,
        (faults.VALUE_LOSS,),
        ("value_loss", "loss", *RETURN_SIGNALS),
    ),
)
