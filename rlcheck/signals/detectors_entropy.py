"""Detectors on the entropy of the policy, against the course of the return."""

from __future__ import annotations

import math

import numpy as np

from rlcheck.signals import faults, hyper_parameters
from rlcheck.signals.course import Course, course, known_actions
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
from rlcheck.signals.statistics import blocks, settled_from, trend, window

_COLLAPSED = 0.05
"""Share of the largest entropy below which a policy counts as deterministic."""

_NEARLY = 0.15
"""The same where the return is known to be a fifth of the way to the goal at most."""

_DRIVEN = 0.5
"""The same where the entropy falls all the time and the log states that it is punished."""

_STROKES = 3

_NO_RETURN = Unknown("10 values of the return are needed")

_UNIFORM = 0.01

_YOUNG = 15_000
"""Steps before which a policy that hardly moved may just be slow."""


def entropy_collapse(log: Log) -> Finding:
    """The entropy, as a share of its largest value, against the return."""
    entropy, returns = log["entropy"], course(log)
    found = _course_of_entropy(log, entropy, returns)
    if isinstance(found, Alarm) or (returns is not None and returns.at_goal):
        return found
    return _punished(log, entropy) or found


def _course_of_entropy(log: Log, entropy: Series, returns: Course | None) -> Finding:
    if "action_std" in log.signals and len(log["action_std"]) >= 10:
        return _std_collapse(log["action_std"], returns) if returns else _NO_RETURN
    if np.any(entropy.values < -1e-6):
        return Unknown(
            "the entropy is that of a density, whose zero means nothing; log the standard "
            "deviation of the actions too"
        )
    largest, seen = _largest_entropy(log, entropy)
    share = Series(entropy.steps, entropy.values / max(largest, 1e-12))
    end = window(share, 0.9, 1.0)
    good = returns is not None and returns.at_goal
    if not good and (why := _driven(log, share) or _at_one_stroke(log, share)):
        return _collapse(share, largest, 0.5, why, returns)
    if returns is None:
        return _NO_RETURN
    limit = _NEARLY if returns.far_from_goal else _COLLAPSED
    if end.median > limit:
        return Clear(f"the entropy ends at {end.median:.0%} of its largest value")
    if returns.improving and not returns.below_first:
        remark = f"the entropy is {end.median:.1%} of its largest value, and the return still rises"
        return Clear("the policy is nearly certain and still gets better", (remark,))
    if not ((returns.low and (seen or returns.goal is not None)) or returns.below_first):
        return Clear(
            f"the entropy fell to {end.median:.1%} of its largest value while the return rose"
        )
    if returns.sparse and not returns.below_first:
        return Doubt(
            f"the entropy is {end.median:.1%} of its largest value, and most returns are equal: a policy "
            "that hardly ever finds a reward may settle before it does (more exploration helps)"
        )
    return _collapse(share, largest, limit, "", returns)


def _punished(log: Log, entropy: Series) -> Alarm | None:
    """An enormous coefficient of the wrong sign, and an entropy that falls as it demands.

    With a sign that is only a convention the same size would hold the policy near uniform.
    """
    if not hyper_parameters.lives_on_certainty(log) or len(entropy) < 10:
        return None
    middles, _ = blocks(entropy, 5)
    if np.any(np.diff(middles) >= 0) or trend(entropy.values).z > -4.0:
        return None
    span = (float(entropy.steps[0]), float(entropy.steps[-1]))
    return Alarm(
        "entropy-punished",
        f"the entropy falls all through {steps(span)}, from {show(middles[0])} to {show(middles[-1])} "
        f"nats, as its coefficient of {log.config['entropy_coef']:g} rewards",
        span,
        {"first": float(middles[0]), "last": float(middles[-1])},
    )


def _collapse(
    share: Series, largest: float, limit: float, why: str, returns: Course | None
) -> Alarm:
    start = settled_from(share, share.values <= limit)
    span = (float(share.steps[0]) if start is None else start, float(share.steps[-1]))
    level = window(share, 0.9, 1.0).median
    numbers = {"entropy": level * largest, "share": level}
    if returns is not None:
        numbers["return"] = returns.last.median
    return Alarm(
        "entropy-collapse",
        f"the entropy is {show(level * largest)} nats, {level:.1%} of its largest value, in "
        f"{steps(span)}{why}" + (f", while {returns.in_words()}" if returns else ""),
        span,
        numbers,
        healthy={"entropy": (limit * largest, largest)},
    )


