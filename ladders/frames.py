"""Stacked frames in the shape that networks take: numbers side by side, images along their channels.

    env = stack_frames(env, 4)                     o[t] = (x[t-3], x[t-2], x[t-1], x[t])
    env = stack_frames(env, 2, actions=True)       {"frames": ..., "actions": a[t-1]}

`gymnasium.wrappers.FrameStackObservation` does the stacking: it handles resets (an episode starts with
copies of its first frame), Dict and Tuple spaces, and hands out copies. It puts the frames along a new
first axis, which neither a convolution nor a plain network takes, and it leaves out the actions between
them, without which two frames do not always determine the state. Both are added here.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array
from gymnasium.wrappers import FrameStackObservation, TransformObservation
from gymnasium.wrappers.utils import create_zero_array


def stack_frames(env: gymnasium.Env, frames: int, *, actions: bool = False) -> gymnasium.Env:
    """The environment with its last observations, and on request the actions between them.

    Args:
        env: with Box, Discrete, MultiDiscrete, MultiBinary, Dict or Tuple observations.
        frames: how many, at least 2. A Box of shape [D] becomes [frames * D], the oldest first; an
            image [H, W, C] or [C, H, W] becomes [H, W, frames * C] or [frames * C, H, W].
        actions: whether the `frames - 1` actions between them are part of the observation, under
            "actions" beside "frames"; before the first step they are zeros, or the nearest to it.

    Raises:
        ValueError: fewer than two frames.
    """
    if frames < 2:
        raise ValueError(f"frames: expected at least 2 to stack, got {frames}")
    single = env.observation_space
    stacked = FrameStackObservation(env, frames)
    space = _merged_space(stacked.observation_space, single)
    merged = TransformObservation(stacked, lambda seen: _merged(seen, single), space)
    return PastActions(merged, frames - 1) if actions else merged


class PastActions(gymnasium.Wrapper):
    """Adds the last actions, the oldest first: {"frames": observation, "actions": [count, ...]}.

    Args:
        env: with an action space that Gymnasium can batch.
        count: how many actions.
    """

    def __init__(self, env: gymnasium.Env, count: int = 1) -> None:
        super().__init__(env)
        self.count = count
        self.observation_space = spaces.Dict(
            frames=env.observation_space, actions=batch_space(env.action_space, count)
        )
        self._past: deque[Any] = deque(maxlen=count)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """A new episode: no action was taken yet."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._past.extend([create_zero_array(self.env.action_space)] * self.count)
        return self._see(observation), info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """One step, after which the action belongs to the past."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._past.append(action)
        return self._see(observation), reward, terminated, truncated, info

    def _see(self, observation: Any) -> dict[str, Any]:
        empty: Any = create_empty_array(self.env.action_space, n=self.count)
        return {
            "frames": observation,
            "actions": concatenate(self.env.action_space, tuple(self._past), empty),
        }


# --- the frames along an axis that networks take --------------------------------------------------


def _merged(stacked: Any, single: spaces.Space) -> Any:
    """[frames, ...] of one space -> side by side, or along the channels of an image."""
    if isinstance(single, spaces.Dict):
        return {name: _merged(stacked[name], part) for name, part in single.spaces.items()}
    if isinstance(single, spaces.Tuple):
        return tuple(_merged(one, part) for one, part in zip(stacked, single.spaces, strict=True))
    if not isinstance(single, spaces.Box):
        return stacked
    return np.concatenate(list(stacked), axis=_axis(single)) if single.shape else stacked


def _merged_space(stacked: spaces.Space, single: spaces.Space) -> spaces.Space:
    """The space of what `_merged` returns."""
    if isinstance(single, spaces.Dict) and isinstance(stacked, spaces.Dict):
        return spaces.Dict(
            {name: _merged_space(stacked[name], part) for name, part in single.spaces.items()}
        )
    if isinstance(single, spaces.Tuple) and isinstance(stacked, spaces.Tuple):
        parts = zip(stacked.spaces, single.spaces, strict=True)
        return spaces.Tuple([_merged_space(one, part) for one, part in parts])
    if not (isinstance(single, spaces.Box) and isinstance(stacked, spaces.Box)):
        return stacked
    low, high = (_merged(bound, single) for bound in (stacked.low, stacked.high))
    return spaces.Box(low, high, dtype=single.dtype)  # type: ignore[arg-type]


def _axis(box: spaces.Box) -> int:
    """The axis that frames are put along: the channels of an image, else the last one."""
    first_is_channels = len(box.shape) == 3 and box.shape[0] < min(box.shape[1:])
    return 0 if first_is_channels else -1
