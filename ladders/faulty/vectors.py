"""Vector environments that lose or invent something around an end, or share a seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from ladders.faulty.planted import Planted, cartpole

# --- vector environments --------------------------------------------------------------------------


def _sync(
    make: Callable[[], gymnasium.Env], mode: AutoresetMode = AutoresetMode.NEXT_STEP, count: int = 3
) -> SyncVectorEnv:
    return SyncVectorEnv([make] * count, autoreset_mode=mode)


class _FinalIsReset(gymnasium.vector.VectorWrapper):
    """SAME_STEP whose final observation is already that of the next episode."""

    def step(self, actions: Any) -> Any:
        observations, rewards, terminated, truncated, infos = self.env.step(actions)
        if "final_obs" in infos:
            for index in np.flatnonzero(infos["_final_obs"]):
                infos["final_obs"][index] = observations[index].copy()
        return observations, rewards, terminated, truncated, infos


class _FinalIsStale(gymnasium.vector.VectorWrapper):
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


class _RewardAtReset(gymnasium.vector.VectorWrapper):
    """Pays 1 for every step, those that only reset included."""

    def step(self, actions: Any) -> Any:
        observations, _, *rest = self.env.step(actions)
        return observations, np.ones(self.num_envs), *rest


class _NoRewardAtEnd(gymnasium.vector.VectorWrapper):
    """Drops the reward of the step that ends an episode."""

    def step(self, actions: Any) -> Any:
        observations, rewards, terminated, truncated, infos = self.env.step(actions)
        rewards = np.where(np.logical_or(terminated, truncated), 0.0, rewards)
        return observations, rewards, terminated, truncated, infos


class _OneSeedForAll(gymnasium.vector.VectorWrapper):
    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        seeds: Any = None if seed is None else [seed] * self.num_envs
        return self.env.reset(seed=seeds, options=options)


class _NoFinal(gymnasium.vector.VectorWrapper):
    def step(self, actions: Any) -> Any:
        *rest, infos = self.env.step(actions)
        return *rest, {k: v for k, v in infos.items() if "final" not in k}


class _IntegerFlags(gymnasium.vector.VectorWrapper):
    """Flags as 0 and 1, on which `~` gives -1 and -2."""

    def step(self, actions: Any) -> Any:
        observations, rewards, terminated, truncated, infos = self.env.step(actions)
        return observations, rewards, terminated.astype(int), truncated.astype(int), infos


def _same_step() -> SyncVectorEnv:
    return _sync(cartpole, AutoresetMode.SAME_STEP)


# --- the list -------------------------------------------------------------------------------------

VECTORS: dict[str, Planted] = {
    "vector-integer-flags": Planted(
        lambda: _IntegerFlags(_sync(cartpole)), ("vector-does-not-conform",)
    ),
    "vector-final-is-reset": Planted(
        lambda: _FinalIsReset(_same_step()),
        ("final-observation-lost",),
    ),
    "vector-no-final": Planted(lambda: _NoFinal(_same_step()), ("final-observation-lost",)),
    "vector-final-is-stale": Planted(
        lambda: _FinalIsStale(_sync(cartpole)),
        ("final-observation-lost",),
    ),
    "vector-reward-at-reset": Planted(
        lambda: _RewardAtReset(_sync(cartpole)),
        ("autoreset-invents-step",),
    ),
    "vector-no-reward-at-end": Planted(
        lambda: _NoRewardAtEnd(_sync(cartpole)),
        ("autoreset-loses-step",),
    ),
    "vector-one-seed": Planted(
        lambda: _OneSeedForAll(_sync(cartpole)),
        ("sub-environments-share-seed",),
    ),
}
