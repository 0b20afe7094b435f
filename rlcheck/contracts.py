"""What a contract is, and how contracts are found.

A contract says what a subject claims to be. It owns its checks and its faults, and it knows how to
*bind* a raw Python object (a function, a factory, an environment id) to the shape its checks call.
Contracts come from the entry-point group `rlcheck.contracts`, one entry a contract, so names can be
listed without importing anything and third parties can add their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from rlcheck.errors import UsageError
from rlcheck.records import Check, Diagnosis, Evidence, Fault, Result
from rlcheck.suggest import did_you_mean

GROUP = "rlcheck.contracts"


@dataclass(frozen=True, slots=True)
class Options:
    """What the user said about one subject: how to bind it and which conventions it declares."""

    bind: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, Any] = field(default_factory=dict)
    dialect: Mapping[str, Any] = field(default_factory=dict)
    gamma: float | None = None
    device: str = "cpu"


@dataclass(frozen=True, slots=True)
class Bound:
    """A subject in the shape that the checks of its contract call.

    Args:
        subject: what trials receive as their first argument.
        facts: JSON facts that judges and `Check.applies` see without importing the subject.
        dialect: the declared conventions, pinned or inferred.
        notes: remarks for the report ("`dones` merges termination and truncation: ...").
    """

    subject: Any
    facts: Evidence = field(default_factory=dict)
    dialect: Evidence = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Contract:
    """What a subject claims to be.

    Args:
        name: as in `--as NAME`.
        title: one line.
        explanation: the definition, the parameters it binds, what must hold.
        checks: in order of cost.
        faults: the mistakes that the checks can name.
        bind: (raw object, Options) -> Bound; raises BindingError with what was expected and came.
        diagnose: results -> ranked faults; None takes `rlcheck.diagnosis.combine`.
        recognises: raw object -> whether it looks like a subject of this contract, for inference.
        inputs: (names of parameters or None, fixed hyper-parameters) -> Hypothesis strategy of the
            inputs that its checks try; None where it has no such inputs (see `rlcheck.strategies`).
    """

    name: str
    title: str
    explanation: str
    checks: tuple[Check, ...]
    faults: tuple[Fault, ...]
    bind: Callable[[Any, Options], Bound]
    diagnose: Callable[[Sequence[Result]], tuple[Diagnosis, ...]] | None = None
    recognises: Callable[[Any], bool] = lambda raw: False
    inputs: Callable[[Sequence[str] | None, Mapping[str, Any]], Any] | None = None


@cache
def _entries() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def names() -> list[str]:
    """Names of every installed contract, sorted, without importing any."""
    return sorted(_entries())


@cache
def load(name: str) -> Contract:
    """The contract called `name`.

    Raises:
        UsageError: no such contract; the message offers close matches.
    """
    entry = _entries().get(name)
    if entry is None:
        raise UsageError(f"there is no contract {name!r}{did_you_mean(name, names())}")
    contract = entry.load()
    if not isinstance(contract, Contract):
        raise UsageError(
            f"entry point {entry.value!r} of group {GROUP} should be a rlcheck Contract, "
            f"it is a {type(contract).__name__}; the package that defines it needs a fix"
        )
    return contract
