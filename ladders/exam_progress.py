"""How far a learner has come: which ways of not having learned yet its levels rule out.

A level is the sheets of all runs with one number of steps; each has twice the steps of the one before.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ladders.exam import Exam
from ladders.sheets import Sheet, wrong_answers
from ladders.unfinished import PASSING, UNKNOWN

Levels = Mapping[int, list[Sheet]]

SETTLED = 0.05
KNOWN = 0.3
"""How near a value of 2 or -2 must be to count as known."""


def ruled_out(exam: Exam, levels: Levels) -> tuple[str, ...]:
    """The kinds of unfinished learners (of `PASSING`) that these levels rule out."""
    if _stalled(exam, levels):
        return PASSING
    return (UNKNOWN,) if _limits_known(exam, levels) else ()


def mostly_wrong(exam: Exam, sheets: list[Sheet]) -> np.ndarray:
    """[D] 1 where more than half of the runs answered wrongly, else 0."""
    return np.round(wrong_answers(exam, sheets).mean(axis=0))


def _last_three(exam: Exam, levels: Levels) -> np.ndarray | None:
    """[3, D] what was mostly wrong at the last three levels, None before there are as many."""
    steps = sorted(levels)[-3:]
    return np.array([mostly_wrong(exam, levels[n]) for n in steps]) if len(steps) == 3 else None


def _unchanged(answers: np.ndarray) -> bool:
    return bool((answers == answers[0]).all())


def _limits_known(exam: Exam, levels: Levels) -> bool:
    """Whether a critic must know by now what is behind time limits.

    It shows the right values there at two levels, or three budgets have changed no wrong answer there.
    """
    behind = exam.mdp.behind_limits
    recent = [sheet for n in sorted(levels)[-2:] for sheet in levels[n]]
    shown = np.array([sheet.values[behind] for sheet in recent])
    if (np.abs(shown - exam.beliefs[0].values[behind]) < KNOWN).all():
        return True
    mostly = _last_three(exam, levels)
    if mostly is None:
        return False
    cut = mostly[:, exam.mdp.truncated[exam.decisions].any(axis=1)]
    return bool(cut[0].any()) and _unchanged(cut)


def _stalled(exam: Exam, levels: Levels) -> bool:
    """Whether the agent is done learning: its values have settled, or four times the budget moved none.

    Estimates on their way from zero pass from "half learned" to "all but exact" within a factor of about
    two in steps, so no learner of right code stays at one wrong sheet over a factor of four.
    """
    mostly = _last_three(exam, levels)
    if mostly is not None and _unchanged(mostly):
        return True
    before, now = (np.mean([s.values for s in levels[n]], axis=0) for n in sorted(levels)[-2:])
    change = np.abs(now - before) / np.maximum(np.abs(now), 0.1)
    inner, behind = change[exam.mdp.start == 0], change[exam.mdp.behind_limits]
    if not (np.isfinite(inner).all() and np.isfinite(behind).all()):
        return False
    return bool(np.quantile(inner, 0.9) < SETTLED and behind.max() < SETTLED)
