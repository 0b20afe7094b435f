"""Calls a user's function with canonical inputs and reads canonical outputs."""

from __future__ import annotations

import contextlib
import io
import traceback
from dataclasses import dataclass
from typing import Any

import numpy as np

from rlcheck.errors import RlcheckError
from rlcheck.functions import arrays
from rlcheck.functions.arrays import Kind
from rlcheck.functions.binding import Facts, Parameter, Signature
from rlcheck.functions.layouts import Axes, Layout


@dataclass(frozen=True, slots=True)
class Output:
    """One thing that a function of a contract returns; those after the first are optional.

    Args:
        name: what it is called.
        axes: letters of its axes, "" for a number.
        free: whether it may have other shapes too, which the contract's `read` brings into this one.
    """

    name: str
    axes: str = ""
    free: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """In which form a function takes its arguments.

    Args:
        kind: library of its arrays.
        layout: arrangement of the axes.
        flags: `bool`, or `float` where it computes with `1 - terminated`.
        precision: dtype of the real numbers that it is given.
        stepwise: whether JAX runs it operation by operation, its loops included.
    """

    kind: Kind = Kind.NUMPY
    layout: Layout = Layout.AS_WRITTEN
    flags: str = "bool"
    precision: str = "float64"
    stepwise: bool = False


class Malformed(RlcheckError):
    """A call raised, or returned something that is not what the contract says.

    Args:
        kind: `raised`, `nothing`, `shape`, `type`, `not-finite`.
        message: what was expected and what came.
        got: what was returned, where it is an array.
    """

    def __init__(self, kind: str, message: str, got: np.ndarray | None = None):
        super().__init__(message)
        self.kind, self.got = kind, got


@dataclass(frozen=True, slots=True)
class Called:
    """What one call did.

    Args:
        outputs: canonical arrays, the first one always there.
        precision: floating-point type of the first output.
        mutated: the function's own names of the arguments that it changed.
        printed: what it wrote to standard output.
    """

    outputs: tuple[np.ndarray, ...]
    precision: str
    mutated: tuple[str, ...]
    printed: str


