"""How many of the exam's questions an agent with continuous actions answers wrong, by its settings.

    OMP_NUM_THREADS=1 python -m benchmarks.continuous_exam ddpg --set saturation_cost=0 --set noise=0.1

Seeds from 3,000 on, 8,192 steps, discount 0.9; one line with the wrong answers of each seed.
"""

from __future__ import annotations

import argparse

import torch

from ladders.env import TabularEnv, chosen_actions, encode_states
from ladders.exam import design
from reference_agents.settings import FACTORIES

GAMMA = 0.9


def wrong_answers(algorithm: str, seed: int, steps: int, settings: dict[str, float]) -> int:
    """Train one agent in the exam; how many questions does it answer wrong?"""
    exam = design(GAMMA)
    env = TabularEnv(exam.mdp, action="continuous", seed=seed)
    agent = FACTORIES[algorithm](env, seed=seed, gamma=GAMMA, **settings)
    agent.learn(steps)
    decisions = encode_states(exam.mdp.n_states, "one-hot")[exam.decisions]
    answers = chosen_actions(agent.predict(decisions), continuous=True)
    return int((answers != exam.right).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("algorithm", choices=("ddpg", "sac"))
    parser.add_argument("--set", action="append", default=[], metavar="NAME=NUMBER")
    parser.add_argument("--seeds", type=int, default=16)
    parser.add_argument("--first-seed", type=int, default=3_000)
    parser.add_argument("--steps", type=int, default=8_192)
    options = parser.parse_args()
    torch.set_num_threads(1)
    settings = {name: float(value) for name, value in (one.split("=") for one in options.set)}
    wrong = [
        wrong_answers(options.algorithm, options.first_seed + k, options.steps, settings)
        for k in range(options.seeds)
    ]
    asked = len(design(GAMMA).decisions) * options.seeds
    print(f"{settings or 'defaults'}: {sum(wrong)} of {asked} wrong, by seed {wrong}")


if __name__ == "__main__":
    main()
