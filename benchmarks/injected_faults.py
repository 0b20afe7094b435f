"""Wrong components injected into the reference agents: does the ladder turn red, and say which?

    OMP_NUM_THREADS=1 python -m benchmarks.injected_faults [--only "ref-ppo-*"] [--out FILE.jsonl]

Every run is a line of the store; started again, the command does only what is missing. The table of
all runs is printed at the end.
"""

from __future__ import annotations

import argparse
import json
import time
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch

import rlcheck
from benchmarks import detection_matrix as matrix
from benchmarks import detection_summary as summary
from benchmarks.agents.records import FaultyAgent
from benchmarks.agents.reference_faults import FAULTY

STORE = Path(__file__).with_suffix(".jsonl")


def judge(agent: FaultyAgent, select: tuple[str, ...] = (), seed: int = 0) -> dict[str, Any]:
    """What the quick ladder says about one agent."""
    start = time.process_time()
    report = rlcheck.check(
        agent.factory, "agent", gamma=matrix.GAMMA, budget="quick", seed=seed, select=select
    )
    return {
        "kind": "faulty",
        "name": agent.name,
        "faults": list(agent.faults),
        "verdict": str(report.verdict),
        "diagnosis": [entry.fault for entry in report.diagnosis],
        "failed": [r.check for r in report.results if str(r.status) == "failed"],
        "seconds": round(time.process_time() - start, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="*", metavar="GLOB", help="agents by name")
    parser.add_argument("--select", nargs="*", default=[], metavar="GLOB", help="checks by name")
    parser.add_argument("--out", type=Path, default=STORE, metavar="FILE")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
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
