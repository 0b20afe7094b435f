"""What a running training has logged so far, in bounded memory whatever its length."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rlcheck.signals import vocabulary
from rlcheck.signals.detectors_training import NEVER_MISSING
from rlcheck.signals.recognising import recognise
from rlcheck.signals.series import Gatherer, Log, RawLog, in_order

MOST = 2000
"""Points of one signal that are kept at least, and half of those that are kept at most."""

MOST_COLUMNS = 200
_CHUNK = 256


class _Column:
    """One name of the log: what came since the last chunk, and the thinned rest."""

    __slots__ = ("_gathered", "_steps", "_values", "can_fail", "gone")

    def __init__(self, can_fail: bool) -> None:
        self._gathered = Gatherer(most=MOST)
        self._steps: list[float] = []
        self._values: list[float] = []
        self.can_fail = can_fail
        self.gone = 0  # values at the end that are not finite

    def add(self, step: float, value: float) -> None:
        self._steps.append(step)
        self._values.append(value)
        self.gone = 0 if math.isfinite(value) else self.gone + 1
        if len(self._steps) >= _CHUNK:
            self._flush()

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
        self.unknown: list[str] = []
        self.records = 0
        self.last_step = 0.0

    def add(self, step: float, metrics: Mapping[str, Any]) -> bool:
        """Takes one record; whether a signal that must be finite has failed to be for the third time."""
        failing = False
        known = 0
        for name, value in metrics.items():
            column = self._columns.get(name) or self._new(name)
            if column is None or (number := as_number(value)) is None:
                continue
            column.add(step, number)
            failing = failing or (column.can_fail and column.gone == 3)
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
        if name in self._columns:
            return None
        found = vocabulary.match(name) if isinstance(name, str) else None
        bound = {column: signal for signal, column in self._bind.items()}
        signal = bound.get(name) or (found and found.signal)
        if len(self._columns) >= MOST_COLUMNS:
            return None
        column = _Column(signal in NEVER_MISSING) if signal else None
        self._columns[name] = column
        if column is None:
            self.unknown.append(str(name))
        return column


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