@dataclass(frozen=True, slots=True)
class BoundFunction:
    """A user's function, ready to be called with canonical inputs."""

    raw: Any
    signature: Signature
    outputs: tuple[Output, ...]
    vocabulary: tuple[Parameter, ...]
    plan: Plan = Plan()

    def __call__(self, facts: Facts) -> Called:
        """Call it once, on fresh copies of the inputs.

        Raises:
            Malformed: it raised, or returned nothing that the contract can read.
        """
        arguments = self._arguments(facts)
        before = {name: _snapshot(value) for name, value in arguments.items()}
        captured = io.StringIO()
        try:
            with contextlib.redirect_stdout(captured), np.errstate(all="ignore"):
                returned = self._call(arguments)
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException as error:
            raise Malformed("raised", _sentence(error)) from error
        mutated = tuple(n for n, value in arguments.items() if not _same(before[n], value))
        outputs, precision = self._read(returned, facts)
        return Called(outputs, precision, mutated, captured.getvalue())

    def _call(self, arguments: dict[str, Any]) -> Any:
        positional = [arguments.pop(name) for name in self.signature.positional]
        if self.plan.stepwise:
            import jax

            # A loop of no steps cannot be run step by step; whatever else it raises, it raises again.
            with contextlib.suppress(Exception), jax.disable_jit():
                return self.raw(*positional, **arguments)
        return self.raw(*positional, **arguments)

    def _arguments(self, facts: Facts) -> dict[str, Any]:
        # What an argument means may depend on the others: `dones` beside `last_dones` marks starts.
        facts = {**facts, "bound": self.signature.names}
        named = self.signature.arguments.items()
        return {n: self._argument(n, word, facts) for n, word in named} | dict(self.signature.extra)

    def _argument(self, own: str, parameter: Parameter, facts: Facts) -> Any:
        value = parameter.value(facts)
        if own in self.signature.negated:
            value = -np.asarray(value)
        if not parameter.axes or isinstance(value, list):  # a list is what the contract wants
            return value
        array = Axes(parameter.axes).arranged(np.asarray(value), self.plan.layout)
        if parameter.flags and self.plan.flags == "float":
            array = array.astype(np.float64)
        return arrays.to_kind(array, self.plan.kind, self.plan.precision)

    def _read(self, returned: Any, facts: Facts) -> tuple[tuple[np.ndarray, ...], str]:
        if returned is None:
            expected = Axes(self.outputs[0].axes).written(self.plan.layout)
            raise Malformed(
                "nothing",
                f"it returned None, expected {self.outputs[0].name} of shape {expected}; "
                f"return the result",
            )
        sizes = self.sizes(facts)
        parts = arrays.elements(returned, tuple(output.name for output in self.outputs))
        read = [
            self._array(part, output, sizes)
            for part, output in zip(parts, self.outputs, strict=False)
        ]
        return tuple(read), arrays.precision_of(parts[0])

    def _array(self, part: Any, output: Output, sizes: dict[str, int]) -> np.ndarray:
        layout, axes = self.plan.layout, Axes(output.axes)
        expected = axes.shape(sizes, layout)
        try:
            array = arrays.to_numpy(part)
        except (ValueError, TypeError, RuntimeError):
            raise Malformed(
                "type",
                f"{output.name} should be an array of shape {expected}, "
                f"it is {arrays.describe(part)}",
            ) from None
        if array.dtype.kind in "iu" and not hasattr(part, "dtype"):
            # Python's whole numbers in a list are no decision for integers: 0 is written as 0.
            array = array.astype(np.float64)
        if output.free:
            return array
        if array.shape != expected:
            raise Malformed(
                "shape",
                f"{output.name} should have shape {expected} = {axes.written(layout)}, "
                f"it has shape {array.shape}",
                array,
            )
        return axes.restored(array, layout)

    def sizes(self, facts: Facts) -> dict[str, int]:
        """Length of every axis, by its letter."""
        sizes: dict[str, int] = {}
        for parameter in self.vocabulary:
            if parameter.axes and parameter.name in facts:
                sizes |= zip(parameter.axes, np.shape(facts[parameter.name]), strict=True)
        return sizes

    def written_call(self, facts: Facts) -> str:
        """The call as a line of Python, for reproducers."""
        arguments = self._arguments(facts)
        parts = [_literal(arguments.pop(name)) for name in self.signature.positional]
        parts += [f"{name}={_literal(value)}" for name, value in arguments.items()]
        return f"({', '.join(parts)})"


def _snapshot(value: Any) -> Any:
    if hasattr(value, "detach"):
        return value.detach().clone()
    if isinstance(value, np.ndarray):
        return value.copy()
    return [_snapshot(item) for item in value] if isinstance(value, list) else value


def _same(before: Any, after: Any) -> bool:
    if isinstance(before, list):
        return isinstance(after, list) and before == after
    if hasattr(before, "shape"):
        if tuple(before.shape) != tuple(after.shape):
            return False
        return bool(np.array_equal(np.asarray(before), np.asarray(after), equal_nan=True))
    return True


def _sentence(error: BaseException) -> str:
    text = " ".join(str(error).split())
    # The first frame is `_call` above; the next is the user's own, unless arguments did not fit.
    frames = traceback.extract_tb(error.__traceback__)[2:3]
    where = "".join(f" at {frame.filename}:{frame.lineno}: {frame.line}" for frame in frames)
    return f"it raised {type(error).__name__}" + (f": {text}" if text else "") + where


def _literal(value: Any) -> str:
    if hasattr(value, "detach"):
        return f"torch.tensor({value.tolist()})"
    if isinstance(value, np.ndarray):
        return f"np.array({value.tolist()})"
    return repr(value)
