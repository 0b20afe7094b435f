"""One environment with one planted fault."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import gymnasium
from gymnasium import spaces


class Planted(NamedTuple):
    """What makes a faulty environment, and how to check it.

    Args:
        make: makes it.
        faults: names without `environment/` that count as right; the first is the planted one, the
            others describe the same mistake.
        constants: what the checks need to know: a metric, a base environment.
        gamma: the discount of the task.
    """

    make: Callable[..., Any]
    faults: tuple[str, ...]
    constants: Mapping[str, Any] = {}
    gamma: float | None = None


def wrapped(wrapper: Callable[..., Any], env_id: str, **options: Any) -> Callable[[], Any]:
    """What makes a registered environment inside a wrapper."""
    return lambda: wrapper(gymnasium.make(env_id, **options))


def cartpole() -> gymnasium.Env:
    """CartPole-v1 as it is."""
    return gymnasium.make("CartPole-v1")


def masked(env_id: str, kept: list[int]) -> gymnasium.Env:
    """Only some components of the observation."""
    env = gymnasium.make(env_id)
    box = env.observation_space
    assert isinstance(box, spaces.Box)
    narrow = spaces.Box(box.low[kept], box.high[kept])
    return gymnasium.wrappers.TransformObservation(env, lambda seen: seen[kept], narrow)
