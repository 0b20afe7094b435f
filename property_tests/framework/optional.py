"""A subject called without its optional arguments, as most of its callers do.

Whatever a contract can provide is passed to a subject, so that a default such as `mask=None` never acts.
Here it does: the arguments left out leave the vocabulary, and with them go the data that they are for.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from property_tests.framework.models import Fitted, Run
from property_tests.framework.records import Case, Domain, Mismatch, Property
from property_tests.framework.search import pool
from rlcheck.errors import BindingError
from rlcheck.functions.calling import BoundFunction, Malformed

CAPABILITY = "optional arguments"
"""That the subject has arrays among its arguments that it can be called without."""

FEW = 30
"""How many inputs decide on a convention that is open only without the argument."""


def arrays_left_out(function: BoundFunction) -> tuple[tuple[str, ...], ...]:
    """Sets of the function's own names: each optional array, then all of them together."""
    signature = function.signature
    names = [name for name in signature.optional if signature.arguments[name].axes]
    alone = [(name,) for name in names]
    return (*alone, tuple(names)) if len(names) > 1 else tuple(alone)


def calls_without(fitted: Fitted) -> tuple[Fitted, ...]:
    """The subject without each optional array and without all of them, where that is a call at all."""
    function = fitted.function
    if function is None:
        return ()
    optional = function.signature.optional
    numbers = tuple(n for n in optional if not function.signature.arguments[n].axes)
    found = []
    for names in arrays_left_out(function):
        # What an array is useless without goes with it: `clip_epsilon` with `old_values`.
        ways = list(_without(fitted, function, names))
        ways = ways or list(_without(fitted, function, names + numbers))
        ways = [one for one in ways if _means_the_same(fitted, one)]
        found += [next((one for one in ways if _agrees(one)), ways[0])] if ways else []
    return tuple(found)


def _without(fitted: Fitted, function: BoundFunction, names: tuple[str, ...]) -> Iterator[Fitted]:
    """The subject without these arguments, under each convention that is open only then."""
    contract, signature = fitted.contract, function.signature
    kept = {name: word for name, word in signature.arguments.items() if name not in names}
    lesser = replace(function, signature=replace(signature, arguments=kept))
    before, after = signature.names, lesser.signature.names
    options: list[tuple[Any, ...]] = []
    for convention in contract.conventions:
        if not convention.only(after):
            options.append(convention.options[:1])
        elif convention.only(before):
            options.append((fitted.conventions[convention.name],))
        else:
            options.append(convention.options)
    left = {signature.arguments[name].name: signature.optional[name] for name in names}
    fixed = {name: value for name, value in left.items() if isinstance(value, int | float)}
    spoken = [convention.name for convention in contract.conventions]
    for chosen in itertools.product(*options):
        conventions = dict(zip(spoken, chosen, strict=True))
        try:
            can = contract.domain(after, conventions)
        except BindingError:  # what is left determines nothing
            return
        can &= fitted.domain.can  # a function for one trajectory stays one
        domain = Domain(can, tuple(sorted({**dict(fitted.domain.fixed), **fixed}.items())))
        yield replace(fitted, function=lesser, domain=domain, conventions=conventions)


def _means_the_same(fitted: Fitted, lesser: Fitted) -> bool:
    """Whether the arguments that are left mean what they meant: not so `dones` without `last_dones`."""
    assert fitted.function is not None
    assert lesser.function is not None
    before, after = fitted.function.signature, lesser.function.signature
    for case in pool(fitted.contract.cases, lesser.domain, 0, FEW):
        facts = Run(lesser).facts(case)
        for word in after.arguments.values():
            one = word.value({**facts, "bound": before.names})
            other = word.value({**facts, "bound": after.names})
            if not np.array_equal(one, other):
                return False
    return True


def _agrees(fitted: Fitted) -> bool:
    run = Run(fitted)
    cases = pool(fitted.contract.cases, fitted.domain, 0, FEW)
    return all(answers_by_the_definition(run, case) is None for case in cases)


def refused(problem: Malformed) -> bool:
    """Whether the subject said that it cannot, rather than crash over shapes further down."""
    cause = problem.__cause__
    crashed = isinstance(cause, RuntimeError | IndexError)
    return problem.kind == "raised" and (not crashed or isinstance(cause, NotImplementedError))


def answers_by_the_definition(run: Run, case: Case) -> Mismatch | None:
    """The oracle's answer, or an exception: to ask for the argument is no wrong answer."""
    function = run.fitted.function
    if function is None:
        return None
    bound = function.signature
    absent = [f"`{name}`" for name in bound.optional if name not in bound.arguments]
    try:
        got = run(case)
    except Malformed as problem:
        if refused(problem):
            return None
        raise
    message = (
        f"called without {' and '.join(absent)} it should answer by the definition for what is left"
    )
    return run.compare(case, run.definition(case), message, got=got)


PROPERTY = Property(
    "optional-arguments-can-be-left-out",
    "Called without an optional argument it answers by the definition for the others.",
    "Most callers leave optional arguments out, and most tests pass them all. A default mask of zeros "
    "for ones, or a branch for None that forgets a term, goes unseen. An exception that asks for the "
    "argument is no fault.",
    answers_by_the_definition,
    needs={CAPABILITY: "none of the arrays that it takes is optional"},
    other_calls=calls_without,
)
