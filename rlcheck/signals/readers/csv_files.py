"""CSV logs: any header, Stable-Baselines3's `progress.csv` and `monitor.csv`, TensorBoard's export."""

from __future__ import annotations

import csv
import itertools
import json
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlcheck.signals.readers.collecting import Columns, number, step_name
from rlcheck.signals.series import FloatArray, RawLog

Cells = Sequence[str] | FloatArray

_CHUNK = 20_000
_EXPORT = {"wall time", "step", "value"}
_MONITOR = {"r", "l", "t"}
_MONITOR_NAMES = {
    "r": "monitor/episode_return",
    "l": "monitor/episode_length",
    "t": "monitor/seconds",
}


def read_csv(path: Path) -> RawLog:
    """Every numeric column over the column that counts steps, or over the number of the row."""
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        config = _monitor_header(file)
        rows = _Rows(file)
        header = rows.header()
        if not header:
            return RawLog({}, config, (f"{path.name} is empty",))
        if len(header) > 1 and all(_is_number(cell) for cell in header):
            return RawLog({}, config, (f"{path.name} has no header that names its columns",))
        columns = Columns()
        _fill(columns, header, rows, path)
    series, notes = columns.finish()
    if rows.ragged:
        notes += (
            f"{rows.ragged} of {rows.count} rows of {path.name} have too many or too few cells",
        )
    if rows.broken:
        notes += (f"{rows.broken} rows of {path.name} are no CSV and were left out",)
    return RawLog(series, config, notes)


def _monitor_header(file: Any) -> dict[str, Any]:
    """The JSON comment at the top of `monitor.csv`."""
    first = file.readline()
    if not first.startswith("#"):
        file.seek(0)
        return {}
    try:
        found = json.loads(first[1:])
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


class _Rows:
    """Rows of a CSV file in chunks; counts those that cannot be used as they are."""

    def __init__(self, file: Any) -> None:
        self._file = file
        first = next(file, "")
        self._delimiter = max(",;\t", key=first.count)
        self._first = first
        self.count = self.ragged = self.broken = 0

    def header(self) -> list[str]:
        """The names in the first line."""
        cells = next(self._parsed([self._first]), [])
        return [cell.strip().lstrip("\ufeff") for cell in cells]

    def chunks(self, width: int) -> Iterator[list[Cells]]:
        """Columns of up to 20,000 rows at a time, each row padded or cut to the header's width."""
        while lines := list(itertools.islice(self._file, _CHUNK)):
            if (table := self._numbers(lines, width)) is not None:
                self.count += len(table)
                yield list(table.T)
                continue
            rows = list(self._parsed(lines))
            self.count += len(rows)
            for at, row in enumerate(rows):
                if len(row) != width:
                    self.ragged += 1
                    rows[at] = (row + [""] * width)[:width]
            if rows:
                yield list(zip(*rows, strict=True))

    def _numbers(self, lines: list[str], width: int) -> FloatArray | None:
        """The lines as a table, several times faster, if all cells of all lines hold plain numbers."""
        sign = self._delimiter
        if any(line.count(sign) != width - 1 for line in lines):
            return None
        text = "".join(lines).replace("\r", "").rstrip("\n").replace("\n", sign)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # it stops at what is no number
            try:
                values = np.fromstring(text, sep=sign)
            except ValueError:
                return None
        return values.reshape(-1, width) if len(values) == len(lines) * width else None

    def _parsed(self, lines: list[str]) -> Iterator[list[str]]:
        reader = csv.reader(lines, delimiter=self._delimiter)
        while True:
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error:
                self.broken += 1
                continue
            if row:
                yield row


def _fill(columns: Columns, header: list[str], rows: _Rows, path: Path) -> None:
    names = [name.lower() for name in header]
    monitor = _MONITOR <= set(names)
    step = step_name(set(header))
    step_at = header.index(step) if step is not None and not monitor else None
    before = 0.0
    for chunk in rows.chunks(len(header)):
        if monitor:
            steps = before + np.cumsum(np.nan_to_num(_numbers(chunk[names.index("l")])[0]))
        elif step_at is not None:
            steps = _numbers(chunk[step_at])[0]
        else:
            steps = before + np.arange(1.0, len(chunk[0]) + 1)
        before = float(steps[-1]) if len(steps) else before
        for at, cells in enumerate(chunk):
            if not header[at] or at == step_at or header[at] in header[:at]:
                continue
            name = _column_name(header[at], names, monitor, path)
            values, logged, odd = _numbers(cells)
            if odd:
                columns.unreadable[name] = columns.unreadable.get(name, 0) + odd
            if logged.all():
                columns.add_many(name, steps, values)
            elif logged.any():
                columns.add_many(name, steps[logged], values[logged])


def _column_name(name: str, names: list[str], monitor: bool, path: Path) -> str:
    if monitor:
        return _MONITOR_NAMES.get(name.lower(), name)
    if set(names) == _EXPORT and name.lower() == "value":
        return path.stem
    return name


def _numbers(cells: Cells) -> tuple[FloatArray, NDArray[np.bool_], int]:
    """Values, which of them were logged, and how many cells are neither number nor empty."""
    if isinstance(cells, np.ndarray):
        return cells, np.ones(len(cells), dtype=bool), 0
    try:
        return np.array(list(map(float, cells))), np.ones(len(cells), dtype=bool), 0
    except ValueError:
        pass
    values = np.full(len(cells), np.nan)
    logged = np.zeros(len(cells), dtype=bool)
    odd = 0
    for at, cell in enumerate(cells):
        try:
            known = number(cell)
        except ValueError:
            odd += 1
            continue
        if known is not None:
            values[at], logged[at] = known, True
    return values, logged, odd


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
