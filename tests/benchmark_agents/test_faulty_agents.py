import inspect

import numpy as np
import pytest
from building import build
from tiny_problem import N_STATES

from benchmarks.agents.faulty import FAULTY

BATCH = np.eye(N_STATES, dtype=np.float32)


def test_there_are_at_least_40_with_names_of_their_own():
    assert len({agent.name for agent in FAULTY}) == len(FAULTY) >= 40
    assert all(agent.faults and agent.description for agent in FAULTY)


@pytest.mark.parametrize("agent", FAULTY, ids=lambda agent: agent.name)
def test_the_factory_takes_an_environment_a_seed_and_a_gamma(agent):
    names = inspect.signature(agent.factory).parameters
    assert next(iter(names)) in ("env", "make_env")
    assert {"seed", "gamma"} <= set(names)
    assert names["gamma"].default == 0.99


@pytest.mark.slow
@pytest.mark.parametrize("agent", FAULTY, ids=lambda agent: agent.name)
def test_it_learns_600_steps_without_an_error(agent):
    built = build(agent.factory, continuous=agent.continuous)
    built.learn(600)
    assert len(built.predict(BATCH, deterministic=True)[0]) == N_STATES
