"""A short training in the exam: what the agent stored for learning, beside what the environment did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ladders.env import encode_states
from ladders.exam import design
from ladders.mdp import MDP
from ladders.training import SHORT_STEPS, Latest, Trained, exam_gamma, small_rollout, train
from rlcheck.adapters.protocol import AgentSubject, Experience
from rlcheck.adapters.rng import preserved_rng
from rlcheck.records import Context, Evidence, Settings, Trial

ROLLOUT = {"n_steps": 256, "num_steps": 256}
"""Long enough to hold steps of every kind, where the subject lets its rollout be set."""
COLUMNS = ("actions", "rewards", "dones", "values", "log_probs", "advantages", "returns")
ROWS_WANTED, ROLLOUTS = 200, 60


def collect(subject: AgentSubject, trial: Trial, context: Context) -> Evidence:
    """Train shortly in the exam; what was stored, and what the environment did, as lists.

    Where a rollout is short, `learn` goes on until several are known.
    """
    key = (trial.seed, context.settings)
    return _latest.of(subject, key, lambda: _collect(subject, trial, context))


_latest: Latest[Evidence] = Latest()


def _collect(subject: AgentSubject, trial: Trial, context: Context) -> Evidence:
    named = context.facts.get("options", {})
    options = small_rollout(context.facts) | {k: v for k, v in ROLLOUT.items() if k in named}
    trained = train(subject, context, seed=trial.seed, steps=SHORT_STEPS, options=options)
    parts = [_part(trained)]
    length = len(parts[0]["actions"])
    short = parts[0]["advantages"] is not None and 0 < length < ROWS_WANTED
    wanted = min(ROLLOUTS, ROWS_WANTED // length) if short else 0
    return {"parts": [*parts, *_further(trained, length, wanted)]}


def collect_rollouts(
    subject: AgentSubject, context: Context, seed: int, steps: int, rows: int
) -> list[dict[str, Any]]:
    """What was stored after each of several `learn` of two rollouts of `steps` steps, in one agent.

    Two, so that the one which is kept does not begin with the reset of `learn`; as many as it takes
    to see `rows` of their ends.
    """
    trained = train(subject, context, seed=seed, steps=0)
    agent = trained.agent
    if agent.shorten_rollout is None:
        return []
    agent.shorten_rollout(steps)
    agent.learn(2 * steps)
    n_envs = _part(trained)["n_envs"]
    return _further(trained, 2 * steps * n_envs, rows // n_envs)


def _further(trained: Trained, steps: int, count: int) -> list[dict[str, Any]]:
    parts = []
    for _ in range(count):
        trained.agent.learn(steps)
        parts.append(_part(trained))
    return parts


def of_one_environment(parts: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same parts, each cut into what was stored of one environment, beside what happened there.

    Left out is what no record tells anything about.
    """
    found = []
    for part in parts:
        for index, happened in enumerate(part["happened"]):
            steps = len(part["actions"]) // part["n_envs"]
            rows = slice(index * steps, (index + 1) * steps)
            names = [name for name in ("states", "next_states", *COLUMNS) if part[name] is not None]
            found.append(
                dict.fromkeys(("states", "next_states", *COLUMNS))
                | {name: part[name][rows] for name in names}
                | {"happened": happened}
            )
    return found


def _part(trained: Trained) -> dict[str, Any]:
    """What is stored now, beside the environment's record of the same steps."""
    assert trained.agent.experience is not None
    with preserved_rng():
        stored = trained.agent.experience()
    drawn = stored.drawn or {}
    part: dict[str, Any] = {
        "states": _decoded(stored.observations, trained.mdp),
        "next_states": _decoded(stored.next_observations, trained.mdp),
        "alike": _numbered(stored.observations),
        "n_envs": stored.n_envs,
        "drawn": {name: np.asarray(column).tolist() for name, column in drawn.items()},
        "happened": _happened(trained, stored),
    }
    for name in COLUMNS:
        column = getattr(stored, name)
        part[name] = None if column is None else np.asarray(column, dtype=float).tolist()
    return part


def _happened(trained: Trained, stored: Experience) -> list[dict[str, list[int]]]:
    """The last steps of each environment that was stepped, in the order in which they are stored.

    Several environments are only known where the actions executed in each are those stored for it.
    """
    records = trained.recording.records()
    steps = len(stored.actions) // stored.n_envs
    if len(records) != stored.n_envs or any(len(record["states"]) < steps for record in records):
        return []
    last = [
        {name: record[name][-steps:].tolist() for name in ("states", "actions")}
        for record in records
    ]
    executed = np.concatenate([one["actions"] for one in last])
    return last if stored.n_envs == 1 or np.array_equal(executed, stored.actions) else []


def _numbered(observations: Any) -> list[int]:
    """A number for each distinct observation, so that rows with the same one are known."""
    flat = np.asarray(observations, dtype=float).reshape(len(observations), -1)
    return np.unique(flat, axis=0, return_inverse=True)[1].reshape(-1).tolist()


def _decoded(observations: Any, mdp: MDP) -> list[int] | None:
    """The state of every stored observation; None where one is not as the environment showed it."""
    if observations is None:
        return None
    flat = np.asarray(observations, dtype=float).reshape(len(observations), -1)
    codes = encode_states(mdp.n_states, "one-hot")
    if flat.shape[1] != codes.shape[1]:
        return None
    states = flat.argmax(axis=1)
    return [int(s) for s in states] if np.array_equal(codes[states], flat) else None


def exam_mdp(context: Context) -> MDP:
    """The tables of the exam that the subject was trained in."""
    return design(exam_gamma(context.facts, context.settings)).mdp


def shows_no_experience(facts: Evidence, settings: Settings) -> str | None:
    """Why stored experience cannot be looked at, None where it can."""
    known = "experience" in facts.get("capabilities", ())
    return None if known else "the subject does not show what it stores"
