"""A counterexample of a scenario as a small table: the steps, and what was expected and shown."""

from __future__ import annotations

from typing import Any

import numpy as np

from property_tests.framework.records import Mismatch

ROWS = 12


def table(found: Mismatch) -> list[str]:
    """Lines that show a mismatch: numbers first, then one row a step, then expected and got."""
    numbers = [f"{n} = {_cell(v)}" for n, v in found.case.items() if not np.ndim(v)]
    columns = {n: v for n, v in found.case.items() if np.ndim(v)}
    lines = [", ".join(numbers)] if numbers else []
    lengths = {len(values) for values in columns.values()}
    if len(lengths) == 1:
        lines += _aligned({"step": range(lengths.pop()), **columns})
    else:
        lines += [f"{name} = {_cell(values)}" for name, values in columns.items()]
    return lines + _compared(found)


def _compared(found: Mismatch) -> list[str]:
    if found.got is None or found.expected is None:
        return []
    if found.got.shape == found.expected.shape and found.got.ndim == 1 and found.at is not None:
        first = found.at[0]
        rows = _aligned({"": range(len(found.got)), "expected": found.expected, "got": found.got})
        rows[first + 1] += "  <- first difference"
        return [rows[0], *rows[1:][max(0, first - ROWS // 2) : first + ROWS // 2]]
    return [f"expected: {_cell(found.expected)}", f"got:      {_cell(found.got)}"]


def _aligned(columns: dict[str, Any]) -> list[str]:
    cells = [[name, *(_cell(value) for value in values)] for name, values in columns.items()]
    widths = [max(map(len, column)) for column in cells]
    rows = zip(*cells, strict=True)
    return ["  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in rows]


def _cell(value: Any) -> str:
    array = np.asarray(value)
    if array.ndim:
        return "[" + " ".join(_cell(item) for item in array) + "]"
    if array.dtype.kind == "b":
        return "yes" if array else "-"
    return f"{array.item():.6g}" if array.dtype.kind == "f" else str(array.item())
