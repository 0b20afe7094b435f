"""Environments that hide their state, mistake actions, or pay for the wrong thing."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.classic_control import CartPoleEnv, PendulumEnv
from gymnasium.wrappers import TimeLimit

from ladders.faulty.planted import Planted, masked, wrapped
from ladders.gridworld import GridWorld

# --- the task -------------------------------------------------------------------------------------


class _HiddenPlace(gymnasium.ObservationWrapper):
    """FrozenLake that shows the column only."""

    def __init__(self, env: gymnasium.Env) -> None:
        super().__init__(env)
        self.observation_space = spaces.Discrete(4)

    def observation(self, observation: Any) -> int:
        return int(observation) % 4


class _OneStepOld(gymnasium.Wrapper):
    """Returns the observation from before the step."""

    def reset(self, **options: Any) -> Any:
        self.old, info = self.env.reset(**options)
        return self.old, info

    def step(self, action: Any) -> Any:
        observation, *rest = self.env.step(action)
        old, self.old = self.old, observation
        return old, *rest


class _ActsLater(gymnasium.Wrapper):
    """Executes the action of the step before."""

    def reset(self, **options: Any) -> Any:
        self.pending = None
        return self.env.reset(**options)

    def step(self, action: Any) -> Any:
        now, self.pending = (action if self.pending is None else self.pending), action
        return self.env.step(now)


class _Permuted(gymnasium.ActionWrapper):
    def action(self, action: Any) -> int:
        space: Any = self.action_space
        return (int(action) + 1) % int(space.n)


class _Clipped(gymnasium.ActionWrapper):
    def action(self, action: Any) -> Any:
        return np.clip(action, -0.5, 0.5)


class _Overwrites(PendulumEnv):
    """Clips and scales the caller's own array."""

    def step(self, action: Any) -> Any:
        np.clip(action, -1.0, 1.0, out=action)
        action *= 2.0
        return super().step(action)


class _Ignored(CartPoleEnv):
    def step(self, action: Any) -> Any:
        return super().step(1)


class _PaidForMoving(gymnasium.Wrapper):
    """FrozenLake with a bonus for every step that changes the cell, which nothing takes back."""

    def reset(self, **options: Any) -> Any:
        self.at, info = self.env.reset(**options)
        return self.at, info

    def step(self, action: Any) -> Any:
        observation, reward, *rest = self.env.step(action)
        bonus = 0.1 * (observation != self.at)
        self.at = observation
        return observation, float(reward) + bonus, *rest


class _PaidForCheckpoint(GridWorld):
    """Half a point for each visit of the cell beside the start."""

    def step(self, action: Any) -> Any:
        before = self._at
        observation, reward, *rest = super().step(action)
        entered = self._at == (0, 1) and before != (0, 1)
        return observation, reward + 0.5 * entered, *rest


class _PaidForResting(gymnasium.Wrapper):
    """MountainCar close to its goal, paid for every step at the bottom of the valley."""

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        _, info = self.env.reset(seed=seed)
        inner: Any = self.env.unwrapped
        inner.state = inner.np_random.uniform([0.3, -0.04], [0.45, 0.04])
        return np.array(inner.state, dtype=np.float32), info

    def step(self, action: Any) -> Any:
        observation, _, terminated, truncated, info = self.env.step(action)
        resting = abs(float(observation[0]) + 0.5) < 0.2
        return observation, 1.0 * resting + 10.0 * terminated, terminated, truncated, info


class _Shaped(gymnasium.Wrapper):
    """FrozenLake with a potential, minus the distance to the goal, at a discount of 0.9."""

    gamma, terminal, bonus = 0.9, 0.0, 0.0

    def reset(self, **options: Any) -> Any:
        self.at, info = self.env.reset(**options)
        return self.at, info

    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, info = self.env.step(action)
        after = self.terminal + (0.0 if terminated else _potential(observation))
        extra = self.gamma * after - _potential(self.at) + self.bonus * (action == 0)
        self.at = observation
        return observation, float(reward) + extra, terminated, truncated, info


