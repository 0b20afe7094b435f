"""Where a function keeps its time and batch axes, as against the contract's own order.

A contract names the axes of its arrays by letters: `TB` for `[T, B]`, `B` for `[B]`, `BA` for
`[B, A]`. A layout moves or drops axes on the way in, and undoes it on the way out.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np


class Layout(StrEnum):
    """A declared arrangement of axes."""

    AS_WRITTEN = "as-written"
    """The contract's own axes."""

    BATCH_FIRST = "batch-first"
    """`[B, T]` where the contract has `[T, B]`."""

    SINGLE = "single"
    """No batch axis: one trajectory `[T]`, one row `[A]`, one number."""

    COLUMN = "column"
    """`[B, 1]` where the contract has `[B]`."""


@dataclass(frozen=True, slots=True)
class Axes:
    """Axes of one array of a contract, such as `Axes("TB")`; `Axes("")` is a number."""

    letters: str

    def arranged(self, array: np.ndarray, layout: Layout) -> np.ndarray:
        """The array as a function with this layout takes it."""
        if layout is Layout.BATCH_FIRST and self.letters.startswith("TB"):
            return np.swapaxes(array, 0, 1)
        if layout is Layout.SINGLE and "B" in self.letters:
            return np.take(array, 0, axis=self.letters.index("B"))
        if layout is Layout.COLUMN and self.letters == "B":
            return array[:, None]
        return array

    def restored(self, array: np.ndarray, layout: Layout) -> np.ndarray:
        """The contract's own arrangement of what a function with this layout returned."""
        if layout is Layout.BATCH_FIRST and self.letters.startswith("TB"):
            return np.swapaxes(array, 0, 1)
        if layout is Layout.SINGLE and "B" in self.letters:
            return np.expand_dims(array, self.letters.index("B"))
        if layout is Layout.COLUMN and self.letters == "B":
            return array[:, 0]
        return array

    def names(self, layout: Layout) -> tuple[str, ...]:
        """The axes that an array has under the layout, `1` for one of size one."""
        letters = self.letters
        if layout is Layout.BATCH_FIRST and letters.startswith("TB"):
            return ("B", "T", *letters[2:])
        if layout is Layout.SINGLE:
            return tuple(letters.replace("B", ""))
        return ("B", "1") if layout is Layout.COLUMN and letters == "B" else tuple(letters)

    def shape(self, sizes: dict[str, int], layout: Layout) -> tuple[int, ...]:
        """Shape that an array with these axes has under the layout."""
        return tuple(1 if name == "1" else sizes[name] for name in self.names(layout))

    def written(self, layout: Layout) -> str:
        """`[T, B]`, for messages."""
        names = self.names(layout)
        return f"[{', '.join(names)}]" if names else "a number"
