"""The remark on action spaces for which a relaxation does not fit."""

from __future__ import annotations

import gymnasium
import pytest
from gymnasium import spaces

from ladders.environment_effects import EFFECTS
from ladders.large_actions import kept_bytes, relaxation_note


def test_a_relaxation_that_does_not_fit_is_remarked_on():
    note = relaxation_note(spaces.Discrete(100_000), memory=2 * 2**30)
    assert note.startswith("100,000 actions: a relaxation such as Gumbel-Softmax keeps 3.8 GiB")
    assert "batch of 2,048 rows, and 2.0 GiB are free" in note
    assert "keeps 1.5 GiB, choosing a cluster" in note


@pytest.mark.parametrize("space", [spaces.Discrete(18), spaces.Box(-1.0, 1.0, (3,))])
def test_usual_action_spaces_are_not(space):
    assert relaxation_note(space, memory=2 * 2**30) == ""


def test_memory_grows_with_actions_and_rows():
    assert kept_bytes(10, rows=3, numbers=2) == 240


class Huge(gymnasium.Env):
    """Ten thousand million actions."""

    action_space = spaces.Discrete(10_000_000_000)
    observation_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return 0, {}

    def step(self, action):
        return int(action % 2), float(action % 2), True, False, {}


def test_the_environment_check_carries_the_remark():
    from rlcheck import check

    report = check(Huge, "environment", select=[EFFECTS.name])
    notes = [note for result in report.results for note in result.notes]
    assert any(note.startswith("10,000,000,000 actions") for note in notes), notes
