"""Makes an `rlcheck` contract of a function contract: one check a property."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from property_tests.framework.diagnosis import compare_where_it_failed, diagnose
from property_tests.framework.generic import (
    AGREEMENT,
    WELL_FORMED,
    generic_faults,
    generic_properties,
)
from property_tests.framework.inference import fitted as fit
from property_tests.framework.inputs import inputs
from property_tests.framework.models import Fitted, Run
from property_tests.framework.optional import PROPERTY as LEFT_OUT
from property_tests.framework.records import Case, FunctionContract, Mismatch, Property
from property_tests.framework.reproducer import script
from property_tests.framework.search import smallest
from property_tests.framework.table import table
from rlcheck.contracts import Bound, Contract, Options
from rlcheck.functions.binding import name_of
from rlcheck.functions.calling import Malformed
from rlcheck.records import Check, Context, Evidence, Outcome, Settings, Status, Trial, one_trial

SPELLINGS = 10
"""How many other names of a parameter are shown."""


def completed(contract: FunctionContract) -> FunctionContract:
    """The contract with the properties and faults that every function contract has."""
    named = inspect.signature(contract.oracle).parameters
    first = next(p.name for p in contract.parameters if p.axes and p.name in named)
    well_formed, agrees, *others = generic_properties(contract.pure)
    return replace(
        contract,
        properties=(well_formed, *contract.properties, agrees, LEFT_OUT, *others),
        faults=(*contract.faults, *generic_faults(contract.oracle, first, contract.pure)),
    )


def build(contract: FunctionContract) -> Contract:
    """The contract as the engine, the command line and pytest use it.

    Args:
        contract: with its own properties and faults only; the generic ones are added here.
    """
    whole = completed(contract)
    checks = tuple(_check(whole, prop) for prop in whole.properties)
    faults = tuple(fault.catalogued(whole.name) for fault in whole.faults)
    return Contract(
        name=whole.name,
        title=whole.title,
        explanation=_explanation(whole),
        checks=checks,
        faults=faults,
        bind=lambda raw, options: _bind(raw, whole, options),
        diagnose=lambda results: diagnose(whole, faults, results),
        recognises=lambda raw: _recognises(raw, whole),
        inputs=lambda takes, fixed: inputs(whole, takes, fixed),
    )


def _explanation(contract: FunctionContract) -> str:
    lines = [contract.explanation.strip(), "", "Parameters, by name, in any order:"]
    lines += [
        f"  {p.describe()}" + (f"; also {_some(p.aliases)}" if p.aliases else "")
        for p in contract.parameters
    ]
    if contract.conventions:
        lines += ["", "Declared conventions (the first is the default):"]
        for convention in contract.conventions:
            options = " | ".join(map(str, convention.options))
            lines.append(f"  {convention.name}: {options}   {convention.meaning}")
    return "\n".join(lines)


def _some(aliases: tuple[str, ...]) -> str:
    shown, more = ", ".join(aliases[:SPELLINGS]), len(aliases) - SPELLINGS
    return shown + (f" and {more} more spellings" if more > 0 else "")


def _recognises(raw: Any, contract: FunctionContract) -> bool:
    name = name_of(raw).lower()
    return callable(raw) and not _is_trainer(raw) and any(word in name for word in contract.words)


def _is_trainer(raw: Any) -> bool:
    """Whether it is a trainer, or makes one; it may well be called after the loss that it minimises."""
    if hasattr(raw, "train") and not hasattr(raw, "forward"):
        return True
    try:
        return "train_dataset" in inspect.signature(raw).parameters
    except (TypeError, ValueError):
        return False


def _bind(raw: Any, contract: FunctionContract, options: Options) -> Bound:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = fit(raw, contract, options)
    function = fitted.function
    assert function is not None  # fit binds a function
    plan = function.plan
    taken = function.signature.names
    open_points = [c.name for c in contract.conventions if c.only(taken)]
    spoken = {name: fitted.conventions[name] for name in open_points}
    shown = {"arrays": str(plan.kind), "layout": str(plan.layout), **spoken}
    domain = {"can": sorted(fitted.domain.can), "fixed": [list(f) for f in fitted.domain.fixed]}
    notes = list(contract.notes(function.signature.names))
    if fitted.precision != "float64":
        notes.append(f"compared with the rounding error of {fitted.precision}")
    if function.signature.defaulted:
        names = ", ".join(f"`{name}`" for name in function.signature.defaulted)
        notes.append(f"left at its default: {names}")
    return Bound(fitted, {"domain": domain}, shown, tuple(notes))


def _check(contract: FunctionContract, prop: Property) -> Check:
    first = f"{contract.name}/{WELL_FORMED}"
    name = f"{contract.name}/{prop.name}"
    every = tuple(f"{contract.name}/{fault.name}" for fault in contract.faults)
    return Check(
        name=name,
        title=prop.title,
        explanation=prop.explanation,
        trial=_trial(contract, prop),
        judge=one_trial(_judge(contract.name)),
        applies=_applies(prop),
        requires=() if name == first else (first,),
        catches=every if prop.name == AGREEMENT else (),
        references=prop.references,
    )


def _applies(prop: Property) -> Callable[[Evidence, Settings], str | None]:
    def applies(facts: Evidence, settings: Settings) -> str | None:
        domain = facts["domain"]
        for capability, cost in prop.needs.items():
            if capability not in domain["can"]:
                return cost
        for name in prop.varies:
            if name in dict(domain["fixed"]):
                return f"the function does not take `{name}`, so it cannot be varied"
        return None

    return applies


def _trial(contract: FunctionContract, prop: Property) -> Callable[..., Evidence]:
    def trial(fitted: Fitted, trial: Trial, context: Context) -> Evidence:
        size, tried = context.settings.max_examples, 0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for one in prop.subjects(fitted):
                found, inputs_tried = smallest(
                    prop.cases or contract.cases,
                    one.domain,
                    partial(_violation, prop, Run(one)),
                    seed=trial.seed,
                    size=size,
                )
                tried += inputs_tried
                if found is not None:
                    return _shown(one, found, trial.seed, size, prop)
        return {"holds": True, "inputs_tried": tried}

    return trial


def _violation(prop: Property, run: Run, case: Case) -> Mismatch | None:
    try:
        return prop.holds(run, case)
    except Malformed as error:
        return Mismatch(str(error), case, got=None, kind=error.kind)


def _shown(fitted: Fitted, found: Mismatch, seed: int, size: int, prop: Property) -> dict[str, Any]:
    """Everything about a violation, as JSON."""
    contract = fitted.contract
    suspects = {f"{contract.name}/{name}": 0.99 / len(found.suspects) for name in found.suspects}
    proof: dict[str, list[str]] = {}
    # Numbers that lost their fractions are the answers of no fault.
    if not suspects and found.kind != "type":
        compared = compare_where_it_failed(fitted, prop, seed, size)
        suspects = compared.suspects(contract.name)
        proof = {name: [compared.proof(name.split("/", 1)[1])] for name in suspects}
    domain = {"can": sorted(fitted.domain.can), "fixed": [list(f) for f in fitted.domain.fixed]}
    return {
        "holds": False,
        "kind": found.kind,
        "message": found.message,
        "inputs": {name: np.asarray(value).tolist() for name, value in found.case.items()},
        "expected": None if found.expected is None else found.expected.tolist(),
        "got": None if found.got is None else found.got.tolist(),
        "first_different": None if found.at is None else list(found.at),
        "table": table(contract, found._replace(case=_worth_showing(fitted, found.case))),
        "suspects": suspects,
        "proof": proof,
        "domain": domain,
        "script": script(fitted, found),
    }


def _worth_showing(fitted: Fitted, case: Case) -> Case:
    """The inputs without a mask that the function does not take and that leaves nothing out."""
    taken = fitted.function.signature.names if fitted.function else frozenset()
    return {
        name: value
        for name, value in case.items()
        if name != "mask" or name in taken or not np.all(value)
    }


def _judge(contract: str) -> Callable[[Evidence, Context], Outcome]:
    def judge(evidence: Evidence, context: Context) -> Outcome:
        if evidence["holds"]:
            tried = evidence["inputs_tried"]
            return Outcome(Status.PASSED, f"holds on {tried} input{'s' * (tried != 1)}", evidence)
        lines = [_headline(evidence), *evidence["table"]]
        status = Status.ERROR if evidence["kind"] == "raised" else Status.FAILED
        suspects: Mapping[str, float] = evidence["suspects"]
        return Outcome(status, "\n".join(lines), evidence, suspects)

    return judge


def _headline(evidence: Evidence) -> str:
    message, index = evidence["message"], evidence["first_different"]
    if index is None or evidence["expected"] is None:
        return message
    expected, got = (np.asarray(evidence[key])[tuple(index)] for key in ("expected", "got"))
    where = f" at {index}" if index else ""
    shown = f"expected {expected:.6g}, got {got:.6g}"
    if f"{expected:.6g}" == f"{got:.6g}":
        shown += f", which is {got - expected:+.1e} away"
    return f"{message}: {shown}{where}"
