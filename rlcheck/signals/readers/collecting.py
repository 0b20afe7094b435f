"""From records with varying keys to columns, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from rlcheck.signals.series import Gatherer, Series, in_order

STEP_NAMES = (
    "global_step",
    "train/global_step",
    "training/global_step",
    "time/total_timesteps",
    "total_timesteps",
    "num_env_steps_sampled_lifetime",
    "timesteps_total",
    "num_env_steps_sampled",
    "env_steps",
    "env_step",
    "timesteps",
    "timestep",
    "step",
    "_step",
    "steps",
    "iteration",
    "epoch",
)
"""What logs call the step, surest first."""

_MISSING = {"", "none", "null", "n/a", "na", "-"}
_BUFFER = 4096


def number(value: Any) -> float | None:
    """A logged value as a number; None for what was not logged.

    Raises:
        ValueError: it is neither.
    """
    if type(value) is float or value is None:
        return value
    if isinstance(value, str):
        text = value.strip()
        return None if text.lower() in _MISSING else float(text)
    if isinstance(value, bool | int | float):
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    raise ValueError(value)


def flat(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Entries of nested dicts, with names joined by a slash; lists hold no scalars and stay out."""
    for key, value in record.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from flat(value, f"{name}/")
        elif not isinstance(value, list):
            yield name, value


def step_name(names: Mapping[str, Any] | set[str]) -> str | None:
    """Which of these columns counts the steps."""
    lower = {name.strip().lower(): name for name in names}
    return next((lower[known] for known in STEP_NAMES if known in lower), None)


class Columns:
    """Gathers points under names; what cannot be read as a number is counted."""

    def __init__(self) -> None:
        self._gatherers: dict[str, Gatherer] = {}
        self._waiting: dict[str, tuple[list[float], list[float]]] = {}
        self.unreadable: dict[str, int] = {}

    def add_record(self, step: float, record: Mapping[str, Any]) -> None:
        """Takes one flat record."""
        waiting = self._waiting
        for name, value in record.items():
            if type(value) is float and name in waiting and len(waiting[name][0]) < _BUFFER - 1:
                steps, values = waiting[name]
                steps.append(step)
                values.append(value)
                continue
            try:
                known = number(value)
            except ValueError:
                self.unreadable[name] = self.unreadable.get(name, 0) + 1
                continue
            if known is not None:
                self.add(name, step, known)

    def add(self, name: str, step: float, value: float) -> None:
        """Takes one point."""
        steps, values = self._waiting.setdefault(name, ([], []))
        steps.append(step)
        values.append(value)
        if len(steps) >= _BUFFER:
            self._flush(name)

    def add_many(self, name: str, steps: Any, values: Any) -> None:
        """Takes many points of one name at once, after those that came one by one."""
        if name in self._waiting:
            self._flush(name)
        self._gatherers.setdefault(name, Gatherer()).add(steps, values)

    def finish(self) -> tuple[dict[str, Series], tuple[str, ...]]:
        """Every column with its steps in order, and what had to be left out."""
        for name in list(self._waiting):
            self._flush(name)
        found: dict[str, Series] = {}
        repairs: dict[str, list[str]] = {}
        for name, gatherer in self._gatherers.items():
            points, said = in_order(gatherer.series())
            if len(points):
                found[name] = points
            if said:
                repairs.setdefault(said, []).append(name)
        notes = [f"{_some(names)}: {said}" for said, names in repairs.items()]
        texts = {name: count for name, count in self.unreadable.items() if name in found}
        if texts:
            notes.append(
                f"{sum(texts.values())} cells of {_some(list(texts))} are no numbers: left out"
            )
        if any(gatherer.thinned for gatherer in self._gatherers.values()):
            notes.append("the log is long: a random sample of its records was looked at")
        return found, tuple(notes)

    def _flush(self, name: str) -> None:
        steps, values = self._waiting.pop(name)
        self._gatherers.setdefault(name, Gatherer()).add(steps, values)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return ", ".join(names[:2]) + more
