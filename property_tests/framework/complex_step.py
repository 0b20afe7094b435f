"""Gradients of models of losses by the complex step: exact to rounding, all entries in one call.

    df/dx_k = Im f(x + i h e_k) / h,   h = 1e-20

Nothing is subtracted, so nothing cancels. A model must act on the last axes of its inputs only, as
the points come stacked along a new first axis, and it must use the operations of this file wherever
the order of numbers decides: numbers here are ordered by their real part.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from property_tests.framework.records import Array, FaultyVersion, Model

STEP = 1e-20


def gradient(model: Model, inputs: dict[str, Any], wrt: str) -> Array:
    """Gradient of what a model returns (of its sum, if an array) with respect to one input."""
    point = np.asarray(inputs[wrt], dtype=np.float64)
    steps = 1j * STEP * np.eye(point.size).reshape(point.size, *point.shape)
    with np.errstate(all="ignore"):
        value = np.asarray(model(**{**inputs, wrt: point + steps}))
    if not np.iscomplexobj(value) or value.shape[:1] != (point.size,):
        return np.zeros_like(point)  # it does not depend on this input
    return value.reshape(point.size, -1).sum(axis=1).imag.reshape(point.shape) / STEP


def differentiated(model: Model, wrt: Sequence[str]) -> Model:
    """The model, returning (loss, gradients), unless it returns gradients itself."""

    @functools.wraps(model)
    def both(**inputs: Any) -> Any:
        returned = model(**inputs)
        if isinstance(returned, tuple):
            return returned
        return returned, *(gradient(model, inputs, name) for name in wrt)

    return both


def with_complex_gradients(faults: Sequence[FaultyVersion], *wrt: str) -> tuple[FaultyVersion, ...]:
    """The faulty losses, each returning its gradients too."""
    return tuple(
        replace(
            fault,
            model=differentiated(fault.model, wrt),
            variants=tuple(differentiated(model, wrt) for model in fault.variants),
        )
        for fault in faults
    )


def smaller(one: Any, other: Any) -> Array:
    """min."""
    return np.where(np.real(one) <= np.real(other), one, other)


def larger(one: Any, other: Any) -> Array:
    """max."""
    return np.where(np.real(one) >= np.real(other), one, other)


def clipped(value: Any, low: Any, high: Any) -> Array:
    """The value, held between both bounds."""
    return smaller(larger(value, low), high)


def absolute(value: Any) -> Array:
    """|x|."""
    return np.where(np.real(value) < 0.0, -value, value)


def log_sigmoid(value: Any) -> Array:
    """log(1 / (1 + exp(-x))), and x - log(1 + exp(x)) for x < 0: finite wherever x is."""
    negative = np.real(value) < 0.0
    away = np.where(negative, value, -value)
    return np.where(negative, value, 0.0) - np.log1p(np.exp(away))


def sigmoid(value: Any) -> Array:
    """1 / (1 + exp(-x))."""
    return np.exp(log_sigmoid(value))
