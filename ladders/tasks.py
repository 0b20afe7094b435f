"""The environments of the ladder as `Task`s: built in process, or by id inside a training script.

A script cannot be handed an object, so the settings of its environment travel in one environment
variable, as JSON: RLCHECK_TASK = {"gamma": 0.9, "action": "discrete", "seed": 0, "folder": "..."}.
"""

from __future__ import annotations

import itertools
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import gymnasium
import numpy as np

from ladders.env import TabularEnv
from ladders.exam import compose, design, forced
from ladders.mdp import MDP
from ladders.questions import pay_later
from ladders.recording import Recorder, read_folder
from rlcheck.adapters.protocol import Task

VARIABLE = "RLCHECK_TASK"
_instances = itertools.count()


@dataclass
class Recording:
    """Every environment that one task has built, and what was done in them."""

    folder: str = ""
    envs: list[TabularEnv] = field(default_factory=list)

    def records(self) -> list[dict[str, np.ndarray]]:
        """One record an environment, from memory and from files."""
        inside = [env.recorder.arrays() for env in self.envs if len(env.recorder.states)]
        return inside + (read_folder(self.folder) if self.folder else [])


def tabular_task(
    mdp: MDP,
    env_id: str,
    *,
    gamma: float,
    seed: int,
    action: str = "discrete",
    folder: str = "",
    watch: Callable[[int], None] | None = None,
) -> tuple[Task, Recording]:
    """A task in a finite MDP, and the recording of what is done in it.

    Args:
        mdp: the tables.
        env_id: the id under which a script builds the same environment.
        gamma: the discount the exam was designed for.
        seed: of the first reset; the i-th environment gets a stream of its own.
        action: "discrete" or "continuous".
        folder: where environments in other processes may write what was done.
        watch: told now and then how many steps were taken in this process.
    """
    # Several trainings of one trial share the folder of the trial; each records into its own.
    folder = tempfile.mkdtemp(dir=folder) if folder else ""
    recording = Recording(folder)

    def told() -> None:
        if watch is not None:
            watch(sum(len(env.recorder.states) for env in recording.envs))

    def make_env() -> gymnasium.Env:
        env_seed = int(np.random.SeedSequence([seed, len(recording.envs)]).generate_state(1)[0])
        env = TabularEnv(mdp, action=action, seed=env_seed, recorder=Recorder(watch=told))
        recording.envs.append(env)
        return env

    settings = {"gamma": gamma, "action": action, "seed": seed, "folder": folder}
    return Task(env_id, make_env, {VARIABLE: json.dumps(settings)}), recording


def _from_environment(mdp_of: Any, keywords: dict[str, Any]) -> TabularEnv:
    """Build an environment by id, with the settings of RLCHECK_TASK and of `make` itself."""
    settings = json.loads(os.environ.get(VARIABLE, "{}")) | keywords
    seed = settings.get("seed")
    if seed is not None:
        seed = int(np.random.SeedSequence([seed, next(_instances)]).generate_state(1)[0])
    return TabularEnv(
        mdp_of(settings.get("gamma", 0.9)),
        observation=settings.get("observation", "one-hot"),
        action=settings.get("action", "discrete"),
        seed=seed,
        recorder=Recorder(settings.get("folder", "")),
    )


def make_exam_env(**keywords: Any) -> TabularEnv:
    """`ladders:Exam-v0`; keywords gamma, observation, action, seed."""
    return _from_environment(lambda gamma: design(gamma).mdp, keywords)


def make_long_walk_env(**keywords: Any) -> TabularEnv:
    """`ladders:LongWalk-v0`: one step now, or a long way to what is paid late."""
    return _from_environment(lambda gamma: long_walk_mdp(), keywords)


def make_one_step_env(**keywords: Any) -> TabularEnv:
    """`ladders:OneStep-v0`: one state, one step, reward 1 for action 1 and 0 for action 0."""
    return _from_environment(lambda gamma: one_step_mdp(), keywords)


@cache
def one_step_mdp() -> MDP:
    """One state, one step: reward 0 for action 0, reward 1 for action 1."""
    return MDP(
        transitions=np.ones((1, 2, 1)),
        rewards=np.array([[0.0, 1.0]]),
        terminated=np.ones((1, 2), dtype=bool),
        truncated=np.zeros((1, 2), dtype=bool),
        start=np.ones(1),
        names=("only",),
    )


DELAY, BETWEEN = 30, 0.995
LATE = 1.0 / BETWEEN**DELAY
ASKED = {"wait": 1, "wait-again": 0}
"""Question -> the action that waits; both numberings, so that a habit is not taken for an answer."""
CONTROL, CONTROL_WAITS, CONTROL_PAYS = "surely-wait", 1, 1.5
"""What both discounts wait for, by a margin so small that values half way from zero would not."""


@cache
def long_walk_mdp() -> MDP:
    """Twice 1 now or a little more much later, and once much more, which both discounts wait for."""
    asked = [pay_later(name, 1.0, LATE, DELAY, True, action) for name, action in ASKED.items()]
    control = pay_later(CONTROL, 1.0, CONTROL_PAYS, DELAY, True, CONTROL_WAITS)
    return compose((*asked, control, *forced()))
