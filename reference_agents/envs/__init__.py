"""Environments for the agents: tensor environments on the device, and Gymnasium's through an adapter."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import gymnasium
import torch
from gymnasium.vector import VectorEnv

from reference_agents.envs.acrobot import acrobot
from reference_agents.envs.cartpole import cartpole
from reference_agents.envs.gymnasium_adapter import GymnasiumEnvs, from_gymnasium
from reference_agents.envs.mountain_car import mountain_car
from reference_agents.envs.pendulum import pendulum
from reference_agents.envs.tabular import MDP, cliff_walking, gridworld, tabular
from reference_agents.envs.tensor_env import BatchedEnv, Dynamics, Step, TensorEnv

TENSOR_ENVS: dict[str, Callable[[], Dynamics]] = {
    "CartPole-v1": cartpole,
    "Pendulum-v1": pendulum,
    "Acrobot-v1": acrobot,
    "MountainCar-v0": mountain_car,
    "CliffWalking-v1": cliff_walking,
}


def make_envs(
    env: str | Dynamics | gymnasium.Env | VectorEnv | BatchedEnv,
    seeds: Sequence[int],
    num_envs: int,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> BatchedEnv:
    """S seeds times N environments from whatever names one.

    Args:
        env: an id (a tensor environment where there is one, else Gymnasium's), dynamics, one
            Gymnasium environment, a vector environment, or batched environments, used as they are.
        seeds: the S seeds.
        num_envs: N, environments a seed.
        device, dtype: of the tensors.
    """
    if isinstance(env, str) and env in TENSOR_ENVS:
        env = TENSOR_ENVS[env]()
    if isinstance(env, Dynamics):
        return TensorEnv(env, seeds, num_envs, device, dtype)
    if isinstance(env, str | gymnasium.Env | VectorEnv):
        return from_gymnasium(env, seeds, num_envs, device, dtype)
    return env


__all__ = [
    "MDP",
    "TENSOR_ENVS",
    "BatchedEnv",
    "Dynamics",
    "GymnasiumEnvs",
    "Step",
    "TensorEnv",
    "acrobot",
    "cartpole",
    "cliff_walking",
    "from_gymnasium",
    "gridworld",
    "make_envs",
    "mountain_car",
    "pendulum",
    "tabular",
]
