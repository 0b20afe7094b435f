"""How long each contract takes on the reference function that fulfils it.

    python benchmarks/contract_times.py
    python benchmarks/contract_times.py --jobs 2

Everything is imported beforehand. CPU seconds are given beside those of the clock, which other work on
the machine lengthens. Targets: 3 s a contract at 100 inputs a property, 60 s for all on two cores.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

# The command is run as a file: the checkout, not its `benchmarks` folder, has to be importable.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.mutation import TARGETS

STATEFUL = {
    "reference_agents.replay:make_replay_buffer": "replay-buffer",
    "reference_agents.replay:make_prioritised_replay": "prioritised-replay",
}


class Timed(NamedTuple):
    """One contract on one function."""

    contract: str
    target: str
    verdict: str
    cpu_s: float
    wall_s: float


def functions() -> dict[str, str]:
    """Target -> contract, the classical ones."""
    pure = {f"{t.module}:{t.function}": t.contract for t in TARGETS if ".llm." not in t.module}
    return pure | STATEFUL


def measure(target: str, contract: str, examples: int) -> Timed:
    """Check one function in this process."""
    import torch

    import rlcheck
    from rlcheck import contracts, targets

    torch.set_num_threads(1)
    contracts.load(contract)
    subject = targets.load(target)
    cpu, wall = time.process_time(), time.perf_counter()
    report = rlcheck.check(subject, contract, max_examples=examples)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return Timed(contract, target, str(report.verdict), cpu, wall)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=1, help="processes (default 1)")
    parser.add_argument("--examples", type=int, default=100, help="inputs a property (default 100)")
    parser.add_argument("--only", default="*", metavar="GLOB", help="contracts by name")
    options = parser.parse_args()
    chosen = [(t, c) for t, c in functions().items() if fnmatchcase(c, options.only)]
    started = time.perf_counter()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.jobs, mp_context=context) as pool:
        futures = [pool.submit(measure, *pair, options.examples) for pair in chosen]
        print("| contract | function | verdict | CPU s | s |\n|---|---|---|---|---|")
        total = 0.0
        for future in futures:
            row = future.result()
            total += row.cpu_s
            name = row.target.partition(":")[2]
            print(
                f"| {row.contract} | {name} | {row.verdict} | {row.cpu_s:.1f} | {row.wall_s:.1f} |",
                flush=True,
            )
    elapsed = time.perf_counter() - started
    print(
        f"\nTogether {total:.0f} CPU seconds; {elapsed:.0f} s by the clock with {options.jobs} jobs"
    )


if __name__ == "__main__":
    main()
