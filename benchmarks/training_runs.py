"""Real trainings, healthy and provoked to fail: what the contract `training-log` says about them.

    OMP_NUM_THREADS=1 python -m benchmarks.training_runs train [--runs FILE] [--only GLOB]
    python -m benchmarks.training_runs judge [--runs FILE]

`train` runs groups of seeds of the reference agents, all seeds of a group at once, and stores what they
logged, thinned to 200 records. `judge` reads that file and prints, for the half that was looked at while
the detectors were written (even seeds on CartPole) and for the other half (odd seeds, and all other
environments): pathological runs flagged and named right first, and healthy runs with an alarm, with the
bound on their rate.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from rlcheck.selftests import upper_bound
from rlcheck.signals.findings import PREFIX
from rlcheck.signals.selftest import row
from rlcheck.signals.series import Log, Series

RUNS = Path(__file__).with_name("training_runs.npz")
RECORDS = 200


@dataclass(frozen=True, slots=True)
class Group:
    """Trainings that differ in their seeds only.

    Args:
        name: of the group.
        algorithm: of the reference agents.
        env: registered id.
        steps: environment steps of each seed.
        seeds: how many.
        settings: hyper-parameters that differ from the measured ones.
        faults: names that are right for it, none for a healthy group.
        spoil: which faulty component it gets, by its name in `components`.
    """

    name: str
    algorithm: str
    env: str
    steps: int
    seeds: int
    settings: dict[str, Any] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    spoil: str = ""


_BROKEN_POLICY = ("kl-spikes", "entropy-collapse", "not-finite", "return-stuck")

GROUPS: tuple[Group, ...] = (
    Group("ppo lr 1", "ppo", "CartPole-v1", 50_000, 8, {"lr": 1.0}, _BROKEN_POLICY),
    Group("ppo entropy -3", "ppo", "CartPole-v1", 50_000, 8, {"entropy_coef": -3.0},
        ("entropy-collapse",)),
    Group("ppo entropy 10", "ppo", "CartPole-v1", 50_000, 8, {"entropy_coef": 10.0},
        ("policy-stays-random", "entropy-explosion")),
    Group("ppo lr 0", "ppo", "CartPole-v1", 50_000, 8, {"lr": 0.0},
        ("ratio-always-one", "policy-stays-random", "return-stuck")),
    Group("ppo clip 10", "ppo", "CartPole-v1", 50_000, 8, {"clip_epsilon": 10.0, "lr": 1e-2},
        ("clip-never-active", "kl-spikes")),
    Group("ppo critic untrained", "ppo", "CartPole-v1", 50_000, 8, {"value_coef": 0.0},
        ("critic-explains-nothing",)),
    Group("ppo advantages negated", "ppo", "CartPole-v1", 50_000, 8, {},
        ("critic-explains-nothing", "return-stuck", "entropy-collapse"), "negated_gae"),
    Group("ppo reward of 0", "ppo", "CartPole-v1", 50_000, 8, {},
        ("return-stuck", "return-without-variance", "critic-explains-nothing"), "zero_gae"),
    Group("dqn lr 1", "dqn", "CartPole-v1", 15_000, 8, {"lr": 1.0},
        ("q-value-divergence", "value-loss-explosion", "gradients-exploding", "not-finite")),
    Group("dqn target is online, no discount", "dqn", "CartPole-v1", 15_000, 8,
        {"tau": 1.0, "double": False, "gamma": 1.0}, ("q-value-divergence",), "no_terminal"),
    Group("dqn bootstraps with 1.05", "dqn", "CartPole-v1", 15_000, 8, {"gamma": 0.99},
        ("q-value-divergence",), "gamma_too_large"),
    Group("ppo cartpole", "ppo", "CartPole-v1", 50_000, 32),
    Group("ppo cartpole entropy bonus", "ppo", "CartPole-v1", 50_000, 12, {"entropy_coef": 0.01}),
    Group("ppo acrobot", "ppo", "Acrobot-v1", 100_000, 8),
    Group("ppo pendulum", "ppo", "Pendulum-v1", 100_000, 8, {"gamma": 0.9}),
    Group("a2c cartpole", "a2c", "CartPole-v1", 50_000, 24),
    Group("reinforce cartpole", "reinforce", "CartPole-v1", 50_000, 16),
    Group("dqn cartpole", "dqn", "CartPole-v1", 30_000, 12),
    Group("sac pendulum", "sac", "Pendulum-v1", 8_000, 8),
)  # fmt: skip


# --- training -------------------------------------------------------------------------------------


def components(spoil: str) -> dict[str, Any]:
    """The faulty components of a group, by the names of the factory's arguments."""
    from reference_agents.returns import gae
    from reference_agents.targets import double_q_target, q_learning_target

    def negated(*args: Any, **inputs: Any) -> Any:
        return -gae(*args, **inputs)

    def zero(rewards: Any, *args: Any, **inputs: Any) -> Any:
        return gae(0.0 * rewards, *args, **inputs)

    def endless(rewards: Any, next_q: Any, terminated: Any, *args: Any, **inputs: Any) -> Any:
        return q_learning_target(rewards, next_q, terminated & False, *args, **inputs)

    def too_large(*args: Any, **inputs: Any) -> Any:
        return double_q_target(*args, **{**inputs, "gamma": 1.05})

    return {
        "": {},
        "negated_gae": {"gae": negated},
        "zero_gae": {"gae": zero},
        "no_terminal": {"q_learning_target": endless},
        "gamma_too_large": {"double_q_target": too_large},
    }[spoil]


