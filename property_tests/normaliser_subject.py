"""How running normalisers of any make are driven.

A factory `make()` gives an object with `update(batch)` and `normalise(x)` (or with `mean` and `var`,
from which (x - mean) / sqrt(var) is computed). Batches are [N, D] with D = 2; objects that take one
row at a time, or numbers only, are fed accordingly.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from property_tests.framework.records import Array
from rlcheck.contracts import Options
from rlcheck.errors import BindingError
from rlcheck.functions.arrays import Kind, describe, to_kind, to_numpy
from rlcheck.functions.binding import name_of
from rlcheck.functions.calling import Malformed
from rlcheck.functions.hints import installed

FEATURES = 2
METHODS = {
    "update": ("observe", "push", "add", "partial_fit", "record", "fit", "update_stats"),
    "normalise": ("normalize", "norm", "transform", "filter", "__call__", "forward"),
}
SHAPES = (
    "shape",
    "size",
    "dim",
    "num_features",
    "n_features",
    "num_inputs",
    "obs_dim",
    "obs_shape",
    "in_shape",
    "nb_inputs",
    "input_shape",
    "features",
)
SWITCHES = ("update", "training", "train", "is_training", "update_stats", "update_mean")
"""Arguments of `normalise` that say whether it learns from what it is given; it must not."""


@dataclass(frozen=True, slots=True)
class Form:
    """In which form a normaliser is made and fed.

    Args:
        kind: library of its arrays.
        shape: what its factory is told of the shape, None where it asks for nothing.
        rows: whether `update` takes one row at a time.
        scalar: whether it is for numbers: one object a feature.
    """

    kind: Kind
    shape: Any
    rows: bool
    scalar: bool


@dataclass(frozen=True, slots=True)
class NormaliserFactory:
    """Makes normalisers that are driven alike."""

    raw: Callable[..., Any]
    shape_name: str | None
    constants: Mapping[str, Any]
    bind: Mapping[str, str]
    form: Form

    def __call__(self) -> DrivenNormaliser:
        """A new one."""
        return DrivenNormaliser(
            [self._made() for _ in range(FEATURES if self.form.scalar else 1)], self
        )

    def _made(self) -> Any:
        shape = {} if self.shape_name is None else {self.shape_name: self.form.shape}
        return self.raw(**{**shape, **self.constants})


class DrivenNormaliser:
    """One normaliser: [N, D] in, [N, D] out."""

    def __init__(self, raws: list[Any], made_by: NormaliserFactory):
        self.raws, self.form, self.bind = raws, made_by.form, made_by.bind

    def update(self, batch: Array, *, reused: bool = False) -> None:
        """Learn from rows [N, D], which the caller then overwrites if they are `reused`."""
        for raw, columns in zip(self.raws, self._columns(batch), strict=True):
            learn = method(raw, "update", self.bind)
            if learn is None:
                raise _without(raw, "update")
            for part in list(columns) if self.form.rows else [columns]:
                given = to_kind(part, self.form.kind)
                learn(given)
                if reused and np.ndim(part):
                    given[...] = -77.0

    def normalise(self, x: Array) -> tuple[Array, bool]:
        """(normalised rows [N, D], whether the argument was changed)."""
        parts, changed = [], False
        for raw, columns in zip(self.raws, self._columns(x), strict=True):
            given = to_kind(columns, self.form.kind)
            parts.append(self._read(normalised(raw, given, self.bind), columns.shape))
            changed |= not np.array_equal(to_numpy(given), columns)
        return (np.stack(parts, axis=1) if self.form.scalar else parts[0]), changed

    def _columns(self, rows: Array) -> list[Array]:
        return list(np.ascontiguousarray(rows.T)) if self.form.scalar else [rows]

    @staticmethod
    def _read(returned: Any, shape: tuple[int, ...]) -> Array:
        if returned is None:
            raise Malformed("nothing", "`normalise` returned None, expected normalised numbers")
        try:
            found = to_numpy(returned).astype(float)
        except (ValueError, TypeError):
            message = f"`normalise` returned {describe(returned)}, expected an array"
            raise Malformed("type", message) from None
        if found.shape != shape:
            message = f"`normalise` should return shape {shape}, it returned {found.shape}"
            raise Malformed("shape", message, found)
        return found


def method(raw: Any, name: str, bind: Mapping[str, str]) -> Callable[..., Any] | None:
    """A method by the contract's name, by one of its usual names or by the user's own."""
    for own in (bind.get(name, name), *METHODS[name]):
        if callable(getattr(raw, own, None)):
            return getattr(raw, own)
    return None


def normalised(raw: Any, x: Any, bind: Mapping[str, str]) -> Any:
    """`normalise(x)`, told not to learn from x where it can be told; else from its moments."""
    own = method(raw, "normalise", bind)
    if own is not None:
        named = inspect.signature(own).parameters
        return own(x, **{name: False for name in SWITCHES if name in named})
    mean = getattr(raw, "mean", None)
    variance = next(
        (getattr(raw, name) for name in ("var", "variance") if hasattr(raw, name)), None
    )
    if mean is None or variance is None or callable(mean):
        raise _without(raw, "normalise")
    return (x - mean) / variance**0.5


def _without(raw: Any, name: str) -> BindingError:
    return BindingError(
        f"{type(raw).__name__} has no method {name!r}; a running normaliser has `update(batch)` and "
        f"`normalise(x)` (or attributes `mean` and `var`); say what yours is called with "
        f"--bind {name}=METHOD"
    )


def normaliser_factory(raw: Any, options: Options) -> tuple[NormaliserFactory, float]:
    """The factory in the first form that runs, and the weight of what it starts from.

    Raises:
        BindingError: it cannot be called, or its objects run in no form.
    """
    if not callable(raw):
        raise BindingError(
            f"a factory `make()` is needed, {name_of(raw)} is {describe(raw)}; hand over the class "
            f"of the normaliser or a function that makes one"
        )
    named = inspect.signature(raw).parameters
    asked = options.bind.get("shape") or next((n for n in SHAPES if n in named), None)
    asked = None if asked in options.constants else asked
    reason: Exception | None = None
    answering: NormaliserFactory | None = None
    for form in _forms(asked is not None):
        made = NormaliserFactory(raw, asked, dict(options.constants), dict(options.bind), form)
        try:
            return made, _prior(made)
        except Malformed as error:
            answering, reason = answering or made, reason or error
        except BindingError:
            raise
        except Exception as error:
            reason = reason or error
    if answering is not None:  # an answer of the wrong shape is a finding
        return answering, 0.0
    raise BindingError(
        f"{name_of(raw)} runs neither on batches [N, {FEATURES}] nor on single rows or numbers: "
        f"{type(reason).__name__}: {reason}; give further arguments a value with --set NAME=VALUE"
    )


def _forms(shaped: bool) -> list[Form]:
    kinds = [Kind.NUMPY, *([Kind.TORCH] if installed(Kind.TORCH) else [])]
    shapes = [(FEATURES,), FEATURES] if shaped else [None]
    several = [Form(k, s, r, False) for r, s, k in itertools.product((False, True), shapes, kinds)]
    scalars = [(), 1] if shaped else [None]
    numbers = [Form(k, s, r, True) for r, s, k in itertools.product((False, True), scalars, kinds)]
    return several + numbers


def _prior(made: NormaliserFactory) -> float:
    """How many observations of mean 0 and variance 1 it starts from, as a few libraries do.

    A batch with mean M: (x - m) / s at two points gives m = N M / (N + c). Anything that is not
    explained by a small c is no such start.

    Raises:
        Exception: it does not run in this form.
    """
    subject = made()
    height, rows = 1000.0, np.array([[-1.0, -1.0], [1.0, 1.0], [0.0, 0.0]])
    subject.update(rows[:2] + height)
    subject.update(rows + height)
    low, high = (subject.normalise(rows[k : k + 1] + height)[0][0, 0] for k in (0, 1))
    subject.normalise(rows + height)
    if not np.isfinite([low, high]).all() or high <= low:
        return 0.0
    mean = height - 1.0 - low * 2.0 / (high - low)
    prior = 5.0 * (height / mean - 1.0)
    return float(prior) if 1e-7 < prior <= 0.05 else 0.0
