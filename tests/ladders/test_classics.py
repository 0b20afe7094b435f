"""The judge of the upper rungs on made-up curves, and greedy evaluation in batches."""

import numpy as np
import pytest

from ladders.classics import CARTPOLE, CHECKS, PENDULUM, TINY, greedy_returns, judge_classic
from rlcheck.adapters.protocol import AgentHandle
from rlcheck.records import Context, More, Settings, Status


def climb(best, *, classic=CARTPOLE, confirmed=None, learns=None):
    """Drive the judge with one best evaluation for every seed."""
    trials = []
    while True:
        said = judge_classic(classic)(trials, Context())
        if not isinstance(said, More):
            return said, trials
        for trial in said.trials:
            if trial.variant == TINY:
                assert learns is not None, "the judge asked whether the agent learns anything"
                trials.append((trial, {"learns": learns}))
            else:
                curve = [[50_000, best]]
                trials.append((trial, {"curve": curve, "confirmed": confirmed}))


def test_one_solved_seed_passes():
    outcome, trials = climb(500.0, confirmed=490.0)
    assert outcome.status is Status.PASSED
    assert len(trials) == 1


def test_never_better_than_random_fails_unless_the_agent_learns_something():
    outcome, trials = climb(10.0, learns=False)
    assert outcome.status is Status.FAILED
    assert "does-not-learn" in outcome.suspects
    assert len(trials) == 4
    outcome, _ = climb(10.0, learns=True)
    assert outcome.status is Status.INCONCLUSIVE


@pytest.mark.parametrize(("best", "classic"), [(200.0, CARTPOLE), (-1300.0, PENDULUM)])
def test_slower_than_the_benchmark_is_inconclusive(best, classic):
    outcome, _ = climb(best, classic=classic)
    assert outcome.status is Status.INCONCLUSIVE
    assert "solved means" in outcome.message


def test_each_classic_is_for_one_form_of_actions():
    both = {"actions": "discrete", "action_forms": ["discrete", "continuous"]}
    facts = both | {"capabilities": ["predict"]}
    reasons = {check.name: check.applies(facts, Settings()) for check in CHECKS}
    assert reasons["agent/matches-cartpole"] is None
    assert "continuous" in reasons["agent/matches-pendulum"]


def test_greedy_returns_step_all_episodes_together():
    asked = []

    def predict(observations):
        asked.append(len(observations))
        return (observations[:, 2] > 0).astype(int)  # push towards the side the pole leans to

    returns = greedy_returns(
        AgentHandle(learn=lambda n: None, predict=predict), CARTPOLE, 5, seed=0
    )
    assert returns.shape == (5,)
    assert np.all(returns > 20)
    assert len(asked) == returns.max()
    assert asked[0] == 5
