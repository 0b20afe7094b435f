"""Random walks through an environment, and how two observations are compared and shown."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ladders.environment_clock import Clock


@dataclass(frozen=True, slots=True)
class Event:
    """What a reset (step 0) or one step gave, as the environment returned it."""

    episode: int
    step: int
    observation: Any
    reward: Any = 0.0
    terminated: Any = False
    truncated: Any = False
    action: Any = None
    info: Any = None

    @property
    def place(self) -> str:
        """Where it happened, in words."""
        if self.step == 0:
            return f"the reset of episode {self.episode}"
        return f"step {self.step} of episode {self.episode}"

    @property
    def ends(self) -> bool:
        """Whether the episode is over."""
        return bool(self.terminated) or bool(self.truncated)


def walk(
    env: Any,
    seed: int,
    *,
    episodes: int,
    steps: int,
    longest: int | None = None,
    same_actions: int | None = None,
    policy: Callable[[Any], Any] | None = None,
    clock: Clock | None = None,
) -> Iterator[Event]:
    """Act at random; only the first reset gets the seed. No step is taken beyond an end.

    Args:
        env: the environment.
        seed: of the first reset, and of the actions.
        episodes: how many at most.
        steps: how many in all at most.
        longest: an episode is left after so many steps.
        same_actions: seed of the actions of every episode, so that all episodes act alike.
        policy: observation -> action; None acts at random.
        clock: the walk ends when it runs out.
    """
    actions = copy.deepcopy(env.action_space)
    actions.seed(seed)
    taken = 0
    for episode in range(1, episodes + 1):
        if same_actions is not None:
            actions.seed(same_actions)
        observation, info = env.reset(seed=seed) if episode == 1 else env.reset()
        event = Event(episode, 0, observation, info=info)
        yield event
        while not event.ends and event.step != longest:
            if taken == steps or (clock is not None and clock.over(taken, steps)):
                return
            taken += 1
            action = actions.sample() if policy is None else policy(event.observation)
            given = copy.copy(action)  # what the environment may write into stays out of the record
            observation, reward, terminated, truncated, info = env.step(action)
            event = Event(
                episode, event.step + 1, observation, reward, terminated, truncated, given, info
            )
            yield event


def kept(events: Iterator[Event]) -> list[Event]:
    """The events with copies of what they hold, which later steps cannot change; without infos."""
    return [
        replace(
            event, observation=copied(event.observation), reward=copied(event.reward), info=None
        )
        for event in events
    ]


def copied(value: Any) -> Any:
    """A copy that shares nothing; plain arrays and numbers go a fast way."""
    if isinstance(value, np.ndarray) and value.dtype != object:
        return value.copy()
    return value if isinstance(value, bool | int | float | np.generic) else copy.deepcopy(value)


def equal(left: Any, right: Any) -> bool:
    """Whether two observations are the same to the last bit; NaN equals NaN."""
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(equal(left[key], right[key]) for key in left)
    if isinstance(left, tuple | list) and isinstance(right, tuple | list):
        return len(left) == len(right) and all(map(equal, left, right))
    one, other = np.asarray(left), np.asarray(right)
    return one.shape == other.shape and bool(
        np.all((one == other) | ((one != one) & (other != other)))
    )


def first_difference(left: list[Event], right: list[Event]) -> dict[str, str] | None:
    """Where two walks part, and what each saw there; None if they agree."""
    for one, other in zip(left, right, strict=False):
        for part in ("observation", "reward", "terminated", "truncated"):
            first, second = getattr(one, part), getattr(other, part)
            if not equal(first, second):
                return {
                    "where": one.place,
                    "what": part,
                    "first": show(first),
                    "second": show(second),
                }
    return None


def show(value: Any) -> str:
    """One short line."""
    if isinstance(value, Mapping):
        shown = [f"{key}: {show(part)}" for key, part in list(value.items())[:4]]
        return "{" + ", ".join(shown) + (", ...}" if len(value) > 4 else "}")
    if isinstance(value, tuple | list) and any(np.ndim(part) for part in value):
        return "(" + ", ".join(show(part) for part in value[:4]) + ")"
    text = np.array2string(np.asarray(value), precision=8, separator=", ", threshold=8, edgeitems=3)
    return " ".join(text.split())
