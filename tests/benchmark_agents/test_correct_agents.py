from fnmatch import fnmatch

import numpy as np
import pytest
from building import build
from tiny_problem import N_STATES, score

from benchmarks.agents.correct import CORRECT

BATCH = np.eye(N_STATES, dtype=np.float32)


def test_there_are_at_least_20_with_names_of_their_own():
    assert len({agent.name for agent in CORRECT}) == len(CORRECT) >= 20


# One of every family runs by default; the others differ from it in settings only.
DEFAULT = ("own-*", "ppo-eight-envs", "ppo-normalised", "a2c-adam", "dqn-quick", "sac-fixed")
SAMPLE = [
    pytest.param(
        agent,
        id=agent.name,
        marks=() if any(fnmatch(agent.name, name) for name in DEFAULT) else pytest.mark.slow,
    )
    for agent in CORRECT
]


@pytest.mark.parametrize("agent", SAMPLE)
def test_it_learns_600_steps_and_answers_one_observation_and_a_batch(agent):
    built = build(agent.factory, continuous=agent.continuous)
    built.learn(600)
    actions, _ = built.predict(BATCH, deterministic=True)
    assert len(actions) == N_STATES
    for observation, action in zip(BATCH, actions, strict=True):
        alone, _ = built.predict(observation, deterministic=True)
        np.testing.assert_allclose(alone, action, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    "agent", [agent for agent in CORRECT if not agent.slow], ids=lambda agent: agent.name
)
def test_it_learns_the_tiny_problem_in_20000_steps(agent):
    built = build(agent.factory, continuous=agent.continuous)
    built.learn(20_000)
    assert score(built, agent.continuous) == 4
