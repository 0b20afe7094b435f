"""Measures the contract `environment`: planted faults found and named, and alarms on correct ones.

    python benchmarks/environments.py                    both matrices, as Markdown
    python benchmarks/environments.py --only "cartpole*" --kind faulty
    python benchmarks/environments.py --kind markov --repetitions 200
    python benchmarks/environments.py --kind time        seconds of whole runs, slow environments included

Every run is written at once as a line of `--out`; started again, the command does only what is missing.
"""

from __future__ import annotations

import argparse
import functools
import json
import subprocess
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
from ladders.environment_selftest import SINGLE, vectorised
from ladders.faulty import FAULTY, Planted
from ladders.faulty.planted import cartpole, masked
from rlcheck.selftests import upper_bound

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
            known[f"{name} x 3, {mode.name}"] = vectorised(name, mode)
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


def run(
    kind: str, name: str, subject: Any, seed: int, seconds: float | None = None
) -> dict[str, Any]:
    """One environment under the standard budget, or with `seconds` for all play."""
    started = time.perf_counter()
    worked = time.process_time()
    planted = subject if isinstance(subject, Planted) else Planted(subject, ())
    try:
        # Stable-Baselines3's checker only remarks; without it nothing imports torch.
        report = rlcheck.check(
            planted.make,
            "environment",
            seed=seed,
            constants={**planted.constants, **({"seconds": seconds} if seconds else {})},
            gamma=planted.gamma,
            ignore=["environment/usable-by-stable-baselines3"],
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


def markov_subjects() -> dict[str, tuple[Any, bool]]:
    """Name -> (what makes it, whether the observation hides the state)."""
    return {
        "CartPole": (cartpole, False),
        "CartPole without velocities": (lambda: masked("CartPole-v1", [0, 2]), True),
        "the same, two frames": (
            lambda: gymnasium.wrappers.FlattenObservation(
                gymnasium.wrappers.FrameStackObservation(masked("CartPole-v1", [0, 2]), 2)
            ),
            False,
        ),
        "FrozenLake (slippery)": ("FrozenLake-v1", False),
    }


def markov_run(name: str, seed: int, seconds: float | None = None) -> dict[str, Any]:
    """What the Markov test alone says of one subject with one seed."""
    only = ["environment/observation-is-markov"]
    report = rlcheck.check(
        markov_subjects()[name][0],
        "environment",
        seed=seed,
        select=only,
        constants={"seconds": seconds} if seconds else {},
    )
    (result,) = report.results
    alarm = result.status == "failed"
    restored = alarm and result.message.endswith("the action between them, restore it")
    return {"kind": "markov", "name": name, "seed": seed, "alarm": alarm, "restored": restored}


def markov_table(rows: list[dict[str, Any]]) -> str:
    """How often each subject was called not Markov, and the error rate that this leaves possible."""
    lines = [
        "| subject | called not Markov | of | error rate at most (95 %) | two frames said to restore |",
        "|---|---|---|---|---|",
    ]
    for name, (_, hides) in markov_subjects().items():
        runs = [row for row in rows if row["kind"] == "markov" and row["name"] == name]
        if not runs:
            continue
        alarms = sum(row["alarm"] for row in runs)
        errors = len(runs) - alarms if hides else alarms
        bound = f"{upper_bound(errors, len(runs)):.1%}"
        restored = sum(row["restored"] for row in runs) if hides else "-"
        lines.append(f"| {name} | {alarms} | {len(runs)} | {bound} | {restored} |")
    return "\n".join(lines)


# --- time -----------------------------------------------------------------------------------------


class Slow(gymnasium.Wrapper):
    """Each step takes 10 ms longer."""

    def step(self, action: Any) -> Any:
        time.sleep(0.01)
        return self.env.step(action)


def slow() -> gymnasium.Env:
    """CartPole on a slow machine, for the command line."""
    return Slow(cartpole())


def time_run(name: str) -> dict[str, Any]:
    """Seconds of one `rlcheck run`, start of the program included."""
    target, *options = COMMANDS[name]
    program = str(Path(sys.executable).with_name("rlcheck"))
    command = [program, "run", target, "--as", "environment", *options, "--report", "json"]
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = round(time.perf_counter() - started, 1)
    (subject,) = json.loads(done.stdout)["subjects"]
    said = [note for note in subject["notes"] if "left out" in note]
    return {
        "kind": "time",
        "name": name,
        "seed": 0,
        "seconds": seconds,
        "verdict": subject["verdict"],
        "left_out": said,
    }


_SLOW = f"{Path(__file__).resolve()}:slow"
COMMANDS = {
    "CartPole-v1": ("CartPole-v1",),
    "10 ms a step": (_SLOW,),
    "10 ms a step, --set seconds=30": (_SLOW, "--set", "seconds=30"),
    "10 ms a step, --set seconds=30 --jobs 1": (_SLOW, "--set", "seconds=30", "--jobs", "1"),
}


def time_table(rows: list[dict[str, Any]]) -> str:
    """Seconds on the wall, and what each run said that it left out."""
    lines = ["| run | verdict | seconds | said to be left out |", "|---|---|---|---|"]
    for row in rows:
        if row["kind"] == "time":
            said = "; ".join(row["left_out"]) or "nothing"
            lines.append(f"| {row['name']} | {row['verdict']} | {row['seconds']} | {said} |")
    return "\n".join(lines)


# --- the tables -----------------------------------------------------------------------------------


def tables(rows: list[dict[str, Any]]) -> str:
    """Both matrices and the two numbers, as Markdown."""
    faulty = [row for row in rows if row["kind"] == "faulty"]
    right = [row for row in rows if row["kind"] == "correct"]
    caught = [row for row in faulty if row.get("failed")]
    named = [row for row in caught if set(row["named"][:1]) & set(FAULTY[row["name"]].faults)]
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


def wanted(options: argparse.Namespace) -> list[tuple[str, str, int, Callable[[], dict[str, Any]]]]:
    """(kind, name, seed, what runs it) of everything that was asked for."""
    found: list[tuple[str, str, int, Callable[[], dict[str, Any]]]] = []
    seed = options.seed
    if options.kind == "markov":
        for name in markov_subjects():
            for one in range(seed, seed + options.repetitions):
                found.append(
                    ("markov", name, one, functools.partial(markov_run, name, one, options.seconds))
                )
    if options.kind == "time":
        found += [("time", name, 0, functools.partial(time_run, name)) for name in COMMANDS]
    subjects: dict[str, dict[str, Any]] = {
        "faulty": dict(FAULTY),
        "correct": correct(),
    }
    for kind in ("faulty", "correct"):
        if options.kind in (kind, "both"):
            for name, subject in subjects[kind].items():
                found.append(
                    (
                        kind,
                        name,
                        seed,
                        functools.partial(run, kind, name, subject, seed, options.seconds),
                    )
                )
    return [one for one in found if fnmatchcase(one[1], options.only)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    kinds = ["faulty", "correct", "both", "markov", "time"]
    parser.add_argument("--kind", choices=kinds, default="both")
    parser.add_argument("--only", default="*", metavar="GLOB")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--seconds", type=float, help="for all play, where the machine is busy")
    parser.add_argument("--out", type=Path, default=Path("environments.jsonl"))
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = []
    if options.out.exists():
        rows = [json.loads(line) for line in options.out.read_text().splitlines()]
    done = {(row["kind"], row["name"], row["seed"]) for row in rows}
    for kind, name, seed, go in wanted(options):
        if (kind, name, seed) in done:
            continue
        row = go()
        rows.append(row)
        with options.out.open("a") as file:
            file.write(json.dumps(row) + "\n")
        if kind != "markov":
            print(f"{name}: {row['verdict']} {row.get('named', [])[:1]}", file=sys.stderr)
    table = {"markov": markov_table, "time": time_table}.get(options.kind, tables)
    print(table(rows))


if __name__ == "__main__":
    main()
