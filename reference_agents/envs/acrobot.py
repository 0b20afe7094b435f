"""Acrobot-v1: two links, a motor at the joint between them; -1 a step until the tip is high enough.

References: Sutton 1996, "Generalization in reinforcement learning"; Sutton and Barto 2018, 11.3.
"""

from __future__ import annotations

import math

import gymnasium
import numpy as np
import torch
from torch import Tensor

from reference_agents.envs.tensor_env import Dynamics

TIME_STEP, GRAVITY = 0.2, 9.8
LINK_MASS, LINK_LENGTH, CENTRE, INERTIA = 1.0, 1.0, 0.5, 1.0
MAX_SPEED_1, MAX_SPEED_2 = 4 * math.pi, 9 * math.pi


def acrobot_initial(draws: Tensor) -> Tensor:
    """A state (angle 1, angle 2, speed 1, speed 2) [..., 4] uniform in [-0.1, 0.1]."""
    return draws * 0.2 - 0.1


def _derivative(state: Tensor, torque: Tensor) -> Tensor:
    """Time derivative of the state under the book's equations of motion."""
    angle_1, angle_2, speed_1, speed_2 = state.unbind(-1)
    m, l, lc, inertia = LINK_MASS, LINK_LENGTH, CENTRE, INERTIA  # noqa: E741 (the book's symbols)
    cos_2, sin_2 = torch.cos(angle_2), torch.sin(angle_2)
    d1 = m * lc**2 + m * (l**2 + lc**2 + 2 * l * lc * cos_2) + 2 * inertia
    d2 = m * (lc**2 + l * lc * cos_2) + inertia
    phi_2 = m * lc * GRAVITY * torch.cos(angle_1 + angle_2 - math.pi / 2)
    phi_1 = (
        -m * l * lc * speed_2.square() * sin_2
        - 2 * m * l * lc * speed_2 * speed_1 * sin_2
        + (m * lc + m * l) * GRAVITY * torch.cos(angle_1 - math.pi / 2)
        + phi_2
    )
    acc_2 = (torque + d2 / d1 * phi_1 - m * l * lc * speed_1.square() * sin_2 - phi_2) / (
        m * lc**2 + inertia - d2.square() / d1
    )
    acc_1 = -(d2 * acc_2 + phi_1) / d1
    return torch.stack((speed_1, speed_2, acc_1, acc_2), dim=-1)


def acrobot_step(state: Tensor, actions: Tensor, draws: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """One Runge-Kutta step of 0.2 s; actions 0, 1, 2 are the torques -1, 0, +1."""
    torque, h = actions.to(state.dtype) - 1.0, TIME_STEP
    k1 = _derivative(state, torque)
    k2 = _derivative(state + h / 2 * k1, torque)
    k3 = _derivative(state + h / 2 * k2, torque)
    k4 = _derivative(state + h * k3, torque)
    angle_1, angle_2, speed_1, speed_2 = (state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)).unbind(-1)
    angle_1 = torch.remainder(angle_1 + math.pi, 2 * math.pi) - math.pi
    angle_2 = torch.remainder(angle_2 + math.pi, 2 * math.pi) - math.pi
    speed_1 = speed_1.clamp(-MAX_SPEED_1, MAX_SPEED_1)
    speed_2 = speed_2.clamp(-MAX_SPEED_2, MAX_SPEED_2)
    terminated = -torch.cos(angle_1) - torch.cos(angle_1 + angle_2) > 1.0
    next_state = torch.stack((angle_1, angle_2, speed_1, speed_2), dim=-1)
    return next_state, terminated.to(state.dtype) - 1.0, terminated


def acrobot_observe(state: Tensor) -> Tensor:
    """Cosine and sine of both angles and both speeds [..., 6]."""
    angle_1, angle_2, speed_1, speed_2 = state.unbind(-1)
    cos, sin = torch.cos, torch.sin
    return torch.stack(
        (cos(angle_1), sin(angle_1), cos(angle_2), sin(angle_2), speed_1, speed_2), dim=-1
    )


def acrobot() -> Dynamics:
    """Acrobot-v1 as in Gymnasium."""
    high = np.array([1.0, 1.0, 1.0, 1.0, MAX_SPEED_1, MAX_SPEED_2], dtype=np.float32)
    return Dynamics(
        name="Acrobot-v1",
        observation_space=gymnasium.spaces.Box(-high, high),
        action_space=gymnasium.spaces.Discrete(3),
        initial=acrobot_initial,
        step=acrobot_step,
        observe=acrobot_observe,
        reset_draws=4,
        max_steps=500,
    )
