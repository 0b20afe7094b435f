"""A counterexample as a small table: inputs, expected, got, where they first differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from property_tests.framework.records import FunctionContract, Mismatch

ROWS = 12


def table(contract: FunctionContract, mismatch: Mismatch) -> list[str]:
    """Lines that show `mismatch`: one row for each index of the output's first axis.

    Of several columns only the one that differs is shown, and of many rows those around it.
    """
    axes = contract.outputs[0].axes
    numbers = [
        f"{name} = {_cell(value)}" for name, value in mismatch.case.items() if np.ndim(value) == 0
    ]
    lines = [", ".join(numbers)] if numbers else []
    if not axes or mismatch.got is None or mismatch.at is None:
        return lines + [f"{name} = {_cell(v)}" for name, v in mismatch.case.items() if np.ndim(v)]
    column = mismatch.at[1] if len(mismatch.at) > 1 and axes[1:2] == "B" else None
    headers, columns = [axes[0].lower()], [[str(i) for i in range(len(mismatch.got))]]
    for parameter in contract.parameters:
        if parameter.axes.startswith(axes[0]) and parameter.name in mismatch.case:
            headers.append(parameter.name)
            columns.append(_column(mismatch.case[parameter.name], parameter.axes, column))
    for header, values in (("expected", mismatch.expected), ("got", mismatch.got)):
        if values is not None:
            headers.append(header)
            columns.append(_column(values, axes, column))
    rows = list(zip(*columns, strict=True))
    if column is not None and mismatch.got.shape[1] > 1:
        lines.append(f"column {column} of {mismatch.got.shape[1]}:")
    return lines + _aligned(headers, rows, mismatch.at[0])


def _column(values: Any, axes: str, column: int | None) -> list[str]:
    array = np.asarray(values)
    if column is not None and axes[1:2] == "B":
        array = array[:, column]
    return [_cell(value) for value in array]


def _aligned(headers: Sequence[str], rows: list[tuple[str, ...]], first: int) -> list[str]:
    start = max(0, min(first - ROWS // 2, len(rows) - ROWS))
    shown = rows[start : start + ROWS]
    widths = [max(map(len, cells)) for cells in zip(headers, *shown, strict=True)]
    lines = ["  ".join(cell.rjust(w) for cell, w in zip(headers, widths, strict=True))]
    for number, row in enumerate(shown, start=start):
        line = "  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True))
        lines.append(line + ("  <- first difference" if number == first else ""))
    left_out = len(rows) - len(shown)
    return [*lines, f"({left_out} further rows)"] if left_out else lines


def _cell(value: Any) -> str:
    array = np.asarray(value)
    if array.ndim:
        return "[" + " ".join(_cell(item) for item in array) + "]"
    if array.dtype.kind == "b":
        return "yes" if array else "-"
    return f"{array.item():.6g}" if array.dtype.kind == "f" else str(array.item())
