"""The tables of docs/reference_agents.md, from the runs of `classic_tasks`."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from reference_agents.settings import FACTORIES

Run = Mapping[str, Any]

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference_agents.md"
BEGIN, END = "<!-- generated: {} -->", "<!-- end: {} -->"
NOTHING = "–"


def stored(path: Path) -> list[dict[str, Any]]:
    """The runs of a store."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def write(runs: Sequence[Run], page: Path = PAGE) -> None:
    """Replaces the tables of the page; raises as `replace_blocks`."""
    replace_blocks({"tasks": tasks_table(runs), "matrix": matrix(runs)}, page)


def replace_blocks(blocks: Mapping[str, str], page: Path = PAGE) -> None:
    """Replaces generated blocks of the page, by name.

    Raises:
        ValueError: the page has no place for a block.
    """
    text = page.read_text()
    for name, block in blocks.items():
        begin, end = BEGIN.format(name), END.format(name)
        if begin not in text or end not in text:
            raise ValueError(f"{page} must hold the lines {begin!r} and {end!r}; add them.")
        before, rest = text.split(begin, 1)
        text = f"{before}{begin}\n{block}\n{end}{rest.split(end, 1)[1]}"
    page.write_text(text)


def solved(run: Run) -> list[int]:
    """Steps at which the seeds solved the task, those that did."""
    return sorted(steps for steps in run["solved_at"] if steps is not None)


def share(count: int, run: Run) -> str:
    return f"{count}/{len(run['solved_at'])}"


def at_the_end(run: Run) -> str:
    return share(sum(mean >= run["threshold"] for mean in run["last"]), run)


def median_steps(run: Run) -> str:
    steps = solved(run)
    return f"{statistics.median(steps):,.0f}" if steps else NOTHING


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def tasks_table(runs: Sequence[Run]) -> str:
    """One row a run with the learning rate as it is."""
    head = [
        "task",
        "agent",
        "steps",
        "solved",
        "at the end",
        "median solved at",
        "slowest",
        "returns at the end: mean (worst seed)",
        "training, s",
    ]
    rows = [
        [
            f"{run['task']} (>= {run['threshold']:g})",
            run["name"],
            f"{run['steps']:,}",
            share(len(solved(run)), run),
            at_the_end(run),
            median_steps(run),
            f"{solved(run)[-1]:,}" if solved(run) else NOTHING,
            f"{statistics.mean(run['last']):.1f} ({min(run['last']):.1f})",
            f"{run['training_seconds']:.1f}",
        ]
        for run in runs
        if run["lr_scale"] == 1.0
    ]
    return table(head, rows)


def action_spaces(algorithm: str) -> str:
    """Which action spaces the factory accepts, by asking it."""
    accepted = []
    for kind, env in (("discrete", "CartPole-v1"), ("continuous", "Pendulum-v1")):
        try:
            FACTORIES[algorithm](env, seed=0)
        except TypeError:
            continue
        accepted.append(kind)
    return ", ".join(accepted)


def matrix(runs: Sequence[Run]) -> str:
    """Algorithm against action space, sample efficiency, stability and time."""
    by_key = {run["key"]: run for run in runs}
    head = [
        "agent",
        "actions",
        "measured on",
        "sample efficiency: median steps until solved",
        "seeds that solved it (that were there at the end)",
        "the same at half the learning rate",
        "at twice",
        "training, s a seed",
    ]
    rows = []
    for run in runs:
        if run["lr_scale"] != 1.0:
            continue
        others = [by_key.get(f"{run['key']}@{scale:g}") for scale in (0.5, 2.0)]
        rows.append(
            [
                run["name"],
                action_spaces(run["algorithm"]),
                run["task"],
                median_steps(run),
                stability(run),
                *(stability(other) if other else NOTHING for other in others),
                f"{run['training_seconds'] / len(run['solved_at']):.1f}",
            ]
        )
    return table(head, rows)


def stability(run: Run) -> str:
    return f"{share(len(solved(run)), run)} ({at_the_end(run)})"
