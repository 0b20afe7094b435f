"""Environments with one planted fault each: wrappers and subclasses of well-known ones.

FAULTY maps a name to (what makes it, names of the fault that count as right, options). Where two names
describe the same mistake both are accepted.
"""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.classic_control import CartPoleEnv, PendulumEnv
from gymnasium.envs.toy_text.frozen_lake import FrozenLakeEnv
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import TimeLimit

from ladders.gridworld import GridWorld
from ladders.warehouse import Warehouse

# --- flags ----------------------------------------------------------------------------------------


class EndsAtTheLimit(gymnasium.Wrapper):
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


class OneDone(gymnasium.Wrapper):
    """Old Gym's done, copied into both flags."""

    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, info = self.env.step(action)
        done = terminated or truncated
        return observation, reward, done, done, info


class FailureTruncated(gymnasium.Wrapper):
    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, reward, False, terminated or truncated, info


class IntegerFlags(gymnasium.Wrapper):
    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, reward, int(terminated), int(truncated), info


class SelfResetting(gymnasium.Wrapper):
    """Resets inside step and returns the next episode's first observation."""

    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, info = self.env.step(action)
        if terminated or truncated:
            observation, info = self.env.reset()
        return observation, reward, terminated, truncated, info


class FourValues(gymnasium.Env):
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


class RewardOverAngle(CartPoleEnv):
    """Divides by an angle that a clip sometimes makes zero."""

    def step(self, action: Any) -> Any:
        observation, _, *rest = super().step(action)
        distance = max(abs(float(observation[2])) - 0.05, 0.0)
        with np.errstate(divide="ignore"):
            return observation, float(np.float64(0.01) / distance), *rest


class ArrayReward(PendulumEnv):
    def step(self, action: Any) -> Any:
        observation, reward, *rest = super().step(action)
        return observation, np.array([reward]), *rest


class WrongBounds(PendulumEnv):
    """Declares speeds up to 1, and goes up to 8."""

    def __init__(self) -> None:
        super().__init__()
        self.observation_space = spaces.Box(-1.0, 1.0, (3,), np.float32)


class DoublePrecision(CartPoleEnv):
    def step(self, action: Any) -> Any:
        observation, *rest = super().step(action)
        return observation.astype(np.float64), *rest


class WrongShape(GridWorld):
    def reset(self, **options: Any) -> Any:
        observation, info = super().reset(**options)
        return observation.reshape(self.size, self.size), info

    def step(self, action: Any) -> Any:
        observation, *rest = super().step(action)
        return observation.reshape(self.size, self.size), *rest


class OneBuffer(gymnasium.Wrapper):
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


class OneInfo(gymnasium.Wrapper):
    """One dictionary for all infos."""

    def reset(self, **options: Any) -> Any:
        observation, _ = self.env.reset(**options)
        self.info: dict[str, Any] = {"length": 0}
        return observation, self.info

    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, _ = self.env.step(action)
        self.info["length"] += 1
        return observation, reward, terminated, truncated, self.info


# --- chance ---------------------------------------------------------------------------------------


class NumpyNoise(CartPoleEnv):
    def step(self, action: Any) -> Any:
        observation, *rest = super().step(action)
        return observation + np.random.normal(0, 0.01, 4).astype(np.float32), *rest


class PythonStart(GridWorld):
    """Obstacles from the module `random`."""

    def _draw(self) -> None:
        free = [c for c in np.ndindex(self.size, self.size) if c not in ((0, 0), self.goal)]
        self._blocked[:] = False
        for cell in random.sample(free, self.obstacles):
            self._blocked[cell] = True


class OwnGenerator(PendulumEnv):
    """A generator of the constructor's, which no seed reaches."""

    def __init__(self) -> None:
        super().__init__()
        self.own = np.random.default_rng(7)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.state = self.own.uniform([-np.pi, -1.0], [np.pi, 1.0])
        return self._get_obs(), {}


class ClockSeeded(CartPoleEnv):
    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.state = np.random.default_rng(time.perf_counter_ns()).uniform(-0.05, 0.05, 4)
        return np.array(self.state, dtype=np.float32), {}


class ReseedsEachReset(Warehouse):
    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        self.kept = getattr(self, "kept", 0) if seed is None else seed
        return super().reset(seed=self.kept)


