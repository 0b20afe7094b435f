"""Time of PPO and DQN on CartPole-v1 against Stable-Baselines3 and a single-file PPO, all in one run.

    OMP_NUM_THREADS=1 python -m benchmarks.speed_against_sb3 [--steps 50000] [--seeds 10] [--rounds 3]

Measured in turn, on one thread, training alone, in processor time (a busy machine stretches the
time on the wall several fold, and unevenly): ours with all seeds at once, the others with one seed,
multiplied by their number, as they train one seed after another. The table shows the median over
rounds, and the median of the rounds' own ratios with the smallest and the largest.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from benchmarks import single_file_ppo
from benchmarks.classic_tasks import DQN_CARTPOLE
from reference_agents.dqn import make_dqn
from reference_agents.ppo import make_ppo
from reference_agents.settings import GENERAL

_DQN = GENERAL["dqn"] | DQN_CARTPOLE


def timed(learn: Callable[[int], Any], steps: int) -> float:
    start = time.process_time()
    learn(steps)
    return time.process_time() - start


def our_ppo(steps: int, seeds: int) -> float:
    return timed(make_ppo("CartPole-v1", seed=range(seeds), **GENERAL["ppo"]).learn, steps)


def sb3_ppo(steps: int, seeds: int) -> float:
    from stable_baselines3 import PPO

    return seeds * timed(PPO("MlpPolicy", "CartPole-v1", seed=0, device="cpu").learn, steps)


def sb3_ppo_same_settings(steps: int, seeds: int) -> float:
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
    return seeds * timed(model.learn, steps)


def single_file(steps: int, seeds: int) -> float:
    return seeds * single_file_ppo.train(steps, seed=0)[0]


def our_dqn(steps: int, seeds: int) -> float:
    """Not double, as Stable-Baselines3's is not."""
    return timed(make_dqn("CartPole-v1", seed=range(seeds), **_DQN, double=False).learn, steps)


def our_double_dqn(steps: int, seeds: int) -> float:
    return timed(make_dqn("CartPole-v1", seed=range(seeds), **_DQN).learn, steps)


def sb3_dqn(steps: int, seeds: int) -> float:
    """As many environments, gradient steps and rows a step as ours."""
    from stable_baselines3 import DQN
    from stable_baselines3.common.env_util import make_vec_env

    settings = _DQN
    model = DQN(
        "MlpPolicy",
        make_vec_env("CartPole-v1", settings["num_envs"], seed=0),
        learning_rate=settings["lr"],
        batch_size=settings["batch_size"],
        train_freq=settings["train_every"],
        gradient_steps=settings["gradient_steps"],
        learning_starts=settings["learning_starts"],
        buffer_size=50_000,
        target_update_interval=settings["num_envs"],
        tau=settings["tau"],
        max_grad_norm=settings["max_grad_norm"],
        exploration_fraction=settings["exploration_fraction"],
        seed=0,
        device="cpu",
    )
    return seeds * timed(model.learn, steps)


# The first of each group is what the others are compared with.
GROUPS: dict[str, dict[str, Callable[[int, int], float]]] = {
    "ppo": {
        "reference_agents PPO, all seeds at once": our_ppo,
        "Stable-Baselines3 PPO, same settings": sb3_ppo_same_settings,
        "Stable-Baselines3 PPO, defaults": sb3_ppo,
        "single-file PPO, one seed": single_file,
    },
    "dqn": {
        "reference_agents DQN, all seeds at once": our_dqn,
        "Stable-Baselines3 DQN, as many gradient steps": sb3_dqn,
        "reference_agents double DQN, all seeds at once": our_double_dqn,
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=50_000)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=GROUPS, nargs="+", default=list(GROUPS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name, make in (("ppo", our_ppo), ("dqn", our_dqn)):
        if name in arguments.only:
            make(2_000, arguments.seeds)  # the first operations of a process are slower
    rounds: list[dict[str, float]] = []
    for _ in range(arguments.rounds):
        rounds.append(
            {
                name: run(arguments.steps, arguments.seeds)
                for group in arguments.only
                for name, run in GROUPS[group].items()
            }
        )
        print("round:", {name: round(s, 2) for name, s in rounds[-1].items()}, flush=True)
    print(f"| {arguments.seeds} seeds of {arguments.steps:,} steps | s | times ours (range) |")
    print("|---|---|---|")
    for group in arguments.only:
        first = next(iter(GROUPS[group]))
        for name in GROUPS[group]:
            seconds = statistics.median(row[name] for row in rounds)
            ratios = sorted(row[name] / row[first] for row in rounds)
            middle, spread = statistics.median(ratios), f"{ratios[0]:.1f} to {ratios[-1]:.1f}"
            print(f"| {name} | {seconds:.1f} | {middle:.1f} ({spread}) |")


if __name__ == "__main__":
    main()
