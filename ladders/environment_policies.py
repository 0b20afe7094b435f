"""Simple scripted policies: one action for ever, and random linear ones, some of which live long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium import spaces

from ladders.environment_play import flat

Policy = Callable[[Any], Any]
MOST_WEIGHTS = 4096
BIAS = 0.05
"""Scale of the constant term of a linear policy."""


def constant_policies(space: spaces.Space, most: int = 6) -> list[Policy]:
    """Policies that always take one action: each discrete one, or the corners and middle of a box."""
    return [_always(action) for action in plain_actions(space, most)]


def linear_policies(
    observations: spaces.Space, actions: spaces.Space, count: int, seed: int
) -> list[Policy]:
    """Random linear policies with a small constant term; none for spaces that they cannot serve.

    With a large constant term a linear policy is one action for ever.
    """
    shape = weight_shape(observations, actions)
    if shape is None or shape[0] * shape[1] > MOST_WEIGHTS:
        return []
    rng = np.random.default_rng(seed)
    scale = np.append(np.ones(shape[1] - 1), BIAS)
    drawn = [rng.standard_normal(shape) * scale for _ in range(count)]
    made = [linear_policy(observations, actions, weights) for weights in drawn]
    return [policy for policy in made if policy is not None]


def _always(action: Any) -> Policy:
    return lambda observation: action


def plain_actions(space: spaces.Space, most: int = 6) -> list[Any]:
    """A few actions that cover a space: all of a small Discrete one, low, high and middle of a Box."""
    if isinstance(space, spaces.Discrete):
        count = min(int(space.n), most)
        return [space.start + index for index in range(count)]
    if isinstance(space, spaces.Box) and space.is_bounded() and space.dtype is not None:
        middle = (space.low / 2 + space.high / 2).astype(space.dtype)
        return [space.low.copy(), middle, space.high.copy()]
    return []


def linear_policy(
    observations: spaces.Space, actions: spaces.Space, weights: np.ndarray
) -> Policy | None:
    """The policy argmax(W x), or W x cut to the box; None for spaces that it cannot serve."""
    if isinstance(actions, spaces.Discrete):

        def act(observation: Any) -> Any:
            return actions.start + int(np.argmax(weights @ _features(observation, observations)))

        return act
    if isinstance(actions, spaces.Box) and actions.is_bounded() and actions.dtype is not None:
        low, high = actions.low.astype(np.float64), actions.high.astype(np.float64)

        def move(observation: Any) -> Any:
            score = np.tanh(weights @ _features(observation, observations)).reshape(low.shape)
            return (low + (high - low) * (score + 1.0) / 2.0).astype(actions.dtype)

        return move
    return None


def weight_shape(observations: spaces.Space, actions: spaces.Space) -> tuple[int, int] | None:
    """[outputs, inputs] of a linear policy for these spaces; None where there is none."""
    if not observations.is_np_flattenable:
        return None
    inputs = spaces.flatdim(observations) + 1
    if isinstance(actions, spaces.Discrete):
        return int(actions.n), inputs
    if isinstance(actions, spaces.Box) and actions.is_bounded():
        return int(np.prod(actions.shape)), inputs
    return None


def _features(observation: Any, space: spaces.Space) -> np.ndarray:
    numbers = flat(observation, space)
    assert numbers is not None, "linear policies are made for flat spaces only"
    return np.append(np.nan_to_num(numbers), 1.0)
