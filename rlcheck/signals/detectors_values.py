"""Detectors on action values."""

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
from rlcheck.signals.series import Log, Series
from rlcheck.signals.statistics import apart, blocks, noise, settled_from, spanned, window

_BEYOND = 10.0
"""How many times the largest possible return an action value may reach: rewards may be rescaled."""

_STILL_GROWING = 1.5

_COMPOUND = 1.25
"""Growth from each sixth of a run to the next, the first quarter left out; in proportion to time it falls
to 1.15."""

_MOST_ENTROPY = 5.0
"""Entropy, in nats, that a maximum-entropy agent may be paid for at each step."""

_EQUAL = 0.01
"""Distance of the largest action value from the mean one, as a share of it, that float32 and a drift
between minibatches leave of a constant."""

_ROUNDING = 1e-6


def largest_value(log: Log) -> float | None:
    """The largest |discounted return| that the log's rewards allow, None without returns.

        max(max |R|, max |R / length| / (1 - gamma), r_max / (1 - gamma)) + alpha H / (1 - gamma)

    The first bounds episodes that end, the second a process that a time limit cuts; 1 / (1 - gamma)
    counts at most ten times the longest episode, since gamma = 1 bounds nothing. The last is what a
    maximum-entropy agent values beyond its rewards.
    """
    gamma = float(log.config.get("gamma", 0.99))
    horizon = 1.0 / max(1.0 - gamma, 1e-4)
    found = []
    returns, lengths = log.first("episode_return"), log.first("episode_length")
    if returns is not None and len(returns):
        largest = float(np.max(np.abs(returns.values)))
        found.append(largest)
        if lengths is not None and len(lengths):
            longest = float(np.max(lengths.values))
            rate, same = _reward_a_step(returns, lengths)
            if same:  # then a return is no single reward at the end, and discounting bounds it
                found.clear()
            found.append(rate * min(horizon, 10.0 * longest))
    if "reward_max" in log.config:
        found.append(float(log.config["reward_max"]) * horizon)
    if not found:
        return None
    alpha = log.first("temperature")
    soft = 0.0 if alpha is None or not len(alpha) else float(np.max(alpha.values)) * _MOST_ENTROPY
    return max(found) + soft * horizon


