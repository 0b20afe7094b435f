"""What an agent says must not depend on how it is asked: one by one or in a batch, saved or not."""

from __future__ import annotations

import os
import tempfile

import numpy as np

from ladders.env import encode_states
from ladders.training import (
    Trained,
    executed,
    outputs,
    short_training,
    small_rollout,
    train,
    untrained_outputs,
)
from rlcheck.adapters.protocol import AgentSubject
from rlcheck.adapters.rng import preserved_rng
from rlcheck.records import Check, Context, Evidence, Outcome, Settings, Status, Trial, one_trial

FAR = 1e-4


def _no(capability: str, reason: str):
    def applies(facts: Evidence, settings: Settings) -> str | None:
        return None if capability in facts.get("capabilities", ()) else reason

    return applies


# --- one by one, or in a batch --------------------------------------------------------------------


def ask_both_ways(subject: AgentSubject, trial: Trial, context: Context) -> Evidence:
    """Greedy actions for every state, in one batch and one at a time."""
    trained = short_training(subject, context, trial.seed)
    agent, observations = trained.agent, encode_states(trained.mdp.n_states, "one-hot")
    assert agent.predict is not None and agent.act_one is not None
    with preserved_rng():
        batched = np.asarray(agent.predict(observations), dtype=float).reshape(
            len(observations), -1
        )
        single = [np.asarray(agent.act_one(o), dtype=float).reshape(-1) for o in observations]
        again = [np.asarray(agent.act_one(o), dtype=float).reshape(-1) for o in observations]
    differs = np.abs(batched - np.array(single)).max(axis=1) > FAR
    random = np.abs(np.array(again) - np.array(single)).max(axis=1) > FAR
    return {
        "states": len(observations),
        "differs": int(differs.sum()),
        "random": int(random.sum()),
        "first": int(np.argmax(differs)) if differs.any() else None,
    }


def judge_batch(evidence: Evidence, context: Context) -> Outcome:
    """Batched and single predictions agree, and greedy ones repeat."""
    if evidence["random"]:
        message = (
            f"`predict(..., deterministic=True)` answers {evidence['random']} of "
            f"{evidence['states']} observations differently when asked twice; expected one answer"
        )
        return Outcome(Status.FAILED, message, evidence, {"train-eval-mismatch": 0.6})
    if evidence["differs"]:
        message = (
            f"{evidence['differs']} of {evidence['states']} observations get another action alone "
            f"than in a batch (first: observation {evidence['first']}); expected the same"
        )
        return Outcome(Status.FAILED, message, evidence, {"batch-misaligned": 0.7})
    return Outcome(Status.PASSED, "single and batched predictions agree", evidence)


BATCH = Check(
    name="agent/single-equals-batch",
    title="An observation gets the same greedy action alone, in a batch, and when asked again.",
    explanation=(
        "Rows of a batch are independent. A reduction over the wrong axis, batch statistics at "
        "evaluation, or sampling where the greedy action was asked for breaks this silently."
    ),
    trial=ask_both_ways,
    judge=one_trial(judge_batch),
    applies=_no("predict", "the subject has no predict"),
    requires=("agent/one-update",),
    catches=("batch-misaligned", "train-eval-mismatch"),
)


# --- save and load --------------------------------------------------------------------------------


LONGER = (2_048, 8_192)
"""Steps after which the choices of an agent that shows nothing else should not be a fresh one's."""


def _unlike_a_fresh_one(
    subject: AgentSubject, trial: Trial, context: Context
) -> tuple[Trained, dict[str, np.ndarray], list[str]]:
    """A training, what the agent then shows, and in what it differs from an agent just built.

    Numbers differ after a few updates; where only discrete choices are shown, it learns until they do.
    """
    options = small_rollout(context.facts)
    fresh = untrained_outputs(subject, context, trial.seed, options)
    trained = short_training(subject, context, trial.seed)
    for steps in (*LONGER, None):
        shown = outputs(trained)
        moved = [name for name in shown if name in fresh and not _same(shown[name], fresh[name])]
        moved = [name for name in moved if name != "executed"]
        if moved or steps is None:
            break
        trained = train(subject, context, seed=trial.seed, steps=steps, options=options)
    return trained, shown, moved


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and np.allclose(one, other, atol=1e-6, equal_nan=True)


