"""What is known about a function before rlcheck sees it."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Subject:
    """A function, a class or a factory with known truth.

    Args:
        name: unique within its contract.
        contract: what it claims to be.
        function: the subject itself.
        correct: whether it is right.
        faults: the right names for what is wrong with it, any of them; none if rlcheck's
            vocabulary has no name for it, so that only detection counts.
        bind: the subject's own name -> parameter of the contract.
        dialect: pinned conventions.
        constants: hyper-parameters given by name.
    """

    name: str
    contract: str
    function: Callable[..., Any]
    correct: bool
    faults: tuple[str, ...]
    bind: Mapping[str, str]
    dialect: Mapping[str, Any]
    constants: Mapping[str, Any]

    @property
    def file(self) -> str:
        """The file of this package that it stands in, without its ending."""
        return (getattr(self.function, "__module__", "") or "").rpartition(".")[2]

    @property
    def digest(self) -> str:
        """A change of the source changes it, so that stored answers are asked for anew."""
        named = hasattr(self.function, "__name__")
        source = inspect.getsource(self.function if named else type(self.function))
        return hashlib.sha256(source.encode()).hexdigest()[:12]


def _name(function: Callable[..., Any]) -> str:
    """Its own name, or that of its class where it is an object that can be called."""
    return getattr(function, "__name__", type(function).__name__).replace("_", "-")


Maker = Callable[[Callable[..., Any]], Subject]


def correct(
    contract: str,
    bind: Mapping[str, str] | None = None,
    dialect: Mapping[str, Any] | None = None,
    constants: Mapping[str, Any] | None = None,
) -> Maker:
    """Turn the function below into a correct subject of that contract."""

    def make(function: Callable[..., Any]) -> Subject:
        name = _name(function)
        return Subject(
            name, contract, function, True, (), bind or {}, dialect or {}, constants or {}
        )

    return make


def faulty(
    contract: str,
    *faults: str,
    bind: Mapping[str, str] | None = None,
    dialect: Mapping[str, Any] | None = None,
    constants: Mapping[str, Any] | None = None,
) -> Maker:
    """Turn the function below into a faulty subject; `faults` are its right names."""

    def make(function: Callable[..., Any]) -> Subject:
        name = _name(function)
        names = tuple(f"{contract}/{fault}" for fault in faults)
        return Subject(
            name, contract, function, False, names, bind or {}, dialect or {}, constants or {}
        )

    return make