def train(group: Group) -> dict[str, np.ndarray]:
    """What a group logged: name -> [S, T], thinned; NaN where a seed had nothing to log."""
    from reference_agents.settings import FACTORIES, GENERAL

    settings = {**GENERAL[group.algorithm], **group.settings, **components(group.spoil)}
    agent = FACTORIES[group.algorithm](group.env, seed=range(group.seeds), **settings)
    records: list[tuple[int, dict[str, np.ndarray]]] = []

    def keep(agent: Any, metrics: dict[str, Any]) -> None:
        values = {name: np.asarray(value, dtype=np.float32) for name, value in metrics.items()}
        records.append((agent.steps, values))

    agent.learn(group.steps, keep)
    chosen = np.unique(np.linspace(0, len(records) - 1, RECORDS).astype(int))
    kept = [records[at] for at in chosen]
    names = {name for _, values in kept for name in values}
    nothing = np.full(group.seeds, np.nan, dtype=np.float32)
    columns = {
        name: np.stack([values.get(name, nothing) for _, values in kept], axis=1) for name in names
    }
    return columns | {"step": np.array([step for step, _ in kept])}


def main_train(out: Path, only: str) -> None:
    stored = dict(np.load(out)) if out.exists() else {}
    for group in GROUPS:
        if not fnmatchcase(group.name, only):
            continue
        start = time.process_time()
        stored |= {f"{group.name}|{name}": values for name, values in train(group).items()}
        print(
            f"{group.name}: {group.seeds} seeds in {time.process_time() - start:.0f} s", flush=True
        )
        np.savez_compressed(out, **stored)


# --- judging --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Run:
    """One training: its group, its seed, what it logged."""

    group: Group
    seed: int
    log: Log

    @property
    def tuning(self) -> bool:
        """Whether it belongs to the half that was looked at while the detectors were written."""
        return self.seed % 2 == 0 and self.group.env == "CartPole-v1"


def runs(path: Path) -> Iterator[Run]:
    """Every stored training. NaN of a return means that no episode ended: such records are left out."""
    stored = np.load(path)
    for group in GROUPS:
        names = [key.partition("|")[2] for key in stored.files if key.startswith(group.name + "|")]
        if not names:
            continue
        steps = stored[f"{group.name}|step"].astype(float)
        names.remove("step")
        columns = {name: stored[f"{group.name}|{name}"].astype(float) for name in names}
        for seed in range(group.seeds):
            signals = {}
            for name, values in columns.items():
                own = values[seed]
                logged = ~np.isnan(own) if name.startswith("episode") else np.ones(len(own), bool)
                signals[name] = Series(steps[logged], own[logged])
            config: dict[str, Any] = {"env_id": group.env}
            if group.algorithm == "ppo":
                config["n_epochs"] = 4.0
            yield Run(group, seed, Log(signals, config))


def main_judge(path: Path) -> None:
    every = list(runs(path))
    for title, part in (
        ("tuning half", [run for run in every if run.tuning]),
        ("test half", [run for run in every if not run.tuning]),
    ):
        print(f"== {title}")
        report(part)


def report(part: list[Run]) -> None:
    healthy = flagged = sick = caught = named = 0
    for group in dict.fromkeys(run.group.name for run in part):
        own = [run for run in part if run.group.name == group]
        rows = [row(f"{group} {run.seed}", "", run.log) for run in own]
        alarms: dict[str, int] = {}
        for one in rows:
            name = one.named.removeprefix(PREFIX) or "-"
            alarms[name] = alarms.get(name, 0) + 1
        faults = own[0].group.faults
        print(f"  {group:34} {len(own):3} runs  {json.dumps(alarms)}")
        if faults:
            sick += len(own)
            caught += sum(bool(one.failed) for one in rows)
            named += sum(one.named.removeprefix(PREFIX) in faults for one in rows)
        else:
            healthy += len(own)
            flagged += sum(bool(one.failed) for one in rows)
    if sick:
        print(f"  flagged {caught} of {sick}, named right first {named} of {sick}")
    if healthy:
        bound = upper_bound(flagged, healthy)
        print(f"  false alarms {flagged} of {healthy}, at most {bound:.1%} with 95 % confidence")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("train", "judge"))
    parser.add_argument("--runs", "--out", type=Path, default=RUNS)
    parser.add_argument("--only", default="*", help="glob of groups to train")
    given = parser.parse_args()
    if given.what == "train":
        main_train(given.runs, given.only)
    else:
        main_judge(given.runs)


if __name__ == "__main__":
    main()
