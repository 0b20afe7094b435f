"""One slot of a vector environment, as a single environment."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import concatenate, create_empty_array, iterate


def autoreset_mode(env: VectorEnv) -> AutoresetMode | None:
    """The mode that a vector environment declares, None if it declares none."""
    declared = (env.metadata or {}).get("autoreset_mode")
    try:
        return declared if isinstance(declared, AutoresetMode) else AutoresetMode(declared)
    except ValueError:
        return None


def batch(env: VectorEnv, actions: list[Any]) -> Any:
    """One action a slot, in the form that `step` takes."""
    empty: Any = create_empty_array(env.single_action_space, n=env.num_envs)
    return concatenate(env.single_action_space, actions, empty)


def slot_of(space: gymnasium.Space, batched: Any, index: int) -> Any:
    """What slot `index` gets of a batched observation."""
    return list(iterate(space, batched))[index]


def slot_info(info: dict[str, Any], index: int) -> dict[str, Any]:
    """The entries of one slot: each array has a mask of the slots that it is about beside it."""
    found = {}
    for name, value in info.items():
        mask = info.get(f"_{name}")
        if name.startswith("_") or mask is None or not np.asarray(mask)[index]:
            continue
        found[name] = slot_info(value, index) if isinstance(value, dict) else value[index]
    return found


class Slot(gymnasium.Env):
    """The first slot of a vector environment; the others act as it does.

    `step` returns the final observation at an end, whatever the autoreset mode, and `reset` then goes
    on with the next episode.
    """

    def __init__(self, env: VectorEnv) -> None:
        self.vector = env
        self.observation_space = env.single_observation_space
        self.action_space = env.single_action_space
        self.metadata = {"render_modes": []}
        self._mode = autoreset_mode(env) or AutoresetMode.NEXT_STEP
        self._next: Any = None
        self._over = False
        self._action: Any = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """All slots anew, or after an end the next episode of this one."""
        super().reset(seed=seed)
        if self._over and seed is None and options is None:
            observation, info = self._next_episode()
        else:
            batched, infos = self.vector.reset(seed=seed, options=options)
            observation, info = self._part(batched), slot_info(infos, 0)
        self._over = False
        return observation, info

    def _next_episode(self) -> tuple[Any, dict[str, Any]]:
        if self._mode is AutoresetMode.SAME_STEP:
            return self._next, {}
        if self._mode is AutoresetMode.DISABLED:
            mask = np.zeros(self.vector.num_envs, dtype=np.bool_)
            mask[self._ended] = True
            batched, infos = self.vector.reset(options={"reset_mask": mask})
        else:
            actions = batch(self.vector, [self._action] * self.vector.num_envs)
            batched, _, _, _, infos = self.vector.step(actions)
        return self._part(batched), slot_info(infos, 0)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """The same action in every slot; what the first one gave."""
        self._action = action
        actions = batch(self.vector, [action] * self.vector.num_envs)
        batched, rewards, terminated, truncated, infos = self.vector.step(actions)
        observation, info = self._part(batched), slot_info(infos, 0)
        self._ended = np.logical_or(terminated, truncated)
        self._over = bool(self._ended[0])
        if self._over and self._mode is AutoresetMode.SAME_STEP:
            self._next, observation = observation, info.get("final_obs", observation)
        if self._mode is AutoresetMode.DISABLED and self._ended.any() and not self._over:
            self.vector.reset(options={"reset_mask": self._ended})
        return observation, rewards[0], bool(terminated[0]), bool(truncated[0]), info

    def _part(self, batched: Any) -> Any:
        return slot_of(self.vector.observation_space, batched, 0)

    def close(self) -> None:
        """Close the vector environment."""
        self.vector.close()
