"""One record of random play, which most checks look at, so that a slow environment plays only once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces

from ladders.environment_clock import clock
from ladders.environment_subject import EnvironmentSubject
from ladders.environment_walk import Event, copied, walk
from rlcheck.records import Context

STEPS = 3000
EPISODES = 600
MOST_BYTES = 100_000_000
"""Of observations that a record keeps: images fill it before the steps are done."""


@dataclass(frozen=True, slots=True)
class Play:
    """What random play on one fresh instance gave.

    Args:
        events: resets and steps in order, with copies of the observations; infos as they came.
        notes: what was left out for lack of time, if anything.
        seconds_a_step: mean cost.
    """

    events: list[Event]
    notes: tuple[str, ...]
    seconds_a_step: float

    def episodes(self) -> list[list[Event]]:
        """The events of each episode, the reset first."""
        found: list[list[Event]] = []
        for event in self.events:
            if event.step == 0:
                found.append([])
            found[-1].append(event)
        return found


def random_play(subject: EnvironmentSubject, seed: int, context: Context) -> Play:
    """The record of up to 3,000 random steps from `seed`; played once, then remembered."""
    key = ("play", seed, context.settings.budget)
    if key not in subject.memory:
        subject.memory[key] = _play(subject, seed, context)
    return subject.memory[key]


def _play(subject: EnvironmentSubject, seed: int, context: Context) -> Play:
    timer = clock(context, share=2.0)
    events: list[Event] = []
    with subject.fresh() as env:
        steps = max(min(STEPS, MOST_BYTES // max(_bytes(env.observation_space), 1)), 100)
        for event in walk(env, seed, episodes=EPISODES, steps=steps, clock=timer):
            events.append(
                Event(
                    event.episode,
                    event.step,
                    copied(event.observation),
                    copied(event.reward),
                    event.terminated,
                    event.truncated,
                    event.action,
                    event.info,
                )
            )
            if len(events) % 100 == 0:
                context.progress(len(events) / steps, "random play")
    seconds = timer.elapsed / max(len(events), 1)
    notes = tuple(f"{note} (a step takes {1000 * seconds:.3g} ms)" for note in timer.notes)
    return Play(events, notes, seconds)


def _bytes(space: spaces.Space) -> int:
    if isinstance(space, spaces.Dict):
        return sum(_bytes(part) for part in space.spaces.values())
    if isinstance(space, spaces.Tuple):
        return sum(_bytes(part) for part in space.spaces)
    shape, dtype = space.shape, space.dtype
    return int(np.prod(shape)) * dtype.itemsize if shape is not None and dtype is not None else 8


def flat(observation: Any, space: spaces.Space) -> np.ndarray | None:
    """[D] an observation as numbers; None where its space has no flat form of fixed size."""
    if isinstance(space, spaces.Box):  # what `flatten` does, without its dispatch
        numbers = np.asarray(observation)
        return numbers.astype(np.float64).ravel() if numbers.dtype.kind in "biuf" else None
    if not space.is_np_flattenable:
        return None
    try:
        return np.asarray(spaces.flatten(space, observation), dtype=np.float64).ravel()
    except (TypeError, ValueError, KeyError, IndexError):  # an observation outside its space
        return None


def key_of(value: Any) -> Any:
    """A hashable value that is equal where observations are equal."""
    if isinstance(value, dict):
        return tuple((name, key_of(part)) for name, part in sorted(value.items()))
    if isinstance(value, tuple | list):
        return tuple(key_of(part) for part in value)
    array = np.asarray(value)
    return array.item() if array.ndim == 0 else (array.shape, array.tobytes())
