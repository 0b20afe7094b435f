"""JSON logs: one record a line, or a list of records in a document (TRL's `trainer_state.json`)."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from rlcheck.signals.readers.collecting import Columns, flat, number, step_name
from rlcheck.signals.series import RawLog

_PLAIN = (float, int)
_CHUNK = 4096
_LISTS = ("log_history", "history", "logs", "records")
_CONFIG_KEYS = ("config", "settings", "args", "hyperparameters")


def read_json_lines(path: Path) -> RawLog:
    """One JSON object a line; a line that is cut or is no object is left out."""
    columns, broken, count = Columns(), 0, 0
    config: dict[str, Any] = {}
    with path.open(encoding="utf-8", errors="replace") as file:
        while chunk := list(itertools.islice(file, _CHUNK)):
            lines = [line for line in chunk if not line.isspace()]
            if not _take_table(columns, count, lines):
                for at, line in enumerate(lines, count + 1):
                    record = _parsed(line)
                    if isinstance(record, Mapping):
                        _take(columns, at, record, config)
                    else:
                        broken += 1
            count += len(lines)
    series, notes = columns.finish()
    if broken:
        notes += (f"{broken} of {count} lines of {path.name} are cut or no JSON objects: left out",)
    return RawLog(series, config, notes)


def read_json(path: Path) -> RawLog:
    """A JSON document: a list of records, or an object that holds one (`log_history` in TRL)."""
    text = path.read_text(encoding="utf-8", errors="replace")
    document = _parsed(text)
    if document is None or (isinstance(document, Mapping) and "\n{" in text):
        return read_json_lines(path)
    records = document
    config: dict[str, Any] = {}
    if isinstance(document, Mapping):
        records = next((document[key] for key in _LISTS if key in document), None)
        config = {key: value for key, value in document.items() if not isinstance(value, list)}
    if not isinstance(records, list):
        return RawLog({}, {}, (f"{path.name} holds no list of records",))
    columns, broken = Columns(), 0
    for count, record in enumerate(records, 1):
        if isinstance(record, Mapping):
            _take(columns, count, record, {})
        else:
            broken += 1
    series, notes = columns.finish()
    if broken:
        notes += (f"{broken} of {len(records)} records of {path.name} are no objects: left out",)
    return RawLog(series, config, notes)


def read_config(path: Path) -> dict[str, Any]:
    """Hyper-parameters from a JSON file that stands beside a log; {} if it cannot be read."""
    document = _parsed(path.read_text(encoding="utf-8", errors="replace"))
    if not isinstance(document, Mapping):
        return {}
    nested = [document[key] for key in _CONFIG_KEYS if isinstance(document.get(key), Mapping)]
    found = {key: value for key, value in document.items() if not isinstance(value, Mapping | list)}
    for entries in nested:
        found |= dict(entries)
    return found


def _take_table(columns: Columns, before: int, lines: list[str]) -> bool:
    """Takes lines that are a table, three times faster: flat records of the same names, all numbers."""
    records = _parsed(f"[{','.join(lines)}]")
    if not isinstance(records, list) or len(records) != len(lines) or not lines:
        return False
    first = records[0]
    if not isinstance(first, dict) or any(
        type(record) is not dict or record.keys() != first.keys() for record in records
    ):
        return False
    table = {name: [record[name] for record in records] for name in first}
    if any(not set(map(type, values)) <= set(_PLAIN) for values in table.values()):
        return False
    try:
        numbers = {name: np.array(values, dtype=np.float64) for name, values in table.items()}
    except OverflowError:
        return False
    named = _step_name(tuple(first))
    counted = np.arange(before + 1.0, before + len(lines) + 1)
    steps = counted if named is None else numbers.pop(named)
    for name, values in numbers.items():
        columns.add_many(name, steps, values)
    return True


def _take(columns: Columns, count: int, record: Mapping[str, Any], config: dict[str, Any]) -> None:
    # A million records are mostly flat ones of plain numbers: nothing is to be looked for in them.
    flat_already = all(type(value) in _PLAIN for value in record.values())
    entries = dict(record) if flat_already else _entries(record, config)
    named = _step_name(tuple(entries))
    step: float | None = None
    if named is not None:
        try:
            step = number(entries.pop(named))
        except ValueError:
            step = float("nan")
    columns.add_record(float(count) if step is None else step, entries)


@lru_cache(maxsize=64)
def _step_name(names: tuple[str, ...]) -> str | None:
    return step_name(set(names))


def _entries(record: Mapping[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    # RLlib repeats its whole configuration in every record.
    for key in _CONFIG_KEYS:
        if isinstance(record.get(key), Mapping):
            config.update(record[key])
    kept = {key: value for key, value in record.items() if key not in _CONFIG_KEYS}
    return {name: value for name, value in flat(kept) if not isinstance(value, str) or _odd(value)}


def _odd(text: str) -> bool:
    """Whether a string stands for a number, as "NaN" does in strict JSON."""
    try:
        return number(text) is not None
    except ValueError:
        return False


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
