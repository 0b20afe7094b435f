"""A user's function of observations, called with one or with many: whichever it turns out to take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rlcheck.adapters.arrays import to_numpy
from rlcheck.adapters.rng import preserved_rng
from rlcheck.errors import SubjectError

# A function that takes one observation only can still return something of the right length for one
# particular batch; hardly for two batches of different length.
TRIED_SIZES = (2, 3)
NUMERIC = "biuf"


class RowFunction:
    """observations [N, ...] -> [N, *row_shape], whatever the user's function accepts.

    Which form it takes is found out at the first call, on copies of the observations given, with the
    random streams restored afterwards. A batch in one call is preferred: it is faster, and what it
    returns can then be compared with `one`.

    Args:
        call: the user's function.
        row_shape: shape of the result for one observation.
        what: its name in error messages.
    """

    def __init__(self, call: Callable[[Any], Any], row_shape: tuple[int, ...], what: str) -> None:
        self.call = call
        self.row_shape = row_shape
        self.what = what
        self._batches: bool | None = None
        self._singles: bool | None = None
        self._failures: list[str] = []

    def __call__(self, observations: np.ndarray) -> np.ndarray:
        """The function of every row."""
        observations = np.asarray(observations)
        if self._batches is None:
            self._find_form(observations)
        if self._batches:
            return self._rows(self.call(observations.copy()), len(observations))
        return np.stack([self._row(self.call(_single(row))) for row in observations])

    def one(self, observation: Any) -> np.ndarray:
        """The function of one observation, handed over unbatched where it takes that."""
        if self._batches is None:
            self._find_form(np.asarray(observation)[None])
        if self._singles:
            return self._row(self.call(_single(observation)))
        return self._rows(self.call(np.asarray(observation)[None].copy()), 1)[0]

    def with_call(self, call: Callable[[Any], Any]) -> RowFunction:
        """The same form of call for another function of the same agent."""
        other = RowFunction(call, self.row_shape, self.what)
        other._batches, other._singles = self._batches, self._singles
        return other

    @property
    def batches(self) -> bool:
        """Whether it takes a batch; known after the first call."""
        return bool(self._batches)

    def _find_form(self, observations: np.ndarray) -> None:
        with preserved_rng():
            self._singles = self._works(lambda: self._row(self.call(_single(observations[0]))))
            self._batches = all(
                self._works(lambda size=size: self._try_batch(observations, size))  # type: ignore[misc]
                for size in TRIED_SIZES
            )
        if not (self._singles or self._batches):
            self._batches = None
            raise SubjectError(
                f"{self.what} should take one observation or a batch of them and return shape "
                f"{self.row_shape} for each; given one observation of shape "
                f"{observations.shape[1:]}, it {self._failures[0]}"
            )

    def _try_batch(self, observations: np.ndarray, size: int) -> np.ndarray:
        return self._rows(self.call(np.resize(observations, (size, *observations.shape[1:]))), size)

    def _works(self, attempt: Callable[[], Any]) -> bool:
        try:
            attempt()
        except Exception as error:  # the user's code may raise anything at a form it does not take
            misfit = isinstance(error, _Misfit)
            self._failures.append(str(error) if misfit else f"raised {error!r}")
            return False
        return True

    def _row(self, result: Any) -> np.ndarray:
        array = to_numpy(result)
        fits = array.dtype.kind in NUMERIC and array.ndim <= len(self.row_shape) + 1
        if not fits or array.size != int(np.prod(self.row_shape)):
            raise _Misfit(_returned(result, array))
        return array.reshape(self.row_shape)

    def _rows(self, result: Any, count: int) -> np.ndarray:
        array = to_numpy(result)
        fits = array.dtype.kind in NUMERIC and array.ndim > 0 and len(array) == count
        if not fits or array.size != count * int(np.prod(self.row_shape)):
            raise _Misfit(_returned(result, array))
        return array.reshape(count, *self.row_shape)


class _Misfit(SubjectError):
    """The result has the wrong shape."""


def _returned(result: Any, array: np.ndarray) -> str:
    kind = "None" if result is None else f"a {type(result).__name__} of shape {array.shape}"
    return f"returned {kind}"


def _single(observation: Any) -> Any:
    """One observation as an environment returns it: a copy, and an int for a Discrete space."""
    array = np.array(observation)
    return array[()] if array.ndim == 0 else array
