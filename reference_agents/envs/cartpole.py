"""CartPole-v1: a pole on a cart, pushed left or right, +1 a step until it falls or 500 steps.

References: Barto, Sutton and Anderson 1983; the equations as in https://coneural.org/florian/papers/05_cart_pole.pdf.
"""

from __future__ import annotations

import math

import gymnasium
import numpy as np
import torch
from torch import Tensor

from reference_agents.envs.tensor_env import Dynamics

GRAVITY, POLE_MASS, TOTAL_MASS, HALF_LENGTH = 9.8, 0.1, 1.1, 0.5
POLE_MASS_LENGTH = POLE_MASS * HALF_LENGTH
FORCE, TAU = 10.0, 0.02
X_LIMIT, ANGLE_LIMIT = 2.4, 12 * 2 * math.pi / 360


def cartpole_initial(draws: Tensor) -> Tensor:
    """A state (x, x', angle, angle') [..., 4] uniform in [-0.05, 0.05]."""
    return draws * 0.1 - 0.05


def cartpole_step(state: Tensor, actions: Tensor, draws: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """One Euler step of 0.02 s; actions 0 (left) or 1 (right)."""
    x, x_dot, angle, angle_dot = state.unbind(-1)
    cos, sin = torch.cos(angle), torch.sin(angle)
    force = actions.to(state.dtype) * (2 * FORCE) - FORCE
    temp = (force + POLE_MASS_LENGTH * angle_dot.square() * sin) / TOTAL_MASS
    angle_acc = (GRAVITY * sin - cos * temp) / (
        HALF_LENGTH * (4.0 / 3.0 - (POLE_MASS / TOTAL_MASS) * cos.square())
    )
    x_acc = temp - (POLE_MASS_LENGTH / TOTAL_MASS) * angle_acc * cos
    velocity = torch.stack((x_dot, x_acc, angle_dot, angle_acc), dim=-1)
    next_state = state + TAU * velocity
    terminated = (next_state[..., 0].abs() > X_LIMIT) | (next_state[..., 2].abs() > ANGLE_LIMIT)
    return next_state, torch.ones_like(x), terminated


def cartpole() -> Dynamics:
    """CartPole-v1 as in Gymnasium."""
    high = np.array([X_LIMIT * 2, np.inf, ANGLE_LIMIT * 2, np.inf], dtype=np.float32)
    return Dynamics(
        name="CartPole-v1",
        observation_space=gymnasium.spaces.Box(-high, high),
        action_space=gymnasium.spaces.Discrete(2),
        initial=cartpole_initial,
        step=cartpole_step,
        observe=lambda state: state,
        reset_draws=4,
        max_steps=500,
    )
