"""A subject under the other options that it takes, such as every `reduction` that its code names.

A function that takes a convention as a parameter is fitted under one option. The branches of the others
are code that somebody calls too, so each has to answer by the definition under that option. Only options
are tried whose words the code itself holds: what stands in no branch is not offered.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from property_tests.framework.models import Fitted, Run
from property_tests.framework.optional import refused
from property_tests.framework.records import Case, Mismatch, Property
from property_tests.framework.search import pool
from rlcheck.errors import BindingError
from rlcheck.functions.calling import Malformed


def under_other_options(fitted: Fitted) -> tuple[Fitted, ...]:
    """The subject under every option but the one at which it was fitted, one convention at a time."""
    if fitted.function is None:
        return ()
    words = set(_words_of(fitted.function.raw))
    return tuple(one for one in _others(fitted) if _offered(fitted, one, words))


def _others(fitted: Fitted) -> Iterator[Fitted]:
    assert fitted.function is not None
    contract, taken = fitted.contract, fitted.function.signature.names
    before = contract.domain(taken, fitted.conventions)
    for convention in contract.conventions:
        for option in convention.options if convention.only(taken) else ():
            conventions = {**fitted.conventions, convention.name: option}
            if conventions == fitted.conventions:
                continue
            try:
                after = contract.domain(taken, conventions)
            except BindingError:  # under this option something is missing
                continue
            can = (after | (fitted.domain.can - before)) - (before - fitted.domain.can)
            domain = replace(fitted.domain, can=can)
            yield replace(fitted, conventions=conventions, domain=domain)


def _offered(fitted: Fitted, other: Fitted, words: set[str]) -> bool:
    """Whether the subject is told of the option, in words that its code holds."""
    assert fitted.function is not None
    cases = pool(fitted.contract.cases, other.domain, 0, 5)
    if not cases:
        return False
    facts = [Run(one).facts(cases[0]) for one in (fitted, other)]
    changed = []
    for parameter in fitted.function.signature.arguments.values():
        if parameter.axes or parameter.hyper:
            continue
        one, two = (parameter.value(each) for each in facts)
        if isinstance(two, str | bool | int) and one != two:
            changed.append(two)
    return bool(changed) and all(value in words for value in changed if isinstance(value, str))


def _words_of(raw: Any) -> Iterator[str]:
    """Strings in the code of a function, of those that it calls by name, and in their constants."""
    function = inspect.unwrap(raw.forward if hasattr(raw, "named_parameters") else raw)
    called = [one for one in _named_in(function) if hasattr(one, "__code__")]
    for one in (function, *called):
        code = getattr(one, "__code__", None)
        yield from _strings(code.co_consts if code is not None else ())
        yield from _strings(_named_in(one))


def _named_in(function: Any) -> list[Any]:
    """The globals that a function's code names."""
    code, known = getattr(function, "__code__", None), getattr(function, "__globals__", {})
    return [known[name] for name in code.co_names if name in known] if code is not None else []


def _strings(values: Iterable[Any]) -> Iterator[str]:
    for one in values:
        if isinstance(one, str):
            yield one
        elif isinstance(one, tuple | list | frozenset | set | dict):
            yield from _strings(one)


def answers_by_the_definition(run: Run, case: Case) -> Mismatch | None:
    """The oracle's answer under the option; to refuse it is no wrong answer, to crash over it is."""
    try:
        got = run(case)
    except Malformed as problem:
        if refused(problem):
            return None
        raise
    spoken = ", ".join(f"{name} = {option}" for name, option in run.fitted.conventions.items())
    message = f"under another option than its default ({spoken}) it departs from the definition"
    return run.compare(case, run.definition(case), message, got=got)


def every_option(why: str) -> Property:
    """That each option which the function takes by name does what it says.

    Args:
        why: what a wrong one costs.
    """
    return Property(
        "every-option-is-as-declared",
        "Under every option that it takes by name it answers by the definition of that option.",
        f"All other checks run under the option at which the function stands by default. {why}",
        answers_by_the_definition,
        other_calls=under_other_options,
    )
