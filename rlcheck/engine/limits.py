"""How much memory and output a worker may use, and how much it does."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

_MOST = 8 << 30
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


def memory_limit() -> int:
    """Bytes that a worker may keep resident: 8 GiB, or half of the machine if that is less."""
    machine = psutil.virtual_memory().total
    if _CGROUP_LIMIT.is_file():  # in a container the machine is what the container may use
        text = _CGROUP_LIMIT.read_text().strip()
        machine = min(machine, int(text)) if text.isdecimal() else machine
    return min(_MOST, machine // 2)


def resident_size(pid: int) -> int:
    """Bytes resident in a process and its children; pages that children share count once."""
    try:
        process = psutil.Process(pid)
        size = process.memory_info().rss
        for child in process.children(recursive=True):
            memory = child.memory_info()
            size += memory.rss - getattr(memory, "shared", 0)
        return size
    except psutil.Error:
        return 0  # it ended while we looked


def trim(path: Path, limit: int) -> None:
    """Keep the end of a file that has grown beyond `limit`; its writer appends, so it goes on."""
    if path.stat().st_size <= limit:
        return
    with path.open("r+b") as file:
        file.seek(-limit // 4, os.SEEK_END)
        tail = file.read(limit // 4)
        file.truncate(0)
    with path.open("ab") as file:
        file.write(tail)
