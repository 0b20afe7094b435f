"""Which agents solve which classic task, how soon, how reliably and in what time.

    OMP_NUM_THREADS=1 python -m benchmarks.classic_tasks [--only "CartPole-v1/ppo*"] [--write]

All seeds of a run train together on one thread. A seed has solved the task when the mean return of
greedy episodes, from starts that it never trained on, reaches the threshold at some evaluation: good
runs of DQN and A2C get there and fall again, so the last evaluation is reported beside it. Every run
is a line of `classic_tasks.jsonl`; started again, the command does only what is missing. `--write`
turns the lines into the tables of docs/reference_agents.md.

Time is the processor time of training alone, which other processes stretch much less than the time
on the wall.
"""

from __future__ import annotations

import argparse
import inspect
import json
import platform
import statistics
import time
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch

from benchmarks import classic_tasks_report as report
from reference_agents.agent import Agent, Metrics
from reference_agents.envs import make_envs
from reference_agents.evaluation import evaluate
from reference_agents.settings import FACTORIES, GENERAL

STORE = Path(__file__).with_suffix(".jsonl")
_EVALUATION_SEED = 1_000_000  # far from the training seeds: other starts than those learnt on


@dataclass(frozen=True)
class Task:
    """An environment, a budget and what counts as solved.

    Args:
        steps: environment steps a seed.
        threshold: mean return; Gymnasium's own `reward_threshold` where it has one.
        evaluations: over the training.
        episodes: of every evaluation and seed.
    """

    steps: int
    threshold: float
    evaluations: int = 25
    episodes: int = 100


@dataclass(frozen=True)
class Entry:
    """One run: an algorithm on a task.

    Args:
        task: environment id.
        algorithm: a key of `FACTORIES`.
        name: of the variant, where an algorithm has several.
        changes: what differs from the algorithm's general settings.
        seeds, steps: how many; None takes the task's steps.
        lr_scale: factor on every learning rate, for the sensitivity to settings.
    """

    task: str
    algorithm: str
    name: str
    changes: dict[str, Any] = field(default_factory=dict)
    seeds: int = 10
    steps: int | None = None
    lr_scale: float = 1.0

    @property
    def key(self) -> str:
        scale = "" if self.lr_scale == 1.0 else f"@{self.lr_scale:g}"
        return f"{self.task}/{self.name}{scale}"

    def settings(self) -> dict[str, Any]:
        """What the factory gets."""
        parameters = inspect.signature(FACTORIES[self.algorithm]).parameters
        rates = {name: p.default for name, p in parameters.items() if name.endswith("lr")}
        settings = rates | GENERAL[self.algorithm] | self.changes
        return settings | {name: settings[name] * self.lr_scale for name in rates}


TASKS = {
    "CartPole-v1": Task(50_000, 475.0),
    "Pendulum-v1": Task(20_000, -200.0),
    "Acrobot-v1": Task(1_000_000, -100.0, evaluations=20),
    "LunarLander-v3": Task(1_000_000, 200.0, evaluations=4, episodes=20),
}

# Values reach 100: the unit of the outputs is what decides here. A faster target carries values
# over the long horizon of this task sooner.
DQN_CARTPOLE = {"batch_size": 64, "lr": 1e-3, "tau": 0.05, "value_scale": 10.0}
# Solves it later with the same settings: twice the gradient steps, and a slower target for them.
PLAIN_DQN_CARTPOLE = DQN_CARTPOLE | {"double": False, "gradient_steps": 8, "tau": 0.02}