def _driven(log: Log, share: Series) -> str:
    """In words, which stated setting drives the entropy down; "" where none does."""
    if len(share) < 10:
        return ""
    if hyper_parameters.leaps(log) and window(share, 0.5, 1.0).median <= _COLLAPSED:
        return f", after steps with a learning rate of {log.config['learning_rate']:g}"
    if not hyper_parameters.rewards_certainty(log):
        return ""
    middles, _ = blocks(share, 5)
    fell = middles[-1] <= _COLLAPSED or np.all(np.diff(middles) < 0)
    if not fell or middles[-1] > _DRIVEN:
        return ""
    return f", as its coefficient of {log.config['entropy_coef']:g} rewards"


def _at_one_stroke(log: Log, share: Series) -> str:
    """In words, that one to three updates made a nearly uniform policy certain for good; "" if none did.

    From a uniform policy that is a divergence of KL(new || old) = log(n) - H(new), several times what any
    clip range leaves of three updates.
    """
    rollout = _steps_of_a_rollout(log)
    if rollout is None or len(share) < 10 or window(share, 0.5, 1.0).median > _COLLAPSED:
        return ""
    for apart in range(1, _STROKES + 1):
        before, after = share.values[:-apart], share.values[apart:]
        near = share.steps[apart:] - share.steps[:-apart] <= 1.01 * _STROKES * rollout
        struck = np.nonzero((before > 0.8) & (after < 2 * _COLLAPSED) & near)[0]
        if len(struck):
            last = share.steps[struck[0] + apart]
            return f": the updates up to step {last:,.0f} made it so at one stroke"
    return ""


def _steps_of_a_rollout(log: Log) -> float | None:
    """Environment steps from one update to the next, where the configuration tells."""
    length, width = log.config.get("n_steps"), log.config.get("num_envs", 1.0)
    return None if length is None else float(length) * float(width)


