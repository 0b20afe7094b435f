"""How long each contract takes on the reference function that fulfils it.

    python benchmarks/contract_times.py
    python benchmarks/contract_times.py --jobs 2 --language
    python benchmarks/contract_times.py --independent '*/jax-*'

Everything is imported beforehand. CPU seconds are given beside those of the clock, which other work on
the machine lengthens. Targets at 100 inputs a property: 3 s a contract and 60 s for all on two cores;
5 s for contracts on language models. `--independent` times functions of `benchmarks/independent` instead.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

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


def functions(language: bool) -> dict[str, str]:
    """Target -> contract, the classical ones or those on language models."""
    chosen = [t for t in TARGETS if (".llm." in t.module) == language]
    pure = {f"{t.module}:{t.function}": t.contract for t in chosen}
    return pure if language else pure | STATEFUL


def independent(names: str) -> dict[str, str]:
    """Name -> contract of the correct functions that share no code with the catalogue."""
    from benchmarks.independent.catalogue import subjects

    named = {f"{s.contract}/{s.name}": s.contract for s in subjects() if s.correct}
    return {name: contract for name, contract in named.items() if fnmatchcase(name, names)}


def loaded(target: str) -> tuple[Any, dict[str, Any]]:
    """The function and how it is checked."""
    from benchmarks.independent.catalogue import subjects
    from rlcheck import targets

    if ":" in target:
        return targets.load(target), {}
    one = next(s for s in subjects() if f"{s.contract}/{s.name}" == target)
    return one.function, {"bind": one.bind, "dialect": one.dialect, "constants": one.constants}


def measure(target: str, contract: str, examples: int) -> Timed:
    """Check one function in this process."""
    import torch

    import rlcheck
    from rlcheck import contracts

    torch.set_num_threads(1)
    contracts.load(contract)
    subject, how = loaded(target)
    cpu, wall = time.process_time(), time.perf_counter()
    report = rlcheck.check(subject, contract, max_examples=examples, **how)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return Timed(contract, target, str(report.verdict), cpu, wall)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=1, help="processes (default 1)")
    parser.add_argument("--examples", type=int, default=100, help="inputs a property (default 100)")
    parser.add_argument("--only", default="*", metavar="GLOB", help="contracts by name")
    parser.add_argument("--language", action="store_true", help="contracts on language models")
    parser.add_argument("--independent", metavar="GLOB", help="CONTRACT/NAME of other functions")
    options = parser.parse_args()
    every = independent(options.independent) if options.independent else functions(options.language)
    chosen = [(t, c) for t, c in every.items() if fnmatchcase(c, options.only)]
    started = time.perf_counter()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.jobs, mp_context=context) as pool:
        futures = [pool.submit(measure, *pair, options.examples) for pair in chosen]
        print("| contract | function | verdict | CPU s | s |\n|---|---|---|---|---|")
        total = 0.0
        for future in futures:
            row = future.result()
            total += row.cpu_s
            name = row.target.rpartition(":")[2].rpartition("/")[2]
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
