"""Time of PPO on CartPole-v1 against Stable-Baselines3, all in one run.

    OMP_NUM_THREADS=1 python -m benchmarks.speed_against_sb3 [--steps 50000] [--seeds 10]

Measured in turn, on one thread, training alone, in processor time (a busy machine stretches the
time on the wall several fold, and unevenly): ours with all seeds at once, Stable-Baselines3 with
the same hyper-parameters and with its defaults. SB3 trains one seed after another; one seed is timed
in each round and multiplied by their number. The table shows the median over rounds with the
smallest and largest ratio.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from reference_agents.ppo import make_ppo
from reference_agents.settings import GENERAL


def ours(steps: int, seeds: int) -> float:
    agent = make_ppo("CartPole-v1", seed=range(seeds), **GENERAL["ppo"])
    start = time.process_time()
    agent.learn(steps)
    return time.process_time() - start


def sb3_defaults(steps: int, seeds: int) -> float:
    from stable_baselines3 import PPO

    model = PPO("MlpPolicy", "CartPole-v1", seed=0, device="cpu")
    start = time.process_time()
    model.learn(steps)
    return (time.process_time() - start) * seeds


def sb3_same_settings(steps: int, seeds: int) -> float:
    from stable_baselines3 import PPO
    from stable_baselines3.common.env_util import make_vec_env

    settings = GENERAL["ppo"]
    rows = settings["num_envs"] * settings["num_steps"]
    model = PPO(
        "MlpPolicy",
        make_vec_env("CartPole-v1", settings["num_envs"], seed=0),
        n_steps=settings["num_steps"],
        batch_size=rows // settings["minibatches"],
        n_epochs=settings["epochs"],
        learning_rate=lambda left: 2.5e-3 * left,
        clip_range=lambda left: 0.2 * left,
        seed=0,
        device="cpu",
    )
    start = time.process_time()
    model.learn(steps)
    return (time.process_time() - start) * seeds


SUBJECTS: dict[str, Callable[[int, int], float]] = {
    "reference_agents PPO, all seeds at once": ours,
    "Stable-Baselines3 PPO, same settings": sb3_same_settings,
    "Stable-Baselines3 PPO, defaults": sb3_defaults,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=50_000)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rounds = []
    for _ in range(arguments.rounds):
        rounds.append(
            {name: run(arguments.steps, arguments.seeds) for name, run in SUBJECTS.items()}
        )
        print("round:", {name: round(seconds, 1) for name, seconds in rounds[-1].items()})
    first = next(iter(SUBJECTS))
    print(f"| {arguments.seeds} seeds of {arguments.steps} steps | s | times ours (range) |")
    print("|---|---|---|")
    for name in SUBJECTS:
        seconds = statistics.median(row[name] for row in rounds)
        ratios = sorted(row[name] / row[first] for row in rounds)
        middle = statistics.median(ratios)
        print(f"| {name} | {seconds:.1f} | {middle:.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f}) |")


if __name__ == "__main__":
    main()
