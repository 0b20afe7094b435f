"""How long rlcheck makes a user wait.

    python benchmarks/run_times.py --rounds 3

Whole processes, one after another, on a machine with nothing else to do: `rlcheck --help`, the standard
ladder of Stable-Baselines3 PPO with its defaults, and the quick ladder of the planted bug in
`examples/buggy_ppo.py` until it is named. Prints the median and the range of the rounds.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RLCHECK = str(Path(sys.executable).with_name("rlcheck"))
COMMANDS = {
    "rlcheck --help": (["--help"], 0, 0.1),
    "standard ladder, SB3 PPO defaults": (["run", "stable_baselines3:PPO"], 0, 90.0),
    "planted bug named, quick ladder": (
        ["run", f"{ROOT / 'examples' / 'buggy_ppo.py'}:make_agent", "--budget", "quick"],
        1,
        30.0,
    ),
}


def seconds(arguments: list[str], expected: int) -> float:
    """Wall time of one process, which must exit as expected."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        done = subprocess.run([RLCHECK, *arguments], cwd=folder, capture_output=True, check=False)
        took = time.perf_counter() - began
    if done.returncode != expected:
        raise SystemExit(
            f"exit code {done.returncode}, expected {expected}: {done.stdout.decode()}"
        )
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print("| what | median, s | range, s | target, s |\n|---|---|---|---|")
    for name, (arguments, expected, target) in COMMANDS.items():
        times = [seconds(arguments, expected) for _ in range(rounds)]
        median, low, high = statistics.median(times), min(times), max(times)
        print(f"| {name} | {median:.3g} | {low:.3g} to {high:.3g} | {target:g} |", flush=True)


if __name__ == "__main__":
    main()
