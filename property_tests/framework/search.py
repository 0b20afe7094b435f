"""Looks for an input on which a property fails, and for the smallest such input."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import hypothesis
import numpy as np
from hypothesis import HealthCheck, Phase, Verbosity
from hypothesis import strategies as st
from hypothesis.errors import Flaky, NonInteractiveExampleWarning

from property_tests.framework.records import Case, Domain, Mismatch, PooledCases, SharedCase

Strategy = Callable[[Domain], st.SearchStrategy[Case]]
FEW_SHAPES = "few shapes"
"""Capability of subjects that compile anew for every shape of their arguments."""

SHAPES = 4
"""How many shapes such a subject is shown, from the smallest to the largest."""

CHOICE = 3
"""So many times the inputs wanted are generated where most of them have other shapes."""

SHRINKS = 250
"""Attempts at a smaller counterexample; beyond them it hardly gets smaller."""


class _Violated(Exception):
    """The property fails on the input that Hypothesis just tried."""


@lru_cache(maxsize=64)
def pool(strategy: Strategy, domain: Domain, seed: int, size: int) -> PooledCases:
    """The inputs that Hypothesis generates for `seed`: the same ones for every property."""
    cases: list[Case] = []
    few = FEW_SHAPES in domain
    generated = CHOICE * size if few else size
    _explore(strategy(domain), cases.append, seed, generated, (Phase.generate,))
    return PooledCases(map(SharedCase, _of_few_shapes(cases)[:size] if few else cases))


def _of_few_shapes(cases: list[Case]) -> list[Case]:
    """Those of SHAPES shapes, spread evenly over the sizes that came more than once."""
    counts = Counter(map(_shapes, cases))
    often = sorted((s for s in counts if counts[s] > 1), key=lambda s: (_size(s), s))
    if len(often) <= SHAPES:
        return cases
    chosen = {often[k] for k in np.linspace(0, len(often) - 1, SHAPES).round().astype(int)}
    return [case for case in cases if _shapes(case) in chosen]


def _shapes(case: Case) -> tuple[tuple[int, ...], ...]:
    return tuple(np.shape(value) for value in case.values())


def _size(shapes: tuple[tuple[int, ...], ...]) -> int:
    return sum(math.prod(shape) for shape in shapes)


def smallest(
    strategy: Strategy,
    domain: Domain,
    violation: Callable[[Case], Mismatch | None],
    *,
    seed: int,
    size: int,
    shrinks: int = SHRINKS,
) -> tuple[Mismatch | None, int]:
    """The simplest violation found and how many inputs were tried before the first one.

    The shared pool is gone through first, without Hypothesis around it; only when a case fails is
    Hypothesis asked to find it again and to shrink it, keeping the kind of the violation.
    """
    cases = pool(strategy, domain, seed, size)
    for tried, case in enumerate(cases, start=1):
        first = violation(case)
        if first is not None:
            found = _shrunk(strategy, domain, violation, first, seed, size, shrinks)
            return found, tried
    return None, len(cases)


def _shrunk(
    strategy: Strategy,
    domain: Domain,
    violation: Callable[[Case], Mismatch | None],
    first: Mismatch,
    seed: int,
    size: int,
    shrinks: int,
) -> Mismatch:
    best, attempts = [first], [0]

    def attempt(case: Case) -> None:
        attempts[0] += len(best) > 1
        if attempts[0] > shrinks:
            return
        found = violation(case)
        if found is not None and found.kind == first.kind:
            best.append(found)
            raise _Violated

    try:
        _explore(strategy(domain), attempt, seed, size, (Phase.generate, Phase.shrink))
    except (_Violated, Flaky):
        # Flaky: the subject is random, or the attempts were used up; the last one found stands.
        pass
    return best[-1]


def _explore(
    strategy: st.SearchStrategy[Case],
    visit: Callable[[Case], Any],
    seed: int,
    size: int,
    phases: tuple[Phase, ...],
) -> None:
    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=size,
        database=None,
        deadline=None,
        derandomize=False,
        phases=phases,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
        verbosity=Verbosity.quiet,
    )
    @hypothesis.given(strategy)
    def examples(case: Case) -> None:
        visit(_frozen(case))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NonInteractiveExampleWarning)
        examples()


def _frozen(case: Case) -> Case:
    """The case with arrays that nobody can write to, since properties and models share them."""
    for value in case.values():
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
    return case
