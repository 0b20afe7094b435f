"""Names the fault: the one whose answers are the subject's own, or the closest.

equal      the subject's outputs equal those of a faulty version on every input tried, and differ
           from the oracle's on some: "your function is ..."
nearly     they differ from those of a faulty version by a thousandth of what the fault does: a small
           number that guards a logarithm or a quotient stands beside the mistake
partly     on a share of the inputs where subject and oracle differ: one fault among several
signature  the set of properties that it violates is that of the fault
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from property_tests.framework.models import Fitted, Run, answers_as_they_came, equal
from property_tests.framework.records import (
    Case,
    Domain,
    FaultyVersion,
    FunctionContract,
    Model,
    Outputs,
    PooledCases,
    Property,
    SharedCase,
)
from property_tests.framework.search import pool
from rlcheck.diagnosis import combine
from rlcheck.functions.calling import Malformed
from rlcheck.records import Diagnosis, Fault, Result, Status

CERTAIN = 0.99
"""Probability of the faults that explain every answer, shared among them."""

NEARLY = 0.9
"""Probability of the faults that explain every answer but for a small number, shared among them."""

SMALL = 1e-3
"""A difference from a faulty version that does not count, as a part of what the fault does."""

OFTEN = 0.9
"""Share of the inputs on which it has to be small: near a singularity a guard decides."""

STRAYS = 5
"""On so many inputs the fault has to show."""

AGAIN = 4
"""So many times the inputs are compared where several faults explain them all."""

PARTLY = 0.5
"""Largest probability of a fault that explains only some answers."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a subject's answers compare with every faulty version.

    Args:
        inputs: how many were tried.
        wrong: on how many the subject differs from the oracle.
        explained: fault -> on how many of those it gives the subject's answer.
        equal: the faults that give all of the subject's answers.
        nearly: the faults that do but for a small number.
    """

    inputs: int
    wrong: int
    explained: Mapping[str, int]
    equal: tuple[str, ...]
    nearly: tuple[str, ...] = ()

    def suspects(self, contract: str) -> dict[str, float]:
        """Fault -> probability that the answers give it."""
        if self.equal:
            return {f"{contract}/{name}": CERTAIN / len(self.equal) for name in self.equal}
        if self.nearly:
            return {f"{contract}/{name}": NEARLY / len(self.nearly) for name in self.nearly}
        total = sum(self.explained.values())
        return {
            f"{contract}/{name}": PARTLY * count / total
            for name, count in self.explained.items()
            if count and total
        }

    def proof(self, fault: str) -> str:
        """What speaks for a suspect, as a sentence."""
        if self.equal:
            return (
                f"its answers equal those of this fault on all {self.inputs} inputs tried, "
                f"and differ from the definition on {self.wrong}"
            )
        if self.nearly:
            return (
                f"on {OFTEN:.0%} or more of {self.inputs} inputs its answers are those of this fault "
                f"to within a thousandth of what the fault changes"
            )
        return (
            f"it gives this fault's answer on {self.explained[fault]} "
            f"of the {self.wrong} inputs with a wrong answer"
        )


@lru_cache(maxsize=16)
def compare_with_faults(fitted: Fitted, seed: int, size: int) -> Comparison:
    """Compare the subject with the oracle and every faulty version on the shared inputs.

    Where several faults explain them all, more inputs may tell these apart.
    """
    contract = fitted.contract
    compared = _compared(fitted, contract.faults, pool(contract.cases, fitted.domain, seed, size))
    if len(compared.equal) < 2:
        return compared
    tied = [fault for fault in contract.faults if fault.name in compared.equal]
    return _compared(fitted, tied, pool(contract.cases, fitted.domain, seed, AGAIN * size))


def compare_where_it_failed(fitted: Fitted, prop: Property, seed: int, size: int) -> Comparison:
    """The same; where the shared inputs show nothing wrong, also on those that a property failed on."""
    compared, contract = compare_with_faults(fitted, seed, size), fitted.contract
    shown = () if compared.wrong else _shown_by(prop, fitted, seed, size)
    if not shown:
        return compared
    shared = pool(contract.cases, fitted.domain, seed, size)
    return _compared(fitted, contract.faults, PooledCases((*shared, *shown)))


def _shown_by(prop: Property, fitted: Fitted, seed: int, size: int) -> list[Case]:
    """The inputs on which a property fails, as it made them."""
    found: list[Case] = []
    for case in pool(prop.cases or fitted.contract.cases, fitted.domain, seed, size):
        with contextlib.suppress(Malformed):
            mismatch = prop.holds(Run(fitted), case)
            found += [mismatch.case] if mismatch and mismatch.case.keys() == case.keys() else []
    return [SharedCase(case) for case in found]


def _compared(fitted: Fitted, faults: Sequence[FaultyVersion], cases: PooledCases) -> Comparison:
    contract, run = fitted.contract, Run(fitted)
    given = answers_as_they_came(run, cases)
    right = run.answers_of(contract.oracle, cases)
    tolerances = [run.tolerance(case) for case in cases]

    def agreement(model: Model) -> list[bool | None]:
        """On which inputs the subject gives the model's answer; None where that says nothing."""
        known = zip(given, run.answers_of(model, cases), right, tolerances, strict=True)
        return [
            # A wrong shape speaks for a model that gives a wrong shape, and against no other.
            None
            if own is None or (_misshapen(own, due) and not _misshapen(its, due))
            else equal(own, its, slack)
            for own, its, due, slack in known
        ]

    def differs(outputs: Sequence[Outputs | None]) -> list[bool]:
        """Where answers are not the definition's."""
        known = zip(outputs, right, tolerances, strict=True)
        return [own is not None and not equal(own, due, slack) for own, due, slack in known]

    wrong = differs(given)
    explained: dict[str, int] = {}
    exact: list[str] = []
    near: list[str] = []
    for fault in faults:
        counts = []
        for model in fault.models:
            matches = agreement(model)
            # Where a model is right itself, it explains no wrong answer.
            strays = differs(run.answers_of(model, cases))
            counts.append(
                sum(bool(m) and w and s for m, w, s in zip(matches, wrong, strays, strict=True))
            )
            if counts[-1] and False not in matches and fault.name not in exact:
                exact.append(fault.name)
            if fault.name not in near and _nearly(given, run.answers_of(model, cases), right):
                near.append(fault.name)
        explained[fault.name] = max(counts)
    answered = sum(own is not None for own in given)
    return Comparison(answered, sum(wrong), explained, tuple(exact), tuple(near))


