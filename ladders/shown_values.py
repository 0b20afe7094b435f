"""Values that no policy can change: a critic that contradicts them is wrong, whatever the agent does.

Some states of the exam have one value under any policy: those of empty walks and those in front of a
certain end. What an agent shows there needs no right actions to be judged. The scale of its values says
nothing (rewards may be normalised), so two statements remain that are free of it: neighbouring values on
a walk show the discount, and the values of all of these states must rise and fall with the true ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from ladders.discounts import discount_suspects
from ladders.exam import Exam
from ladders.mdp import optimal_control
from ladders.outcomes import failed
from ladders.sheets import Sheet, wrong_answers
from ladders.shown_discount import FAR, shown_discount
from ladders.training import knows_gamma
from rlcheck.records import Context, Outcome

AGREE = 0.01
"""How close the discounts that two levels show must be to count as one."""
VISITS, FEWEST_STATES = 20, 8
UNRELATED, RELATED, RISING = 0.5, 0.97, 0.1
"""A critic that learned at all correlates with the true values by more than the first, on whatever scale;
one that has them right under another discount, by more than the second."""
MOSTLY_RIGHT = 0.25


@dataclass(frozen=True)
class Misjudged:
    """What the values of one level contradict.

    Args:
        discount: the discount that they show, where it is larger than the given one.
        correlation: the largest correlation of a run's values with the true ones, where all are small.
    """

    discount: float | None = None
    correlation: float | None = None


@cache
def certain(exam: Exam) -> np.ndarray:
    """[S] bool, the states that are worth the same under any policy."""
    flow = exam.mdp.continuation(exam.gamma)
    best, _ = optimal_control(exam.mdp.rewards, flow)
    worst, _ = optimal_control(-exam.mdp.rewards, flow)
    return np.abs(best + worst) < 1e-9


def misjudged(exam: Exam, sheets: Sequence[Sheet]) -> Misjudged | None:
    """What the values of all runs of a level contradict, None where they contradict nothing.

    A discount that looks too small may be values on their way from zero, so only a larger one counts.
    A critic is held to account once the policy has learned, from the same data: most answers are right.
    """
    found = [correlation(exam, sheet) for sheet in sheets]
    related = [one for one in found if one is not None]
    if len(related) < len(found):
        return None
    learned = wrong_answers(exam, sheets).mean() < MOSTLY_RIGHT
    if learned and not sheets[0].value_based and max(related) < UNRELATED:
        return Misjudged(correlation=max(related))
    discount = shown_discount(exam.mdp, [sheet.values for sheet in sheets])
    if discount is not None and discount > exam.gamma + FAR and min(related) > RELATED:
        return Misjudged(discount=discount)
    return None


def correlation(exam: Exam, sheet: Sheet) -> float | None:
    """Of shown and true values at certain states that the run was often in; None where too few are."""
    often = certain(exam) & np.isfinite(sheet.values) & (sheet.late.sum(axis=1) >= VISITS)
    shown, true = sheet.values[often], exam.beliefs[0].values[often]
    if often.sum() < FEWEST_STATES or np.ptp(true) == 0:
        return None
    return float(np.corrcoef(shown, true)[0, 1]) if np.ptp(shown) > 0 else 0.0


def wrong_values(exam: Exam, levels: Mapping[int, list[Sheet]], context: Context) -> Outcome | None:
    """Failed if two successive levels contradict the certain values in the same way."""
    recent = [misjudged(exam, levels[steps]) for steps in sorted(levels)[-2:]]
    if len(recent) < 2 or not _judged(context):
        return None
    before, now = recent
    if before is None or now is None:
        return None
    if now.discount is not None and before.discount is not None:
        same = abs(now.discount - before.discount) <= AGREE
        return _discount_outcome(exam, now.discount) if same else None
    if now.correlation is not None and before.correlation is not None:
        if now.correlation > before.correlation + RISING:
            return None
        return _critic_outcome(exam, levels[max(levels)], now.correlation)
    return None


def may_be_wrong(exam: Exam, sheets: Sequence[Sheet], context: Context) -> bool:
    """Whether the values of one level call for a second one, although every answer is right."""
    return _judged(context) and misjudged(exam, sheets) is not None


def _judged(context: Context) -> bool:
    """An entropy bonus in the values, or a discount that nobody knows, leaves no state certain."""
    known = knows_gamma(context.facts, context.settings)
    return known and not context.facts.get("entropy_in_value")


def _discount_outcome(exam: Exam, shown: float) -> Outcome:
    message = (
        f"along steps on which nothing is paid and no action matters, V(s) = {shown:.3f} V(s'); "
        f"expected gamma = {exam.gamma:g}"
    )
    return failed(message, discount_suspects(shown, exam.gamma), [message])


def _critic_outcome(exam: Exam, sheets: Sequence[Sheet], correlation: float) -> Outcome:
    shown = np.mean([sheet.values for sheet in sheets], axis=0)
    true = exam.beliefs[0].values
    states = np.nonzero(certain(exam) & np.isfinite(shown))[0]
    highest, lowest = states[np.argmax(true[states])], states[np.argmin(true[states])]
    lines = [
        f"{exam.mdp.names[state]}: worth {true[state]:.3g} whatever is done, shown {shown[state]:.3g}"
        for state in (highest, lowest)
    ]
    message = (
        "the values that the agent shows have nothing to do with what states are worth (correlation "
        f"{correlation:.2f} at most where no action matters): " + "; ".join(lines)
    )
    return failed(message, {"critic-not-trained": 0.8}, lines)
