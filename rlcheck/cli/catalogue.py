"""Everything installed that has a name: contracts, checks, faults, subjects."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

from rlcheck import contracts
from rlcheck.contracts import Contract
from rlcheck.records import Check, Fault


def installed() -> list[Contract]:
    """Every contract that can be loaded; the others are named on standard error with the reason."""
    loaded = []
    for name in contracts.names():
        try:
            loaded.append(contracts.load(name))
        except Exception as error:
            # A third-party contract may raise anything while it is imported; the others still count.
            print(
                f"Warning: the contract {name!r} cannot be loaded: {type(error).__name__}: {error}",
                file=sys.stderr,
            )
    return loaded


def checks(of: list[Contract]) -> Iterator[tuple[Contract, Check]]:
    """Every check with its contract, in the contracts' order."""
    return ((contract, check) for contract in of for check in contract.checks)


def faults(of: list[Contract]) -> Iterator[tuple[Contract, Fault]]:
    """Every fault with its contract, in the contracts' order."""
    return ((contract, fault) for contract in of for fault in contract.faults)


def catching(fault: Fault, contract: Contract) -> list[str]:
    """Names of the checks that can show `fault`."""
    names = {fault.name, *fault.aliases}
    return [check.name for check in contract.checks if names & set(check.catches)]


@dataclass(frozen=True, slots=True)
class KnownSubject:
    """A subject that `rlcheck run NAME` finds."""

    name: str
    target: str
    contract: str
    source: str


def subjects() -> list[KnownSubject]:
    """Configured subjects, then those that installed packages offer."""
    from importlib.metadata import entry_points

    from rlcheck import config as configuration
    from rlcheck.targets import SUBJECTS_GROUP

    config = configuration.load()
    known = [
        KnownSubject(spec.name, spec.target or spec.script, spec.contract, str(config.path))
        for spec in config.subjects.values()
    ]
    for entry in sorted(entry_points(group=SUBJECTS_GROUP), key=lambda entry: entry.name):
        source = entry.dist.name if entry.dist else "an installed package"
        known.append(KnownSubject(entry.name, entry.value, "", source))
    return known
