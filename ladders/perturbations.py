"""Wrappers that disturb an environment: noise, delay, sticky actions, other physics.

All chance comes from the wrapper's own generator, seeded by `reset(seed=...)`, so runs repeat.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces


class _Seeded(gymnasium.Wrapper):
    """A wrapper with a generator of its own, which the seed of reset decides."""

    def __init__(self, env: gymnasium.Env) -> None:
        super().__init__(env)
        self.rng = np.random.default_rng(0)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Seed this wrapper's generator too, then reset."""
        if seed is not None:
            # Another stream than the environment's own, which gets the same seed.
            self.rng = np.random.default_rng([seed, 1])
        self.begin()
        observation, info = self.env.reset(seed=seed, options=options)
        return self.see(observation), info

    def begin(self) -> None:
        """What a new episode starts with."""

    def see(self, observation: Any) -> Any:
        """What the agent gets of an observation."""
        return observation


class ObservationNoise(_Seeded):
    """Adds normal noise to every number of a Box observation.

    Args:
        env: with Box observations.
        scale: standard deviation.
    """

    def __init__(self, env: gymnasium.Env, scale: float) -> None:
        super().__init__(env)
        _require_box(env.observation_space, "ObservationNoise: observations")
        self.scale = scale

    def see(self, observation: Any) -> Any:
        """The observation with noise."""
        noisy = observation + self.scale * self.rng.standard_normal(np.shape(observation))
        return noisy.astype(np.asarray(observation).dtype)

    def step(self, action: Any) -> Any:
        """A step of the disturbed environment."""
        observation, *rest = self.env.step(action)
        return self.see(observation), *rest


class ActionNoise(_Seeded):
    """Disturbs actions: normal noise on a Box (cut to it), a random action instead on a Discrete.

    Args:
        env: with Box or Discrete actions.
        scale: standard deviation in units of the box's half width, or the probability of replacing.
    """

    def __init__(self, env: gymnasium.Env, scale: float) -> None:
        super().__init__(env)
        if not isinstance(env.action_space, spaces.Discrete):
            _require_box(env.action_space, "ActionNoise: actions")
        self.scale = scale

    def step(self, action: Any) -> Any:
        """A step of the disturbed environment."""
        space = self.env.action_space
        if isinstance(space, spaces.Discrete):
            if self.rng.random() < self.scale:
                action = int(space.start + self.rng.integers(space.n))
        elif isinstance(space, spaces.Box):
            half = (space.high - space.low) / 2
            moved = action + self.scale * half * self.rng.standard_normal(space.shape)
            action = np.clip(moved, space.low, space.high).astype(space.dtype)
        return self.env.step(action)


class StickyActions(_Seeded):
    """Repeats the executed action with a probability (Machado et al. 2018).

    Args:
        env: any.
        probability: of executing the action before once more.
    """

    def __init__(self, env: gymnasium.Env, probability: float) -> None:
        super().__init__(env)
        self.probability = probability
        self._last: Any = None

    def begin(self) -> None:
        """What the new episode starts with."""
        self._last = None

    def step(self, action: Any) -> Any:
        """A step of the disturbed environment."""
        if self._last is None or self.rng.random() >= self.probability:
            self._last = action
        return self.env.step(self._last)


class DelayedActions(_Seeded):
    """Executes each action a number of steps later; the first ones wait with the first action given.

    Args:
        env: any.
        steps: of delay.
    """

    def __init__(self, env: gymnasium.Env, steps: int) -> None:
        super().__init__(env)
        self.steps = int(steps)
        self._waiting: deque[Any] = deque()

    def begin(self) -> None:
        """What the new episode starts with."""
        self._waiting.clear()

    def step(self, action: Any) -> Any:
        """A step of the disturbed environment."""
        while len(self._waiting) < self.steps:
            self._waiting.append(action)
        self._waiting.append(action)
        return self.env.step(self._waiting.popleft())


class Physics(gymnasium.Wrapper):
    """Sets attributes of the innermost environment.

    Args:
        env: whose `unwrapped` has the attributes.
        parameters: attribute -> value, such as {"gravity": 12.0}.
    """

    def __init__(self, env: gymnasium.Env, parameters: Mapping[str, Any]) -> None:
        super().__init__(env)
        set_parameters(env.unwrapped, parameters)


class DomainRandomization(_Seeded):
    """Draws physical parameters anew for every episode, to train against what may differ in service.

    Args:
        env: whose `unwrapped` has the attributes.
        ranges: attribute -> (low, high); each reset draws uniformly between them. Tobin et al. 2017.
    """

    def __init__(self, env: gymnasium.Env, ranges: Mapping[str, tuple[float, float]]) -> None:
        super().__init__(env)
        _require_attributes(env.unwrapped, ranges)
        for name, (low, high) in ranges.items():
            if not low <= high:
                raise ValueError(f"ranges[{name!r}]: expected low <= high, got {(low, high)}")
        self.ranges = dict(ranges)
        self.parameters: dict[str, float] = {}

    def begin(self) -> None:
        """What the new episode starts with."""
        self.parameters = {
            name: float(self.rng.uniform(low, high)) for name, (low, high) in self.ranges.items()
        }
        set_parameters(self.env.unwrapped, self.parameters)


def set_parameters(env: Any, parameters: Mapping[str, Any]) -> None:
    """Set attributes that exist; CartPole's derived ones follow.

    Raises:
        AttributeError: the environment has no such attribute.
    """
    _require_attributes(env, parameters)
    for name, value in parameters.items():
        setattr(env, name, value)
    if {"masspole", "masscart", "length"} & set(parameters) and hasattr(env, "polemass_length"):
        # CartPole computes these once, in its constructor.
        env.total_mass = env.masspole + env.masscart
        env.polemass_length = env.masspole * env.length


def _require_attributes(env: Any, names: Mapping[str, Any]) -> None:
    for name in names:
        if not hasattr(env, name):
            numbers = sorted(
                known
                for known, value in vars(env).items()
                if isinstance(value, float | int) and not known.startswith("_")
            )
            raise AttributeError(
                f"{type(env).__name__} has no attribute {name!r} to change; it has {', '.join(numbers)}"
            )


def _require_box(space: spaces.Space, what: str) -> None:
    if not isinstance(space, spaces.Box):
        raise TypeError(f"{what} should be a Box, they are {space}")
