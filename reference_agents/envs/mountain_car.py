"""MountainCar-v0: a car too weak for the hill must first back up; -1 a step until the top.

References: Moore 1990, "Efficient memory-based learning for robot control".
"""

from __future__ import annotations

import gymnasium
import numpy as np
import torch
from torch import Tensor

from reference_agents.envs.tensor_env import Dynamics

MIN_POSITION, MAX_POSITION, GOAL, MAX_SPEED = -1.2, 0.6, 0.5, 0.07
FORCE, GRAVITY = 0.001, 0.0025


def mountain_car_initial(draws: Tensor) -> Tensor:
    """A state (position, speed) [..., 2] with the position uniform in [-0.6, -0.4], at rest."""
    position = draws[..., 0] * 0.2 - 0.6
    return torch.stack((position, torch.zeros_like(position)), dim=-1)


def mountain_car_step(
    state: Tensor, actions: Tensor, draws: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """One step; actions 0, 1, 2 push left, not at all, right."""
    position, speed = state.unbind(-1)
    speed = speed + (actions.to(state.dtype) - 1.0) * FORCE - GRAVITY * torch.cos(3 * position)
    speed = speed.clamp(-MAX_SPEED, MAX_SPEED)
    position = (position + speed).clamp(MIN_POSITION, MAX_POSITION)
    speed = torch.where((position <= MIN_POSITION) & (speed < 0), torch.zeros_like(speed), speed)
    terminated = (position >= GOAL) & (speed >= 0)
    return torch.stack((position, speed), dim=-1), -torch.ones_like(position), terminated


def mountain_car() -> Dynamics:
    """MountainCar-v0 as in Gymnasium."""
    return Dynamics(
        name="MountainCar-v0",
        observation_space=gymnasium.spaces.Box(
            np.array([MIN_POSITION, -MAX_SPEED], dtype=np.float32),
            np.array([MAX_POSITION, MAX_SPEED], dtype=np.float32),
        ),
        action_space=gymnasium.spaces.Discrete(3),
        initial=mountain_car_initial,
        step=mountain_car_step,
        observe=lambda state: state,
        reset_draws=1,
        max_steps=200,
    )
