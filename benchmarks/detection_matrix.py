"""Measures rlcheck on agents with known truth: what it detects, names, and wrongly accuses.

    python benchmarks/detection_matrix.py --seeds 5 --jobs 2 --out benchmarks/results/

Every run is written at once as a line of `detection.jsonl` in the output folder; started again, the
command does only what is missing. `detection.md` holds the matrix.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import os
import platform
import random
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import TimeoutError as RunTimeout
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pebble import ProcessExpired, ProcessPool

# The command is run as a file: the checkout, not its `benchmarks` folder, has to be importable.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import detection_summary as summary

GAMMA = 0.9


@dataclass(frozen=True, slots=True)
class Job:
    """One agent under one seed."""

    kind: str
    name: str
    seed: int
    budget: str
    gamma: float = GAMMA


def lists() -> dict[str, dict[str, Any]]:
    """The agents by kind and name."""
    from benchmarks.agents.correct import CORRECT
    from benchmarks.agents.faulty import FAULTY

    return {
        "faulty": {agent.name: agent for agent in FAULTY},
        "correct": {agent.name: agent for agent in CORRECT},
    }


def plan(
    seeds: int, only: str, budget: str, correct_runs: int | None, one_a_fault: bool = False
) -> list[Job]:
    """Every faulty agent under every seed; correct ones likewise, or `correct_runs` in all."""
    names = {
        kind: [name for name in agents if fnmatchcase(name, only)]
        for kind, agents in lists().items()
    }
    if one_a_fault:
        names["faulty"] = drawn_one_a_fault(names["faulty"])
    jobs = [Job("faulty", name, seed, budget) for seed in range(seeds) for name in names["faulty"]]
    wanted = seeds * len(names["correct"]) if correct_runs is None else correct_runs
    rounds = itertools.count() if names["correct"] else ()
    endless = (Job("correct", name, seed, budget) for seed in rounds for name in names["correct"])
    return jobs + list(itertools.islice(endless, wanted))


def drawn_one_a_fault(names: Sequence[str]) -> list[str]:
    """One of the agents with each fault, drawn with a fixed seed: nobody chooses the easy ones."""
    agents, by_fault = lists()["faulty"], dict[str, list[str]]()
    for name in names:
        by_fault.setdefault(agents[name].faults[0], []).append(name)
    draw = random.Random(0)
    return [draw.choice(found) for found in by_fault.values()]


def run_check(job: Job) -> dict[str, Any]:
    """Run the harness on one agent in this process."""
    import torch

    import rlcheck

    torch.set_num_threads(1)
    factory = lists()[job.kind][job.name].factory
    report = rlcheck.check(factory, "agent", gamma=job.gamma, budget=job.budget, seed=job.seed)
    return {
        "verdict": str(report.verdict),
        "diagnosis": [entry.fault for entry in report.diagnosis],
        "results": {result.check: str(result.status) for result in report.results},
        "messages": {
            result.check: result.message
            for result in report.results
            if result.status in ("failed", "inconclusive", "error")
        },
    }


def measured(job: Job, run: Callable[[Job], dict[str, Any]]) -> dict[str, Any]:
    """The run's answer with its time, or the error that it ended in."""
    start = time.perf_counter()
    try:
        answer = run(job)
    except Exception:
        answer = {"verdict": "error", "diagnosis": [], "message": traceback.format_exc()}
    return answer | {"seconds": round(time.perf_counter() - start, 2)}


def execute(
    jobs: Sequence[Job], workers: int, timeout: float, run: Callable[[Job], dict[str, Any]]
) -> Iterator[tuple[Job, dict[str, Any]]]:
    """Yield (job, answer) in the order of `jobs`; a worker that hangs or dies costs one error."""
    # Workers start from a clean interpreter: forking after torch has started threads may hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPool(max_workers=workers, context=context) as pool:
        futures = [pool.schedule(measured, args=[job, run], timeout=timeout) for job in jobs]
        for job, future in zip(jobs, futures, strict=True):
            try:
                yield job, future.result()
            except RunTimeout:
                yield job, _broken(f"no answer within {timeout:.0f} s", timeout)
            except ProcessExpired as error:
                yield job, _broken(f"the worker ended with exit code {error.exitcode}", 0.0)


def _broken(message: str, seconds: float) -> dict[str, Any]:
    return {"verdict": "error", "diagnosis": [], "message": message, "seconds": seconds}


def stored(path: Path) -> list[dict[str, Any]]:
    """Whole lines of the store; one cut off by an interruption is run again."""
    runs = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            runs.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return runs


def missing(jobs: Sequence[Job], runs: Sequence[dict[str, Any]]) -> list[Job]:
    """The jobs that the store does not answer."""
    done = {Job(*(run[name] for name in Job.__slots__)) for run in runs}
    return [job for job in jobs if job not in done]


def measure(jobs, path: Path, workers: int, timeout: float, run=run_check) -> list[dict[str, Any]]:
    """Run what is missing, append each answer to `path`, and return the answers to `jobs`."""
    todo = missing(jobs, stored(path))
    agents = lists()
    with path.open("a") as file:
        if file.tell() and not path.read_text().endswith("\n"):
            file.write("\n")
        for count, (job, answer) in enumerate(execute(todo, workers, timeout, run), start=1):
            faults = list(getattr(agents[job.kind][job.name], "faults", ()))
            file.write(json.dumps(asdict(job) | {"faults": faults} | answer) + "\n")
            file.flush()
            first = (answer["diagnosis"] or ["-"])[0]
            print(
                f"{count}/{len(todo)} {job.name} seed {job.seed}: {answer['verdict']} {first} "
                f"{answer['seconds']:.1f} s",
                flush=True,
            )
    wanted = set(jobs)
    return [run for run in stored(path) if Job(*(run[name] for name in Job.__slots__)) in wanted]


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="seeds an agent (default 5)")
    parser.add_argument("--jobs", type=int, default=2, help="worker processes (default 2)")
    parser.add_argument("--only", default="*", metavar="GLOB", help="agents by name")
    parser.add_argument(
        "--one-a-fault",
        action="store_true",
        help="of the agents with one fault, one drawn at random",
    )
    parser.add_argument("--correct-runs", type=int, metavar="N", help="runs of correct agents")
    parser.add_argument("--budget", default="quick", choices=["quick", "standard", "thorough"])
    parser.add_argument("--timeout", type=float, default=600.0, help="seconds a run (default 600)")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None, run=run_check) -> None:
    options = arguments(argv)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    options.out.mkdir(parents=True, exist_ok=True)
    jobs = plan(
        options.seeds, options.only, options.budget, options.correct_runs, options.one_a_fault
    )
    start = time.perf_counter()
    path = options.out / "detection.jsonl"
    runs = measure(jobs, path, options.jobs, options.timeout, run)
    heading = f"Detection matrix, budget {options.budget}, gamma {GAMMA}"
    text = summary.markdown(runs, heading) + (
        f"\n{len(runs)} runs, {options.jobs} at a time, on {platform.machine()}, "
        f"Python {platform.python_version()}.\n"
    )
    (options.out / "detection.md").write_text(text)
    print(f"{text}\nThis time: {time.perf_counter() - start:.0f} s.")


if __name__ == "__main__":
    main()
