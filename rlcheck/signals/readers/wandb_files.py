"""W&B offline runs: the binary `run-ID.wandb` file of a run directory.

The file is LevelDB's log format behind a header of seven bytes: blocks of 32 KiB that hold fragments,
each with a checksum (4 bytes), a length (2) and a type (1: whole, 2: first, 3: middle, 4: last). The
fragments of one record, joined, are a `Record` message of the wandb package.

References: https://github.com/google/leveldb/blob/main/doc/log_format.md
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rlcheck.errors import BindingError
from rlcheck.signals.readers.collecting import Columns, flat, number
from rlcheck.signals.series import RawLog

_HEADER = 7
_BLOCK = 32 * 1024
_MAGIC = b":W&B"
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_OWN_STEPS = ("global_step", "train/global_step", "training/global_step", "time/total_timesteps")


class Damage(Exception):
    """The file ends, or stops making sense, before its end."""


def read_wandb(path: Path) -> RawLog:
    """History and configuration of a run; a file that is cut gives what stands before the cut.

    Raises:
        BindingError: the wandb package is not installed.
    """
    try:
        from google.protobuf.message import DecodeError
        from wandb.proto.wandb_internal_pb2 import Record  # type: ignore[attr-defined]
    except ImportError as error:
        raise BindingError(
            f"reading {path.name} needs the wandb package: pip install wandb"
        ) from error
    columns, notes, count = Columns(), [], 0
    config: dict[str, Any] = {}
    try:
        for data in _records(path.read_bytes()):
            record = Record()
            record.ParseFromString(data)
            count += 1
            if record.HasField("history"):
                _take(columns, record.history)
            for source in (record.config, record.run.config):
                for item in source.update:
                    config[item.key or "/".join(item.nested_key)] = _parsed(item.value_json)
    except (Damage, DecodeError) as error:
        reason = str(error) or "not readable any further"
        notes.append(f"{path.name} is damaged or cut off after {count} records: {reason}")
    series, repairs = columns.finish()
    return RawLog(series, config, (*notes, *repairs))


def _take(columns: Columns, history: Any) -> None:
    entries: dict[str, Any] = {}
    for item in history.item:
        name = item.key or "/".join(item.nested_key)
        entries |= dict(flat({name: _parsed(item.value_json)}))
    step = float(history.step.num)
    for name in ("_step", *_OWN_STEPS):
        step = _step(entries.get(name), step)
    kept = {name: value for name, value in entries.items() if not name.startswith("_")}
    columns.add_record(step, kept)


def _step(value: Any, otherwise: float) -> float:
    try:
        known = number(value)
    except ValueError:
        return otherwise
    return otherwise if known is None else known


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _records(data: bytes) -> Iterator[bytes]:
    """Every record of a log file, joined from its fragments.

    Raises:
        Damage: at the first fragment that is cut or does not fit its checksum.
    """
    if len(data) < _HEADER or not data.startswith(_MAGIC):
        raise Damage("it does not begin like a W&B file")
    at, parts = _HEADER, b""
    while at < len(data):
        left = _BLOCK - at % _BLOCK
        if left < _HEADER:  # too little room for another fragment: zeros up to the next block
            at += left
            continue
        kind, content = _fragment(data, at)
        at += _HEADER + len(content)
        if kind == _WHOLE:
            yield content
        elif kind == _FIRST:
            parts = content
        elif kind in (_MIDDLE, _LAST):
            parts += content
            if kind == _LAST:
                yield parts
        else:
            raise Damage("an unknown kind of record")


def _fragment(data: bytes, at: int) -> tuple[int, bytes]:
    head = data[at : at + _HEADER]
    if len(head) < _HEADER:
        raise Damage("the file ends inside a record")
    length, kind = int.from_bytes(head[4:6], "little"), head[6]
    content = data[at + _HEADER : at + _HEADER + length]
    if len(content) < length:
        raise Damage("the file ends inside a record")
    if zlib.crc32(content, zlib.crc32(head[6:7])) != int.from_bytes(head[:4], "little"):
        raise Damage("a record does not fit its checksum")
    return kind, content
