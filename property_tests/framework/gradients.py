"""Gradients of losses: the subject's own beside its value, and how they are compared.

A contract on a loss has two outputs, the loss and its gradient with respect to one argument. Torch
and JAX functions are differentiated by their own library, so that whatever cuts the graph shows;
NumPy functions, oracles and faulty versions by central differences.
"""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from property_tests.framework.build import build
from property_tests.framework.models import Run, evaluate
from property_tests.framework.records import (
    Array,
    Case,
    FaultyVersion,
    FunctionContract,
    Mismatch,
    Model,
    Property,
)
from rlcheck.contracts import Bound, Contract, Options
from rlcheck.functions import arrays
from rlcheck.functions.binding import bind_signature
from rlcheck.functions.calling import Output
from rlcheck.functions.derivatives import by_jax, by_torch, first

LOSS = (Output("loss"), Output("gradient", "B"))
STEP = 1e-3
DIFFERENCE_ERROR = 1e-8
"""Of a five-point difference at STEP: h^4 f'''''/30 for derivatives up to a few thousand, and
rounding of epsilon/h. Every kink of a loss must be further than two steps from the inputs."""
COLUMNS_ONLY = (
    "right for inputs of shape (N, 1) only: flat ones of shape (N,) give another loss, or none, so "
    "assert the shapes where it is called"
)
NO_GRADIENT = "it computes in single precision without a gradient of its own: only its value counts"


def build_loss(spec: FunctionContract, *wrt: str) -> Contract:
    """`build` for a loss whose gradients with respect to the parameters `wrt` count too."""
    contract = build(spec)

    def bind(raw: Any, options: Options) -> Bound:
        bound = contract.bind(with_gradient(raw, spec, wrt, options), options)
        if bound.dialect["layout"] != "column":
            return bound
        return replace(bound, notes=(*bound.notes, COLUMNS_ONLY))

    return replace(contract, bind=bind)


def with_gradient(
    raw: Any, spec: FunctionContract, wrt: str | Sequence[str], options: Options
) -> Any:
    """The function, returning (loss, gradients); unchanged where it does not take all of `wrt`."""
    wrt = (wrt,) if isinstance(wrt, str) else tuple(wrt)
    signature = bind_signature(
        raw,
        spec.parameters,
        contract=spec.name,
        bind=options.bind,
        constants=dict(options.constants),
    )
    names = {word.name: name for name, word in signature.arguments.items()}
    if not set(wrt) <= set(names):
        return raw
    own = [names[name] for name in wrt]
    signs = [-1.0 if name in signature.negated else 1.0 for name in own]
    target = raw.forward if hasattr(raw, "named_parameters") else raw
    parameters = inspect.signature(target)
    took: set[str] = set()

    @functools.wraps(target)
    def loss_and_gradient(*args: Any, **kwargs: Any) -> Any:
        bound = parameters.bind(*args, **kwargs)

        def call(*values: Any) -> Any:
            bound.arguments.update(zip(own, values, strict=True))
            return raw(*bound.args, **bound.kwargs)

        given = [bound.arguments[name] for name in own]
        library = type(given[0]).__module__.partition(".")[0]
        if library == "torch":
            found = _signed(by_torch(call, *given), signs)
            took.add("tensors")
            return found
        # Where tensors came first, differences would hide that no gradient reaches them.
        if took == {"tensors"}:
            raise TypeError("the function takes tensors: their gradient counts")
        if library.startswith("jax"):
            return _signed(by_jax(call, *given), signs)
        found = _signed(_by_differences(call, bound, own), signs)
        took.add("arrays")
        return found

    return loss_and_gradient


def _signed(found: Any, signs: Sequence[float]) -> Any:
    """Gradients with respect to what the contract names, where the function takes minus that."""
    if not isinstance(found, tuple):
        return found
    loss, *gradients = found
    return (loss, *(sign * g for sign, g in zip(signs, gradients, strict=True)))


def _by_differences(
    call: Callable[..., Any], bound: inspect.BoundArguments, own: Sequence[str]
) -> Any:
    """The gradients by central differences, left out where single precision would drown them."""
    given, pristine = [bound.arguments[name] for name in own], copy.deepcopy(bound.arguments)
    loss = first(call(*given))
    try:
        value = arrays.to_numpy(loss)
    except (ValueError, TypeError):
        return loss
    if np.array_equal(value, value.astype(np.float32), equal_nan=True):
        return loss

    def gradient(name: str) -> Array:
        def again(point: Array) -> float:
            bound.arguments.update(copy.deepcopy(pristine))
            changed = point.tolist() if isinstance(pristine[name], list) else point
            bound.arguments[name] = changed
            values = [bound.arguments[each] for each in own]
            return float(arrays.to_numpy(first(call(*values))).sum())

        return central_differences(again, np.array(pristine[name], dtype=np.float64))

    return loss, *map(gradient, own)


def central_differences(function: Callable[[Array], float], point: Array) -> Array:
    """Five-point differences of a scalar function, of the shape of `point`."""
    gradient = np.zeros_like(point)
    for index in np.ndindex(point.shape):
        step = np.zeros_like(point)
        step[index] = STEP
        near = function(point + step) - function(point - step)
        far = function(point + 2 * step) - function(point - 2 * step)
        gradient[index] = (8.0 * near - far) / (12.0 * STEP)
    return gradient


def with_gradients(faults: Sequence[FaultyVersion], wrt: str) -> tuple[FaultyVersion, ...]:
    """The faulty losses, each returning its gradient too, where it does not say it itself."""
    return tuple(
        replace(
            fault,
            model=_differentiated(fault.model, wrt),
            variants=tuple(_differentiated(model, wrt) for model in fault.variants),
        )
        for fault in faults
    )


def _differentiated(model: Model, wrt: str) -> Model:
    @functools.wraps(model)
    def differentiated(**inputs: Any) -> Any:
        returned = model(**inputs)
        if isinstance(returned, tuple):
            return returned
        point = np.asarray(inputs[wrt], dtype=np.float64)
        return returned, central_differences(
            lambda value: float(model(**{**inputs, wrt: value})), point
        )

    return differentiated


def gradient(run: Run, case: Case) -> Array | None:
    """The subject's gradient, None where it has none on this case."""
    outputs = run.outputs(case)
    return outputs[1] if len(outputs) > 1 else None


def compare_gradient(
    run: Run, case: Case, expected: Array, message: str, where: Array | None = None
) -> Mismatch | None:
    """None if the subject's gradient is `expected` (at `where`)."""
    got = gradient(run, case)
    return None if got is None else run.compare(case, expected, message, got=got, where=where)


def _agrees(run: Run, case: Case) -> Mismatch | None:
    expected = evaluate(run.contract.oracle, run.facts(case))[1]
    return compare_gradient(run, case, expected, "the gradient departs from the definition's")


def gradient_agreement() -> Property:
    """The gradient is the oracle's."""
    return Property(
        "gradient-agrees-with-the-definition",
        "The gradient of the loss is that of the definition.",
        "Training sees the gradient only. A detached ratio, a value taken out of the graph or a "
        "stopped branch leaves the value of the loss as it was and trains something else.",
        _agrees,
        needs={"output gradient": NO_GRADIENT},
    )
