"""Time and memory of `rlcheck run` on a log of a million rows.

    python -m benchmarks.large_log [--rows 1000000]

Writes a CSV and a JSON-lines file of ten columns, diagnoses each in a process of its own from start to
exit, as a user does, and prints wall time, processor time and the largest resident size.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

COLUMNS = ("episode_return", "episode_length", "entropy", "approx_kl", "clip_fraction",
    "policy_loss", "value_loss", "explained_variance", "grad_norm")  # fmt: skip
_CHUNK = 10_000


def write(path: Path, rows: int) -> None:
    """A healthy training of so many records, in the format that the name says."""
    rng = np.random.default_rng(0)
    lines = path.suffix == ".jsonl"
    with path.open("w", encoding="utf-8") as file:
        if not lines:
            file.write(",".join(("step", *COLUMNS)) + "\n")
        for start in range(0, rows, _CHUNK):
            steps = np.arange(start, min(start + _CHUNK, rows))
            noise = rng.normal(1.0, 0.1, (len(steps), len(COLUMNS)))
            grown = 20 + 400 * (steps / rows)
            level = np.array([1.0, 1.0, 0.5, 0.01, 0.1, -0.01, 10.0, 0.7, 0.6])
            values = noise * level
            values[:, :2] *= grown[:, None]
            for step, row in zip(steps, values, strict=True):
                if lines:
                    cells = ", ".join(f'"{n}": {v:.6g}' for n, v in zip(COLUMNS, row, strict=True))
                    file.write(f'{{"step": {step}, {cells}}}\n')
                else:
                    file.write(f"{step}," + ",".join(f"{v:.6g}" for v in row) + "\n")


def measure(path: Path) -> None:
    """One `rlcheck run` of the file."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    program = Path(sys.executable).with_name("rlcheck")
    command = [str(program), "run", str(path), "-q", "-j", "1"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=path.parent, check=False)
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    size = os.stat(path).st_size / 1e6
    print(
        f"{path.name}: {size:.0f} MB, exit {done.returncode}, {wall:.1f} s, processor {used:.1f} s, "
        f"largest process {after.ru_maxrss / 1024:.0f} MB",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name in ("progress.csv", "metrics.jsonl"):
            path = Path(folder) / name
            write(path, options.rows)
            measure(path)
            path.unlink()


if __name__ == "__main__":
    main()
