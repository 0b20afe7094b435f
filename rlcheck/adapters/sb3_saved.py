"""A saved (or already built) Stable-Baselines3 model: its class and settings, rebuilt on the ladder.

The file does not say which class saved it. Constructor parameters are stored under their own names, so
the class is the one whose parameters explain the most of the file.
"""

from __future__ import annotations

import contextlib
import copy
import importlib
import zipfile
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from rlcheck.adapters.probing import probe
from rlcheck.adapters.protocol import AgentHandle, AgentSubject, Task
from rlcheck.adapters.rng import preserved_rng
from rlcheck.adapters.sb3 import PLUMBING, constructor_parameters, sb3_subject
from rlcheck.contracts import Options
from rlcheck.errors import BindingError

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm

# Settings that hold live objects of the saved model rather than what its constructor was given.
NOT_STORED = frozenset({"env", "device", "seed", "verbose", "tensorboard_log", "monitor_wrapper"})

# A2C keeps its two RMSprop parameters in policy_kwargs only.
MAY_BE_MISSING = 2


def saved_subject(path: str, options: Options) -> AgentSubject:
    """The subject of a saved `.zip` model.

    Raises:
        BindingError: the file is no saved model, or no class is known that could have saved it.
    """
    stored = _read(path)
    algorithm = _class_of(stored, path)
    note = (
        f"{path} was saved by {algorithm.__name__}; its settings are rebuilt on the ladder's tasks"
    )
    return _subject(algorithm, stored, options, note)


def model_subject(model: BaseAlgorithm, options: Options) -> AgentSubject:
    """The subject of a model that is built already: its class and settings, built anew."""
    note = "a built model was handed over; its class and settings are built anew for each check"
    return _subject(type(model), vars(model), options, note)


def saved_handle(path: str, device: str = "cpu") -> AgentHandle:
    """The saved weights, to be asked; they have no environment to learn in.

    Raises:
        BindingError: as for `saved_subject`.
    """
    from rlcheck.adapters.sb3_handle import sb3_handle

    algorithm = _class_of(_read(path), path)
    with preserved_rng():
        model = algorithm.load(path, device=device)  # type: ignore[attr-defined]
    return sb3_handle(model, None)


def _subject(
    algorithm: type, stored: Mapping[str, Any], options: Options, note: str
) -> AgentSubject:
    names = set(constructor_parameters(algorithm)) - NOT_STORED
    settings = {name: stored[name] for name in names if name in stored}
    settings["policy"] = stored["policy_class"]
    notes = [note]
    if _needs_other_observations(algorithm, stored["policy_class"]):
        settings["policy"] = "MlpPolicy"
        settings["policy_kwargs"] = _without_extractor(stored.get("policy_kwargs"))
        notes.append("its policy for images is replaced by MlpPolicy: the ladder shows vectors")
    if settings.get("target_entropy") == -float(np.prod(stored["action_space"].shape)):
        settings["target_entropy"] = "auto"
    if settings.get("action_noise") is not None:
        settings["action_noise"] = _one_dimensional(settings["action_noise"])
    return sb3_subject(algorithm, options, settings, tuple(notes))


def _read(path: str) -> dict[str, Any]:
    from stable_baselines3.common.save_util import load_from_zip_file

    try:
        data, _, _ = load_from_zip_file(path, device="cpu")
    except (ValueError, OSError, KeyError, zipfile.BadZipFile) as error:
        raise BindingError(
            f"expected a model saved by Stable-Baselines3 at {path}, it cannot be read: {error}"
        ) from error
    if not data or "policy_class" not in data:
        raise BindingError(
            f"expected a model saved by Stable-Baselines3 at {path}, it holds no settings; "
            "save it with model.save(path)"
        )
    return data


def _class_of(stored: Mapping[str, Any], path: str) -> type:
    """The class whose parameters are stored (all but a few) and explain the most of what is."""
    best, best_score = None, 0
    for algorithm in _known_classes():
        parameters = set(constructor_parameters(algorithm)) - PLUMBING
        missing = len(parameters - set(stored))
        score = len(parameters) - 2 * missing
        if missing <= MAY_BE_MISSING and score > best_score:
            best, best_score = algorithm, score
    advice = "check the class itself instead: rlcheck run my_package:MyAlgorithm"
    if best is None:
        raise BindingError(f"{path} holds a model of a class that rlcheck does not know; {advice}")
    strange = _public(stored) - _attributes(best)
    if strange:
        raise BindingError(
            f"{path} holds {', '.join(sorted(strange))}, which {best.__name__} does not have, so a "
            f"subclass saved it, whose code is not in the file; {advice}"
        )
    return _ddpg_or(best, stored)


def _known_classes() -> list[type]:
    """Algorithms of Stable-Baselines3, and of sb3_contrib where it is installed."""
    import stable_baselines3
    from stable_baselines3.common.base_class import BaseAlgorithm

    modules = [stable_baselines3]
    with contextlib.suppress(ImportError):
        modules.append(importlib.import_module("sb3_contrib"))
    return [
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, BaseAlgorithm)
    ]


def _public(names: Iterable[str]) -> set[str]:
    return {name for name in names if not name.startswith("_")}


def _attributes(algorithm: Any) -> set[str]:
    """Names of the public attributes of a freshly built model."""

    def build(task: Task) -> Any:
        return algorithm("MlpPolicy", task.make_env(), device="cpu")

    return _public(vars(probe(build, algorithm.__name__).product))


def _ddpg_or(algorithm: type, stored: Mapping[str, Any]) -> type:
    """DDPG is stored as the TD3 without its additions."""
    from stable_baselines3 import DDPG, TD3

    plain = stored.get("policy_delay") == 1 and stored.get("target_noise_clip") == 0.0
    one_critic = (stored.get("policy_kwargs") or {}).get("n_critics") == 1
    return DDPG if algorithm is TD3 and plain and one_critic else algorithm


def _needs_other_observations(algorithm: Any, policy: type) -> bool:
    aliases = algorithm.policy_aliases
    return policy in (aliases.get("CnnPolicy"), aliases.get("MultiInputPolicy"))


def _without_extractor(policy_kwargs: Mapping[str, Any] | None) -> dict[str, Any]:
    extractor = ("features_extractor_class", "features_extractor_kwargs", "normalize_images")
    return {k: v for k, v in (policy_kwargs or {}).items() if k not in extractor}


def _one_dimensional(noise: Any) -> Any:
    """The same noise for the one action dimension of the ladder's continuous tasks."""
    fitted = copy.deepcopy(noise)
    for name in ("_mu", "_sigma", "initial_noise", "noise_prev"):
        value = getattr(fitted, name, None)
        if value is not None and np.ndim(value) > 0:
            setattr(fitted, name, np.array([np.mean(value)]))
    return fitted
