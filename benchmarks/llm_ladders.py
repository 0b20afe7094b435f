"""How near the reference algorithms of language-model RL come to what is known exactly.

    OMP_NUM_THREADS=1 python -m benchmarks.llm_ladders [--seeds 5]

Three tables: distance to the KL-regularised optimum of a token tree; a verifiable task for a small
transformer; a proxy reward that is over-optimised. Means over seeds, with the worst seed beside them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from benchmarks.llm_learners import (
    make_dpo,
    make_grpo,
    make_learned_reward,
    make_rlhf,
    make_sft,
)
from benchmarks.llm_sorting import SORTERS, solve
from ladders.llm.over_optimisation import is_over_optimised, peak, proxy_problem, standing
from ladders.llm.rungs import MakeLearner, TreeProblem
from ladders.llm.rungs import standing as tree_standing
from ladders.llm.token_tree import (
    TokenTree,
    divergence,
    forward_penalty_optimum,
    optimum,
    random_tree,
)

BETA = 0.5
dr_grpo = partial(make_grpo, baseline="mean", ratio="token", aggregation="constant")
TREE_LEARNERS: dict[str, tuple[MakeLearner, int]] = {
    "SFT on 20,000 responses drawn from pi*": (make_sft, 500),
    "DPO on 20,000 sampled preferences": (make_dpo, 500),
    "DPO on every pair in proportion": (partial(make_dpo, count=None), 500),
    "reward model on 20,000 preferences, then RLHF": (make_learned_reward, 300),
    "RLHF (PPO, critic)": (make_rlhf, 300),
    "RLOO (leave-one-out, sequence ratio)": (make_grpo, 400),
    "Dr. GRPO, price in the reward": (dr_grpo, 400),
}


def tree_table(seeds: range) -> None:
    print("| algorithm | KL(pi, pi*), mean | worst seed | responses used | CPU s a seed |")
    print("|---|---|---|---|---|")
    for name, (make, updates) in TREE_LEARNERS.items():
        began, distances = time.process_time(), []
        for seed in seeds:
            tree = random_tree(num_prompts=2, vocabulary=3, length=2, seed=seed, uniform=False)
            problem = TreeProblem(tree, BETA)
            learner = make(problem, seed)
            learner.learn(updates)
            reached = tree_standing(problem, learner)
            distances.append(reached.distance)
        spent = (time.process_time() - began) / len(seeds)
        row = f"{np.mean(distances):.1e} | {max(distances):.1e} | {reached.samples:,} | {spent:.1f}"
        print(f"| {name} | {row} |", flush=True)


def forward_table(seeds: range) -> None:
    print("| k3 in the loss, bandit of 3 | mean | worst seed |\n|---|---|---|")
    to_own, to_best = [], []
    for seed in seeds:
        tree = random_tree(num_prompts=2, vocabulary=3, length=1, seed=seed, uniform=False)
        # Against the group's mean the reward's gradient, but not the penalty's, would be (G - 1)/G.
        learner = make_grpo(
            TreeProblem(tree, BETA),
            seed,
            kl_placement="loss",
            ratio="token",
            aggregation="constant",
        )
        learner.learn(400)
        policy = learner.probabilities()
        to_own.append(divergence(policy, forward_penalty_optimum(tree, BETA)).mean())
        to_best.append(divergence(policy, optimum(tree, BETA)).mean())
    print(
        f"| KL to the optimum of the forward penalty | {np.mean(to_own):.1e} | {max(to_own):.1e} |"
    )
    print(f"| KL to pi* | {np.mean(to_best):.1e} | {max(to_best):.1e} |", flush=True)


def sorting_table(seeds: range) -> None:
    print(
        "| algorithm | solved at the end, mean | worst | responses to 95 %, mean | worst | CPU s |"
    )
    print("|---|---|---|---|---|---|")
    for name, make in SORTERS.items():
        began = time.process_time()
        results = [solve(make, seed) for seed in seeds]
        spent = (time.process_time() - began) / len(seeds)
        solved = [result.solved for result in results]
        used = [result.samples for result in results]
        row = f"{np.mean(solved):.3f} | {min(solved):.3f} | {np.mean(used):,.0f} | {max(used):,}"
        print(f"| {name} | {row} | {spent:.1f} |", flush=True)


def proxy_table(seeds: range) -> None:
    problem = proxy_problem()
    tree = TokenTree(problem.proxy[None], problem.reference[None, None], 1)
    top = peak(problem)
    print(f"\nBest true reward on the curve of optima: {top.true:.3f} at {top.kl:.2f} nats.\n")
    print("| price of a nat | proxy, end | true, best | true, end | nats, end | over-optimised |")
    print("|---|---|---|---|---|---|")
    for beta in (0.0, 0.1, 0.5):
        walks = []
        for seed in seeds:
            learner = make_grpo(TreeProblem(tree, beta), seed)
            walk = []
            for _ in range(20):
                learner.learn(10)
                walk.append(standing(problem, learner.probabilities()[0]))
            walks.append(walk)
        ends = np.mean([walk[-1] for walk in walks], axis=0)
        best = np.mean([max(point.true for point in walk) for walk in walks])
        flagged = sum(is_over_optimised(walk, problem) for walk in walks)
        row = f"{ends[1]:.3f} | {best:.3f} | {ends[2]:.3f} | {ends[0]:.2f}"
        print(f"| {beta:g} | {row} | {flagged} of {len(walks)} |", flush=True)


TABLES: dict[str, Callable[[range], None]] = {
    "Distance to the optimum of a token tree": tree_table,
    "Where the k3 penalty in the loss leads": forward_table,
    "Sorting three digits": sorting_table,
    "A proxy reward": proxy_table,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", choices=[str(k) for k in range(len(TABLES))], default=None)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for k, (title, table) in enumerate(TABLES.items()):
        if arguments.only in (None, str(k)):
            print(f"\n## {title}\n")
            table(range(arguments.seeds))
    print(f"\nCPU time in all: {time.process_time():.0f} s")


if __name__ == "__main__":
    main()
