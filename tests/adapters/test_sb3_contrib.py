"""Algorithms of sb3-contrib: a policy with a state, a trust region, quantiles; none may be accused."""

import pytest
import torch
from sb3_contrib import QRDQN, TRPO, RecurrentPPO

import rlcheck

READ_OFF = (
    "agent/overfits-*", "agent/stores-*", "agent/stored-*", "agent/advantages-*",
    "agent/q-target-*", "agent/policy-update-*",
)  # fmt: skip


def trpo(env, *, seed, gamma=0.99):
    return TRPO("MlpPolicy", env, seed=seed, gamma=gamma, n_steps=256)


def recurrent_ppo(env, *, seed, gamma=0.99):
    return RecurrentPPO("MlpLstmPolicy", env, seed=seed, gamma=gamma, n_steps=128)


def qrdqn(env, *, seed, gamma=0.99):
    return QRDQN("MlpPolicy", env, seed=seed, gamma=gamma, learning_starts=100)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("factory", "at_least"),
    [
        (trpo, {"agent/advantages-follow-gae", "agent/policy-update-follows-advantage"}),
        pytest.param(recurrent_ppo, {"agent/advantages-follow-gae"}, marks=pytest.mark.slow),
        (qrdqn, {"agent/stores-what-happened"}),
    ],
)
def test_what_they_store_is_read_and_right(factory, at_least):
    report = rlcheck.check(factory, "agent", gamma=0.9, budget="quick", select=READ_OFF)
    status = {result.check: str(result.status) for result in report.results}
    assert set(status.values()) <= {"passed", "skipped", "inconclusive"}, status
    assert at_least <= {check for check, told in status.items() if told == "passed"}