class WindKeepsGrowing(CartPoleEnv):
    wind = 0.0

    def step(self, action: Any) -> Any:
        self.wind += 1e-3
        _, *rest = super().step(action)
        self.state = tuple(np.array(self.state) + np.array([self.wind, 0.0, 0.0, 0.0]))
        return np.array(self.state, dtype=np.float32), *rest


class KeepsOrders(Warehouse):
    """Forgets to empty the count of pickups, and pays by it."""

    total = 0.0

    def step(self, action: Any) -> Any:
        observation, reward, *rest = super().step(action)
        self.total += 0.01
        return observation, reward - self.total, *rest


class NoSuperReset(FrozenLakeEnv):
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


class LongHistory(CartPoleEnv):
    """Adds up all it has ever seen, at every step."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[float] = []

    def step(self, action: Any) -> Any:
        observation, *rest = super().step(action)
        self.seen.append(float(observation[0]))
        self.drift = sum(x * x for x in self.seen)
        return observation, *rest


# --- the task -------------------------------------------------------------------------------------


def masked(env_id: str, kept: list[int]) -> gymnasium.Env:
    """Only some components of the observation."""
    env = gymnasium.make(env_id)
    box = env.observation_space
    assert isinstance(box, spaces.Box)
    narrow = spaces.Box(box.low[kept], box.high[kept])
    return gymnasium.wrappers.TransformObservation(env, lambda seen: seen[kept], narrow)


class HiddenPlace(gymnasium.ObservationWrapper):
    """FrozenLake that shows the column only."""

    def __init__(self, env: gymnasium.Env) -> None:
        super().__init__(env)
        self.observation_space = spaces.Discrete(4)

    def observation(self, observation: Any) -> int:
        return int(observation) % 4


class OneStepOld(gymnasium.Wrapper):
    """Returns the observation from before the step."""

    def reset(self, **options: Any) -> Any:
        self.old, info = self.env.reset(**options)
        return self.old, info

    def step(self, action: Any) -> Any:
        observation, *rest = self.env.step(action)
        old, self.old = self.old, observation
        return old, *rest


class ActsLater(gymnasium.Wrapper):
    """Executes the action of the step before."""

    def reset(self, **options: Any) -> Any:
        self.pending = None
        return self.env.reset(**options)

    def step(self, action: Any) -> Any:
        now, self.pending = (action if self.pending is None else self.pending), action
        return self.env.step(now)


class Permuted(gymnasium.ActionWrapper):
    def action(self, action: Any) -> int:
        return (int(action) + 1) % int(self.action_space.n)


class Clipped(gymnasium.ActionWrapper):
    def action(self, action: Any) -> Any:
        return np.clip(action, -0.5, 0.5)


class Ignored(CartPoleEnv):
    def step(self, action: Any) -> Any:
        return super().step(1)


class PaidForMoving(gymnasium.Wrapper):
    """FrozenLake with a bonus for every step that changes the cell, which nothing takes back."""

    def reset(self, **options: Any) -> Any:
        self.at, info = self.env.reset(**options)
        return self.at, info

    def step(self, action: Any) -> Any:
        observation, reward, *rest = self.env.step(action)
        bonus = 0.1 * (observation != self.at)
        self.at = observation
        return observation, float(reward) + bonus, *rest


class PaidForCheckpoint(GridWorld):
    """Half a point for each visit of the cell beside the start."""

    def step(self, action: Any) -> Any:
        before = self._at
        observation, reward, *rest = super().step(action)
        entered = self._at == (0, 1) and before != (0, 1)
        return observation, reward + 0.5 * entered, *rest


class PaidForResting(gymnasium.Wrapper):
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


# --- vector environments --------------------------------------------------------------------------


def sync(
    make: Callable[[], gymnasium.Env], mode: AutoresetMode = AutoresetMode.NEXT_STEP, count: int = 3
) -> SyncVectorEnv:
    return SyncVectorEnv([make] * count, autoreset_mode=mode)


def cartpole() -> gymnasium.Env:
    return gymnasium.make("CartPole-v1")


class FinalIsReset(gymnasium.vector.VectorWrapper):
    """SAME_STEP whose final observation is already that of the next episode."""

    def step(self, actions: Any) -> Any:
        observations, rewards, terminated, truncated, infos = self.env.step(actions)
        if "final_obs" in infos:
            for index in np.flatnonzero(infos["_final_obs"]):
                infos["final_obs"][index] = observations[index].copy()
        return observations, rewards, terminated, truncated, infos


class FinalIsStale(gymnasium.vector.VectorWrapper):
    """NEXT_STEP that repeats the observation before the last one at an end."""

    def reset(self, **options: Any) -> Any:
        self.last, infos = self.env.reset(**options)
        return self.last, infos

    def step(self, actions: Any) -> Any:
        observations, rewards, terminated, truncated, infos = self.env.step(actions)
        ended = np.logical_or(terminated, truncated)
        observations[ended] = self.last[ended]
        self.last = observations.copy()
        return observations, rewards, terminated, truncated, infos


class RewardAtReset(gymnasium.vector.VectorWrapper):
    """Pays 1 for every step, those that only reset included."""

    def step(self, actions: Any) -> Any:
        observations, _, *rest = self.env.step(actions)
        return observations, np.ones(self.num_envs), *rest


class NoRewardAtEnd(gymnasium.vector.VectorWrapper):
    """Drops the reward of the step that ends an episode."""

    def step(self, actions: Any) -> Any:
        observations, rewards, terminated, truncated, infos = self.env.step(actions)
        rewards = np.where(np.logical_or(terminated, truncated), 0.0, rewards)
        return observations, rewards, terminated, truncated, infos


class OneSeedForAll(gymnasium.vector.VectorWrapper):
    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        return self.env.reset(
            seed=None if seed is None else [seed] * self.num_envs, options=options
        )


class NoFinal(gymnasium.vector.VectorWrapper):
    def step(self, actions: Any) -> Any:
        *rest, infos = self.env.step(actions)
        return *rest, {k: v for k, v in infos.items() if "final" not in k}


# --- the list -------------------------------------------------------------------------------------

Case = tuple[Callable[..., Any], tuple[str, ...]]


def _wrapped(wrapper: Callable[..., Any], env_id: str, **options: Any) -> Callable[[], Any]:
    return lambda: wrapper(gymnasium.make(env_id, **options))


def _same_step() -> SyncVectorEnv:
    return sync(cartpole, AutoresetMode.SAME_STEP)


FAULTY: dict[str, Case] = {
    "cartpole-ends-at-200": (
        lambda: EndsAtTheLimit(CartPoleEnv()),
        ("time-limit-as-termination",),
    ),
    "pendulum-ends-at-200": (
        lambda: EndsAtTheLimit(PendulumEnv()),
        ("time-limit-as-termination",),
    ),
    "gridworld-one-done": (
        lambda: OneDone(TimeLimit(GridWorld(solvable=True), 60)),
        ("time-limit-as-termination",),
    ),
    "cartpole-one-done": (_wrapped(OneDone, "CartPole-v1"), ("time-limit-as-termination",)),
    "frozenlake-limit-terminates": (
        lambda: TimeLimit(EndsAtTheLimit(FrozenLakeEnv(is_slippery=False), 100), 100),
        ("time-limit-as-termination",),
    ),
    "cartpole-failure-truncated": (
        _wrapped(FailureTruncated, "CartPole-v1"),
        ("terminal-as-truncation",),
    ),
    "frozenlake-failure-truncated": (
        lambda: FailureTruncated(FrozenLakeEnv()),
        ("terminal-as-truncation",),
    ),
    "cartpole-integer-flags": (_wrapped(IntegerFlags, "CartPole-v1"), ("does-not-conform",)),
    "cartpole-four-values": (FourValues, ("does-not-conform",)),
    "cartpole-self-resetting": (
        _wrapped(SelfResetting, "CartPole-v1"),
        ("autoreset-inside-step",),
    ),
    "frozenlake-self-resetting": (
        _wrapped(SelfResetting, "FrozenLake-v1"),
        ("autoreset-inside-step",),
    ),
    "cartpole-infinite-reward": (RewardOverAngle, ("reward-not-finite",)),
    "pendulum-array-reward": (ArrayReward, ("reward-not-finite",)),
    "pendulum-wrong-bounds": (WrongBounds, ("observation-outside-space",)),
    "cartpole-double-precision": (DoublePrecision, ("observation-outside-space",)),
    "gridworld-wrong-shape": (
        functools.partial(WrongShape, solvable=True),
        ("observation-outside-space",),
    ),
    "cartpole-one-buffer": (_wrapped(OneBuffer, "CartPole-v1"), ("observation-aliased",)),
    "warehouse-one-buffer": (
        lambda: OneBuffer(Warehouse("shipped")),
        ("observation-aliased",),
    ),
    "pendulum-one-info": (_wrapped(OneInfo, "Pendulum-v1"), ("info-aliased",)),
    "cartpole-numpy-noise": (NumpyNoise, ("global-random-generator",)),
    "gridworld-python-random": (
        functools.partial(PythonStart, solvable=True),
        ("global-random-generator",),
    ),
    "pendulum-own-generator": (OwnGenerator, ("seed-ignored",)),
    "cartpole-clock-seeded": (ClockSeeded, ("seed-ignored",)),
    "warehouse-reseeds": (
        functools.partial(ReseedsEachReset, "shipped"),
        ("reseeded-every-reset",),
    ),
    "cartpole-wind-survives": (WindKeepsGrowing, ("state-survives-reset",)),
    "warehouse-total-survives": (
        functools.partial(KeepsOrders, "shipped"),
        ("state-survives-reset",),
    ),
    "frozenlake-no-super-reset": (NoSuperReset, ("does-not-conform",)),
    "cartpole-long-history": (LongHistory, ("step-cost-grows",)),
    "cartpole-no-velocities": (lambda: masked("CartPole-v1", [0, 2]), ("observation-hides-state",)),
    "pendulum-no-speed": (lambda: masked("Pendulum-v1", [0, 1]), ("observation-hides-state",)),
    "frozenlake-column-only": (
        _wrapped(HiddenPlace, "FrozenLake-v1", is_slippery=False),
        ("observation-hides-state",),
    ),
    "cartpole-stale-observation": (
        _wrapped(OneStepOld, "CartPole-v1"),
        ("action-or-observation-late", "observation-hides-state"),
    ),
    "cartpole-acts-later": (
        _wrapped(ActsLater, "CartPole-v1"),
        ("action-or-observation-late", "observation-hides-state"),
    ),
    "pendulum-acts-later": (
        _wrapped(ActsLater, "Pendulum-v1"),
        ("action-or-observation-late", "observation-hides-state"),
    ),
    "frozenlake-actions-permuted": (_wrapped(Permuted, "FrozenLake-v1"), ("action-permuted",)),
    "pendulum-actions-clipped": (_wrapped(Clipped, "Pendulum-v1"), ("action-permuted",)),
    "cartpole-actions-ignored": (Ignored, ("action-ignored",)),
    "warehouse-pickups": (lambda: gymnasium.make("rlcheck/Warehouse-v0"), ("reward-farmable",)),
    "frozenlake-paid-for-moving": (
        _wrapped(PaidForMoving, "FrozenLake-v1", is_slippery=False),
        ("reward-farmable",),
    ),
    "gridworld-paid-for-checkpoint": (
        functools.partial(PaidForCheckpoint, obstacles=0, solvable=True),
        ("reward-farmable", "observation-hides-state"),
    ),
    "mountaincar-paid-for-resting": (
        _wrapped(PaidForResting, "MountainCar-v0"),
        ("reward-farmable",),
    ),
    "gridworld-walled-off": (
        lambda: gymnasium.make("rlcheck/GridWorld-v0"),
        ("goal-unreachable",),
    ),
    "vector-final-is-reset": (
        lambda: FinalIsReset(_same_step()),
        ("final-observation-lost",),
    ),
    "vector-no-final": (lambda: NoFinal(_same_step()), ("final-observation-lost",)),
    "vector-final-is-stale": (
        lambda: FinalIsStale(sync(cartpole)),
        ("final-observation-lost",),
    ),
    "vector-reward-at-reset": (
        lambda: RewardAtReset(sync(cartpole)),
        ("autoreset-invents-step",),
    ),
    "vector-no-reward-at-end": (
        lambda: NoRewardAtEnd(sync(cartpole)),
        ("autoreset-loses-step",),
    ),
    "vector-one-seed": (
        lambda: OneSeedForAll(sync(cartpole)),
        ("sub-environments-share-seed",),
    ),
}
