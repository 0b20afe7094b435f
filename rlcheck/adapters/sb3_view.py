"""How a Stable-Baselines3 model sees the environment's observations, and asking it without a trace."""

from __future__ import annotations

import inspect
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np

if TYPE_CHECKING:
    import torch
    from stable_baselines3.common.base_class import BaseAlgorithm


@dataclass(frozen=True, slots=True)
class View:
    """A model, and what a user's factory has put between it and the environment it was given.

    Args:
        model: the model.
        wrappers: Gymnasium wrappers, the innermost first.
    """

    model: BaseAlgorithm
    wrappers: tuple[gymnasium.Wrapper, ...] = ()

    @property
    def same_units(self) -> bool:
        """Whether the model's rewards are the environment's own, so that its values are too."""
        normalizer = self.model.get_vec_normalize_env()
        if normalizer is not None and normalizer.norm_reward:
            return False
        scaling = (gymnasium.RewardWrapper, gymnasium.wrappers.NormalizeReward)
        return not any(isinstance(wrapper, scaling) for wrapper in self.wrappers)

    @property
    def recurrent(self) -> bool:
        """Whether the policy answers by more than the observation: it carries a state."""
        ask = getattr(self.model.policy, "predict_values", None)
        return ask is not None and "lstm_states" in inspect.signature(ask).parameters

    def wrapped(self, observations: Any) -> np.ndarray:
        """Observations [N, ...] after the wrappers, whose running statistics stay as they are."""
        result = np.array(observations)
        for wrapper in self.wrappers:
            if isinstance(wrapper, gymnasium.ObservationWrapper):
                with _frozen(wrapper):
                    result = np.stack([wrapper.observation(row) for row in result])
        return result

    def asked(self, observations: Any) -> np.ndarray:
        """Observations [N, ...] as `model.predict` takes them.

        Stable-Baselines3's own `predict` wants them normalised; one that a user has written over it
        takes what the environment shows.
        """
        own = type(self.model).predict.__module__.startswith(("stable_baselines3", "sb3_contrib"))
        return self.inputs(observations) if own else self.wrapped(observations)

    def inputs(self, observations: Any) -> np.ndarray:
        """Observations [N, ...] as the policy takes them."""
        normalizer = self.model.get_vec_normalize_env()
        wrapped = self.wrapped(observations)
        return wrapped if normalizer is None else normalizer.normalize_obs(wrapped)  # type: ignore[return-value]

    def tensor(self, observations: Any) -> torch.Tensor:
        """Observations [N, ...] as the policy's networks take them."""
        tensor, _ = self.model.policy.obs_to_tensor(self.inputs(observations))
        return tensor  # type: ignore[return-value]

    @contextmanager
    def asking(self) -> Iterator[None]:
        """No gradients, and every module back in the mode (training or not) that it was in."""
        import torch

        modes = [(module, module.training) for module in self.model.policy.modules()]
        self.model.policy.set_training_mode(False)
        try:
            with torch.no_grad():
                yield
        finally:
            for module, mode in modes:
                module.training = mode


def view(model: BaseAlgorithm, given: Container[int] = ()) -> View:
    """The view of a model.

    Args:
        model: the model.
        given: ids of the environments that the user's factory was given.
    """
    env: Any = model.get_env()
    while hasattr(env, "venv"):
        env = env.venv
    current = env.envs[0] if getattr(env, "envs", None) else None
    wrappers = []
    while isinstance(current, gymnasium.Wrapper) and id(current) not in given:
        wrappers.append(current)
        current = current.env
    # Where none of the given environments is at the bottom, the chain says nothing about them.
    return View(model, tuple(reversed(wrappers)) if id(current) in given else ())


@contextmanager
def _frozen(wrapper: gymnasium.ObservationWrapper) -> Iterator[None]:
    if not hasattr(wrapper, "update_running_mean"):
        yield
        return
    updating = wrapper.update_running_mean
    wrapper.update_running_mean = False
    try:
        yield
    finally:
        wrapper.update_running_mean = updating
