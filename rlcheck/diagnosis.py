"""The default diagnosis: which faults explain all results of a subject together.

Every failed check hands over a posterior of its own, `Result.suspects`: fault -> probability, the
rest being faults that nobody has named. The checks looked at different inputs, so their posteriors
are multiplied:

    P(fault | results)  ~  prod over failed checks of max(suspects[fault], FLOOR)
                           prod over passed checks that can show the fault of MISSED

and the same product of the unnamed rests stands for "something that is not in the catalogue".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

from rlcheck.records import Check, Diagnosis, Fault, Result, Status

FLOOR = 0.02
"""Weight of a fault that a failed check does not name: perhaps the check cannot model it."""

MISSED = 0.5
"""Weight of a fault after a check passed that can show it: `catches` says "can", not "must"."""

SHOWN = 0.02
"""Faults less probable than this are left out."""


def combine(
    results: Sequence[Result], faults: Sequence[Fault], checks: Sequence[Check] = ()
) -> tuple[Diagnosis, ...]:
    """The faults that would explain `results`, most probable first.

    Faults with the same evidence get the same probability and stand next to each other, in the
    order of the catalogue.

    Args:
        results: everything said about one subject.
        faults: the catalogue of its contract.
        checks: its checks; what a passed one could have shown counts against a fault.
    """
    failed = [r for r in results if r.status in (Status.FAILED, Status.XFAILED) and r.suspects]
    if not failed:
        return ()
    catalogue = _by_name(faults)
    posteriors = [_known_names(result.suspects, catalogue) for result in failed]
    passed = {result.check for result in results if result.status is Status.PASSED}
    missed = [check.catches for check in checks if check.name in passed]

    named = list(dict.fromkeys(name for posterior in posteriors for name in posterior))
    weights = {
        name: prod(max(posterior.get(name, 0.0), FLOOR) for posterior in posteriors)
        * MISSED ** sum(name in catches for catches in missed)
        for name in named
    }
    unnamed = prod(max(1.0 - sum(posterior.values()), FLOOR / 2) for posterior in posteriors)
    total = sum(weights.values()) + unnamed
    position = {fault.name: index for index, fault in enumerate(faults)}
    # Rounded, so that products in a different order do not separate equal evidence.
    ranked = sorted(
        ((round(weight / total, 6), name) for name, weight in weights.items()),
        key=lambda item: (-item[0], position.get(item[1], len(position)), item[1]),
    )
    return tuple(
        _diagnosis(name, probability, catalogue.get(name), _proof(name, failed, catalogue))
        for probability, name in ranked
        if probability >= SHOWN
    )


def _by_name(faults: Sequence[Fault]) -> dict[str, Fault]:
    """Faults by name and by every earlier name."""
    aliases = {alias: fault for fault in faults for alias in fault.aliases}
    return aliases | {fault.name: fault for fault in faults}


def _known_names(suspects: Mapping[str, float], catalogue: Mapping[str, Fault]) -> dict[str, float]:
    return {_current(name, catalogue): weight for name, weight in suspects.items() if weight > 0}


def _current(name: str, catalogue: Mapping[str, Fault]) -> str:
    return catalogue[name].name if name in catalogue else name


def _proof(name: str, failed: Sequence[Result], catalogue: Mapping[str, Fault]) -> tuple[str, ...]:
    """What the results that point at the fault show, strongest first.

    A check that can do the arithmetic puts it into `evidence["proof"]`: fault -> lines; of the others
    the first line of the message stands.
    """
    pointing = [
        (weight, result.evidence.get("proof", {}).get(suspect) or [_headline(result)])
        for result in failed
        for suspect, weight in result.suspects.items()
        if _current(suspect, catalogue) == name and weight > 0
    ]
    ranked = sorted(pointing, key=lambda item: -item[0])
    return tuple(line for _, lines in ranked for line in lines)


def _headline(result: Result) -> str:
    return f"{result.check}: {result.message.splitlines()[0] if result.message else ''}"


def _diagnosis(
    name: str, probability: float, fault: Fault | None, proof: tuple[str, ...]
) -> Diagnosis:
    if fault is None:
        return Diagnosis(name, probability, name.replace("-", " "), "", "", proof=proof)
    return Diagnosis(
        fault=fault.name,
        probability=probability,
        title=fault.title,
        explanation=fault.explanation,
        fix=fault.fix,
        where=fault.where,
        proof=proof,
        references=fault.references,
    )
