"""The inputs of a contract as a Hypothesis strategy, for property tests outside the contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from property_tests.framework.records import Case, Domain, FunctionContract
from rlcheck.errors import UsageError
from rlcheck.functions.binding import Parameter
from rlcheck.suggest import did_you_mean


def inputs(
    contract: FunctionContract, takes: Sequence[str] | None, fixed: Mapping[str, Any]
) -> st.SearchStrategy[dict[str, Any]]:
    """Dicts of arrays and numbers by the contract's names.

    Args:
        contract: whose inputs.
        takes: parameters that a function under test takes: each dict holds these, and only data
            occurs for which they determine the answer. None gives the canonical inputs, of every
            kind.
        fixed: hyper-parameters that should not vary, and their values.

    Raises:
        UsageError: no such parameter, or none that can be fixed.
    """
    words = {parameter.name: parameter for parameter in contract.parameters}
    for name in takes or ():
        if name not in words:
            raise UsageError(
                f"the contract {contract.name!r} has no parameter {name!r}"
                f"{did_you_mean(name, words)}"
            )
    hyper = [name for name, word in words.items() if word.hyper]
    for name in fixed:
        if name not in hyper:
            raise UsageError(
                f"the contract {contract.name!r} has no hyper-parameter {name!r} that could be fixed"
                f"{did_you_mean(name, hyper)}"
            )
    names = frozenset(words if takes is None else [*takes, *fixed])
    conventions = {convention.name: convention.options[0] for convention in contract.conventions}
    where = Domain(contract.domain(names, conventions), tuple(sorted(fixed.items())))
    drawn = contract.cases(where)
    if takes is None:
        return drawn.map(dict)
    chosen = [words[name] for name in takes]
    return drawn.map(lambda case: _arguments(case, conventions, names, chosen))


def _arguments(
    case: Case, conventions: Mapping[str, Any], names: frozenset[str], chosen: list[Parameter]
) -> dict[str, Any]:
    facts = {**case, **conventions, "bound": names}
    return {parameter.name: parameter.value(facts) for parameter in chosen}
