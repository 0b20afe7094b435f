"""The first and the last row of a rollout, which have no neighbour in the buffer to be held against.

Many rollouts of a few steps show what one long rollout shows once. The observation of a first row must be
the state that the environment was in, and the advantage of a last row closes the recursion of GAE: with
A_T = delta_T, A + V - r is 0 where the episode terminates there, and gamma V(s') where it goes on. V(s')
is known where the rollout visits s' anywhere, since the policy stands still while it collects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ladders.experience import collect_rollouts, exam_mdp, of_one_environment, shows_no_experience
from ladders.mdp import MDP
from ladders.outcomes import failed
from ladders.stored_advantages import EXACT
from ladders.training import exam_gamma, knows_gamma
from rlcheck.adapters.protocol import AgentSubject
from rlcheck.records import (
    Check,
    Context,
    Evidence,
    Outcome,
    Status,
    Trial,
    one_trial,
)

STEPS, ROWS = 32, 32
ENOUGH = 4
"""So many rows at least must show a mistake, and no row may speak against it."""


@dataclass(frozen=True)
class Last:
    """The last row of one rollout.

    Args:
        left: A + V - r.
        expected: what it must be: 0, or gamma V(s').
        own: gamma V(s), what a rollout closed with the observation before would hold.
        terminated: whether the episode ends there.
        scale: size of the numbers compared, at least 1.
    """

    left: float
    expected: float
    own: float
    terminated: bool
    scale: float

    def holds(self, value: float) -> bool:
        """Whether the row closes with this value, to the accuracy of what is stored."""
        return abs(self.left - value) < EXACT * self.scale


def collect_short(subject: AgentSubject, trial: Trial, context: Context) -> Evidence:
    """Rollouts of a few steps, beside what the environment did."""
    try:
        return {"parts": collect_rollouts(subject, context, trial.seed, STEPS, ROWS)}
    except Exception as error:  # A buffer of the user's own need not bear another length.
        return {"parts": [], "refused": f"{type(error).__name__}: {error}"[:200]}


def judge_edges(evidence: Evidence, context: Context) -> Outcome:
    """Stale first rows, else what the last rows are closed with."""
    parts = [part for part in of_one_environment(evidence["parts"]) if part["rewards"]]
    if not parts or parts[0]["dones"] is not None:
        why = evidence.get("refused", "no rollouts were stored whose steps are known")
        return Outcome(Status.SKIPPED, why)
    mdp = exam_mdp(context)
    stale = _stale_first(mdp, parts)
    if stale is not None:
        return stale
    if not knows_gamma(context.facts, context.settings):
        return Outcome(Status.SKIPPED, "the discount of the subject is not known")
    gamma = exam_gamma(context.facts, context.settings)
    n_envs = evidence["parts"][0]["n_envs"]
    rollouts = [parts[i : i + n_envs] for i in range(0, len(parts), n_envs)]
    known = [_known_values(rollout) for rollout in rollouts for _ in rollout]
    lasts = [_last(mdp, gamma, *one) for one in zip(parts, known, strict=True)]
    rows = [last for last in lasts if last is not None]
    return _judge_last(rows, len(parts))


def _stale_first(mdp: MDP, parts: list[dict[str, Any]]) -> Outcome | None:
    """Failed where only first rows hold another state than the environment was in, and most of them."""
    if any(part["states"] is None for part in parts):
        return None
    wrong = [np.not_equal(part["states"], part["happened"]["states"]) for part in parts]
    first = sum(bool(rows[0]) for rows in wrong)
    if first < max(ENOUGH, len(parts) / 2) or any(rows[1:].any() for rows in wrong):
        return None
    example = next(part for part, rows in zip(parts, wrong, strict=True) if rows[0])
    stored, true = mdp.names[example["states"][0]], mdp.names[example["happened"]["states"][0]]
    message = (
        f"the first row of {first} of {len(parts)} rollouts holds another observation than the state "
        "that the environment was in; expected the one that the action was taken in (was the "
        "environment reset behind the collector's back?)"
    )
    return failed(message, {"observation-stale": 0.9}, [f"stored {stored!r}, it was in {true!r}"])


def _known_values(rollout: list[dict[str, Any]]) -> dict[int, float]:
    """State -> V while this rollout was collected, wherever one of its environments was."""
    return {
        state: value
        for part in rollout
        for state, value in zip(part["happened"]["states"], part["values"] or (), strict=False)
    }


def _last(mdp: MDP, gamma: float, part: dict[str, Any], known: Mapping[int, float]) -> Last | None:
    """The last row; None where V(s') is not known, or a time limit may have added to the reward.

    Args:
        mdp, gamma: of the exam.
        part: one environment's rows of one rollout.
        known: state -> V, of all environments in that rollout.
    """
    if part["advantages"] is None or part["values"] is None:
        return None
    states, actions = part["happened"]["states"], part["happened"]["actions"]
    state, action = states[-1], actions[-1]
    reward, value, advantage = (part[name][-1] for name in ("rewards", "values", "advantages"))
    if mdp.truncated[state, action] or abs(reward - mdp.rewards[state, action]) > EXACT:
        return None
    terminated, expected = bool(mdp.terminated[state, action]), 0.0
    if not terminated:
        following = int(mdp.transitions[state, action].argmax())
        if mdp.transitions[state, action, following] < 1 or following not in known:
            return None
        expected = gamma * known[following]
    scale = 1.0 + float(np.abs([advantage, value, reward]).max())
    return Last(advantage + value - reward, expected, gamma * value, terminated, scale)


def _judge_last(rows: list[Last], rollouts: int) -> Outcome:
    ended = [row for row in rows if row.terminated]
    open_ = [row for row in rows if not row.terminated]
    if len(ended) >= ENOUGH and not any(row.holds(0.0) for row in ended):
        message = (
            f"a rollout that ends with its episode is closed with a value after all, in {len(ended)} of "
            f"{rollouts} rollouts; expected A + V - r = 0 in the last row"
        )
        return failed(message, {"terminal-bootstrap": 0.9}, [_told(ended[0])])
    telling = [row for row in open_ if not row.holds(row.expected)]
    if len(telling) >= ENOUGH and len(telling) == len(open_):
        for fault, value, text in (
            ("truncation-as-terminal", lambda row: 0.0, "nothing, as if the episode ended there"),
            ("next-observation-stale", lambda row: row.own, "the value of the same observation"),
        ):
            if all(row.holds(value(row)) for row in open_):
                message = f"rollouts are closed with {text}; expected gamma V(s') in the last row"
                return failed(message, {fault: 0.9}, [_told(open_[0])])
    return Outcome(Status.PASSED, f"the last rows of {len(rows)} rollouts were looked at")


def _told(row: Last) -> str:
    return f"last row: A + V - r = {row.left:.3f}; expected {row.expected:.3f}"


EDGES = Check(
    name="agent/rollout-edges",
    title="The first row of a rollout holds the state that was acted on, the last one closes it rightly.",
    explanation=(
        "The first observation of a rollout is carried over from the one before, and the last advantage "
        "needs the value of an observation that is not in the buffer. Both are edited by hand in every "
        "implementation, matter little in long rollouts, and are seen by no check of the rows between."
    ),
    trial=collect_short,
    judge=one_trial(judge_edges),
    applies=shows_no_experience,
    requires=("agent/one-update",),
    # The other faults that it can name sit elsewhere as a rule: that it passes says nothing of them.
    catches=("observation-stale",),
    references=("https://arxiv.org/abs/1506.02438",),
)
