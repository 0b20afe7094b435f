"""Hypothesis strategies of the inputs that contracts are checked on, for property tests of your own.

    from hypothesis import given
    from rlcheck import strategies

    @given(strategies.rollouts(gamma=0.9))
    def test_returns_are_bounded(rollout): ...

Inputs are NumPy arrays with small round numbers, built so that a failing example shrinks to a few
steps. Hypothesis and NumPy load with the first strategy, not with this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rlcheck.errors import UsageError

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


def cases(
    contract: str, *, takes: Sequence[str] | None = None, **fixed: Any
) -> SearchStrategy[dict[str, Any]]:
    """Inputs of a function contract, as a dict by the contract's parameter names.

    Args:
        contract: its name, such as "gae" or "dpo-loss".
        takes: names of parameters: each dict holds exactly these, derived ones such as `last_value`
            included, and only data occurs for which they determine the answer (without `truncated`
            no truncation). None gives the canonical inputs, of every kind.
        fixed: hyper-parameters that should not vary, such as `gamma=0.9`.

    Raises:
        UsageError: there is no such contract or parameter, or the contract has no inputs.
    """
    from rlcheck import contracts, importing

    importing.claim_own_packages()
    found = contracts.load(contract)
    if found.inputs is None:
        raise UsageError(
            f"the contract {contract!r} has no inputs to draw: it is not one of functions; "
            f"`rlcheck list contracts` shows them all"
        )
    return found.inputs(takes, fixed)


def rollouts(*, gamma: float | None = None) -> SearchStrategy[dict[str, Any]]:
    """Rollouts of a few steps and columns, with episodes that end inside, in both ways.

    Args:
        gamma: a discount to include under this name; None leaves it out.

    Returns:
        Dicts of `rewards`, `values`, `next_values` [T, B] (V of the state that step t reached, before
        any reset) and `terminated`, `truncated` [T, B] (the end of step t).
    """
    names = ("rewards", "values", "next_values", "terminated", "truncated")
    return _with_gamma("gae", names, gamma)


def transitions(*, gamma: float | None = None) -> SearchStrategy[dict[str, Any]]:
    """Batches of single transitions.

    Args:
        gamma: a discount to include under this name; None leaves it out.

    Returns:
        Dicts of `rewards`, `next_values`, `terminated` and `truncated`, all [B].
    """
    return _with_gamma("td-target", ("rewards", "next_values", "terminated", "truncated"), gamma)


def mdps(*, gamma: float | None = None) -> SearchStrategy[dict[str, Any]]:
    """Small finite MDPs.

    Args:
        gamma: a discount to include under this name; None leaves it out.

    Returns:
        Dicts of `transitions` [S, A, S], rows of which add up to 1, and `rewards` [S, A, S].
    """
    return _with_gamma("value-iteration", ("transitions", "rewards"), gamma)


def _with_gamma(
    contract: str, names: tuple[str, ...], gamma: float | None
) -> SearchStrategy[dict[str, Any]]:
    if gamma is None:
        return cases(contract, takes=names)
    return cases(contract, takes=names, gamma=gamma).map(lambda drawn: {**drawn, "gamma": gamma})
