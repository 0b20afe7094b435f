"""How far an agent's return falls where the environment is not as in training.

    grid = robustness(policy, "CartPole-v1")
    print(grid)             # return with its 95 % interval, and the gap to the training conditions
    grid.plot("grid.png")   # needs matplotlib

`standard_perturbations(env)` makes the grid that fits the spaces of an environment; another one is a
dictionary family -> level -> wrapper: {"gravity": {"12": lambda env: Physics(env, {"gravity": 12})}}.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from ladders.perturbations import (
    ActionNoise,
    DelayedActions,
    ObservationNoise,
    Physics,
    StickyActions,
)

Change = Callable[[gymnasium.Env], gymnasium.Env]
RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Cell:
    """One condition of the grid.

    Args:
        perturbation: its family, "" for the training conditions.
        level: which strength of it.
        returns: one an episode.
        mean, low, high: of the return, with a 95 % bootstrap interval.
    """

    perturbation: str
    level: str
    returns: tuple[float, ...]
    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Grid:
    """Returns of one policy over all conditions; the first cell is the training conditions."""

    cells: tuple[Cell, ...]

    @property
    def base(self) -> Cell:
        """The training conditions."""
        return self.cells[0]

    def gap(self, cell: Cell) -> float:
        """Return lost against the training conditions."""
        return self.base.mean - cell.mean

    def significant(self, cell: Cell) -> bool:
        """Whether the intervals of a cell and of the training conditions are apart."""
        return cell.high < self.base.low or cell.low > self.base.high

    def __str__(self) -> str:
        lines = [
            "| perturbation | level | return | 95 % interval | lost |",
            "|---|---|---|---|---|",
        ]
        for cell in self.cells:
            lost = "" if cell is self.base else f"{self.gap(cell):.4g}"
            mark = " *" if cell is not self.base and self.significant(cell) else ""
            name = cell.perturbation or "as in training"
            lines.append(
                f"| {name} | {cell.level} | {cell.mean:.4g} | {cell.low:.4g} to {cell.high:.4g} "
                f"| {lost}{mark} |"
            )
        return "\n".join(lines)

    def plot(self, path: str) -> None:
        """Write a picture: one row a condition, mean and interval, the training conditions shaded."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7.0, 0.6 + 0.35 * len(self.cells)), layout="constrained")
        axes = figure.add_subplot()
        rows = np.arange(len(self.cells))
        means = np.array([cell.mean for cell in self.cells])
        spans = np.array([[c.mean - c.low, c.high - c.mean] for c in self.cells]).T
        axes.axvspan(self.base.low, self.base.high, color="0.9")
        axes.errorbar(means, rows, xerr=spans, fmt="o", capsize=3)
        labels = [f"{c.perturbation} {c.level}".strip() or "as in training" for c in self.cells]
        axes.set_yticks(rows, labels)
        axes.invert_yaxis()
        axes.set_xlabel("return, mean and 95 % interval")
        figure.savefig(path)


def robustness(
    policy: Callable[[Any], Any] | Any,
    env: str | Callable[[], gymnasium.Env],
    perturbations: Mapping[str, Mapping[str, Change]] | None = None,
    *,
    episodes: int = 20,
    seed: int = 0,
) -> Grid:
    """Play a policy under every perturbation, with the same seeds everywhere.

    Args:
        policy: observation -> action, or an object with `predict(observation, deterministic=True)`.
        env: an id, or what makes an environment.
        perturbations: family -> level -> wrapper; None takes `standard_perturbations`.
        episodes: per condition.
        seed: of the first episode; episode i has seed + i.
    """
    make = functools.partial(gymnasium.make, env) if isinstance(env, str) else env
    act = policy if not hasattr(policy, "predict") else _predictor(policy)
    if perturbations is None:
        with closing(make()) as one:
            perturbations = standard_perturbations(one)
    cells = [_cell("", "", _returns(act, make, lambda one: one, episodes, seed))]
    for family, levels in perturbations.items():
        for level, change in levels.items():
            cells.append(_cell(family, level, _returns(act, make, change, episodes, seed)))
    return Grid(tuple(cells))


def standard_perturbations(env: gymnasium.Env) -> dict[str, dict[str, Change]]:
    """Noise, delay and sticky actions in two strengths, and physics 20 % off where known by name."""
    found: dict[str, dict[str, Change]] = {}
    if isinstance(env.observation_space, spaces.Box):
        found["observation noise"] = {
            f"{s:g}": functools.partial(ObservationNoise, scale=s) for s in (0.01, 0.1)
        }
    if isinstance(env.action_space, spaces.Discrete | spaces.Box):
        found["action noise"] = {
            f"{s:g}": functools.partial(ActionNoise, scale=s) for s in (0.1, 0.3)
        }
    found["sticky actions"] = {
        f"{p:g}": functools.partial(StickyActions, probability=p) for p in (0.25, 0.5)
    }
    found["delayed actions"] = {
        f"{n} step{'s' * (n > 1)}": functools.partial(DelayedActions, steps=n) for n in (1, 3)
    }
    for name in ("gravity", "g", "masspole", "m", "length", "l", "force_mag", "max_torque"):
        value = getattr(env.unwrapped, name, None)
        if isinstance(value, float | int) and not isinstance(value, bool) and math.isfinite(value):
            found[name] = {
                f"{value * factor:.3g}": functools.partial(
                    Physics, parameters={name: value * factor}
                )
                for factor in (0.8, 1.2)
            }
    return found


def _predictor(agent: Any) -> Callable[[Any], Any]:
    def act(observation: Any) -> Any:
        said = agent.predict(observation, deterministic=True)
        return said[0] if isinstance(said, tuple) else said

    return act


def _returns(
    act: Callable[[Any], Any],
    make: Callable[[], gymnasium.Env],
    change: Change,
    episodes: int,
    seed: int,
) -> Sequence[float]:
    returns = []
    with closing(change(make())) as env:
        for episode in range(episodes):
            observation, _ = env.reset(seed=seed + episode)
            total, over = 0.0, False
            while not over:
                observation, reward, terminated, truncated, _ = env.step(act(observation))
                total += float(reward)
                over = terminated or truncated
            returns.append(total)
    return returns


def _cell(family: str, level: str, returns: Sequence[float]) -> Cell:
    data = np.array(returns)
    rng = np.random.default_rng(0)
    means = data[rng.integers(len(data), size=(RESAMPLES, len(data)))].mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return Cell(family, level, tuple(returns), float(data.mean()), float(low), float(high))
