"""What a running training has logged so far, in bounded memory whatever its length."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rlcheck.signals import vocabulary
from rlcheck.signals.recognising import recognise
from rlcheck.signals.series import Gatherer, Log, RawLog, in_order

MOST = 2000
"""Points of one signal that are kept at least, and half of those that are kept at most."""

MOST_COLUMNS = 200
_CHUNK = 256


class _Column:
    """One name of the log: what came since the last chunk, and the thinned rest."""

    __slots__ = ("_gathered", "_gone", "_steps", "_told", "_values")

    def __init__(self) -> None:
        self._gathered = Gatherer(most=MOST)
        self._steps: list[float] = []
        self._values: list[float] = []
        self._gone = 0  # values at the end that are not finite
        self._told = False

    def add(self, step: float, value: float) -> bool:
        """Takes a value; whether it is the third in a row, for the first time, that is not finite."""
        self._steps.append(step)
        self._values.append(value)
        if len(self._steps) >= _CHUNK:
            self._flush()
        self._gone = 0 if math.isfinite(value) else self._gone + 1
        if self._gone < 3 or self._told:
            return False
        self._told = True
        return True

    def _flush(self) -> None:
        # One array a chunk: an array a point would weigh ten times the point.
        self._gathered.add(self._steps, self._values)
        self._steps, self._values = [], []

    def gathered(self) -> Gatherer:
        self._flush()
        return self._gathered


class History:
    """Collects the metrics that the vocabulary knows, under the names that the training gives them.

    Args:
        bind: signal -> the training's own name, where the user says so.
        config: hyper-parameters by whatever names the training gives them.
    """

    def __init__(self, bind: Mapping[str, str], config: Mapping[str, Any]) -> None:
        self._bind = dict(bind)
        self.config = dict(config)
        self._columns: dict[str, _Column | None] = {}
        self.records = 0
        self.last_step = 0.0

    def add(self, step: float, metrics: Mapping[str, Any]) -> bool:
        """Takes one record; whether a signal has just stopped being finite (see `_Column.add`)."""
        failing, known = False, 0
        for name, value in metrics.items():
            column = self._columns.get(name) or self._new(name)
            if column is None or (number := as_number(value)) is None:
                continue
            failing = column.add(step, number) or failing
            known += 1
        if known:
            self.records += 1
            self.last_step = max(self.last_step, step)
        return failing

    def log(self) -> Log:
        """Everything kept, as the detectors take it."""
        columns, notes = {}, []
        for name, column in self._columns.items():
            if column is None:
                continue
            columns[name], note = in_order(column.gathered().series())
            if note:
                notes.append(f"{name}: {note}")
        known = {name: column for name, column in self._bind.items() if column in columns}
        return recognise(RawLog(columns, self.config, tuple(notes)), known, self.config)

    def _new(self, name: str) -> _Column | None:
        if name in self._columns or len(self._columns) >= MOST_COLUMNS:
            return None
        known = name in self._bind.values() or vocabulary.match(name) is not None
        self._columns[name] = _Column() if known else None
        return self._columns[name]

    @property
    def unknown(self) -> list[str]:
        """Names that stand for no signal."""
        return [name for name, column in self._columns.items() if column is None]


def as_number(value: Any) -> float | None:
    """A metric as a float, None if it is no single number; tensors are read without their graph."""
    if type(value) is float:
        return value
    if isinstance(value, str | bytes | bool) or value is None:
        return None
    detach = getattr(value, "detach", None)
    try:
        return float(value if detach is None else detach())
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return None
