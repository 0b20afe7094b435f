"""Whether an agent of unknown kind explores as epsilon-greedy does, or as a policy does."""

from __future__ import annotations

import numpy as np
import pytest

from ladders.exam import design
from ladders.grading import grade
from ladders.sheets import POLICY, VALUES, Sheet

EXAM = design(0.9)
WORST = next(belief for belief in EXAM.beliefs if belief.fault == "reward-sign-flipped")


def sheets(share, acts_by: str = "") -> list[Sheet]:
    """Four runs that answer as rewards with the other sign demand; `share(rng, D)` of visits explores."""
    rng = np.random.default_rng(1)
    answers = (WORST.gaps[EXAM.decisions] > 0).astype(int)
    found = []
    for seed in range(4):
        late = np.zeros((EXAM.mdp.n_states, 2))
        rarer = rng.binomial(100, share(rng, len(answers)))
        late[EXAM.decisions, answers] = 100 - rarer
        late[EXAM.decisions, 1 - answers] = rarer
        unknown = np.full(EXAM.mdp.n_states, np.nan)
        found.append(Sheet(seed, 8_192, answers, unknown, late, acts_by))
    return found


def constant(rng, size):
    return np.full(size, 0.05)


def by_gap(rng, size):
    return rng.choice([0.01, 0.3], size)


@pytest.mark.parametrize(
    ("found", "first"),
    [
        pytest.param(sheets(constant), "reward-sign-flipped", id="epsilon-greedy"),
        pytest.param(sheets(by_gap), "advantage-sign-flipped", id="surer in some states"),
        pytest.param(sheets(by_gap, VALUES), "reward-sign-flipped", id="known to act by values"),
        pytest.param(sheets(constant, POLICY), "advantage-sign-flipped", id="known to be a policy"),
    ],
)
def test_the_sign_that_is_named_first_depends_on_how_the_agent_acts(found, first):
    ranked = dict(grade(EXAM, found).ranked_faults())
    best = max(("reward-sign-flipped", "advantage-sign-flipped"), key=lambda name: ranked[name])
    assert best == first
