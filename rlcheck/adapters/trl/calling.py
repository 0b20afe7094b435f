"""Builds a trainer from what a user hands over: a TRL trainer class, or a factory of their own.

A factory names what it wants of

    model, train_dataset, processing_class (or tokenizer), output_dir, reward_funcs, args

and any options of its trainer's configuration that it lets rlcheck vary (beta, learning_rate,
max_steps, per_device_train_batch_size, gradient_accumulation_steps, num_generations, ...). A class
such as `trl.DPOTrainer`, or a subclass, gets a configuration of the class beside it (`trl.DPOConfig`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rlcheck.errors import BindingError, SubjectError

ALIASES = {
    "tokenizer": "processing_class",
    "dataset": "train_dataset",
    "batch_size": "per_device_train_batch_size",
    "accumulation": "gradient_accumulation_steps",
    "lr": "learning_rate",
    "reward_func": "reward_funcs",
    "reward_fn": "reward_funcs",
}
MATERIAL = frozenset({"model", "ref_model", "train_dataset", "processing_class", "reward_funcs"})
NEEDED = ("model", "train_dataset", "processing_class", "get_train_dataloader", "compute_loss")


@dataclass(frozen=True)
class TrainerSource:
    """Something that builds trainers.

    Args:
        build: (material, options) -> trainer.
        options: names of the configuration that it lets rlcheck vary; None for all.
        name: for messages.
    """

    build: Callable[[Mapping[str, Any], Mapping[str, Any]], Any]
    options: frozenset[str] | None
    name: str

    def make(self, material: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
        """A trainer that has everything which the checks ask of it.

        Raises:
            SubjectError: building it raises.
            BindingError: what came is no trainer.
        """
        try:
            trainer = self.build(material, options)
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            raise SubjectError(f"{self.name} raised while a trainer was built: {said}") from error
        missing = [name for name in NEEDED if not hasattr(trainer, name)]
        if missing:
            raise BindingError(
                f"{self.name} returned a {type(trainer).__name__} without {', '.join(missing)}; "
                "expected a trainer in the manner of TRL, such as trl.DPOTrainer(...)"
            )
        return trainer

    def varies(self, option: str) -> bool:
        """Whether the option can be given."""
        return self.options is None or option in self.options


def trainer_source(raw: Any, constants: Mapping[str, Any]) -> TrainerSource:
    """How to build trainers from `raw`, with the user's constants in every one of them.

    Raises:
        BindingError: it is neither a trainer class nor a factory that names a model and a dataset.
    """
    if inspect.isclass(raw) and hasattr(raw, "compute_loss"):
        return _class_source(raw, constants)
    if not callable(raw):
        raise BindingError(
            f"expected a trainer class or a factory make_trainer(model, train_dataset, "
            f"processing_class, output_dir), got a {type(raw).__name__}"
        )
    return _factory_source(raw, constants)


def _class_source(raw: type, constants: Mapping[str, Any]) -> TrainerSource:
    config_class = _config_class(raw)
    # A subclass may take (*args, **kwargs) and hand them on.
    accepted = {name for base in raw.__mro__ for name in inspect.signature(base).parameters}

    def build(material: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
        known = inspect.signature(config_class).parameters
        given = {**options, **constants}
        args = config_class(**{name: value for name, value in given.items() if name in known})
        return raw(args=args, **{k: v for k, v in material.items() if k in accepted})

    return TrainerSource(build, None, raw.__name__)


def _config_class(raw: type) -> Any:
    """`DPOConfig` for `DPOTrainer` and everything derived from it."""
    import trl

    for base in raw.__mro__:
        name = base.__name__.removesuffix("Trainer") + "Config"
        if base.__module__.startswith("trl.") and hasattr(trl, name):
            return getattr(trl, name)
    raise BindingError(
        f"{raw.__name__} is not derived from a trainer of TRL, so its configuration is unknown; hand "
        "over a factory make_trainer(model, train_dataset, processing_class, output_dir)"
    )


def _factory_source(raw: Callable[..., Any], constants: Mapping[str, Any]) -> TrainerSource:
    parameters = inspect.signature(raw).parameters
    words = {name: ALIASES.get(name, name) for name in parameters}
    if not {"model", "train_dataset"} <= set(words.values()):
        raise BindingError(
            f"a factory of trainers names `model` and `train_dataset`, {_name(raw)} takes "
            f"({', '.join(parameters)})"
        )
    takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters.values())

    def build(material: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
        given = {**options, **material}
        named = {own: given[word] for own, word in words.items() if word in given}
        more = {k: v for k, v in options.items() if k not in words.values()} if takes_all else {}
        return raw(**{**named, **more, **constants})

    options = None if takes_all else frozenset(words.values()) - MATERIAL
    return TrainerSource(build, options, _name(raw))


def _name(raw: Any) -> str:
    return str(getattr(raw, "__qualname__", type(raw).__name__))
