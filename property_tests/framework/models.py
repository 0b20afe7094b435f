"""Runs oracles, faulty versions and subjects alike on canonical inputs."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any

import numpy as np

from property_tests.framework.records import (
    Array,
    Case,
    Domain,
    FunctionContract,
    Mismatch,
    Model,
    Outputs,
    PooledCases,
    SharedCase,
)
from rlcheck.functions.arrays import epsilon
from rlcheck.functions.calling import BoundFunction, Called, Malformed


@cache
def _named(model: Model) -> tuple[str, ...]:
    return tuple(inspect.signature(model).parameters)


def evaluate(model: Model, facts: Mapping[str, Any]) -> Outputs:
    """Outputs of a model of the contract, called with those facts that it names."""
    with np.errstate(all="ignore"):
        returned = model(**{name: facts[name] for name in _named(model)})
    outputs = returned if isinstance(returned, tuple) else (returned,)
    return tuple(np.asarray(output, dtype=np.float64) for output in outputs)


@lru_cache(maxsize=4096)
def model_answers(
    model: Model, cases: PooledCases, conventions: tuple[tuple[str, Any], ...]
) -> tuple[Outputs, ...]:
    """Outputs of a model on every case of a pool, computed once."""
    return tuple(evaluate(model, {**case, **dict(conventions)}) for case in cases)


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A subject with everything that was found out about it.

    Args:
        contract: what it claims to be.
        function: the subject in canonical form; None runs `model` instead.
        domain: on which data it is tested.
        conventions: pinned or inferred.
        precision: floating-point type to which its answers are exact.
        model: an oracle or a faulty version, run in the place of a subject.
    """

    contract: FunctionContract
    function: BoundFunction | None
    domain: Domain
    conventions: Mapping[str, Any]
    precision: str = "float64"
    model: Model | None = None


class Run:
    """What properties call: the subject, with its answers in canonical form."""

    def __init__(self, fitted: Fitted):
        self.fitted = fitted
        self.contract = fitted.contract

    def __call__(self, case: Case) -> Array:
        """The main output."""
        return self.outputs(case)[0]

    def outputs(self, case: Case) -> Outputs:
        """All outputs in canonical form.

        Raises:
            Malformed: the call raised, or returned something else than the contract says.
        """
        return self.called(case).outputs

    def called(self, case: Case) -> Called:
        """The same with what else the call did; the subject is called once for a shared case."""
        if isinstance(case, SharedCase):
            called = _called_once(self.fitted, case)
            # Properties share the answer: none gets arrays that another could write to.
            return replace(called, outputs=tuple(output.copy() for output in called.outputs))
        return self.anew(case)

    def anew(self, case: Case) -> Called:
        """The same, called again whatever came before."""
        facts = self.facts(case)
        if self.fitted.function is None:
            assert self.fitted.model is not None  # one of the two is always there
            return Called(evaluate(self.fitted.model, facts), "float64", (), "")
        called = self.fitted.function(facts)
        canonical = self.contract.read(called.outputs, facts)
        return replace(called, outputs=canonical)

    def definition(self, case: Case) -> Array:
        """What the oracle answers."""
        return evaluate(self.contract.oracle, self.facts(case))[0]

    def facts(self, case: Case) -> dict[str, Any]:
        """The case and the conventions in one."""
        return {**case, **self.fitted.conventions}

    def answers_of(self, model: Model, cases: PooledCases) -> tuple[Outputs, ...]:
        """Outputs of a model of the contract on the same cases, under the same conventions."""
        return model_answers(model, cases, tuple(sorted(self.fitted.conventions.items())))

    def tolerance(self, case: Case) -> float:
        """Largest difference that rounding can explain."""
        return self.contract.tolerance(case, epsilon(self.fitted.precision))

    def compare(
        self,
        case: Case,
        expected: Array,
        message: str,
        *,
        got: Array | None = None,
        where: Array | None = None,
    ) -> Mismatch | None:
        """None if the main output on `case` is `expected` (at `where`), else where it differs."""
        got = self(case) if got is None else got
        where = np.ones(got.shape, bool) if where is None else where
        index = first_difference(got, expected, self.tolerance(case), where)
        if index is None:
            return None
        return Mismatch(message, case, np.asarray(expected), got, index)


@lru_cache(maxsize=1024)
def _called_once(fitted: Fitted, case: SharedCase) -> Called:
    """What raises is called again."""
    return Run(fitted).anew(case)


def first_difference(
    got: Array, expected: Array, tolerance: float, where: Array | None = None
) -> tuple[int, ...] | None:
    """Index of the first element that differs by more than `tolerance`, None if there is none."""
    got, expected = np.asarray(got, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    if got.shape != expected.shape:
        return (0,) * got.ndim
    with np.errstate(invalid="ignore"):
        same = np.abs(got - expected) <= tolerance
    same |= (got == expected) | (np.isnan(got) & np.isnan(expected))
    if where is not None:
        same |= ~where
    if same.all():
        return None
    return tuple(int(i) for i in np.unravel_index(int(np.argmin(same)), same.shape))


def equal(outputs: Outputs, model_outputs: Outputs, tolerance: float) -> bool:
    """Whether a subject returned what a model returns, in every output that both have."""
    return all(
        first_difference(got, expected, tolerance) is None
        for got, expected in zip(outputs, model_outputs, strict=False)
    )


def answers_as_they_came(run: Run, cases: PooledCases) -> list[Outputs | None]:
    """Like `answers`, with arrays of a wrong shape too: some faulty versions return such arrays."""
    found: list[Outputs | None] = []
    for case in cases:
        try:
            found.append(run.outputs(case))
        except Malformed as error:
            found.append((error.got,) if error.kind == "shape" and error.got is not None else None)
    return found


def answers(run: Run, cases: PooledCases) -> list[Outputs | None]:
    """The subject's outputs on every case, None where the call went wrong."""
    found: list[Outputs | None] = []
    for case in cases:
        try:
            found.append(run.outputs(case))
        except Malformed:
            found.append(None)
    return found
