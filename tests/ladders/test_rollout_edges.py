"""The edges of rollouts: right agents pass, a stale first row and wrongly closed last rows are named."""

from __future__ import annotations

import numpy as np
import pytest
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv

import rlcheck
from rlcheck.records import Status

NAME = "agent/rollout-edges"


class LastRowUnmasked(RolloutBuffer):
    def compute_returns_and_advantage(self, last_values, dones):
        super().compute_returns_and_advantage(last_values, np.zeros_like(dones))


class ClosedAsAnEnd(RolloutBuffer):
    def compute_returns_and_advantage(self, last_values, dones):
        super().compute_returns_and_advantage(0 * last_values, dones)


class ClosedWithItsOwnValue(RolloutBuffer):
    def compute_returns_and_advantage(self, last_values, dones):
        own = last_values.new_tensor(self.values[-1]).reshape(last_values.shape)
        super().compute_returns_and_advantage(own, dones)


class Unbearing(RolloutBuffer):
    def reset(self):
        if self.buffer_size < 64:
            raise ValueError("at least 64 steps")
        super().reset()


class Resets(BaseCallback):
    def _on_step(self):
        return True

    def _on_rollout_end(self):
        self.training_env.reset()


class ResettingPPO(PPO):
    def learn(self, total_timesteps, callback=None, **keywords):
        return super().learn(total_timesteps, callback or Resets(), **keywords)


def outcome(algorithm=PPO, buffer=None, n_envs=1):
    def make_agent(make_env, *, seed, gamma):
        envs = DummyVecEnv([make_env] * n_envs)
        steps = {"n_steps": 64, "rollout_buffer_class": buffer, "device": "cpu"}
        return algorithm("MlpPolicy", envs, gamma=gamma, seed=seed, **steps)

    report = rlcheck.check(make_agent, "agent", select=(NAME,))
    return next(result for result in report.results if result.check == NAME)


@pytest.mark.parametrize(("algorithm", "n_envs"), [(PPO, 1), (PPO, 4), (A2C, 4)])
def test_right_rollouts_pass(algorithm, n_envs):
    assert outcome(algorithm, n_envs=n_envs).status is Status.PASSED


@pytest.mark.parametrize(
    ("algorithm", "buffer", "fault"),
    [
        (PPO, LastRowUnmasked, "terminal-bootstrap"),
        (A2C, LastRowUnmasked, "terminal-bootstrap"),
        (PPO, ClosedAsAnEnd, "truncation-as-terminal"),
        (PPO, ClosedWithItsOwnValue, "next-observation-stale"),
        (ResettingPPO, None, "observation-stale"),
    ],
)
def test_wrong_edges_are_named(algorithm, buffer, fault):
    found = outcome(algorithm, buffer, n_envs=2)
    assert found.status is Status.FAILED, found.message
    assert dict(found.suspects) == {fault: 0.9}


def test_a_buffer_that_bears_no_other_length_is_left_alone():
    found = outcome(buffer=Unbearing)
    assert found.status is Status.SKIPPED
    assert "at least 64 steps" in found.message
