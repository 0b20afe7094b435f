"""Measures the contract `environment`: planted faults found and named, and alarms on correct ones.

    python benchmarks/environments.py                    both matrices, as Markdown
    python benchmarks/environments.py --only "cartpole*" --kind faulty
    python benchmarks/environments.py --kind markov --repetitions 200

Every run is written at once as a line of `--out`; started again, the command does only what is missing.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

# The command is run as a file: the checkout, not its `benchmarks` folder, has to be importable.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import gymnasium
from gymnasium.vector import AutoresetMode

import rlcheck
from benchmarks.faulty_environments import FAULTY, cartpole, masked
from rlcheck.selftests import upper_bound

SINGLE = (
    "CartPole-v1 Acrobot-v1 MountainCar-v0 MountainCarContinuous-v0 Pendulum-v1 Blackjack-v1 "
    "CliffWalking-v1 CliffWalkingSlippery-v1 FrozenLake-v1 FrozenLake8x8-v1 Taxi-v4 "
    "rlcheck/WarehouseFixed-v0 rlcheck/GridWorldSolvable-v0"
).split()
PHYSICS = (
    "LunarLander-v3 LunarLanderContinuous-v3 BipedalWalker-v3 InvertedPendulum-v5 Reacher-v5 "
    "Hopper-v5 HalfCheetah-v5 Ant-v5 Humanoid-v5 CarRacing-v3"
).split()
VECTORS = (
    "CartPole-v1 Acrobot-v1 MountainCar-v0 MountainCarContinuous-v0 Pendulum-v1 Blackjack-v1 "
    "CliffWalking-v1 FrozenLake-v1 Taxi-v4"
).split()


def correct() -> dict[str, Callable[[], Any] | str]:
    """Environments that nothing is known to be wrong with, single and vectorised."""
    known: dict[str, Any] = {name: name for name in SINGLE}
    for name in VECTORS:
        for mode in AutoresetMode:
            known[f"{name} x 3, {mode.name}"] = _vector(name, mode)
    known["CartPole-v1 x 3, native"] = lambda: gymnasium.make_vec(
        "CartPole-v1", num_envs=3, vectorization_mode="vector_entry_point"
    )
    known["CartPole-v1 x 3, statistics"] = lambda: (
        gymnasium.wrappers.vector.RecordEpisodeStatistics(
            gymnasium.make_vec("CartPole-v1", num_envs=3, vectorization_mode="sync")
        )
    )
    known["CartPole-v1, two frames"] = lambda: gymnasium.wrappers.FlattenObservation(
        gymnasium.wrappers.FrameStackObservation(cartpole(), 2)
    )
    known["Pendulum-v1, rescaled"] = lambda: gymnasium.wrappers.RescaleAction(
        gymnasium.make("Pendulum-v1"), -1.0, 1.0
    )
    return known | {name: name for name in PHYSICS}


def _vector(name: str, mode: AutoresetMode) -> Callable[[], Any]:
    return lambda: gymnasium.make_vec(
        name, num_envs=3, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode}
    )


def run(kind: str, name: str, subject: Any, seed: int) -> dict[str, Any]:
    """One environment under the standard budget."""
    started = time.perf_counter()
    worked = time.process_time()
    try:
        # Stable-Baselines3's checker only remarks; without it nothing imports torch.
        report = rlcheck.check(
            subject, "environment", seed=seed, ignore=["environment/usable-by-stable-baselines3"]
        )
    except Exception as error:
        return {"kind": kind, "name": name, "seed": seed, "verdict": f"{error}"}
    wrong = [r for r in report.results if r.status in ("failed", "error")]
    return {
        "kind": kind,
        "name": name,
        "seed": seed,
        "verdict": str(report.verdict),
        "failed": {r.check.partition("/")[2]: r.message.splitlines()[0] for r in wrong},
        "named": [d.fault.partition("/")[2] for d in report.diagnosis],
        "seconds": round(time.perf_counter() - started, 1),
        "cpu": round(time.process_time() - worked, 1),
    }


# --- the Markov test, over and over ---------------------------------------------------------------


def markov_rates(repetitions: int) -> None:
    """Print how often the Markov test alarms; only CartPole without velocities hides its state."""
    subjects: dict[str, Any] = {
        "CartPole": cartpole,
        "CartPole without velocities": lambda: masked("CartPole-v1", [0, 2]),
        "the same, two frames": lambda: gymnasium.wrappers.FlattenObservation(
            gymnasium.wrappers.FrameStackObservation(masked("CartPole-v1", [0, 2]), 2)
        ),
        "FrozenLake (slippery)": "FrozenLake-v1",
    }
    print("| subject | called not Markov | of | two frames said to restore |\n|---|---|---|---|")
    only = ["environment/observation-is-markov"]
    for name, subject in subjects.items():
        alarms = restored = 0
        for seed in range(repetitions):
            report = rlcheck.check(subject, "environment", seed=seed, select=only)
            failed = report.results[0].status == "failed"
            alarms += failed
            restored += (
                failed and "the action between them, restore it" in report.results[0].message
            )
        row = f"| {name} | {alarms} | {repetitions} | {restored if alarms else '-'} |"
        print(row, flush=True)


# --- the tables -----------------------------------------------------------------------------------


def tables(rows: list[dict[str, Any]]) -> str:
    """Both matrices and the two numbers, as Markdown."""
    faulty = [row for row in rows if row["kind"] == "faulty"]
    right = [row for row in rows if row["kind"] == "correct"]
    caught = [row for row in faulty if row.get("failed")]
    named = [row for row in caught if set(row["named"][:1]) & set(FAULTY[row["name"]][1])]
    alarms = [row for row in right if row.get("failed") or "failed" not in row]
    lines = [
        f"- caught: {len(caught)} of {len(faulty)}; named at first place: {len(named)}",
        f"- false alarms: {len(alarms)} of {len(right)} (95 % bound "
        f"{upper_bound(len(alarms), max(len(right), 1)):.1%})",
        "",
        "| faulty environment | caught by | named | right | CPU s |",
        "|---|---|---|---|---|",
    ]
    for row in faulty:
        good = "yes" if row in named else "**no**"
        checks = ", ".join(row.get("failed", {})) or "-"
        first = next(iter(row.get("named", [])), "-")
        lines.append(f"| {row['name']} | {checks} | {first} | {good} | {row.get('cpu', '-')} |")
    lines += ["", "| correct environment | verdict | failed | CPU s |", "|---|---|---|---|"]
    for row in right:
        wrong = "; ".join(f"{k}: {v}" for k, v in row.get("failed", {}).items()) or "-"
        lines.append(f"| {row['name']} | {row['verdict']} | {wrong} | {row.get('cpu', '-')} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kind", choices=["faulty", "correct", "both", "markov"], default="both")
    parser.add_argument("--only", default="*", metavar="GLOB")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path("environments.jsonl"))
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.kind == "markov":
        markov_rates(options.repetitions)
        return
    rows = []
    if options.out.exists():
        rows = [json.loads(line) for line in options.out.read_text().splitlines()]
    done = {(row["kind"], row["name"], row["seed"]) for row in rows}
    subjects = {
        "faulty": {name: case[0] for name, case in FAULTY.items()},
        "correct": correct(),
    }
    for kind in ("faulty", "correct") if options.kind == "both" else (options.kind,):
        for name, subject in subjects[kind].items():
            if not fnmatchcase(name, options.only) or (kind, name, options.seed) in done:
                continue
            row = run(kind, name, subject, options.seed)
            rows.append(row)
            with options.out.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(f"{name}: {row['verdict']} {row.get('named', [])[:1]}", file=sys.stderr)
    print(tables(rows))


if __name__ == "__main__":
    main()
