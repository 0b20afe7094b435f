"""An agent that learns nothing: when that is said, and which part of it is suspected."""

from __future__ import annotations

import numpy as np
import pytest

from ladders.exam import design
from ladders.no_learning import learns_nothing
from ladders.sheets import Sheet

EXAM = design(0.9)
RIGHT = EXAM.beliefs[0].values
rng = np.random.default_rng(5)
NOISE = rng.normal(0, 0.5, len(RIGHT))


def looked_at(
    right_early: float, right_late: float, values: np.ndarray | None, steps: int = 65_536
):
    """Four runs that guess, and took the right action in these shares of their visits."""
    states, visits = EXAM.decisions, 300
    sheets, evidence = [], []
    for seed in range(4):
        late = np.full((EXAM.mdp.n_states, 2), visits / 2.0)
        early = late.copy()
        for counts, share in ((late, right_late), (early, right_early)):
            counts[states, EXAM.right] = visits * share
            counts[states, 1 - EXAM.right] = visits * (1 - share)
        answers = np.where(np.arange(len(states)) % 2 == seed % 2, EXAM.right, 1 - EXAM.right)
        shown = np.full(EXAM.mdp.n_states, np.nan) if values is None else values
        sheets.append(Sheet(seed, steps, answers, shown, late))
        evidence.append({"late": late.tolist(), "counts": (early + late).tolist()})
    return learns_nothing(EXAM, sheets, evidence)


@pytest.mark.parametrize(
    ("early", "late", "values", "first"),
    [
        pytest.param(0.5, 0.5, None, "no-policy-gradient", id="even to the end"),
        pytest.param(0.4, 0.3, None, "does-not-learn", id="nothing shown"),
        pytest.param(0.4, 0.3, NOISE, "batch-misaligned", id="values that fit nothing"),
        pytest.param(
            0.45, 0.6, NOISE, "batch-misaligned", id="better by chance, values fit nothing"
        ),
        pytest.param(0.4, 0.3, RIGHT, "action-not-executed", id="right values, wrong policy"),
    ],
)
def test_what_is_shown_tells_which_part_does_not_learn(early, late, values, first):
    outcome = looked_at(early, late, values)
    assert next(iter(outcome.suspects)) == first


@pytest.mark.parametrize(
    ("late", "values", "steps"),
    [
        pytest.param(0.6, None, 65_536, id="its actions get better"),
        pytest.param(0.6, 0.2 * RIGHT + 0.1 * NOISE, 65_536, id="its values begin to fit"),
        pytest.param(0.4, NOISE, 16_384, id="too early to say"),
    ],
)
def test_a_learner_that_gets_better_or_has_had_little_time_is_let_off(late, values, steps):
    assert looked_at(0.45, late, values, steps) is None
