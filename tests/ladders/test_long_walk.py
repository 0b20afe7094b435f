"""No discount, or 0.99 typed in: told apart by one more training, where they are about as probable."""

from __future__ import annotations

import numpy as np
import pytest

import rlcheck
from examples.numpy_q_learning import make_agent
from ladders.long_walk import SEEDS, VARIANT, told_apart
from ladders.mdp import optimal_control
from ladders.tasks import ASKED, CONTROL, CONTROL_WAITS, long_walk_mdp
from rlcheck.records import More, Outcome, Status, Trial

TIED = {"discount-ignored": 0.5, "discount-hard-coded": 0.4}
EXAM = [(Trial(0, 512, "speed"), {}), (Trial(1, 16_384), {})]


def walks(*waits: bool, control: bool = True):
    answers = [{**dict.fromkeys(ASKED, one), CONTROL: control} for one in waits]
    return [(Trial(9 + i, 32_768, VARIANT), one) for i, one in enumerate(answers)]


def outcome(suspects=TIED, status=Status.FAILED) -> Outcome:
    return Outcome(status, "", {"proof": {}}, suspects)


@pytest.mark.parametrize(("gamma", "waits"), [(1.0, True), (0.99, False)])
def test_the_walk_divides_the_two_discounts(gamma, waits):
    mdp = long_walk_mdp()
    _, q_values = optimal_control(mdp.rewards, mdp.continuation(gamma))
    for name, action in ASKED.items():
        gaps = q_values[mdp.names.index(name)]
        assert bool(gaps.argmax() == action) is waits
        assert abs(np.ptp(gaps)) > 0.1
    assert q_values[mdp.names.index(CONTROL)].argmax() == CONTROL_WAITS


def test_a_tie_asks_for_one_more_training_and_is_decided_by_it():
    more = told_apart(outcome(), EXAM, [], may_take=True)
    assert isinstance(more, More)
    assert [(one.steps, one.variant) for one in more.trials] == [(32_768, VARIANT)] * SEEDS
    for waits, first in ((True, "discount-ignored"), (False, "discount-hard-coded")):
        told = told_apart(outcome(), EXAM, walks(waits, waits), may_take=True)
        assert next(iter(told.suspects)) == first
        assert told.suspects[first] > 0.6
        assert "more runs take" in told.evidence["proof"][first][-1]


@pytest.mark.parametrize(
    ("before", "seen"),
    [
        pytest.param(outcome(), walks(True, False), id="seeds differ"),
        pytest.param(outcome(), walks(True, True, control=False), id="too long a way to learn"),
        pytest.param(outcome({"discount-ignored": 0.9, "done-late": 0.05}), [], id="one is clear"),
        pytest.param(outcome(status=Status.INCONCLUSIVE), [], id="nothing failed"),
    ],
)
def test_else_nothing_changes(before, seen):
    assert told_apart(before, EXAM, seen, may_take=True) is before
    assert told_apart(outcome(), EXAM, [], may_take=False).suspects == TIED


@pytest.mark.parametrize(
    ("gamma", "fault"), [(1.0, "discount-ignored"), (0.99, "discount-hard-coded")]
)
def test_an_agent_that_shows_only_actions_is_named(gamma, fault):
    class ActionsOnly:
        def __init__(self, agent):
            self.learn, self.predict = agent.learn, agent.predict

    def make_fixed(env, *, seed, gamma=gamma):
        return ActionsOnly(make_agent(env, seed=seed, gamma=typed_in))

    typed_in = gamma
    report = rlcheck.check(make_fixed, "agent", budget="quick", select=("agent/exam",))
    assert report.diagnosis[0].fault == fault
