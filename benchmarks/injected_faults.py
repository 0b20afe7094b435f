"""Wrong components injected into the reference agents: does the ladder turn red, and say which?

    OMP_NUM_THREADS=1 python -m benchmarks.injected_faults [--only "ref-ppo-*"] [--write]

Every run is a line of the store; started again, the command does only what is missing. The table of
all runs is printed at the end. `--write` only turns the store into that of docs/reference_agents.md.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch

import rlcheck
from benchmarks import classic_tasks_report as report
from benchmarks import detection_matrix as matrix
from benchmarks import detection_summary as summary
from benchmarks.agents.records import FaultyAgent
from benchmarks.agents.reference_faults import FAULTY

STORE = Path(__file__).with_suffix(".jsonl")


def judge(agent: FaultyAgent, select: tuple[str, ...] = (), seed: int = 0) -> dict[str, Any]:
    """What the quick ladder says about one agent."""
    start = time.process_time()
    answer = rlcheck.check(
        agent.factory, "agent", gamma=matrix.GAMMA, budget="quick", seed=seed, select=select
    )
    return {
        "kind": "faulty",
        "name": agent.name,
        "faults": list(agent.faults),
        "verdict": str(answer.verdict),
        "diagnosis": [entry.fault for entry in answer.diagnosis],
        "failed": [r.check for r in answer.results if str(r.status) == "failed"],
        "seconds": round(time.process_time() - start, 1),
    }


def in_words(run: Mapping[str, Any] | None) -> str:
    """What was said about one agent."""
    if run is None:
        return "not run"
    if not summary.detected(run):
        return str(run["verdict"])
    return "named" if summary.named_first(run) else f"found as {(run['diagnosis'] or ['-'])[0]}"


def cross_table(runs: Sequence[Mapping[str, Any]]) -> str:
    """Faults against agents."""
    by_name = {run["name"]: run for run in runs}
    agents = list(dict.fromkeys(agent.base for agent in FAULTY))
    faults = list(dict.fromkeys(agent.faults[0] for agent in FAULTY))
    cells = {(a.faults[0], a.base): in_words(by_name.get(a.name)) for a in FAULTY}
    rows = [[fault, *(cells.get((fault, agent), "") for agent in agents)] for fault in faults]
    return f"{report.table(['', *agents], rows)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="*", metavar="GLOB", help="agents by name")
    parser.add_argument("--select", nargs="*", default=[], metavar="GLOB", help="checks by name")
    parser.add_argument("--out", type=Path, default=STORE, metavar="FILE")
    parser.add_argument("--write", action="store_true", help="only rewrite the table of the docs")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.write:
        report.replace_blocks({"faults": cross_table(matrix.stored(arguments.out))})
        return
    done = {run["name"] for run in matrix.stored(arguments.out)}
    for agent in FAULTY:
        if agent.name in done or not fnmatchcase(agent.name, arguments.only):
            continue
        run = judge(agent, tuple(arguments.select))
        with arguments.out.open("a") as file:
            file.write(json.dumps(run) + "\n")
        first = (run["diagnosis"] or ["-"])[0]
        print(f"{agent.name}: {run['verdict']}, {first}, {run['seconds']} s", flush=True)
    runs = matrix.stored(arguments.out)
    print(summary.markdown(runs, "Wrong components in the reference agents, quick ladder"))


if __name__ == "__main__":
    main()
