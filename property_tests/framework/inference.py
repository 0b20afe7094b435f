"""Conventions of a subject, found lazily where a contract has many combinations of them.

`fit` compares a subject with the definition and every faulty version on every input, under every
combination. That is thorough and, beyond a dozen combinations, slow. Here one is dropped
at the first input that contradicts it, and the subject is called once for each set of arguments.
What is found is pinned, and `fit` decides the rest.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from property_tests.framework.fit import (
    _combinations,
    _passes,
    _precision,
    _probes,
    fit,
)
from property_tests.framework.models import Fitted, Run, equal, evaluate
from property_tests.framework.records import Case, FunctionContract, Model, Outputs
from rlcheck.contracts import Options
from rlcheck.functions.binding import bind_signature
from rlcheck.functions.calling import Malformed


def fitted(raw: Any, contract: FunctionContract, options: Options) -> Fitted:
    """`fit`, with the conventions found beforehand where the contract asks for it.

    Raises:
        BindingError: as `fit`.
    """
    if not contract.lazily:
        return fit(raw, contract, options)
    own = replace(options, constants={**_own_words(raw, contract, options), **options.constants})
    raw, own = contract.settle(raw, contract, own)
    return fit(raw, contract, replace(own, dialect=_found(raw, contract, own)))


def _own_words(raw: Any, contract: FunctionContract, options: Options) -> dict[str, Any]:
    """Parameters that mean a convention, under names for its options that are the function's own.

    They are left at their defaults, and what that default does is found out.
    """
    signature = bind_signature(
        raw,
        contract.parameters,
        contract=contract.name,
        bind=options.bind,
        constants=dict(options.constants),
    )
    target = raw.forward if hasattr(raw, "named_parameters") else raw
    defaults = {p.name: p.default for p in inspect.signature(target).parameters.values()}
    spoken = {c.name: c.options for c in contract.conventions}
    return {
        own: defaults[own]
        for own, word in signature.arguments.items()
        if word.name in spoken
        and defaults[own] is not inspect.Parameter.empty
        and defaults[own] not in spoken[word.name]
    }


def _found(raw: Any, contract: FunctionContract, options: Options) -> Mapping[str, Any]:
    """The dialect with the conventions that explain most of what the subject answers."""
    signature = bind_signature(
        raw,
        contract.parameters,
        contract=contract.name,
        bind=options.bind,
        constants=dict(options.constants),
    )
    pinned, remembered = options.dialect, _remembered(raw)
    for forms in _passes(raw, contract, signature, pinned):
        plans: dict[Any, list[Fitted]] = {}
        for one in _combinations(remembered, contract, signature, pinned, forms):
            assert one.function is not None  # combinations are of a function
            plans.setdefault(one.function.plan, []).append(one)
        for combinations in plans.values():
            chosen = _chosen(combinations)
            if chosen is not None:
                assert chosen.function is not None
                # Another layout is for functions that cannot be called in this one.
                layout = {"layout": str(chosen.function.plan.layout)}
                return {**layout, **chosen.conventions, **pinned}
    return pinned


def _chosen(combinations: Sequence[Fitted]) -> Fitted | None:
    """The first that is right, or one fault away from right, or most often right; None: no call ran."""
    running = [_Trial(one) for one in combinations]
    running = [trial for trial in running if trial.runs]
    if not running:
        return None
    # A convention that the function takes as a parameter is asked for, not guessed.
    contract, function = running[0].fitted.contract, running[0].fitted.function
    asked = [
        c.name for c in contract.conventions if function and c.name in function.signature.names
    ]
    usual = [running[0].fitted.conventions[name] for name in asked]
    running = [t for t in running if [t.fitted.conventions[name] for name in asked] == usual]
    for trial in running:
        if trial.agrees(contract.oracle):
            return trial.fitted
    models = [model for fault in contract.faults for model in fault.models]
    # The usual conventions first: what one fault explains under them needs no other ones.
    for trial in sorted(running, key=lambda trial: not trial.usual):
        if any(trial.agrees(model) for model in models):
            return trial.fitted
    return max(running, key=lambda trial: trial.agreeing(contract.oracle)).fitted


class _Trial:
    """One combination: the subject's answers under it, asked for when needed."""

    def __init__(self, one: Fitted):
        self.cases = _probes(one.contract, one.domain)
        self.fitted = one
        self.given: dict[int, Outputs | None] = {}
        first = self._outputs(0)
        self.runs = first is not None
        if first is not None:
            coarse = Run(one).called(self.cases[0]).precision
            some = [self._outputs(number) for number in range(min(5, len(self.cases)))]
            self.fitted = replace(one, precision=_precision(coarse, some, one))
        declared = one.contract.conventions
        self.usual = all(one.conventions[c.name] == c.options[0] for c in declared)

    def _outputs(self, number: int) -> Outputs | None:
        if number not in self.given:
            try:
                self.given[number] = Run(self.fitted).outputs(self.cases[number])
            except Malformed:
                self.given[number] = None
        return self.given[number]

    def _same(self, model: Model, number: int, case: Case) -> bool:
        own, run = self._outputs(number), Run(self.fitted)
        if own is None:
            return False
        return equal(own, evaluate(model, run.facts(case)), run.tolerance(case))

    def agrees(self, model: Model) -> bool:
        return all(self._same(model, number, case) for number, case in enumerate(self.cases))

    def agreeing(self, model: Model) -> int:
        return sum(self._same(model, number, case) for number, case in enumerate(self.cases))


def _remembered(raw: Any) -> Any:
    """The subject, called once for each set of arguments. Keeps what it raised, too."""
    known: dict[Any, tuple[Any, Exception | None]] = {}

    @functools.wraps(raw.forward if hasattr(raw, "named_parameters") else raw)
    def call(*args: Any, **kwargs: Any) -> Any:
        key = tuple(map(_key, args)), tuple((name, _key(v)) for name, v in kwargs.items())
        if key not in known:
            try:
                known[key] = raw(*args, **kwargs), None
            except Exception as error:
                known[key] = None, error
        returned, problem = known[key]
        if problem is not None:
            raise problem
        return returned

    return call


def _key(value: Any) -> Any:
    if not hasattr(value, "shape"):
        return repr(value)
    array = np.asarray(value.detach() if hasattr(value, "detach") else value)
    return type(value), str(array.dtype), array.shape, array.tobytes()
