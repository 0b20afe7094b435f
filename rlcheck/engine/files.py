"""Reading and writing the store's files, with errors that say what to do."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rlcheck.errors import StoreError


@contextmanager
def writing(root: Path) -> Iterator[None]:
    """Turn whatever the file system says into one sentence.

    Raises:
        StoreError: something inside could not be written.
    """
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise StoreError(
            f"cannot write results to {root}: {error.strerror or error}{where}; make that folder "
            "writable, or name another one as results-dir in [tool.rlcheck]"
        ) from error


def write_json(path: Path, content: Any) -> None:
    """Write a file that is either there as a whole or not at all."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1, default=str)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read_json(path: Path, what: str) -> dict[str, Any]:
    """Read an object from a file.

    Raises:
        StoreError: the file cannot be read, or is not what `what` says.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is damaged"
        raise StoreError(f"cannot read {what} {path}: {reason}; delete it and run again") from error
    if not isinstance(content, dict):
        raise StoreError(f"{what} {path} is not one that rlcheck wrote; delete it and run again")
    return content


def read_lines(path: Path) -> tuple[list[dict[str, Any]], int]:
    """The objects of a JSON-lines file, and how many lines were damaged and are left out."""
    lines: list[dict[str, Any]] = []
    damaged = 0
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return [], 0
    for line in text.splitlines():
        try:
            content = json.loads(line)
        except ValueError:
            damaged += bool(line.strip())
            continue
        if isinstance(content, dict):
            lines.append(content)
        else:
            damaged += 1
    return lines, damaged
