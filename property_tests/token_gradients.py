"""Gradients of functions that return a number for every token.

The gradient of sum_bt(w_bt * y_bt) with weights w that differ from place to place: under equal
weights, contributions that reach the wrong token would add up to the right ones. It counts for torch
and JAX functions; what a NumPy function returns says everything about it.
"""

from __future__ import annotations

import functools
import inspect
from dataclasses import replace
from typing import Any

import numpy as np

from property_tests.framework.build import build
from property_tests.framework.records import Array, FunctionContract
from rlcheck.contracts import Bound, Contract, Options
from rlcheck.functions.binding import bind_signature
from rlcheck.functions.derivatives import by_jax, by_torch, first

NO_GRADIENT = "it is no torch or JAX function: nobody differentiates it"


def weights(shape: tuple[int, ...]) -> Array:
    """The weight of each place, from 1 to 2."""
    return np.linspace(1.0, 2.0, int(np.prod(shape))).reshape(shape)


def build_tokens(spec: FunctionContract, wrt: str) -> Contract:
    """`build` for a function whose weighted gradient with respect to `wrt` counts too."""
    contract = build(spec)

    def bind(raw: Any, options: Options) -> Bound:
        return contract.bind(with_token_gradient(raw, spec, wrt, options), options)

    return replace(contract, bind=bind)


def with_token_gradient(raw: Any, spec: FunctionContract, wrt: str, options: Options) -> Any:
    """The function, returning (values, weighted gradient) where its library can differentiate it."""
    signature = bind_signature(
        raw,
        spec.parameters,
        contract=spec.name,
        bind=options.bind,
        constants=dict(options.constants),
    )
    own = next((n for n, word in signature.arguments.items() if word.name == wrt), None)
    if own is None:
        return raw
    target = raw.forward if hasattr(raw, "named_parameters") else raw
    parameters = inspect.signature(target)
    took: set[str] = set()

    @functools.wraps(target)
    def values_and_gradient(*args: Any, **kwargs: Any) -> Any:
        bound = parameters.bind(*args, **kwargs)
        returned: list[Any] = []

        def weighted(value: Any) -> Any:
            bound.arguments[own] = value
            returned.append(first(raw(*bound.args, **bound.kwargs)))
            return _weighted(returned[-1])

        given = bound.arguments[own]
        library = type(given).__module__.partition(".")[0]
        if library == "torch":
            found = by_torch(weighted, given)
            took.add("tensors")
        elif took == {"tensors"}:  # arrays would hide that no gradient reaches the tensors
            raise TypeError("the function takes tensors: their gradient counts")
        elif library.startswith("jax"):
            found = by_jax(weighted, given)
        else:
            value = first(raw(*bound.args, **bound.kwargs))
            took.add("arrays")
            return value
        return (returned[0], found[1]) if isinstance(found, tuple) else returned[0]

    return values_and_gradient


def _weighted(values: Any) -> Any:
    """The weighted sum; whatever is no array of a differentiating library as it is."""
    library = type(values).__module__.partition(".")[0]
    if library == "torch":
        by_place = values.new_tensor(weights(tuple(values.shape)).tolist())
    elif library.startswith("jax"):
        by_place = weights(tuple(values.shape)).astype(str(values.dtype))
    else:
        return values
    return (values * by_place).sum()
