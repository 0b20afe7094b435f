"""Looks for an input on which a property fails, and for the smallest such input."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import hypothesis
import numpy as np
from hypothesis import HealthCheck, Phase, Verbosity
from hypothesis import strategies as st
from hypothesis.errors import Flaky, NonInteractiveExampleWarning

from property_tests.framework.records import Case, Domain, Mismatch, PooledCases

Strategy = Callable[[Domain], st.SearchStrategy[Case]]
SHRINKS = 250
"""Attempts at a smaller counterexample; beyond them it hardly gets smaller."""


class _Violated(Exception):
    """The property fails on the input that Hypothesis just tried."""


@lru_cache(maxsize=64)
def pool(strategy: Strategy, domain: Domain, seed: int, size: int) -> PooledCases:
    """The inputs that Hypothesis generates for `seed`: the same ones for every property."""
    cases: list[Case] = []
    _explore(strategy(domain), cases.append, seed, size, (Phase.generate,))
    return PooledCases(cases)


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
