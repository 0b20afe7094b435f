"""Stable-Baselines3 algorithm classes, as they are, as subjects of the ladder."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from rlcheck.adapters.probing import probe
from rlcheck.adapters.protocol import AgentHandle, AgentSubject, Task
from rlcheck.adapters.signatures import SCALARS
from rlcheck.contracts import Options
from rlcheck.errors import BindingError
from rlcheck.suggest import did_you_mean

# Parameters of a constructor that are no hyper-parameters of learning.
PLUMBING = frozenset(
    "policy env gamma seed device verbose tensorboard_log stats_window_size monitor_wrapper "
    "optimize_memory_usage action_noise _init_setup_model".split()
)
NO_SCALARS = ("_class", "_kwargs")


def is_sb3_class(raw: Any) -> bool:
    """Whether `raw` is an algorithm class of Stable-Baselines3; imports nothing."""
    module = sys.modules.get("stable_baselines3.common.base_class")
    return module is not None and inspect.isclass(raw) and issubclass(raw, module.BaseAlgorithm)


def is_sb3_model(raw: Any) -> bool:
    """Whether `raw` is a model of Stable-Baselines3; imports nothing."""
    module = sys.modules.get("stable_baselines3.common.base_class")
    return module is not None and isinstance(raw, module.BaseAlgorithm)


@dataclass(slots=True)
class Sb3Subject:
    """Builds models of one class with given settings.

    Args:
        algorithm: the class.
        parameters: every keyword that its constructors take -> default.
        constants: keywords of every model (for a saved model, everything that was stored).
        device: of the networks.
    """

    algorithm: type
    parameters: Mapping[str, Any]
    constants: Mapping[str, Any]
    device: str
    options: Mapping[str, Any]
    action_forms: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    gamma: float | None = None
    framework: str = "stable-baselines3"
    accepts_gamma: bool = True
    isolated: bool = False
    accepts_seed: bool = True
    accepts_n_envs: bool = True

    def make(
        self,
        task: Task,
        *,
        seed: int,
        gamma: float | None = None,
        options: Mapping[str, Any] | None = None,
        n_envs: int | None = None,
    ) -> AgentHandle:
        """Build a model; see AgentSubject."""
        from rlcheck.adapters.sb3_handle import sb3_handle

        keywords: dict[str, Any] = {
            "policy": "MlpPolicy",
            "env": _environment(task, n_envs),
            "seed": seed,
            "device": self.device,
            "verbose": 0,
            **self.constants,
            **(options or {}),
        }
        if gamma is not None:
            keywords["gamma"] = gamma
        for name in {**self.constants, **(options or {})}:
            if name not in self.parameters:
                close = did_you_mean(name, list(self.parameters))
                raise BindingError(f"{self.algorithm.__name__} has no parameter {name!r}{close}")
        known = {name: value for name, value in keywords.items() if name in self.parameters}
        return sb3_handle(self.algorithm(**known), task)


def sb3_subject(
    algorithm: type,
    options: Options,
    stored: Mapping[str, Any] | None = None,
    notes: tuple[str, ...] = (),
) -> AgentSubject:
    """The subject of an algorithm class.

    Args:
        algorithm: `PPO`, `DQN`, ... or a subclass.
        options: what the user said.
        stored: keywords that every model is built with.
        notes: remarks to pass on.

    Raises:
        SubjectError: no model can be built on a tiny environment.
    """
    parameters = constructor_parameters(algorithm)
    constants = {**(stored or {}), **options.constants}
    subject = Sb3Subject(
        algorithm=algorithm,
        parameters=parameters,
        constants=constants,
        device=options.device,
        options=_hyper_parameters({**parameters, **(stored or {})}, options.constants),
        gamma=options.gamma,
        accepts_gamma="gamma" in parameters and "gamma" not in options.constants,
        accepts_seed="seed" in parameters,
        notes=notes,
    )
    seen = probe(lambda task: subject.make(task, seed=0).native, algorithm.__name__)
    known = float(seen.product.gamma) if options.gamma is None else options.gamma
    return replace(subject, action_forms=seen.action_forms, gamma=known)


def constructor_parameters(algorithm: type) -> dict[str, Any]:
    """Keyword -> default of a constructor; where it forwards **kwargs, of the parent's as well."""
    found: dict[str, Any] = {}
    for base in algorithm.__mro__:
        constructor = vars(base).get("__init__")
        if constructor is None:
            continue
        forwards = False
        for name, parameter in list(inspect.signature(constructor).parameters.items())[1:]:
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                forwards = True
            elif parameter.kind is not inspect.Parameter.VAR_POSITIONAL:
                found.setdefault(name, parameter.default)
        if not forwards:
            break
    return found


def _hyper_parameters(
    parameters: Mapping[str, Any], constants: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        name: value
        for name, value in parameters.items()
        if name not in PLUMBING
        and name not in constants
        and not name.endswith(NO_SCALARS)
        and isinstance(value, SCALARS)
    }


def _environment(task: Task, n_envs: int | None) -> Any:
    if n_envs is None or n_envs == 1:
        return task.make_env()
    from stable_baselines3.common.monitor import Monitor
    from stable_baselines3.common.vec_env import DummyVecEnv

    return DummyVecEnv([lambda: Monitor(task.make_env())] * n_envs)