def save_and_load(subject: AgentSubject, trial: Trial, context: Context) -> Evidence:
    """Everything that the agent shows before it is saved and after it is loaded."""
    trained, before, learned = _unlike_a_fresh_one(subject, trial, context)
    assert trained.agent.save is not None and trained.agent.load is not None
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "agent")
        trained.agent.save(path)
        loaded = trained.agent.load(path)
    after = outputs(Trained(loaded, trained.recording, trained.mdp, trained.continuous))
    shown = sorted(before.keys() & after.keys() - {"executed"})
    lost = [name for name in shown if not _same(before[name], after[name])]
    return {"compared": len(shown), "lost": lost, "learned": learned}


def judge_save(evidence: Evidence, context: Context) -> Outcome:
    """Nothing is lost."""
    if evidence["lost"]:
        names = ", ".join(evidence["lost"][:4])
        message = f"after save and load these differ: {names}; expected the agent as it was saved"
        # A `predict` that does not ask the trained network differs from a loaded one's as well.
        only_answers = evidence["lost"] == ["predict"]
        suspects = {"save-load-lossy": 0.8, "train-eval-mismatch": 0.15}
        suspects = suspects if only_answers else {"save-load-lossy": 0.95}
        return Outcome(Status.FAILED, message, evidence, suspects)
    if not evidence["learned"]:
        message = "the agent shows nothing that would tell it from one that has learned nothing"
        return Outcome(Status.SKIPPED, message, evidence)
    return Outcome(Status.PASSED, f"{evidence['compared']} outputs survive save and load", evidence)


SAVE = Check(
    name="agent/save-load-keeps-everything",
    title="A saved and loaded agent answers as the one that was saved.",
    explanation=(
        "Weights, normalisation statistics and target networks all belong to an agent. What a "
        "checkpoint leaves out is noticed only when a loaded agent performs worse."
    ),
    trial=save_and_load,
    judge=one_trial(judge_save),
    applies=_no("save", "the subject has no save and load"),
    requires=("agent/one-update",),
    catches=("save-load-lossy",),
)


# --- the stored action is the executed one --------------------------------------------------------


def compare_stored(subject: AgentSubject, trial: Trial, context: Context) -> Evidence:
    """Actions in the agent's own buffer against those that the environment executed."""
    trained = short_training(subject, context, trial.seed)
    assert trained.agent.stored_actions is not None
    stored = np.asarray(trained.agent.stored_actions()).reshape(-1)
    did = executed(trained.recording)[:, 1]
    length = min(len(stored), len(did))
    differs = stored[-length:] != did[-length:] if length else np.zeros(0, dtype=bool)
    return {"compared": length, "differs": int(differs.sum())}


def judge_stored(evidence: Evidence, context: Context) -> Outcome:
    """The buffer holds what was done."""
    if not evidence["compared"]:
        return Outcome(Status.SKIPPED, "the agent's buffer was empty after training", evidence)
    if evidence["differs"]:
        message = (
            f"{evidence['differs']} of {evidence['compared']} stored actions are not the ones that "
            "the environment executed; expected every one to be"
        )
        suspects = {"action-not-executed": 0.7, "action-permuted": 0.25}
        if evidence["differs"] == evidence["compared"]:
            suspects = {"action-permuted": 0.7, "action-not-executed": 0.25}
        return Outcome(Status.FAILED, message, evidence, suspects)
    return Outcome(Status.PASSED, f"{evidence['compared']} stored actions were executed", evidence)


def _cannot_compare(facts: Evidence, settings: Settings) -> str | None:
    if facts.get("actions") == "continuous":
        return "continuous actions may be clipped on their way, which is no fault"
    return _no("stored_actions", "the subject does not show its buffer")(facts, settings)


STORED = Check(
    name="agent/stored-action-is-executed",
    title="The action that is stored for learning is the one that the environment executed.",
    explanation=(
        "An update credits the stored action with the reward of the executed one. Exploration noise "
        "or a wrapper added after the action was stored makes the two differ."
    ),
    trial=compare_stored,
    judge=one_trial(judge_stored),
    applies=_cannot_compare,
    requires=("agent/one-update",),
    catches=("action-not-executed", "action-permuted"),
)

CHECKS = (BATCH, SAVE, STORED)
