"""How many seeds solve CartPole-v1 within 50,000 steps, and how soon.

    OMP_NUM_THREADS=1 python -m benchmarks.cartpole [--seeds 10] [--only ppo ...] [--out FILE.json]

A seed has solved the task when the mean of 100 greedy episodes, from starts that it never trained
on, is at least 475 at one of 25 evaluations: good runs of DQN and A2C get there and fall again, so
the last evaluation is reported beside it. All seeds of an algorithm train together on one thread;
the time is the processor time of training alone, which other processes hardly disturb.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from pathlib import Path
from typing import Any

import torch

from reference_agents.agent import Agent, Metrics
from reference_agents.envs import make_envs
from reference_agents.evaluation import evaluate
from reference_agents.settings import FACTORIES, GENERAL

STEPS, EVALUATIONS, EPISODES, SOLVED = 50_000, 25, 100, 475.0

# name: (algorithm, what differs from its general settings)
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "ppo": ("ppo", {}),
    "a2c": ("a2c", {}),
    "reinforce": ("reinforce", {"baseline": False, "lr": 1e-2, "hidden": (64,)}),
    "reinforce, baseline": ("reinforce", {}),
    "dqn": ("dqn", {"double": False}),
    "double dqn": ("dqn", {}),
    "dueling double dqn": ("dqn", {"dueling": True}),
    "prioritised double dqn": ("dqn", {"prioritised": True}),
}


class Judge:
    """Evaluates a training as it goes, without counting the time that takes.

    Args:
        num_seeds: S.
    """

    def __init__(self, num_seeds: int) -> None:
        self.solved_at: list[int | None] = [None] * num_seeds
        self.last: list[float] = []
        self.seconds, self.due = 0.0, 0

    def __call__(self, agent: Agent, metrics: Metrics) -> None:
        if agent.steps < self.due and agent.steps < agent.learn_until:
            return
        self.due = agent.steps + STEPS // EVALUATIONS
        start = time.process_time()
        env = make_envs("CartPole-v1", [1_000_000 + seed for seed in agent.seeds], EPISODES)
        self.last = evaluate(lambda rows: agent.act(rows, True), env).mean(dim=1).tolist()
        for seed, mean in enumerate(self.last):
            if mean >= SOLVED and self.solved_at[seed] is None:
                self.solved_at[seed] = agent.steps
        self.seconds += time.process_time() - start


def measure(name: str, num_seeds: int) -> dict[str, Any]:
    """Trains all seeds of one variant; counts, median and time."""
    algorithm, changes = VARIANTS[name]
    settings = GENERAL[algorithm] | changes
    agent = FACTORIES[algorithm]("CartPole-v1", seed=range(num_seeds), **settings)
    judge = Judge(num_seeds)
    start = time.process_time()
    agent.learn(STEPS, judge)
    seconds = time.process_time() - start - judge.seconds
    solved = sorted(steps for steps in judge.solved_at if steps is not None)
    return {
        "variant": name,
        "seeds": num_seeds,
        "solved": len(solved),
        "solved_at_the_end": sum(mean >= SOLVED for mean in judge.last),
        "median_steps": statistics.median(solved) if solved else None,
        "slowest_steps": solved[-1] if solved else None,
        "training_seconds": round(seconds, 1),
        "settings": settings,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    print("| variant | solved | at the end | median steps | slowest | training, s |")
    print("|---|---|---|---|---|---|")
    for name in arguments.only:
        row = measure(name, arguments.seeds)
        rows.append(row)
        print(
            f"| {name} | {row['solved']}/{row['seeds']} | "
            f"{row['solved_at_the_end']}/{row['seeds']} | {row['median_steps']} | "
            f"{row['slowest_steps']} | {row['training_seconds']} |",
            flush=True,
        )
    if arguments.out:
        machine = {"processor": platform.processor(), "torch": torch.__version__, "threads": 1}
        arguments.out.write_text(json.dumps({"machine": machine, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
