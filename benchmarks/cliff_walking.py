"""Cliff walking: Q-learning learns the edge, SARSA the detour (Sutton and Barto 2018, example 6.6).

    python -m benchmarks.cliff_walking --out docs/cliff_walking.png

Both explore with epsilon 0.1 throughout. Q-learning learns the values of the shortest path and pays
for its exploring steps with falls; SARSA learns that exploring near the edge is dear and walks round.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import gymnasium
import numpy as np

from reference_agents.tabular import make_expected_sarsa, make_q_learning, make_sarsa
from reference_agents.tabular_agent import TabularAgent

ENV, N_ROWS, N_COLUMNS = "CliffWalking-v1", 4, 12
ALGORITHMS: dict[str, Callable[..., TabularAgent]] = {
    "Q-learning": make_q_learning,
    "SARSA": make_sarsa,
    "expected SARSA": make_expected_sarsa,
}


class Outcome(NamedTuple):
    """What one algorithm did over all seeds."""

    episode_returns: np.ndarray  # [seeds, episodes], up to the shortest training
    greedy_returns: list[float]  # a seed
    path: list[int]  # the most frequent greedy path


def greedy_path(agent: TabularAgent, max_steps: int = 100) -> tuple[float, list[int]]:
    """Return and states of the greedy policy; the return is -inf where it does not arrive."""
    env = gymnasium.make(ENV)
    state, _ = env.reset()
    path, total = [int(state)], 0.0
    for _ in range(max_steps):
        state, reward, terminated, _, _ = env.step(agent.predict(state))
        path.append(int(state))
        total += float(reward)
        if terminated:
            return total, path
    return -np.inf, path


def train(make: Callable[..., TabularAgent], n_seeds: int, n_steps: int, alpha: float) -> Outcome:
    agents = [
        make(
            gymnasium.make(ENV),
            seed=seed,
            gamma=1.0,
            learning_rate=alpha,
            anneal=False,
            epsilon_start=0.1,
            epsilon_end=0.1,
        ).learn(n_steps)
        for seed in range(n_seeds)
    ]
    ends = [greedy_path(agent) for agent in agents]
    n_episodes = min(len(agent.episode_returns) for agent in agents)
    arrived = [tuple(path) for total, path in ends if np.isfinite(total)]
    path, _ = Counter(arrived or [tuple(ends[0][1])]).most_common(1)[0]
    return Outcome(
        np.array([agent.episode_returns[:n_episodes] for agent in agents]),
        [total for total, _ in ends],
        list(path),
    )


def draw(outcomes: dict[str, Outcome], out: str) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (grid, curves) = plt.subplots(2, 1, figsize=(8, 7), height_ratios=[1, 1.5])
    grid.set(xlim=(-0.5, N_COLUMNS - 0.5), ylim=(N_ROWS - 0.5, -0.5), aspect="equal")
    grid.set_xticks(np.arange(N_COLUMNS + 1) - 0.5, labels=[])
    grid.set_yticks(np.arange(N_ROWS + 1) - 0.5, labels=[])
    grid.grid(color="0.85")
    grid.add_patch(plt.Rectangle((0.5, N_ROWS - 1.5), N_COLUMNS - 2, 1, color="0.75"))
    for x, label in ((0, "S"), (N_COLUMNS / 2 - 0.5, "the cliff"), (N_COLUMNS - 1, "G")):
        grid.text(x, N_ROWS - 0.75, label, ha="center", va="center")
    grid.set_title("Greedy path after learning (the most frequent one over the seeds)")
    for i, (name, outcome) in enumerate(outcomes.items()):
        rows, columns = np.divmod(outcome.path, N_COLUMNS)
        nudge = 0.08 * (i - 1)  # so that shared cells show every line
        grid.plot(columns + nudge, rows + nudge, linewidth=2.5, label=name)
        smooth = moving_average(outcome.episode_returns, width=10)
        episodes = np.arange(smooth.shape[1]) + 10
        mean = smooth.mean(axis=0)
        error = 1.96 * smooth.std(axis=0, ddof=1) / np.sqrt(len(smooth))
        curves.plot(episodes, mean, label=f"{name}: greedy path {len(outcome.path) - 1} steps")
        curves.fill_between(episodes, mean - error, mean + error, alpha=0.25)
    curves.set(
        xlabel="episode",
        ylabel="return while exploring, mean of 10 episodes",
        ylim=(-120, 0),
        xlim=(0, min(outcome.episode_returns.shape[1] for outcome in outcomes.values())),
        title=f"Return while learning, {len(smooth)} seeds, band: 95 % interval of the mean",
    )
    curves.legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(out, dpi=120)


def moving_average(rows: np.ndarray, width: int) -> np.ndarray:
    """[S, N] -> [S, N - width + 1] means over windows."""
    totals = np.cumsum(np.pad(rows, ((0, 0), (1, 0))), axis=1)
    return (totals[:, width:] - totals[:, :-width]) / width


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="docs/cliff_walking.png")
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--learning-rate", type=float, default=0.5)
    arguments = parser.parse_args()
    outcomes = {
        name: train(make, arguments.seeds, arguments.steps, arguments.learning_rate)
        for name, make in ALGORITHMS.items()
    }
    for name, outcome in outcomes.items():
        last = outcome.episode_returns[:, -100:].mean(axis=1)
        print(
            f"{name:15} greedy return {dict(Counter(outcome.greedy_returns).most_common(4))}, "
            f"last 100 episodes while exploring {last.mean():.1f} (sd {last.std(ddof=1):.1f})"
        )
    draw(outcomes, arguments.out)
    print(f"wrote {arguments.out}")


if __name__ == "__main__":
    main()