def _nearly(
    given: Sequence[Outputs | None], models: Sequence[Outputs], right: Sequence[Outputs]
) -> bool:
    """Whether the model's answers are the subject's but for a small part of what the fault does."""
    close, strays = [], 0
    for own, its, due in zip(given, models, right, strict=True):
        if own is None:
            return False
        its = its[: len(own)]  # what the subject does not return says nothing
        effect, rest = _gap(its, due), _gap(own, its)
        if not np.isfinite(effect):
            return False
        # Where the fault changes nothing, a guard shows alone; it is small by itself.
        close.append(rest <= SMALL * (effect or 1.0))
        strays += effect > SMALL
    return strays >= STRAYS and sum(close) >= OFTEN * len(close)


def _gap(one: Outputs, other: Outputs) -> float:
    """The largest difference in any output that both have; infinite where one is not finite."""
    with np.errstate(invalid="ignore"):
        gaps = [
            float(np.max(np.abs(a - b), initial=0.0)) if a.shape == b.shape else np.inf
            for a, b in zip(one, other, strict=False)
        ]
    return np.inf if np.isnan(gaps).any() else max(gaps)


def _misshapen(outputs: Outputs, due: Outputs) -> bool:
    return outputs[0].shape != due[0].shape


def diagnose(
    contract: FunctionContract, faults: Sequence[Fault], results: Sequence[Result]
) -> tuple[Diagnosis, ...]:
    """The faults that explain all results of a subject together, most probable first."""
    failed = [result for result in results if result.status in (Status.FAILED, Status.XFAILED)]
    certain = [r for r in failed if sum(r.suspects.values()) >= NEARLY - 1e-6]
    if certain:
        # Checks compared the same answers: one of those that say the same is enough.
        said = {tuple(sorted(result.suspects.items())): result for result in reversed(certain)}
        return combine(list(said.values()), faults)
    domains = [r.evidence["domain"] for r in failed if "domain" in r.evidence]
    if not domains:
        return ()
    violated = frozenset(result.check.split("/", 1)[1] for result in failed)
    ran = violated | {r.check.split("/", 1)[1] for r in results if r.status is Status.PASSED}
    ranking = _by_signature(contract, domains[0], violated, frozenset(ran), failed[0].suspects)
    return combine([replace(failed[0], suspects=ranking)], faults)


def _by_signature(
    contract: FunctionContract,
    domain: Mapping[str, Any],
    violated: frozenset[str],
    ran: frozenset[str],
    partly: Mapping[str, float],
) -> dict[str, float]:
    """Fault -> probability, from the properties violated and the answers partly explained."""
    where = Domain(frozenset(domain["can"]), tuple(map(tuple, domain["fixed"])))
    weights: dict[str, float] = {}
    for fault in contract.faults:
        own = signature(contract, fault.name, where) & ran
        union = own | violated
        overlap = len(own & violated) / len(union) if union else 0.0
        name = f"{contract.name}/{fault.name}"
        weights[name] = overlap**2 + 2.0 * partly.get(name, 0.0)
    total = sum(weights.values())
    best = max(weights.values(), default=0.0)
    if best == 0.0:
        return {}
    return {name: 0.8 * weight / total for name, weight in weights.items() if weight >= 0.25 * best}


@lru_cache(maxsize=1024)
def signature(contract: FunctionContract, fault: str, domain: Domain) -> frozenset[str]:
    """Names of the properties that a faulty version violates on this domain."""
    version = next(version for version in contract.faults if version.name == fault)
    conventions = {c.name: c.options[0] for c in contract.conventions}
    fitted = Fitted(contract, None, domain, conventions, model=version.model)
    fitted = replace(fitted, domain=_with_its_outputs(fitted))
    return frozenset(
        prop.name
        for prop in contract.properties
        if applies(prop, fitted.domain) and _broken(fitted, prop)
    )


def _with_its_outputs(fitted: Fitted) -> Domain:
    """The domain without the outputs that the subject returned and a faulty version does not."""
    case = pool(fitted.contract.cases, fitted.domain, 0, 30)[0]
    missing = fitted.contract.outputs[len(Run(fitted).outputs(case)) :]
    can = fitted.domain.can - {f"output {output.name}" for output in missing}
    return replace(fitted.domain, can=can)


def applies(prop: Property, domain: Domain) -> bool:
    """Whether a property can be tried on this domain."""
    return all(n in domain for n in prop.needs) and all(domain.varies(n) for n in prop.varies)


def _broken(fitted: Fitted, prop: Property) -> bool:
    for one in prop.subjects(fitted):
        run = Run(one)
        for case in pool(prop.cases or fitted.contract.cases, one.domain, 0, 30):
            try:
                if prop.holds(run, case) is not None:
                    return True
            except (Malformed, ArithmeticError, IndexError, ValueError):
                # A subject's arrays have the contract's shape; those of a wrong model need not.
                return True
    return False
