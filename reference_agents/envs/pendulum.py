"""Pendulum-v1: swing a pendulum up and hold it with a limited torque; cost of angle, speed, torque.

References: Gymnasium's Pendulum-v1 (https://gymnasium.farama.org/environments/classic_control/pendulum/).
"""

from __future__ import annotations

import math

import gymnasium
import numpy as np
import torch
from torch import Tensor

from reference_agents.envs.tensor_env import Dynamics

GRAVITY, MASS, LENGTH, TIME_STEP = 10.0, 1.0, 1.0, 0.05
MAX_SPEED, MAX_TORQUE = 8.0, 2.0


def pendulum_initial(draws: Tensor) -> Tensor:
    """A state (angle, speed) [..., 2] uniform in [-pi, pi] x [-1, 1]."""
    return (draws * 2 - 1) * torch.tensor([math.pi, 1.0], dtype=draws.dtype, device=draws.device)


def pendulum_step(state: Tensor, actions: Tensor, draws: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """One semi-implicit Euler step of 0.05 s; actions [..., 1] are torques, clipped to [-2, 2]."""
    angle, speed = state.unbind(-1)
    torque = actions.squeeze(-1).clamp(-MAX_TORQUE, MAX_TORQUE)
    wrapped = torch.remainder(angle + math.pi, 2 * math.pi) - math.pi
    cost = wrapped.square() + 0.1 * speed.square() + 0.001 * torque.square()
    acceleration = 3 * GRAVITY / (2 * LENGTH) * torch.sin(angle) + 3.0 / (MASS * LENGTH**2) * torque
    speed = (speed + acceleration * TIME_STEP).clamp(-MAX_SPEED, MAX_SPEED)
    angle = angle + speed * TIME_STEP
    never = torch.zeros_like(angle, dtype=torch.bool)
    return torch.stack((angle, speed), dim=-1), -cost, never


def pendulum_observe(state: Tensor) -> Tensor:
    """(cos angle, sin angle, speed) [..., 3]."""
    angle, speed = state.unbind(-1)
    return torch.stack((torch.cos(angle), torch.sin(angle), speed), dim=-1)


def pendulum() -> Dynamics:
    """Pendulum-v1 as in Gymnasium."""
    high = np.array([1.0, 1.0, MAX_SPEED], dtype=np.float32)
    return Dynamics(
        name="Pendulum-v1",
        observation_space=gymnasium.spaces.Box(-high, high),
        action_space=gymnasium.spaces.Box(-MAX_TORQUE, MAX_TORQUE, (1,)),
        initial=pendulum_initial,
        step=pendulum_step,
        observe=pendulum_observe,
        reset_draws=2,
        max_steps=200,
    )
