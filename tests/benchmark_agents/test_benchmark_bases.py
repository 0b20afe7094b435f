"""The opened-up algorithms do bitwise what Stable-Baselines3's do."""

import pytest
import torch
from building import build
from stable_baselines3 import A2C, DQN, PPO

from benchmarks.agents import settings
from benchmarks.agents.open_algorithms import OpenA2C, OpenDQN, OpenPPO, OpenRolloutBuffer


def parameters_after(cls, settings_of, **changes):
    agent = build(lambda env, **common: settings_of(cls, env, **common, **changes))
    agent.learn(512)
    return agent.policy.state_dict()


@pytest.mark.parametrize(
    ("stock", "opened", "settings_of", "changes"),
    [
        (PPO, OpenPPO, settings.ppo, {"ent_coef": 0.01, "n_epochs": 2}),
        (PPO, OpenPPO, settings.ppo, {"normalize_advantage": False, "n_epochs": 2}),
        (A2C, OpenA2C, settings.a2c, {}),
        (DQN, OpenDQN, settings.dqn, {}),
    ],
)
def test_the_opened_update_is_the_stock_update(stock, opened, settings_of, changes):
    expected = parameters_after(stock, settings_of, **changes)
    got = parameters_after(opened, settings_of, **changes)
    for name, tensor in expected.items():
        assert torch.equal(tensor, got[name]), name


def test_the_opened_buffer_is_the_stock_buffer():
    expected = parameters_after(PPO, settings.ppo, n_epochs=2)
    got = parameters_after(PPO, settings.ppo, n_epochs=2, rollout_buffer_class=OpenRolloutBuffer)
    for name, tensor in expected.items():
        torch.testing.assert_close(tensor, got[name], rtol=1e-4, atol=1e-5)
