"""Gradients of functions that return one number a row, such as log-probabilities.

Beside its value a torch or JAX function then returns the gradient of the sum of its values with
respect to some arguments, taken by its own library, so that whatever cuts the graph shows. NumPy
functions have no graph to cut: their values say everything.
"""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from property_tests.framework.build import build
from property_tests.framework.models import Run, evaluate
from property_tests.framework.records import (
    Array,
    Case,
    FunctionContract,
    Mismatch,
    Model,
    Property,
)
from rlcheck.contracts import Bound, Contract, Options
from rlcheck.functions.binding import bind_signature
from rlcheck.functions.calling import Output
from rlcheck.functions.derivatives import by_jax, by_torch, first

NO_GRADIENT = "it computes without a graph, in NumPy or lists: only its values count"
GRAPH_CUT = "graph-cut"
COLUMN_NOTE = (
    "returns a column [B, 1]: together with numbers of shape [B] it broadcasts to [B, B], so "
    "flatten one or the other where they meet"
)


def gradient_outputs(value: str, axes: str, wrt: Sequence[str]) -> tuple[Output, ...]:
    """The value [B], then its gradient with respect to each argument."""
    return (Output(value, "B"), *(Output(f"gradient of {name}", axes) for name in wrt))


def build_rows(spec: FunctionContract, wrt: tuple[str, ...]) -> Contract:
    """`build` for a function of rows whose gradients with respect to `wrt` count too."""
    contract = build(spec)
    columns = {parameter.name for parameter in spec.parameters if parameter.axes == "B"}

    def bind(raw: Any, options: Options) -> Bound:
        bound = contract.bind(with_row_gradients(raw, spec, wrt, options), options)
        takes = bound.subject.function.signature.names
        if bound.dialect["layout"] != "column" or columns & takes:
            return bound
        return replace(bound, notes=(*bound.notes, COLUMN_NOTE))

    return replace(contract, bind=bind)


def with_row_gradients(
    raw: Any, spec: FunctionContract, wrt: tuple[str, ...], options: Options
) -> Any:
    """The function, returning (value, gradient, ...) where it computes with tensors."""
    signature = bind_signature(
        raw,
        spec.parameters,
        contract=spec.name,
        bind=options.bind,
        constants=dict(options.constants),
    )
    own = {word.name: name for name, word in signature.arguments.items()}
    # Outputs are told apart by their position, so what comes after a missing one is left out.
    count = next((k for k, word in enumerate(wrt) if word not in own), len(wrt))
    names = [own[word] for word in wrt[:count]]
    target = raw.forward if hasattr(raw, "named_parameters") else raw
    parameters = inspect.signature(target)
    took: set[str] = set()

    @functools.wraps(target)
    def value_and_gradients(*args: Any, **kwargs: Any) -> Any:
        bound = parameters.bind(*args, **kwargs)
        derive = _derivative(bound.arguments[names[0]]) if names else None
        if derive is None:
            # Where tensors came first, arrays would hide that no gradient reaches them.
            if took == {"tensors"}:
                raise TypeError("the function takes tensors: their gradient counts")
            value = first(raw(*args, **kwargs))
            took.add("arrays")
            return value
        pristine = copy.deepcopy(bound.arguments)
        found = [derive(_of_one(raw, bound, names[0]), bound.arguments[names[0]])]
        if not isinstance(found[0], tuple):
            return found[0]  # nothing came, which the caller tells
        for name in names[1:]:
            again = inspect.BoundArguments(parameters, copy.deepcopy(pristine))
            found.append(derive(_of_one(raw, again, name), again.arguments[name]))
        took.add("tensors")
        return (found[0][0], *(gradient for _, gradient in found))

    return value_and_gradients


def _derivative(given: Any) -> Any:
    library = type(given).__module__.partition(".")[0]
    return by_torch if library == "torch" else by_jax if library.startswith("jax") else None


def _of_one(raw: Any, bound: inspect.BoundArguments, name: str) -> Any:
    """The function of one argument alone."""

    def call(value: Any) -> Any:
        bound.arguments[name] = value
        return raw(*bound.args, **bound.kwargs)

    return call


def graph_cut(oracle: Model) -> Model:
    """The right values, with a gradient of zero."""

    @functools.wraps(oracle)
    def cut(**inputs: Any) -> Any:
        value, *gradients = oracle(**inputs)
        return (value, *(np.zeros_like(gradient) for gradient in gradients))

    return cut


def compare_gradients(run: Run, case: Case, expected: Sequence[Array], message: str) -> Any:
    """None if the subject's gradients are `expected`, as far as it has them."""
    outputs = run.outputs(case)[1:]
    for output, got, due in zip(run.contract.outputs[1:], outputs, expected, strict=False):
        found = run.compare(case, due, f"{message} ({output.name})", got=got)
        if found is not None:
            finite = bool(np.isfinite(got).all())
            return found._replace(kind="value" if finite else "not-finite")
    return None


def _agrees(run: Run, case: Case) -> Mismatch | None:
    expected = evaluate(run.contract.oracle, run.facts(case))[1:]
    return compare_gradients(run, case, expected, "the gradient departs from the definition's")


def gradient_agreement(first_name: str, title: str, explanation: str) -> Property:
    """The gradients are the oracle's.

    Args:
        first_name: argument of the first gradient, without which there is none.
        title, explanation: as in `Property`.
    """
    return Property(
        "gradient-agrees-with-the-definition",
        title,
        explanation,
        _agrees,
        needs={f"output gradient of {first_name}": NO_GRADIENT},
    )
