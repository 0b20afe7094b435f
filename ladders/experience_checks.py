"""What an agent stored for learning, against what the environment did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ladders import stored_batches, stored_rows
from ladders.advantage_check import ADVANTAGES
from ladders.experience import (
    COLUMNS,
    collect,
    exam_mdp,
    of_one_environment,
    shows_no_experience,
)
from ladders.mdp import MDP
from ladders.outcomes import failed
from ladders.stored_rows import Rows
from rlcheck.records import Check, Context, Evidence, Outcome, Status, one_trial


def judge_rows(evidence: Evidence, context: Context) -> Outcome:
    """Every row is a step of the environment; a departure is named where a mistake explains it all."""
    part = _one_part(evidence["parts"])
    rows = None if part is None else _rows(part, context)
    if part is None or rows is None or not len(rows.states):
        message = "nothing was stored, or not in the form in which the environment gave it"
        return Outcome(Status.SKIPPED, message)
    mdp = exam_mdp(context)
    found = _explanations(mdp, rows, part)
    if found is None:
        message = (
            "stored rows depart from the steps of the environment in a way that no mistake explains"
        )
        return Outcome(Status.SKIPPED, f"{message} (scaled rewards, n-step returns)")
    if not found:
        return Outcome(Status.PASSED, f"{len(rows.states)} stored rows were looked at")
    proof: dict[str, list[str]] = {}
    for one in found:
        state, action = mdp.names[rows.states[one.row]], rows.actions[one.row]
        proof[one.fault] = [
            f"stored row {one.row}: state {state!r}, action {action}",
            f"{one.column}: expected {one.expected}, stored {one.stored}",
        ]
    message = "; ".join(
        f"{one.telling} of {len(rows.states)} stored rows hold another {one.column} than the "
        "environment gave, all of them in one way"
        for one in found
    )
    suspects = dict.fromkeys(proof, 0.95 / len(proof))
    return Outcome(Status.FAILED, message, {"proof": proof}, suspects)


def _one_part(parts: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """A replay memory as it is; of a rollout, the steps of one environment."""
    if parts[0]["dones"] is not None:
        return parts[0]
    return next(iter(of_one_environment(parts)), None)


def _explanations(
    mdp: MDP, rows: Rows, part: dict[str, Any]
) -> list[stored_rows.Explanation] | None:
    """Mistakes that concern whole rows, else those of single columns; None: something unexplained."""
    if part["dones"] is None:
        whole = stored_rows.late_observation(mdp, rows, np.array(part["states"]))
    else:
        whole = stored_rows.stale_observation(mdp, rows) or stored_rows.foreign_next_observation(
            mdp, rows
        )
    return [whole] if whole else stored_rows.explanations(mdp, rows)


def _rows(part: dict[str, Any], context: Context) -> Rows | None:
    if part["states"] is None or part["rewards"] is None:
        return None
    rewards = np.array(part["rewards"])
    if part["dones"] is None:
        # A rollout is in order: what was done is known from the environment, wherever it is stored.
        happened = part["happened"]
        return Rows(np.array(happened["states"]), np.array(happened["actions"]), rewards)
    if part["next_states"] is None:
        return None
    stored = part["states"], part["actions"], rewards, part["next_states"], part["dones"]
    rows = Rows(*(np.array(column) for column in stored))
    if context.facts.get("actions") == "continuous":
        return stored_rows.with_likely_actions(exam_mdp(context), rows)
    return replace(rows, actions=rows.actions.astype(int))


ROWS = Check(
    name="agent/stores-what-happened",
    title="Every stored row is a step of the environment: its reward, what followed, whether it ended.",
    explanation=(
        "In the exam the reward, the next observation and the end flag are functions of the observation "
        "and the action, so every row that the agent learns from can be checked by itself. A column "
        "that is one step late, an end that is missing or a row made of two is named by the model that "
        "explains every row; what no model explains (n-step rewards, scaled rewards) is not called wrong."
    ),
    trial=collect,
    judge=one_trial(judge_rows),
    applies=shows_no_experience,
    requires=("agent/one-update",),
    catches=(
        "reward-late",
        "reward-early",
        "reward-clipped",
        "reward-sign-flipped",
        "next-observation-stale",
        "truncation-bootstraps-reset",
        "terminal-bootstrap",
        "truncation-as-terminal",
        "done-late",
        "done-early",
        "observation-stale",
        "batch-misaligned",
    ),
)


# --- columns that belong together -------------------------------------------------------------------


def judge_alignment(evidence: Evidence, context: Context) -> Outcome:
    """Columns of a rollout that were flattened or drawn in another order than the rest."""
    part = evidence["parts"][0]
    columns = {name: part[name] for name in COLUMNS if name not in ("rewards", "dones")}
    if any(column is None for column in columns.values()):
        return Outcome(Status.SKIPPED, "no rollout with values, log pi, advantages and returns")
    arrays = {name: np.array(column) for name, column in columns.items()}
    arrays["observations"] = np.array(part["alike"])
    mixed = stored_batches.other_order(arrays, part["n_envs"])
    if mixed:
        return _mixed_axes(arrays, mixed, part["n_envs"])
    drawn = {name: np.array(column) for name, column in part["drawn"].items()}
    strayed = stored_batches.own_rows(drawn) if drawn else ""
    if strayed:
        message = (
            f"in what an update draws, return - advantage = V fails on most of {len(drawn['values'])} "
            f"rows, and the {strayed} are the right numbers on other rows; expected each on its own"
        )
        return Outcome(Status.FAILED, message, {}, {"batch-misaligned": 0.9})
    return Outcome(Status.PASSED, f"{len(arrays['values'])} rows were looked at")


def _mixed_axes(arrays: dict[str, np.ndarray], mixed: tuple[str, ...], n_envs: int) -> Outcome:
    lines = [
        f"{relation}: broken on {rows} of {len(arrays['actions'])} rows"
        for relation, rows in stored_batches.disorder(arrays).items()
        if rows
    ]
    steps = len(arrays["actions"]) // n_envs
    message = (
        f"{' and '.join(mixed)} are flattened from [{steps} steps, {n_envs} environments] in another "
        "order than the other columns; flattened like them, all is right"
    )
    return failed(message, {"env-axis-mixed": 0.95}, lines)


ALIGNED = Check(
    name="agent/stored-columns-belong-together",
    title="Observation, action, value, advantage and return of a stored row are those of one step.",
    explanation=(
        "While a rollout is collected the policy stands still, so V depends on the observation alone, "
        "log pi on observation and action, and the return less the advantage is V. Axes flattened in "
        "another order for one column, or indices drawn twice, break that; only a disorder that can be "
        "undone is called a mistake."
    ),
    trial=collect,
    judge=one_trial(judge_alignment),
    applies=shows_no_experience,
    requires=("agent/one-update",),
    catches=("env-axis-mixed", "batch-misaligned"),
)

CHECKS = (ROWS, ADVANTAGES, ALIGNED)
