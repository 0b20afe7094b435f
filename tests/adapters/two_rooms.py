"""A tiny environment, and tasks made of it."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from rlcheck.adapters.protocol import Task


class TwoRooms(gymnasium.Env):
    """One-step episodes in one of two rooms; action 0 pays in the first, action 1 in the second."""

    def __init__(self, continuous: bool = False) -> None:
        self.observation_space = spaces.Box(0.0, 1.0, (2,), np.float32)
        self.action_space = (
            spaces.Box(-1.0, 1.0, (1,), np.float32) if continuous else spaces.Discrete(2)
        )
        self.continuous = continuous
        self.room = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.room = int(self.np_random.integers(2))
        return np.eye(2, dtype=np.float32)[self.room], {}

    def step(self, action: Any) -> Any:
        chosen = int(np.asarray(action).ravel()[0] > 0) if self.continuous else int(action)
        return np.zeros(2, np.float32), float(chosen == self.room), True, False, {}


ROOMS = np.eye(2, dtype=np.float32)


def rooms(continuous: bool = False) -> Task:
    return Task("", lambda: TwoRooms(continuous))