def _potential(observation: Any) -> float:
    row, column = divmod(int(observation), 4)
    return -0.1 * (6 - row - column)


class _UndiscountedShaping(_Shaped):
    gamma = 1.0


class _TerminalShaping(_Shaped):
    terminal = 0.5


class _BonusShaping(_Shaped):
    bonus = 0.2


def _frozenlake() -> gymnasium.Env:
    return gymnasium.make("FrozenLake-v1", is_slippery=False)


def _shaped(wrapper: Callable[[gymnasium.Env], gymnasium.Env], *faults: str) -> Planted:
    return Planted(lambda: wrapper(_frozenlake()), faults, {"base": _frozenlake}, 0.9)


# --- the list -------------------------------------------------------------------------------------

GOALS: dict[str, Planted] = {
    "cartpole-no-velocities": Planted(
        lambda: masked("CartPole-v1", [0, 2]), ("observation-hides-state",)
    ),
    "pendulum-no-speed": Planted(
        lambda: masked("Pendulum-v1", [0, 1]), ("observation-hides-state",)
    ),
    "frozenlake-column-only": Planted(
        wrapped(_HiddenPlace, "FrozenLake-v1", is_slippery=False),
        ("observation-hides-state",),
    ),
    "cartpole-stale-observation": Planted(
        wrapped(_OneStepOld, "CartPole-v1"),
        ("action-or-observation-late", "observation-hides-state"),
    ),
    "cartpole-acts-later": Planted(
        wrapped(_ActsLater, "CartPole-v1"),
        ("action-or-observation-late", "observation-hides-state"),
    ),
    "pendulum-acts-later": Planted(
        wrapped(_ActsLater, "Pendulum-v1"),
        ("action-or-observation-late", "observation-hides-state"),
    ),
    "frozenlake-actions-permuted": Planted(
        wrapped(_Permuted, "FrozenLake-v1"), ("action-permuted",)
    ),
    "pendulum-actions-clipped": Planted(wrapped(_Clipped, "Pendulum-v1"), ("action-permuted",)),
    "pendulum-actions-overwritten": Planted(
        lambda: TimeLimit(_Overwrites(), 200), ("action-overwritten",)
    ),
    "cartpole-actions-ignored": Planted(_Ignored, ("action-ignored",)),
    "warehouse-pickups-measured": Planted(
        lambda: gymnasium.make("rlcheck/Warehouse-v0"),
        ("reward-against-metric", "reward-farmable"),
        {"metric": "shipped"},
    ),
    "frozenlake-shaped-undiscounted": _shaped(_UndiscountedShaping, "shaping-discount-missing"),
    "frozenlake-shaped-at-the-end": _shaped(_TerminalShaping, "shaping-terminal-potential"),
    "frozenlake-shaped-by-a-bonus": _shaped(
        _BonusShaping, "shaping-not-potential-based", "reward-farmable"
    ),
    "warehouse-pickups": Planted(
        lambda: gymnasium.make("rlcheck/Warehouse-v0"), ("reward-farmable",)
    ),
    "frozenlake-paid-for-moving": Planted(
        wrapped(_PaidForMoving, "FrozenLake-v1", is_slippery=False),
        ("reward-farmable",),
    ),
    "gridworld-paid-for-checkpoint": Planted(
        functools.partial(_PaidForCheckpoint, obstacles=0, solvable=True),
        ("reward-farmable", "observation-hides-state"),
    ),
    "mountaincar-paid-for-resting": Planted(
        wrapped(_PaidForResting, "MountainCar-v0"),
        ("reward-farmable",),
    ),
    "gridworld-walled-off": Planted(
        lambda: gymnasium.make("rlcheck/GridWorld-v0"),
        ("goal-unreachable",),
    ),
}
