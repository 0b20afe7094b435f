"""Detector on the mean of what targets add to values, beside the mean TD error that it is made of.

    delta_t = r_t + gamma V(s_t+1) - V(s_t),    A_t = sum_k (gamma lambda)^k delta_t+k

Averaged over a rollout every delta has a weight of 1 (one-step targets) up to 1 / (1 - gamma), whatever
lambda, the task, and the sign of its returns. Whole returns are the case lambda = 1.

References: Schulman et al. 2016, arXiv:1506.02438, eq. 16.
"""

from __future__ import annotations

import numpy as np

from rlcheck.signals import faults
from rlcheck.signals.detectors_value_means import LEAST, MOSTLY, TOO_FEW, both
from rlcheck.signals.detectors_values import largest_value
from rlcheck.signals.findings import Alarm, Clear, Detector, Finding, Unknown, need, show, steps
from rlcheck.signals.series import FloatArray, Log

_SURE, _OPPOSED = 3.4, -0.2
"""Standard deviations by which more than half of the signs differ; rank correlation where they do."""

_ONE_SIDE, _LOST = 0.9, 0.3
"""Share of TD errors of one sign with which a weight can be told; a weight that is none."""


def targets_follow(log: Log) -> Finding:
    """What targets add to values is the TD errors with a weight of 1 and more."""
    means = both(log)
    if means is None:
        return TOO_FEW
    values, targets = means
    errors = log["td_error_mean"]
    _, here, there = np.intersect1d(values.steps, errors.steps, return_indices=True)
    says, added, found = (
        values.values[here],
        (targets.values - values.values)[here],
        errors.values[there],
    )
    known = found != 0
    says, added, found = says[known], added[known], found[known]
    if len(found) < LEAST:
        return Unknown(f"{LEAST} records that hold td_error_mean are needed")
    span = (float(values.steps[0]), float(values.steps[-1]))
    weight, against = float(np.median(added / found)), float(np.mean(added * found < 0))
    numbers = {"weight": weight, "against": against}
    if _reversed(log, added, found):
        return Alarm(
            "value-targets-reversed",
            f"what targets add to values has the opposite sign of the mean TD error in {against:.0%} of "
            f"the records of {steps(span)}, {show(weight)} times as much: better rewards lower targets",
            span,
            numbers,
            strength=0.95,
        )
    late = slice(-max(LEAST, len(found) // 2), None)
    if _beyond_ends(log, says[late], added[late], found[late]):
        return Alarm(
            "terminal-bootstrap",
            f"values around {show(float(np.median(says[late])))} should change by a mean TD error of "
            f"{show(float(np.median(found[late])))} at the end of {steps(span)}, and targets change them "
            f"by {show(float(np.median(added[late])))}: what is missing is one value an episode",
            span,
            numbers,
            strength=0.85,
        )
    if _one_sided(found) and abs(weight) < _LOST and _of_rewards(log, found):
        return Alarm(
            "targets-without-rewards",
            f"the mean TD error is {show(float(np.median(found)))} in {steps(span)}, and targets add "
            f"{show(weight)} times as much to the values, where it is 1 to 1 / (1 - gamma) times",
            span,
            numbers,
            strength=0.9,
        )
    return Clear(f"targets add {show(weight)} times the mean TD error to the values")


def _reversed(log: Log, added: FloatArray, found: FloatArray) -> bool:
    """Whether the weight of the TD errors is negative beyond doubt, and of a possible size."""
    against = float(np.mean(added * found < 0))
    sure = (2.0 * against - 1.0) * len(found) ** 0.5
    horizon = 1.0 / max(1.0 - float(log.config.get("gamma", 0.99)), 1e-4)
    possible = -10.0 * horizon < float(np.median(added / found)) < -1.0
    return against >= MOSTLY and sure >= _SURE and possible and _opposed(added, found)


def _beyond_ends(log: Log, values: FloatArray, added: FloatArray, errors: FloatArray) -> bool:
    """Whether targets lack what TD errors lose at the end of an episode: gamma V(s') once in its length.

    Then values settle where targets leave them, and the TD errors do not: their mean is about
    -V / length. Both fluctuate together all the same, other than where targets are reversed. Targets that
    rewards cannot add up to, even without an end, are those of larger rewards.
    """
    lengths, bound = log.first("episode_length"), largest_value(log)
    if lengths is None or not len(lengths) or bound is None:
        return False
    if np.median(np.abs(values + added)) > bound:
        return False
    share = float(np.median(-errors / values)) * float(
        np.median(lengths.values[len(lengths) // 2 :])
    )
    left = np.mean(added * errors < _LOST * errors**2)
    against = np.mean(values * errors < 0)
    return bool(
        min(left, against) >= _ONE_SIDE and 0.25 < share < 4.0 and not _opposed(added, errors)
    )


def _opposed(one: FloatArray, other: FloatArray) -> bool:
    """Whether the ranks of two samples are negatively correlated."""
    from scipy.stats import spearmanr

    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return False
    return float(spearmanr(one, other).statistic) < _OPPOSED


def _of_rewards(log: Log, errors: FloatArray) -> bool:
    """Whether TD errors are as large as half of the rewards: smaller ones are what a right critic leaves.

    Those of a policy that is certain keep their sign, and weights of 1 and more may cancel them.
    """
    returns, lengths = log.first("episode_return"), log.first("episode_length")
    if returns is None or lengths is None or not len(returns) or not len(lengths):
        return False
    rate = float(np.median(np.abs(returns.values)) / max(float(np.median(lengths.values)), 1.0))
    return bool(np.median(np.abs(errors)) > 0.5 * rate)


def _one_sided(values: FloatArray) -> bool:
    return max(float(np.mean(values > 0)), float(np.mean(values < 0))) >= _ONE_SIDE


DETECTORS: tuple[Detector, ...] = (
    Detector(
        "targets-follow-td-errors",
        "What targets add to values is a sum of TD errors.",
        "An estimate of advantages, by GAE with any lambda or from whole returns, is a sum of TD errors "
        "with weights of 1 and more. What targets add to values therefore has the sign of the mean TD "
        "error of the same rollout, rises and falls with it, and is at least as large, in any task and "
        "on any scale. One alarm needs opposite signs in four of five records (3.4 standard deviations "
        "more than half), a rank correlation below -0.2, and a possible size. The second one needs TD "
        "errors of one sign in nine of ten records, of half the size of the rewards, of which targets "
        "hold less than three tenths. The third needs the same at the end of the run, where the TD "
        "errors are those of values that are lost at the end of each episode (a quarter to four times "
        "-value / length).",
        (
            need("value_mean", least=LEAST),
            need("value_target_mean", least=LEAST),
            need("td_error_mean", least=LEAST),
        ),
        targets_follow,
        (faults.TARGETS_REVERSED, faults.TERMINAL_BOOTSTRAP, faults.WITHOUT_REWARDS),
        ("value_mean", "value_target_mean", "td_error_mean"),
    ),
)
