"""Arrays of the library that a function works with, made from NumPy and read back.

Contracts think in float64 NumPy arrays. A subject gets the same numbers as NumPy arrays, torch
tensors, JAX arrays or (nested) Python lists, and whatever it returns is read back the same way.
torch and JAX are imported only when a subject turns out to need them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from enum import StrEnum
from typing import Any

import numpy as np


class Kind(StrEnum):
    """The library whose arrays a function takes."""

    NUMPY = "numpy"
    TORCH = "torch"
    LIST = "list"
    JAX = "jax"


def to_kind(value: Any, kind: Kind, precision: str = "float64") -> Any:
    """A fresh copy of a NumPy array (or number) as an array of `kind`.

    Args:
        value: an array, or a 0-d array where a layout has dropped every axis.
        kind: the library.
        precision: dtype of real numbers, `float64` or `float32`; flags and indices keep theirs.
    """
    array = np.array(value)
    if array.dtype.kind == "f":
        array = array.astype(precision)
    if kind is Kind.LIST:
        return array.tolist()
    if kind is Kind.TORCH:
        import torch

        return torch.from_numpy(np.ascontiguousarray(array)).reshape(array.shape)
    if kind is Kind.JAX:
        import jax.numpy as jnp

        return jnp.asarray(array)
    return array if array.ndim else array.item()


def to_numpy(value: Any) -> np.ndarray:
    """Whatever a function returned as a NumPy array: tensors on any device, nested lists, numbers.

    Raises:
        ValueError: it is no array of numbers (None, ragged lists, text).
    """
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        # NumPy has no bfloat16.
        value = value.float() if str(value.dtype) == "torch.bfloat16" else value
        return value.numpy().copy()
    if isinstance(value, (list, tuple)) and any(hasattr(item, "detach") for item in value):
        value = [to_numpy(item) for item in value]
    array = np.array(value)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"no array of numbers but {describe(value)}")
    return array


def precision_of(value: Any) -> str:
    """Name of the floating-point type of something returned; float64 where it has none."""
    name = str(getattr(value, "dtype", "float64")).removeprefix("torch.")
    return name if name in ("float16", "bfloat16", "float32") else "float64"


def epsilon(precision: str) -> float:
    """Distance from 1 to the next number of a floating-point type."""
    if precision == "bfloat16":
        return 2.0**-7
    return float(np.finfo(precision).eps)


def elements(returned: Any, names: tuple[str, ...]) -> tuple[Any, ...]:
    """What a function returned, as a tuple of outputs.

    A mapping is read by the contract's output names, in the contract's order; so is a dataclass. What
    has another name there stands in for the first output, where that has none of its own. A list is
    one output: the steps of a backward loop.
    """
    if isinstance(returned, Mapping):
        keys = {name: _key(returned, name) for name in names}
        own = [key for key in keys.values() if key is not None]
        others = [value for key, value in returned.items() if key not in own]
        if not own or (keys[names[0]] is None and not others):
            return tuple(returned.values())
        found = [returned[key] for key in own]
        return tuple(found if keys[names[0]] is not None else [others[0], *found])
    if is_dataclass(returned) and not isinstance(returned, type):
        return elements(vars(returned), names)
    if isinstance(returned, tuple):
        return returned
    return (returned,)


def _key(returned: Mapping[Any, Any], name: str) -> Any:
    """The key of an output: its name, or the only key of which that is a word (`policy_loss`)."""
    if name in returned:
        return name
    close = [key for key in returned if name in str(key).lower().split("_")]
    return close[0] if len(close) == 1 else None


def describe(value: Any) -> str:
    """`None`, `a list`, `a numpy.ndarray of shape (3, 2)`: for messages."""
    if value is None:
        return "None"
    shape = getattr(value, "shape", None)
    kind = type(value)
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    article = "an" if name[0] in "aeiou" else "a"
    return f"{article} {name}" + (f" of shape {tuple(shape)}" if shape is not None else "")
