"""Hyper-parameters with which Stable-Baselines3 agents learn a tiny problem in seconds.

Each builder takes the class, so that a faulty subclass is trained exactly as its correct base.
"""

from __future__ import annotations

from typing import Any

from stable_baselines3.common.vec_env import DummyVecEnv


def vectorised(make_env, n_envs: int) -> DummyVecEnv:
    """`n_envs` environments stepped one after another."""
    return DummyVecEnv([make_env] * n_envs)


def ppo(cls, env, *, seed, gamma, policy="MlpPolicy", **changes) -> Any:
    """PPO with short rollouts and a raised step size."""
    settings = {"n_steps": 512, "batch_size": 64, "n_epochs": 10, "learning_rate": 1e-3}
    return cls(policy, env, seed=seed, gamma=gamma, device="cpu", **(settings | changes))


def a2c(cls, env, *, seed, gamma, **changes) -> Any:
    """A2C with 16-step rollouts, Adam and a small entropy bonus."""
    settings = {
        "n_steps": 16,
        "learning_rate": 2e-3,
        "use_rms_prop": False,
        "ent_coef": 0.01,
        "gae_lambda": 0.95,
    }
    return cls("MlpPolicy", env, seed=seed, gamma=gamma, device="cpu", **(settings | changes))


def dqn(cls, env, *, seed, gamma, **changes) -> Any:
    """DQN with frequent target updates and long exploration."""
    settings = {
        "learning_rate": 1e-3,
        "buffer_size": 20_000,
        "learning_starts": 200,
        "batch_size": 64,
        "train_freq": 2,
        "target_update_interval": 200,
        "exploration_fraction": 0.5,
        "exploration_final_eps": 0.1,
        "policy_kwargs": {"net_arch": [64]},
    }
    return cls("MlpPolicy", env, seed=seed, gamma=gamma, device="cpu", **(settings | changes))


def continuous(cls, env, *, seed, gamma, **changes) -> Any:
    """SAC, TD3 or DDPG with small networks and an update every second step."""
    settings = {
        "learning_rate": 2e-3,
        "buffer_size": 20_000,
        "learning_starts": 300,
        "batch_size": 64,
        "train_freq": 2,
        "gradient_steps": 1,
        "tau": 0.02,
        "policy_kwargs": {"net_arch": [64]},
    }
    return cls("MlpPolicy", env, seed=seed, gamma=gamma, device="cpu", **(settings | changes))
