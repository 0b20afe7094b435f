"""Environments whose flags, rewards, observations or infos have the wrong form."""

from __future__ import annotations

import functools
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.classic_control import CartPoleEnv, PendulumEnv
from gymnasium.envs.toy_text.frozen_lake import FrozenLakeEnv
from gymnasium.wrappers import TimeLimit

from ladders.faulty.planted import Planted, wrapped
from ladders.gridworld import GridWorld
from ladders.warehouse import Warehouse

# --- flags ----------------------------------------------------------------------------------------


class _EndsAtTheLimit(gymnasium.Wrapper):
    """Counts steps itself and calls the limit a termination."""

    def __init__(self, env: gymnasium.Env, limit: int = 200) -> None:
        super().__init__(env)
        self.limit = limit

    def reset(self, **options: Any) -> Any:
        self.count = 0
        return self.env.reset(**options)

    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, info = self.env.step(action)
        self.count += 1
        return observation, reward, terminated or self.count >= self.limit, truncated, info


class _OneDone(gymnasium.Wrapper):
    """Old Gym's done, copied into both flags."""

    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, info = self.env.step(action)
        done = terminated or truncated
        return observation, reward, done, done, info


class _FailureTruncated(gymnasium.Wrapper):
    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, reward, False, terminated or truncated, info


class _IntegerFlags(gymnasium.Wrapper):
    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, reward, int(terminated), int(truncated), info


class _SelfResetting(gymnasium.Wrapper):
    """Resets inside step and returns the next episode's first observation."""

    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, info = self.env.step(action)
        if terminated or truncated:
            observation, info = self.env.reset()
        return observation, reward, terminated, truncated, info


class _FourValues(gymnasium.Env):
    """The interface of the old Gym."""

    def __init__(self) -> None:
        self.inner = CartPoleEnv()
        self.observation_space, self.action_space = (
            self.inner.observation_space,
            self.inner.action_space,
        )

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        return self.inner.reset(seed=seed)

    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, info = self.inner.step(action)
        return observation, reward, terminated or truncated, info


# --- rewards and observations ---------------------------------------------------------------------


class _RewardOverAngle(CartPoleEnv):
    """Divides by an angle that a clip sometimes makes zero."""

    def step(self, action: Any) -> Any:
        observation, _, *rest = super().step(action)
        distance = max(abs(float(observation[2])) - 0.05, 0.0)
        with np.errstate(divide="ignore"):
            return observation, float(np.float64(0.01) / distance), *rest


class _ArrayReward(PendulumEnv):
    def step(self, action: Any) -> Any:
        observation, reward, *rest = super().step(action)
        return observation, np.array([reward]), *rest


class _WrongBounds(PendulumEnv):
    """Declares speeds up to 1, and goes up to 8."""

    def __init__(self) -> None:
        super().__init__()
        self.observation_space = spaces.Box(-1.0, 1.0, (3,), np.float32)


class _DoublePrecision(CartPoleEnv):
    def step(self, action: Any) -> Any:
        observation, *rest = super().step(action)
        return observation.astype(np.float64), *rest


class _WrongShape(GridWorld):
    def reset(self, **options: Any) -> Any:
        observation, info = super().reset(**options)
        return observation.reshape(self.size, self.size), info

    def step(self, action: Any) -> Any:
        observation, *rest = super().step(action)
        return observation.reshape(self.size, self.size), *rest


class _OneBuffer(gymnasium.Wrapper):
    """Writes every observation into one array."""

    def _keep(self, observation: np.ndarray) -> np.ndarray:
        if not hasattr(self, "buffer"):
            self.buffer = np.array(observation)
        self.buffer[...] = observation
        return self.buffer

    def reset(self, **options: Any) -> Any:
        observation, info = self.env.reset(**options)
        return self._keep(observation), info

    def step(self, action: Any) -> Any:
        observation, *rest = self.env.step(action)
        return self._keep(observation), *rest


class _OneInfo(gymnasium.Wrapper):
    """One dictionary for all infos."""

    def reset(self, **options: Any) -> Any:
        observation, _ = self.env.reset(**options)
        self.info: dict[str, Any] = {"length": 0}
        return observation, self.info

    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, _ = self.env.step(action)
        self.info["length"] += 1
        return observation, reward, terminated, truncated, self.info


# --- the list -------------------------------------------------------------------------------------

FORMS: dict[str, Planted] = {
    "cartpole-ends-at-200": Planted(
        lambda: _EndsAtTheLimit(CartPoleEnv()),
        ("time-limit-as-termination",),
    ),
    "pendulum-ends-at-200": Planted(
        lambda: _EndsAtTheLimit(PendulumEnv()),
        ("time-limit-as-termination",),
    ),
    "gridworld-one-done": Planted(
        lambda: _OneDone(TimeLimit(GridWorld(solvable=True), 60)),
        ("time-limit-as-termination",),
    ),
    "cartpole-one-done": Planted(wrapped(_OneDone, "CartPole-v1"), ("time-limit-as-termination",)),
    "frozenlake-limit-terminates": Planted(
        lambda: TimeLimit(_EndsAtTheLimit(FrozenLakeEnv(is_slippery=False), 100), 100),
        ("time-limit-as-termination",),
    ),
    "cartpole-failure-truncated": Planted(
        wrapped(_FailureTruncated, "CartPole-v1"),
        ("terminal-as-truncation",),
    ),
    "frozenlake-failure-truncated": Planted(
        lambda: _FailureTruncated(FrozenLakeEnv()),
        ("terminal-as-truncation",),
    ),
    "cartpole-integer-flags": Planted(wrapped(_IntegerFlags, "CartPole-v1"), ("does-not-conform",)),
    "cartpole-four-values": Planted(_FourValues, ("does-not-conform",)),
    "cartpole-self-resetting": Planted(
        wrapped(_SelfResetting, "CartPole-v1"),
        ("autoreset-inside-step",),
    ),
    "frozenlake-self-resetting": Planted(
        wrapped(_SelfResetting, "FrozenLake-v1"),
        ("autoreset-inside-step",),
    ),
    "cartpole-infinite-reward": Planted(_RewardOverAngle, ("reward-not-finite",)),
    "pendulum-array-reward": Planted(_ArrayReward, ("reward-not-finite",)),
    "pendulum-wrong-bounds": Planted(_WrongBounds, ("observation-outside-space",)),
    "cartpole-double-precision": Planted(_DoublePrecision, ("observation-outside-space",)),
    "gridworld-wrong-shape": Planted(
        functools.partial(_WrongShape, solvable=True),
        ("observation-outside-space",),
    ),
    "cartpole-one-buffer": Planted(wrapped(_OneBuffer, "CartPole-v1"), ("observation-aliased",)),
    "warehouse-one-buffer": Planted(
        lambda: _OneBuffer(Warehouse("shipped")),
        ("observation-aliased",),
    ),
    "pendulum-one-info": Planted(wrapped(_OneInfo, "Pendulum-v1"), ("info-aliased",)),
}
