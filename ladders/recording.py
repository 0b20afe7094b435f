"""What an agent did, recorded on the environment's side, so that nothing is asked of the agent.

One `Recorder` belongs to one environment instance. In process its arrays are read directly; in a
training script they are written to a folder named by the environment variable, one file an instance,
rewritten every few thousand steps and when the environment is closed.
"""

from __future__ import annotations

import atexit
import itertools
import os
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

FLUSH_EVERY, WATCH_EVERY = 2_000, 256


@dataclass
class Recorder:
    """States and executed actions of one environment, in order.

    Args:
        folder: where to write, "" to keep everything in memory.
        watch: called every few hundred steps, for progress displays.
    """

    folder: str = ""
    watch: Callable[[], None] | None = None
    states: array = field(default_factory=lambda: array("H"))
    actions: array = field(default_factory=lambda: array("b"))
    rewards: array = field(default_factory=lambda: array("f"))
    number: int = field(default_factory=itertools.count().__next__)
    before: float = 0.0

    def __post_init__(self) -> None:
        if self.folder:
            # A script that never closes its environments still leaves a whole record.
            atexit.register(self.flush)

    def step(self, state: int, action: int, reward: float) -> None:
        """Note one executed step."""
        if not self.states:
            self.before = time.process_time()
        self.states.append(state)
        self.actions.append(action)
        self.rewards.append(reward)
        if self.folder and len(self.states) % FLUSH_EVERY == 0:
            self.flush()
        if self.watch is not None and len(self.states) % WATCH_EVERY == 0:
            self.watch()

    def flush(self) -> None:
        """Write everything so far; the file is replaced in one move, so a reader sees all or none."""
        if not self.folder or not self.states:
            return
        # Numbered in the order of making, so that two trainings list their records alike.
        path = Path(self.folder) / f"record-{os.getpid():08d}-{self.number:04d}.npz"
        unfinished = path.with_suffix(".tmp.npz")
        columns = self.arrays()
        np.savez(
            unfinished,
            states=columns["states"],
            actions=columns["actions"],
            rewards=columns["rewards"],
            before=columns["before"],
        )
        os.replace(unfinished, path)

    def arrays(self) -> dict[str, np.ndarray]:
        """The record as arrays `states`, `actions`, `rewards`, all [steps], and `before` [].

        The last is the processor time in seconds that the process had used before the first step: a
        script does not learn slowly because its imports take long.
        """
        return {
            "states": np.array(self.states, dtype=np.int64),
            "actions": np.array(self.actions, dtype=np.int64),
            "rewards": np.array(self.rewards, dtype=np.float64),
            "before": np.array(self.before),
        }


def read_folder(folder: str) -> list[dict[str, np.ndarray]]:
    """Every record that environments of another process wrote into `folder`."""
    records = []
    for path in sorted(Path(folder).glob("record-*.npz")):
        if ".tmp" not in path.name:
            with np.load(path) as stored:
                records.append({name: stored[name] for name in stored.files})
    return records


def action_counts(
    records: list[dict[str, np.ndarray]], n_states: int, n_actions: int, first: float, last: float
) -> np.ndarray:
    """[S, A] how often each action was taken in each state between two fractions of the training."""
    counts = np.zeros((n_states, n_actions), dtype=np.int64)
    for record in records:
        steps = len(record["states"])
        window = slice(int(first * steps), int(np.ceil(last * steps)))
        np.add.at(counts, (record["states"][window], record["actions"][window]), 1)
    return counts


def majority(counts: np.ndarray, at_least: int = 5, share: float = 0.6) -> np.ndarray:
    """[D] the action that was mostly taken, -1 where too rare or too even to say."""
    total = counts.sum(axis=1)
    clear = counts.max(axis=1) >= np.maximum(at_least, share * total)
    return np.where(clear, counts.argmax(axis=1), -1)