def _reward_a_step(returns: Series, lengths: Series) -> tuple[float, bool]:
    """The largest |R / length|, both of the same stretch; and whether all are the same."""
    count = max(1, min(20, len(returns) // 3, len(lengths) // 3))
    sums, steps_taken = blocks(returns, count)[0], blocks(lengths, count)[0]
    rates = np.abs(sums) / np.maximum(steps_taken, 1.0)
    varied = bool(np.ptp(steps_taken) > 0.1 * np.max(steps_taken))
    return float(np.max(rates)), varied and bool(np.ptp(rates) < 0.01 * np.max(rates))


def q_bounded(log: Log) -> Finding:
    """|Q| against the largest return that rewards allow, and whether it is still growing."""
    # Where rewards are costs the mean value is the larger one.
    known = [points for points in map(log.first, ("q_max", "q_mean")) if points is not None]
    sizes = [Series(q.steps, np.abs(q.values)) for q in known if len(q)]
    size = max(sizes, key=lambda one: window(one, 0.9, 1.0).median)
    end, before = window(size, 0.9, 1.0), window(size, 0.5, 0.7)
    bound = largest_value(log)
    growing = end.median > _STILL_GROWING * max(before.median, 1e-12)
    returns = course(log)
    if returns is not None and not returns.rose:
        # A learning rate that falls to 0 stops the growth of the worst values, too.
        growing = growing or end.median > 10 * window(size, 0.1, 0.25).median
    mean = log.first("q_mean", "q_max")
    multiplied = returns is None and mean is not None and _multiplied(mean)
    flat = returns is not None and not returns.rose and not returns.sparse
    contrary = flat and mean is not None and _contrary(mean, returns)
    if flat and mean is not None and (factor := _compounds(mean)):
        span = (float(mean.steps[len(mean) // 4]), float(mean.steps[-1]))
        return Alarm(
            "q-value-divergence",
            f"|Q| grows by the same factor again and again in {steps(span)}, {show(factor)} times in "
            "all, as values do that feed on themselves; true values are approached ever more slowly",
            span,
            {"factor": factor, "q": end.median},
        )
    if bound is not None and bound > 0:
        limit = bound if multiplied or contrary else _BEYOND * bound
        if end.median > limit and (growing or multiplied):
            start = settled_from(size, size.values > bound)
            span = (float(size.steps[0]) if start is None else start, float(size.steps[-1]))
            return Alarm(
                "q-value-divergence",
                f"|Q| reaches {show(end.median)} in {steps(span)} and keeps growing, "
                f"{end.median / bound:.0f} times the {show(bound)} that rewards can add up to",
                span,
                {"q": end.median, "largest_return": bound},
                healthy={"q_mean": (-bound, bound), "q_max": (-bound, bound)},
            )
        if end.median > limit:
            remark = (
                f"|Q| stands at {show(end.median)}, {end.median / bound:.0f} times the largest "
                "return; if rewards are not rescaled after they are logged, the values are wrong"
            )
            return Clear("the action values do not grow any more", (remark,))
        return Clear(f"|Q| ends at {show(end.median)}; rewards allow {show(bound)}")
    first = window(size, 0.1, 0.3)
    if end.median > 1e4 and end.median > 1e3 * max(first.median, 1e-12) and growing:
        span = (first.end, float(size.steps[-1]))
        return Alarm(
            "q-value-divergence",
            f"|Q| grows from {show(first.median)} to {show(end.median)} in {steps(span)} and does "
            "not settle",
            span,
            {"first": first.median, "q": end.median},
            strength=0.8,
        )
    return Clear(f"|Q| ends at {show(end.median)}; the log has no return to compare it with")


def _contrary(q: Series, returns: Course | None) -> bool:
    """Whether nine of ten returns have the opposite sign of the values at the end of the run."""
    if returns is None:
        return False
    return float(np.mean(returns.points.values * window(q, 0.9, 1.0).median < 0)) >= 0.9


def _compounds(q: Series) -> float:
    """By how much |Q| grew after the first quarter, 0 if not at a constant rate: x 1.25 in each sixth."""
    later = Series(q.steps[len(q) // 4 :], np.abs(q.values[len(q) // 4 :]))
    if len(later) < 18:
        return 0.0
    middles = np.maximum(blocks(later, 6)[0], 1e-12)
    ratios = middles[1:] / middles[:-1]
    steady = ratios.min() > _COMPOUND and ratios[-1] > 0.75 * ratios[0]
    return float(middles[-1] / middles[0]) if steady else 0.0


def _multiplied(q: Series) -> bool:
    """Whether |Q| grew by half and more five times in a row, from each twelfth of the run to the next.

    What grows in proportion to time does so twice at most, and with its square four times.
    """
    if len(q) < 20:
        return False
    middles = np.maximum(np.abs(blocks(q, 12)[0]), 1e-12)
    grew = middles[1:] > 1.5 * middles[:-1]
    return any(grew[at : at + 5].all() for at in range(len(grew) - 4))


def q_varies(log: Log) -> Finding:
    """The largest action value of a batch against the mean one: equal where the output is a constant."""
    mean, largest, returns = log["q_mean"], log["q_max"], course(log)
    assert returns is not None, "needs a return"
    steps_of_both, here, there = np.intersect1d(mean.steps, largest.steps, return_indices=True)
    apart_by = np.abs(largest.values[there] - mean.values[here])
    share = Series(steps_of_both, apart_by / np.maximum(np.abs(mean.values[here]), 1e-12))
    if len(share) < 10:
        return Unknown("q_mean and q_max are hardly ever logged for the same step")
    late = window(share, 0.5, 1.0)
    if late.median > _EQUAL or returns.learned or float(np.median(np.abs(mean.values))) < _ROUNDING:
        return Clear(f"the largest action value is {late.median:.1%} above the mean one")
    if returns.sparse:
        return Doubt(
            f"the largest action value of a batch is within {late.median:.3%} of the mean one, and most "
            "returns are equal: as long as nothing better is found all values may be the same"
        )
    return Alarm(
        "action-values-all-equal",
        f"the largest action value of a batch is within {late.median:.3%} of the mean one in "
        f"{steps(late.span)} ({show(window(mean, 0.8, 1.0).median)}): the values no longer depend on "
        f"the state or the action, and {returns.in_words()}",
        late.span,
        {"spread": late.median, "return": returns.last.median},
    )


def q_honest(log: Log) -> Finding:
    """Learned values against the discounted returns really obtained from the same states."""
    q, real = log["q_mean"], log["monte_carlo_return"]
    ours, truth = window(q, 0.5, 1.0), window(real, 0.5, 1.0)
    scale = max(abs(truth.median), spanned(real), noise(real), 1e-12)
    excess = ours.median - truth.median
    catching_up = apart(window(real, 0.5, 0.7).values, window(real, 0.8, 1.0).values)
    if excess < 0.5 * scale or not apart(truth.values, ours.values) or catching_up:
        return Clear(
            f"values exceed the real returns by {show(excess)}, {excess / scale:.0%} of their size"
        )
    return Alarm(
        "overestimation",
        f"the values ({show(ours.median)}) exceed the discounted returns really obtained "
        f"({show(truth.median)}) by {excess / scale:.0%} in {steps(ours.span)}",
        ours.span,
        {"q": ours.median, "real": truth.median},
    )


DETECTORS: tuple[Detector, ...] = (
    Detector(
        "action-values-within-reach",
        "Action values stay within what rewards can add up to.",
        "|Q| <= r_max / (1 - gamma). The bound is taken from the returns of the log (or --set "
        "reward_max=R), and an alarm needs ten times that and a growth that goes on: values that "
        "rise from 0 to their true level pass, and so do rewards that are rescaled after they are "
        "logged. Once is enough where nine of ten returns have the other sign and do not rise. Where "
        "fewer than ten returns are known, five growths in a row by half, from each twelfth of the run "
        "to the next, and a value beyond the bound are enough. Below it a "
        "growth by the same factor again and again is an alarm where the return does not rise: "
        "true values are approached ever more slowly.",
        (need("q_max", "q_mean", least=10),),
        q_bounded,
        (faults.Q_DIVERGENCE,),
        ("q_max", "q_mean", *RETURN_SIGNALS),
    ),
    Detector(
        "action-values-differ",
        "Action values differ between states and actions.",
        "In the second half of the run the largest action value of a batch is within 1 % of the mean "
        "one, and the return did not rise by half of its first level. Inconclusive where most returns "
        "are equal.",
        (need("q_mean", least=10), need("q_max", least=10), RETURN),
        q_varies,
        (faults.VALUES_EQUAL,),
        ("q_mean", "q_max", *RETURN_SIGNALS),
    ),
    Detector(
        "action-values-come-true",
        "Action values agree with the returns that are really obtained.",
        "Both logged for the same states, over the second half of the run: an excess of half the "
        "size of the returns, without overlap, and returns that do not catch up.",
        (need("q_mean"), need("monte_carlo_return")),
        q_honest,
        (faults.OVERESTIMATION,),
        ("q_mean", "monte_carlo_return"),
    ),
)
