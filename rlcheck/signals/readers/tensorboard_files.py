"""TensorBoard event files, through TensorBoard's own reader."""

from __future__ import annotations

import ast
import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rlcheck.errors import BindingError
from rlcheck.signals.readers.collecting import Columns
from rlcheck.signals.series import RawLog


def read_events(paths: list[Path]) -> RawLog:
    """Every scalar of the event files of one run, oldest file first, and CleanRL's table of settings.

    Raises:
        BindingError: the tensorboard package is not installed.
    """
    try:
        from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
    except ImportError as error:
        raise BindingError(
            f"reading {paths[0].name} needs the tensorboard package: pip install tensorboard"
        ) from error
    columns, notes = Columns(), []
    config: dict[str, Any] = {}
    for path in sorted(paths, key=lambda path: path.name):
        count = 0
        try:
            with _quietly():
                # The constructor already looks at the file.
                for event in LegacyEventFileLoader(str(path)).Load():
                    count += 1
                    for value in event.summary.value:
                        _take(columns, config, float(event.step), value)
        except Exception as error:
            # A damaged file can break the reader anywhere; what it gave until then counts.
            notes.append(f"{path.name} is damaged after {count} events ({type(error).__name__})")
            continue
        notes += _cut(path, count)
    series, repairs = columns.finish()
    return RawLog(series, config, (*notes, *repairs))


def _cut(path: Path, events: int) -> list[str]:
    """The reader stops silently at a damaged record: compare with what the file should hold."""
    size, at, records = path.stat().st_size, 0, 0
    with path.open("rb") as file:
        while at < size:
            # A record: its length (8 bytes), a checksum (4), the data, a checksum (4).
            file.seek(at)
            at += 16 + int.from_bytes(file.read(8), "little")
            records += 1
    whole = at == size and records == events
    return [] if whole else [f"{path.name} is damaged or cut off after {events} events"]


def _take(columns: Columns, config: dict[str, Any], step: float, value: Any) -> None:
    kind = value.WhichOneof("value")
    if kind == "simple_value":
        columns.add(value.tag, step, float(value.simple_value))
    elif kind == "tensor":
        from tensorboard.util import tensor_util

        array = tensor_util.make_ndarray(value.tensor)
        if array.dtype.kind in "OSU" and "hyperparameters" in value.tag:
            config.update(_table(array.ravel()[0]))
        elif array.size == 1 and array.dtype.kind in "fiu":
            columns.add(value.tag, step, float(array.ravel()[0]))


def _table(text: Any) -> Iterator[tuple[str, Any]]:
    """Rows of the Markdown table |param|value| that CleanRL writes as text."""
    shown = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    for line in shown.splitlines()[2:]:
        cells = line.strip().strip("|").split("|")
        if len(cells) == 2:
            name, value = (cell.strip() for cell in cells)
            try:
                yield name, ast.literal_eval(value)
            except (ValueError, SyntaxError):  # plain words, such as the id of the environment
                yield name, value


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """TensorBoard's reader logs every damage; the notes say it once."""
    logger = logging.getLogger("tensorboard")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