def _largest_entropy(log: Log, entropy: Series) -> tuple[float, bool]:
    """The entropy of the uniform policy, or the largest seen; and whether the log shows the fall."""
    top = float(np.percentile(entropy.values[: max(3, len(entropy) // 10)], 90))
    actions = known_actions(log)
    largest = math.log(actions) if actions else max(top, 1e-12)
    # Without the number of actions, a first record of a few hundredths of a nat is a fall not seen.
    return max(largest, math.log(2.0)), top > 4 * _COLLAPSED * max(largest, math.log(2.0))


def _std_collapse(std: Series, returns: Course) -> Finding:
    first, end = window(std, 0.0, 0.1).median, window(std, 0.9, 1.0)
    if not (end.median < _COLLAPSED * first and returns.low):
        return Clear(f"the standard deviation of the actions ends at {show(end.median)}")
    start = settled_from(std, std.values < _COLLAPSED * first)
    span = (std.steps[0] if start is None else start, float(std.steps[-1]))
    return Alarm(
        "entropy-collapse",
        f"the standard deviation of the actions fell from {show(first)} to {show(end.median)} in "
        f"{steps(span)}, while {returns.in_words()}",
        span,
        {"first": first, "last": end.median, "return": returns.last.median},
    )


def entropy_explosion(log: Log) -> Finding:
    """A rising entropy with a falling return, or an entropy that is maximal throughout."""
    entropy, returns = log["entropy"], course(log)
    if returns is None:
        return _held_uniform(log, entropy) or _NO_RETURN
    middles, _ = blocks(entropy, 10)
    low, end = float(middles.min()), float(middles[-1])
    uniform = _stays_uniform(log, entropy, returns)
    if uniform is not None:
        return uniform
    actions = known_actions(log)
    # Where the maximum is a guess, chance alone can look like a return to it: then a collapse is needed.
    sick = returns.collapsed or (actions is not None and not returns.ever_rose)
    grew = False
    if "action_std" in log.signals and len(log["action_std"]) >= 10:
        std, _ = blocks(log["action_std"], 10)
        grew = std[-1] > 5 * std[0] > 0
        sick = sick or not returns.ever_rose
    elif np.all(entropy.values >= 0):
        top = math.log(actions) if actions else float(middles.max())
        grew = end > 0.95 * top and low < 0.5 * top
    if not (grew and sick):
        return Clear(f"the entropy ends at {show(end)} nats; its lowest level was {show(low)}")
    turn = int(np.argmin(middles))
    span = (float(blocks(entropy, 10)[1][turn]), float(entropy.steps[-1]))
    return Alarm(
        "entropy-explosion",
        f"the entropy rose from {show(low)} to {show(end)} nats in {steps(span)}, while "
        f"{returns.in_words()} (peak {show(returns.peak.median)})",
        span,
        {"lowest": low, "last": end, "return": returns.last.median},
    )


def _stays_uniform(log: Log, entropy: Series, returns: Course) -> Alarm | Doubt | None:
    actions = known_actions(log)
    tops = [math.log(actions)] if actions else [math.log(k) for k in range(2, 19)]
    uniform = any(np.all(np.abs(entropy.values - top) < _UNIFORM * top) for top in tops)
    if not returns.at_goal and (held := _held_uniform(log, entropy)):
        return held
    gain = returns.peak.median - returns.start.median
    if gain > max(0.5 * abs(returns.start.median), 3 * returns.noise) or returns.at_goal:
        return None
    if not uniform or len(entropy) < 20:
        return None
    if returns.sparse or entropy.steps[-1] < _YOUNG or _leaves_uniform(entropy, tops):
        # Where hardly an episode differs from another there is next to no gradient to arrive.
        return Doubt(
            "the entropy stays within 1 % of the uniform policy's; the training is short, the policy "
            "just begins to move, or most returns are equal, so that a correct one may have had "
            "nothing to learn from yet"
        )
    span = (float(entropy.steps[0]), float(entropy.steps[-1]))
    return Alarm(
        "policy-stays-random",
        "the entropy stays within 1 % of the uniform policy's "
        f"({show(float(np.median(entropy.values)))} nats) in {steps(span)}, while "
        f"{returns.in_words()}",
        span,
        {"entropy": float(np.median(entropy.values)), "return": returns.last.median},
    )


def _held_uniform(log: Log, entropy: Series) -> Alarm | None:
    """An enormous coefficient of the entropy that holds a policy within a thousandth of uniform."""
    actions = known_actions(log)
    top = math.log(actions) if actions else float(np.max(entropy.values))
    if not hyper_parameters.rewards_chance(log) or len(entropy) < 10 or top <= 0:
        return None
    apart = np.abs(entropy.values - top) / top
    if np.any(apart > _UNIFORM) or np.percentile(apart, 75) > 0.1 * _UNIFORM:
        return None
    span = (float(entropy.steps[0]), float(entropy.steps[-1]))
    level = float(np.median(entropy.values))
    return Alarm(
        "policy-stays-random",
        f"the entropy stays at that of the uniform policy ({show(level)} nats) in {steps(span)}, as its "
        f"coefficient of {log.config['entropy_coef']:g} rewards",
        span,
        {"entropy": level},
    )


def _leaves_uniform(entropy: Series, tops: list[float]) -> bool:
    """Whether the distance from the uniform policy's entropy grows steadily, as when learning starts."""
    top = min(tops, key=lambda one: abs(one - float(entropy.values[0])))
    middles = top - blocks(entropy, 5)[0]
    return bool(np.all(np.diff(middles) > 0) and middles[-1] > 5 * max(middles[0], 0.0))


DETECTORS: tuple[Detector, ...] = (
    Detector(
        "policy-certain-only-when-good",
        "The policy becomes deterministic only as the return rises.",
        "The entropy as a share of log(number of actions), or of its first values where that "
        "number is unknown, falls below 5 % while the return is no better than at the start (or "
        "less than half way to the environment's goal; at a fifth of the way, below 15 %). A "
        "policy that converged has a low entropy and a high return, and passes; so does one whose "
        "return still rises. Inconclusive where most returns are equal. Whatever the return, "
        "short of the goal: an entropy that a stated coefficient below -0.1 drives down to half "
        "and less, one below 5 % at a stated learning rate above 0.1, and one that three updates "
        "took from 80 % to 10 % and that stays low. Under a stated coefficient below -1 any entropy that "
        "falls from each fifth of the run to the next is one too many.",
        (need("entropy", least=5),),
        entropy_collapse,
        (faults.ENTROPY_COLLAPSE, faults.ENTROPY_PUNISHED),
        ("entropy", "action_std", *RETURN_SIGNALS),
    ),
    Detector(
        "policy-does-not-drift-to-random",
        "The entropy does not return to its maximum, nor stay there.",
        "An alarm needs both: the entropy at 95 % of its maximum after it had fallen below 50 % "
        "(for Gaussian policies a standard deviation five times the first), and a return that "
        "collapsed or never rose. An entropy within 1 % of uniform in every record with a flat "
        "return shows a policy without gradient; before 15,000 steps, where the distance from "
        "uniform grows steadily, and where most returns are equal, that is inconclusive. Within "
        "0.1 % for three quarters of it, under a stated coefficient above 1, it is an alarm in any "
        "task.",
        (need("entropy", least=10),),
        entropy_explosion,
        (faults.ENTROPY_EXPLOSION, faults.POLICY_UNIFORM),
        ("entropy", "action_std", *RETURN_SIGNALS),
    ),
)
