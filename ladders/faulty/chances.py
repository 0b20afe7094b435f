"""Environments whose chance or state is not what the seed and the reset decide."""

from __future__ import annotations

import functools
import random
import time
from typing import Any

import numpy as np
from gymnasium.envs.classic_control import CartPoleEnv, PendulumEnv
from gymnasium.envs.toy_text.frozen_lake import FrozenLakeEnv

from ladders.faulty.planted import Planted
from ladders.gridworld import GridWorld
from ladders.warehouse import Warehouse

# --- chance ---------------------------------------------------------------------------------------


class _NumpyNoise(CartPoleEnv):
    def step(self, action: Any) -> Any:
        observation, *rest = super().step(action)
        return observation + np.random.normal(0, 0.01, 4).astype(np.float32), *rest


class _PythonStart(GridWorld):
    """Obstacles from the module `random`."""

    def _draw(self) -> None:
        free = [c for c in np.ndindex(self.size, self.size) if c not in ((0, 0), self.goal)]
        self._blocked[:] = False
        for cell in random.sample(free, self.obstacles):
            self._blocked[cell] = True


class _OwnGenerator(PendulumEnv):
    """A generator of the constructor's, which no seed reaches."""

    def __init__(self) -> None:
        super().__init__()
        self.own = np.random.default_rng(7)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.state = self.own.uniform([-np.pi, -1.0], [np.pi, 1.0])
        return self._get_obs(), {}


class _ClockSeeded(CartPoleEnv):
    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.state = np.random.default_rng(time.perf_counter_ns()).uniform(-0.05, 0.05, 4)
        return np.array(self.state, dtype=np.float32), {}


class _ReseedsEachReset(Warehouse):
    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        self.kept = getattr(self, "kept", 0) if seed is None else seed
        return super().reset(seed=self.kept)


class _WindKeepsGrowing(CartPoleEnv):
    wind = 0.0

    def step(self, action: Any) -> Any:
        self.wind += 1e-3
        _, *rest = super().step(action)
        self.state = np.array(self.state) + np.array([self.wind, 0.0, 0.0, 0.0])
        return np.array(self.state, dtype=np.float32), *rest


class _KeepsOrders(Warehouse):
    """Forgets to empty the count of pickups, and pays by it."""

    total = 0.0

    def step(self, action: Any) -> Any:
        observation, reward, *rest = super().step(action)
        self.total += 0.01
        return observation, reward - self.total, *rest


class _NoSuperReset(FrozenLakeEnv):
    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        if seed is not None:
            self.mine = np.random.default_rng(seed)
        self.s = 0
        return int(self.s), {"prob": 1}

    def step(self, action: Any) -> Any:
        chances = self.P[self.s][action]
        chosen = chances[int(self.mine.integers(len(chances)))]
        self.s = chosen[1]
        return int(self.s), float(chosen[2]), bool(chosen[3]), False, {"prob": chosen[0]}


class _LongHistory(CartPoleEnv):
    """Adds up all it has ever seen, at every step."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[float] = []

    def step(self, action: Any) -> Any:
        observation, *rest = super().step(action)
        self.seen.append(float(observation[0]))
        self.drift = sum(x * x for x in self.seen)
        return observation, *rest


# --- the list -------------------------------------------------------------------------------------

CHANCES: dict[str, Planted] = {
    "cartpole-numpy-noise": Planted(_NumpyNoise, ("global-random-generator",)),
    "gridworld-python-random": Planted(
        functools.partial(_PythonStart, solvable=True),
        ("global-random-generator",),
    ),
    "pendulum-own-generator": Planted(_OwnGenerator, ("seed-ignored",)),
    "cartpole-clock-seeded": Planted(_ClockSeeded, ("seed-ignored",)),
    "warehouse-reseeds": Planted(
        functools.partial(_ReseedsEachReset, "shipped"),
        ("reseeded-every-reset",),
    ),
    "cartpole-wind-survives": Planted(_WindKeepsGrowing, ("state-survives-reset",)),
    "warehouse-total-survives": Planted(
        functools.partial(_KeepsOrders, "shipped"),
        ("state-survives-reset",),
    ),
    "frozenlake-no-super-reset": Planted(_NoSuperReset, ("does-not-conform",)),
    "cartpole-long-history": Planted(_LongHistory, ("step-cost-grows",)),
}