_CARTPOLE = [
    Entry("CartPole-v1", "ppo", "ppo"),
    Entry("CartPole-v1", "a2c", "a2c"),
    Entry(
        "CartPole-v1", "reinforce", "reinforce", {"baseline": False, "lr": 1e-2, "hidden": (64,)}
    ),
    Entry("CartPole-v1", "reinforce", "reinforce, baseline"),
    Entry("CartPole-v1", "dqn", "dqn", PLAIN_DQN_CARTPOLE),
    Entry("CartPole-v1", "dqn", "double dqn", DQN_CARTPOLE),
    Entry("CartPole-v1", "dqn", "dueling double dqn", DQN_CARTPOLE | {"dueling": True}),
    Entry("CartPole-v1", "dqn", "prioritised double dqn", DQN_CARTPOLE | {"prioritised": True}),
]
_PENDULUM = [
    Entry("Pendulum-v1", "sac", "sac"),
    Entry("Pendulum-v1", "ddpg", "ddpg", steps=30_000),
]
# The settings and steps of the run whose score was published (RL Baselines3 Zoo).
_LANDER = {
    "num_steps": 1_024,
    "minibatches": 256,
    "gamma": 0.999,
    "lam": 0.98,
    "lr": 3e-4,
    "entropy_coef": 0.01,
}
ENTRIES = [
    *_CARTPOLE,
    Entry("CartPole-v1", "ppo", "ppo, 40 seeds", seeds=40),
    *_PENDULUM,
    Entry("Acrobot-v1", "ppo", "ppo"),
    Entry("LunarLander-v3", "ppo", "ppo", _LANDER, seeds=3),
    *(
        Entry(e.task, e.algorithm, e.name, e.changes, e.seeds, e.steps, scale)
        for e in (*_CARTPOLE, *_PENDULUM)
        for scale in (0.5, 2.0)
    ),
]


class Judge:
    """Evaluates a training as it goes, without counting the time that takes.

    Args:
        entry: what is being trained.
    """

    def __init__(self, entry: Entry) -> None:
        self.entry, self.task = entry, TASKS[entry.task]
        self.solved_at: list[int | None] = [None] * entry.seeds
        self.last: list[float] = []
        self.seconds, self.due = 0.0, 0

    def __call__(self, agent: Agent, metrics: Metrics) -> None:
        finished = agent.steps >= agent.learn_until
        settled = None not in self.solved_at  # nothing more to learn from it but the last answer
        if not finished and (settled or agent.steps < self.due):
            return
        start = time.process_time()
        self.due = agent.steps + agent.learn_until // self.task.evaluations
        seeds = [_EVALUATION_SEED + seed for seed in agent.seeds]
        env = make_envs(self.entry.task, seeds, self.task.episodes)
        self.last = evaluate(lambda rows: agent.act(rows, True), env).mean(dim=1).tolist()
        for seed, mean in enumerate(self.last):
            if mean >= self.task.threshold and self.solved_at[seed] is None:
                self.solved_at[seed] = agent.steps
        self.seconds += time.process_time() - start


def measure(entry: Entry) -> dict[str, Any]:
    """Trains all seeds of one entry; what each of them reached, and the time."""
    settings = entry.settings()
    agent = FACTORIES[entry.algorithm](entry.task, seed=range(entry.seeds), **settings)
    judge = Judge(entry)
    start = time.process_time()
    agent.learn(entry.steps or TASKS[entry.task].steps, judge)
    seconds = time.process_time() - start - judge.seconds
    return {
        "key": entry.key,
        "task": entry.task,
        "algorithm": entry.algorithm,
        "name": entry.name,
        "lr_scale": entry.lr_scale,
        "steps": agent.learn_until,
        "threshold": judge.task.threshold,
        "solved_at": judge.solved_at,
        "last": [round(mean, 1) for mean in judge.last],
        "training_seconds": round(seconds, 1),
        "settings": settings,
        "machine": f"{platform.machine()}, torch {torch.__version__}, 1 thread",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="*", metavar="GLOB", help="runs by TASK/NAME[@LR_SCALE]")
    parser.add_argument("--store", type=Path, default=STORE, metavar="FILE")
    parser.add_argument("--write", action="store_true", help="only rewrite the tables of the docs")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    runs = report.stored(arguments.store)
    if arguments.write:
        report.write(runs)
        return
    done = {run["key"] for run in runs}
    for entry in ENTRIES:
        if entry.key in done or not fnmatchcase(entry.key, arguments.only):
            continue
        run = measure(entry)
        with arguments.store.open("a") as file:
            file.write(json.dumps(run) + "\n")
        solved = [steps for steps in run["solved_at"] if steps is not None]
        middle = statistics.median(solved) if solved else None
        print(
            f"{entry.key}: solved {len(solved)}/{entry.seeds}, median {middle} steps, at the end "
            f"{statistics.mean(run['last']):.1f}, {run['training_seconds']} s of training",
            flush=True,
        )


if __name__ == "__main__":
    main()
