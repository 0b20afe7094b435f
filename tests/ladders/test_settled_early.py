"""A policy that settles before late rewards are known, and values that show the discount regardless."""

from __future__ import annotations

import numpy as np
import pytest

from ladders.beliefs import CORRECT
from ladders.exam import design
from ladders.grading import grade, locked_in
from ladders.sheets import Sheet
from ladders.shown_discount import shown_discount, walks
from ladders.unfinished import PASSING

EXAM = design(0.9)
RIGHT = EXAM.right
LATE = [EXAM.question_of(s).name.startswith("not-squared") for s in EXAM.decisions]
BELIEFS = {belief.fault: belief for belief in reversed(EXAM.beliefs)}


def sheets(tried: float, values: np.ndarray | None = None) -> list[Sheet]:
    """Eight runs that are wrong about two late rewards, having tried the right action so often there."""
    answers = np.where(LATE, 1 - RIGHT, RIGHT)
    share = np.where(LATE, tried, 0.9)
    early = np.zeros((EXAM.mdp.n_states, 2))
    early[EXAM.decisions, RIGHT] = 300 * share
    early[EXAM.decisions, 1 - RIGHT] = 300 * (1 - share)
    known = np.full(EXAM.mdp.n_states, np.nan) if values is None else values
    return [Sheet(seed, 32_768, answers, known, early / 4, early=early) for seed in range(8)]


def test_only_wrong_questions_whose_right_action_was_hardly_tried_are_locked_in():
    assert locked_in(EXAM, sheets(0.03)).tolist() == LATE
    assert not locked_in(EXAM, sheets(0.2)).any()


@pytest.mark.parametrize(
    ("tried", "shown", "accused"),
    [
        (0.2, None, True),
        (0.03, None, False),
        (0.03, CORRECT, False),
        (0.03, "discount-applied-twice", True),
    ],
)
def test_late_rewards_convict_where_they_were_tried_or_values_show_the_discount(
    tried, shown, accused
):
    values = None if shown is None else BELIEFS[shown].values
    graded = grade(EXAM, sheets(tried, values), PASSING)
    assert (graded.innocent < 0.01) is accused
    if accused:
        assert graded.ranked_faults()[0][0] == "discount-applied-twice"


@pytest.mark.parametrize("fault", [CORRECT, "discount-ignored", "discount-applied-twice"])
@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_values_show_the_discount_on_any_scale(fault, scale):
    rng = np.random.default_rng(0)
    exact = BELIEFS[fault].values
    told = shown_discount(EXAM.mdp, [exact])
    noisy = [scale * exact * rng.normal(1, 0.01, len(exact)) for _ in range(4)]
    assert told == pytest.approx({CORRECT: 0.9, "discount-ignored": 1.0}.get(fault, 0.81), abs=1e-3)
    assert shown_discount(EXAM.mdp, noisy) == pytest.approx(told, abs=0.01)


def test_values_that_agree_on_no_discount_show_none():
    rng = np.random.default_rng(0)
    assert shown_discount(EXAM.mdp, [rng.normal(2, 1, EXAM.mdp.n_states) for _ in range(4)]) is None
    assert len(walks(EXAM.mdp)) > 10
