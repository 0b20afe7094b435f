"""The layers of an environment: wrappers, and what some of them do on purpose."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gymnasium
from gymnasium.vector import VectorWrapper

ADAPTS = "update_running_mean"
"""What wrappers have whose running statistics move with every step (NormalizeReward and others)."""

DISTURBS = (
    *("StickyAction", "StickyActions", "DelayObservation", "DelayedActions"),
    *("ObservationNoise", "ActionNoise", "DomainRandomization"),
)
"""Wrappers of Gymnasium's and of `ladders.perturbations` that hide a part of the state on purpose."""


def layers(env: Any) -> Iterator[Any]:
    """The wrappers from the outside in, those of every slot too, and the environments inside."""
    while True:
        yield env
        for slot in getattr(env, "envs", ()):
            yield from layers(slot)
        if not isinstance(env, gymnasium.Wrapper | VectorWrapper):
            return
        env = env.env


def adapting(env: Any) -> list[str]:
    """Names of the layers with running statistics, each once."""
    found = [type(layer).__name__ for layer in layers(env) if hasattr(type(layer), ADAPTS)]
    return list(dict.fromkeys(found))


def disturbing(env: Any) -> list[str]:
    """Names of the layers that disturb on purpose, each once."""
    names = [type(layer).__name__ for layer in layers(env)]
    return [name for name in dict.fromkeys(names) if name in DISTURBS]


def frozen(env: Any) -> Any:
    """The environment with running statistics standing still, as in an evaluation.

    What they do to observations and rewards depends on all steps before, in every correct program;
    the checks look at what is beneath them.
    """
    for layer in layers(env):
        if hasattr(type(layer), ADAPTS):
            setattr(layer, ADAPTS, False)
    return env
