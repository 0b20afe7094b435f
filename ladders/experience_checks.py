"""What an agent stored for learning, against what the environment did and the definition of GAE."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ladders import stored_advantages, stored_batches, stored_rows
from ladders.discounts import discount_suspects
from ladders.env import encode_states
from ladders.exam import design
from ladders.mdp import MDP
from ladders.stored_advantages import SAME, Recursion, Rollout
from ladders.stored_rows import Rows
from ladders.training import SHORT_STEPS, Trained, exam_gamma, knows_gamma, small_rollout, train
from rlcheck.adapters.protocol import AgentSubject
from rlcheck.adapters.rng import preserved_rng
from rlcheck.records import Check, Context, Evidence, Outcome, Settings, Status, Trial, one_trial

ROLLOUT = {"n_steps": 256, "num_steps": 256}
"""Long enough to hold steps of every kind, where the subject lets its rollout be set."""
COLUMNS = ("actions", "rewards", "dones", "values", "log_probs", "advantages", "returns")


ROWS_WANTED, ROLLOUTS = 200, 60


def collect(subject: AgentSubject, trial: Trial, context: Context) -> Evidence:
    """Train shortly in the exam; what was stored, and what the environment did, as lists.

    Where a rollout is short, `learn` goes on until several are known.
    """
    key = (id(subject), trial.seed, context.settings)
    if not _collected or _collected[0][0] != key:
        _collected[:] = [(key, _collect(subject, trial, context))]
    return _collected[0][1]


_collected: list[tuple[tuple[Any, ...], Evidence]] = []
"""The last collection: three checks look at it one after another."""


def _collect(subject: AgentSubject, trial: Trial, context: Context) -> Evidence:
    named = context.facts.get("options", {})
    options = small_rollout(context.facts) | {k: v for k, v in ROLLOUT.items() if k in named}
    trained = train(subject, context, seed=trial.seed, steps=SHORT_STEPS, options=options)
    parts = [_part(trained)]
    length = len(parts[0]["actions"])
    short = parts[0]["advantages"] is not None and 0 < length < ROWS_WANTED
    for _ in range(min(ROLLOUTS, ROWS_WANTED // length) if short else 0):
        trained.agent.learn(length)
        parts.append(_part(trained))
    return {"parts": parts}


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
        "happened": _happened(trained, len(stored.actions)),
    }
    for name in COLUMNS:
        column = getattr(stored, name)
        part[name] = None if column is None else np.asarray(column, dtype=float).tolist()
    return part


def _happened(trained: Trained, count: int) -> dict[str, list[int]] | None:
    """The last steps of the only environment that was stepped."""
    records = trained.recording.records()
    if len(records) != 1 or len(records[0]["states"]) < count:
        return None
    return {name: records[0][name][-count:].tolist() for name in ("states", "actions")}


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


def _mdp(context: Context) -> MDP:
    return design(exam_gamma(context.facts, context.settings)).mdp


def _shows_experience(facts: Evidence, settings: Settings) -> str | None:
    if "experience" not in facts.get("capabilities", ()):
        return "the subject does not show what it stores"
    if facts.get("actions") == "continuous":
        return (
            "in the exam a continuous action is drawn, so a stored one does not say what was done"
        )
    return None


# --- rows ------------------------------------------------------------------------------------------


def judge_rows(evidence: Evidence, context: Context) -> Outcome:
    """Every row is a step of the environment; a departure is named where a mistake explains it all."""
    rows = _rows(evidence["parts"][0])
    if rows is None or not len(rows.states):
        message = "nothing was stored, or not in the form in which the environment gave it"
        return Outcome(Status.SKIPPED, message)
    mdp = _mdp(context)
    found = _explanations(mdp, rows, evidence["parts"][0])
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
            f"{one.telling} of {len(rows.states)} rows depart from what the environment did, all of "
            "them in this way",
        ]
    message = "\n".join(line for lines in proof.values() for line in lines)
    suspects = dict.fromkeys(proof, 0.95 / len(proof))
    return Outcome(Status.FAILED, message, {"proof": proof}, suspects)


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


def _rows(part: dict[str, Any]) -> Rows | None:
    if part["states"] is None or part["rewards"] is None:
        return None
    states, actions = np.array(part["states"]), np.array(part["actions"], dtype=int)
    rewards = np.array(part["rewards"])
    if part["dones"] is None:
        # A rollout is in order: what was done is known from the environment, wherever it is stored.
        happened = part["happened"]
        if happened is None:
            return None
        return Rows(np.array(happened["states"]), np.array(happened["actions"]), rewards)
    if part["next_states"] is None:
        return None
    return Rows(states, actions, rewards, np.array(part["next_states"]), np.array(part["dones"]))


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
    applies=_shows_experience,
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


# --- advantages ------------------------------------------------------------------------------------


def judge_advantages(evidence: Evidence, context: Context) -> Outcome:
    """The recursion inside episodes, and what stands where one ends."""
    rollout = _rollout(evidence, context)
    if rollout is None:
        return Outcome(Status.SKIPPED, "no rollout of one environment with advantages was stored")
    recursion = stored_advantages.read(rollout)
    if recursion is None:
        message = "the stored advantages follow no recursion of the form of GAE"
        return Outcome(Status.SKIPPED, message)
    suspects, lines = _verdict(rollout, recursion)
    if not suspects:
        message = (
            f"{len(rollout.rewards)} advantages follow gamma = {recursion.gamma:.3g}, "
            f"gamma * lambda = {recursion.decay:.3g}, cut off at ends"
        )
        return Outcome(Status.PASSED, message)
    proof = dict.fromkeys(suspects, lines)
    return Outcome(Status.FAILED, "\n".join(lines), {"proof": proof}, suspects)


def _rollout(evidence: Evidence, context: Context) -> Rollout | None:
    parts = evidence["parts"]
    known = all(part["advantages"] and part["rewards"] and part["happened"] for part in parts)
    if not known or not knows_gamma(context.facts, context.settings):
        return None

    def joined(read: Callable[[dict[str, Any]], Any]) -> np.ndarray:
        return np.concatenate([np.asarray(read(part)) for part in parts])

    mdp = _mdp(context)
    states = joined(lambda part: part["happened"]["states"])
    actions = joined(lambda part: part["happened"]["actions"])
    values = joined(lambda part: part["values"])
    lengths = [len(part["values"]) for part in parts]
    last = np.zeros(len(values), dtype=bool)
    last[np.cumsum(lengths) - 1] = True
    return Rollout(
        rewards=joined(lambda part: part["rewards"]),
        values=values,
        advantages=joined(lambda part: part["advantages"]),
        first=mdp.start[states] > 0,
        terminated=mdp.terminated[states, actions],
        truncated=mdp.truncated[states, actions],
        gamma=exam_gamma(context.facts, context.settings),
        next_values=values[1:],
        joined=~last[:-1],
    )


def _verdict(rollout: Rollout, recursion: Recursion) -> tuple[dict[str, float], list[str]]:
    """Suspects and the arithmetic, nothing where the recursion is the right one."""
    if recursion.fault:
        return {recursion.fault: 0.95}, _row_line(recursion, 0, REPLACED[recursion.fault])
    leaks = recursion.at_ends != (False, False)
    if leaks and recursion.at_starts == (False, False):
        return {"done-late": 0.95}, _row_line(
            recursion, 1, "cut off at the first step of an episode"
        )
    if leaks and recursion.before_last == (False, False):
        return {"done-early": 0.95}, _row_line(recursion, 2, "cut off before the last step")
    if leaks:
        return {"terminal-bootstrap": 0.95}, _row_line(
            recursion, 0, "not cut off at a terminal step"
        )
    told = f"inside episodes A + V - r = {recursion.gamma:.3f} V' + {recursion.decay:.3f} A'"
    if abs(recursion.gamma - rollout.gamma) > SAME:
        lines = [told, f"so the discount is {recursion.gamma:.3f}; expected {rollout.gamma:.3f}"]
        return discount_suspects(recursion.gamma, rollout.gamma), lines
    return {}, []


REPLACED = {
    "reward-late": "exact with the reward of the step before in place of r",
    "reward-early": "exact with the reward of the step after in place of r",
    "reward-mean-subtracted": "exact with r less its mean over the rollout",
    "next-observation-stale": "exact with V of the same step in place of V'",
    "advantage-sign-flipped": "exact with -A in place of A",
}


def _row_line(recursion: Recursion, kind: int, what: str) -> list[str]:
    """The arithmetic of one row of a kind, the one on which the most would flow in."""
    form = recursion.rollout
    flow = form.right @ np.array([recursion.gamma, recursion.decay])
    row = int(np.argmax(np.where(recursion.kinds[kind], np.abs(flow), -1.0)))
    a, v, r = form.advantages[row], form.values[row], form.rewards[row]
    following, trace = form.right[row]
    return [
        f"stored step {row}: A + V - r = {a:.3f} + {v:.3f} - {r:.3f} = {a + v - r:.3f}",
        f"the next step has V = {following:.3f}, A = {trace:.3f}: "
        f"{recursion.gamma:.3g} V + {recursion.decay:.3g} A = {flow[row]:.3f}",
        f"the advantages are {what}",
    ]


ADVANTAGES = Check(
    name="agent/advantages-follow-gae",
    title="Stored advantages obey the recursion of GAE, with the stated discount, cut off at ends.",
    explanation=(
        "A + V - r = gamma V' + gamma lambda A' inside episodes and 0 at a terminal step. The "
        "coefficients are fitted to the stored numbers, which shows the discount and the masks that "
        "the code used, even where the fixed point hides them: advantages that run on over ends "
        "have mean zero there once the critic is right, and are nothing but noise."
    ),
    trial=collect,
    judge=one_trial(judge_advantages),
    applies=_shows_experience,
    requires=("agent/one-update",),
    catches=(
        "terminal-bootstrap",
        "done-late",
        "done-early",
        "discount-ignored",
        "discount-applied-twice",
        "discount-hard-coded",
        "discount-too-small",
        "reward-late",
        "reward-early",
        "reward-mean-subtracted",
        "next-observation-stale",
        "advantage-sign-flipped",
    ),
    references=("https://arxiv.org/abs/1506.02438",),
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
    broken = stored_batches.disorder(arrays)
    told = [f"{relation}: broken on {rows} rows" for relation, rows in broken.items() if rows]
    lines = [
        *told,
        f"all hold once {' and '.join(mixed)} are flattened the other way round, "
        f"[{len(arrays['actions']) // n_envs} steps, {n_envs} environments]",
    ]
    fault = "env-axis-mixed"
    return Outcome(Status.FAILED, "\n".join(lines), {"proof": {fault: lines}}, {fault: 0.95})


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
    applies=_shows_experience,
    requires=("agent/one-update",),
    catches=("env-axis-mixed", "batch-misaligned"),
)

CHECKS = (ROWS, ADVANTAGES, ALIGNED)
