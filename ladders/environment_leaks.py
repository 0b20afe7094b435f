"""Where a reward shows up in what an agent sees: of the same step, or before it is earned."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from gymnasium import spaces

from ladders.environment_play import Play, flat
from ladders.environment_walk import Event

MOST_NUMBERS = 4096
DISTINCT = 5
"""Rewards that take fewer values equal some number of the observation by coincidence."""


def leaks(play: Play, space: spaces.Space) -> list[str]:
    """One remark for each number of the observation that is always a reward.

    That of the same step reaches the observation by way of `info` or a careless wrapper. That of the
    next step, whatever is done then, is a look into the future: data shifted by a row.
    """
    steps = [event for event in play.events if event.step]
    if len({float(event.reward) for event in steps}) < DISTINCT:
        return []
    if not space.is_np_flattenable or spaces.flatdim(space) > MOST_NUMBERS:
        return []
    found = []
    for index in _equal(steps, steps, space):
        source = _source(steps)
        found.append(
            f"observation[{index}] always equals the reward of the same step{source}: an agent may read "
            "its reward off the observation"
        )
    pairs = [pair for episode in play.episodes() for pair in pairwise(episode)]
    for index in _equal([one for one, _ in pairs], [after for _, after in pairs], space):
        found.append(
            f"observation[{index}] always equals the reward of the next step, whatever is done: the "
            "observation shows the future"
        )
    return found


def _equal(seen: list[Event], paid: list[Event], space: spaces.Space) -> list[int]:
    """Numbers of the observations that equal the rewards, row by row."""
    rows = [flat(event.observation, space) for event in seen]
    kept = [row for row in rows if row is not None]
    if not kept or len({row.size for row in kept}) > 1 or len(kept) < len(rows):
        return []
    rewards = np.array([float(event.reward) for event in paid])
    same = np.isclose(np.array(kept), rewards[:, None], rtol=1e-5, atol=1e-7).all(axis=0)
    return np.flatnonzero(same).tolist()


def _source(steps: list[Event]) -> str:
    """The entry of info that holds the reward too, if there is one."""
    for name in steps[0].info or {}:
        values = [(event.info or {}).get(name) for event in steps]
        if all(_is_reward(value, event) for value, event in zip(values, steps, strict=True)):
            return f", as does info[{name!r}]"
    return ""


def _is_reward(value: Any, event: Event) -> bool:
    number = isinstance(value, float | int | np.floating)
    return number and bool(np.isclose(float(value), float(event.reward)))
