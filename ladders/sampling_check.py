"""A policy gradient learns from actions that the policy drew, so training must not act greedily.

Before the first updates the probabilities that the agent shows are those it acts by. If it draws, the
chance that all of its first n actions are the most probable ones is

    P = prod_t max_a pi(a | s_t)

With probabilities near 1/2 that is out of the question after a few dozen steps.
"""

from __future__ import annotations

import numpy as np

from ladders.env import encode_states
from ladders.training import train
from rlcheck.adapters.protocol import AgentSubject
from rlcheck.adapters.rng import preserved_rng
from rlcheck.records import Check, Context, Evidence, Outcome, Settings, Status, Trial, one_trial

FIRST, TRAINED = 64, 512
"""Steps that are looked at, of a training of so many."""
CHANCE = 1e-6


def first_actions(subject: AgentSubject, trial: Trial, context: Context) -> Evidence:
    """The untrained agent's probabilities, and what it did first when it began to learn."""
    fresh = train(subject, context, seed=trial.seed, steps=0)
    observations = encode_states(fresh.mdp.n_states, "one-hot")
    assert fresh.agent.action_probabilities is not None
    with preserved_rng():
        shown = np.asarray(fresh.agent.action_probabilities(observations), dtype=float)
    fresh.agent.learn(TRAINED)
    records = fresh.recording.records()
    each = -(-FIRST // max(len(records), 1))
    states = np.concatenate([record["states"][:each] for record in records])
    actions = np.concatenate([record["actions"][:each] for record in records])
    likeliest = shown[states].argmax(axis=1)
    return {
        "steps": len(states),
        "greedy": int((actions == likeliest).sum()),
        "log_chance": float(np.log(shown[states].max(axis=1)).sum()),
    }


def judge_first(evidence: Evidence, context: Context) -> Outcome:
    """Failed where every action was the likeliest one, against all odds."""
    steps, greedy = evidence["steps"], evidence["greedy"]
    told = f"{greedy} of the first {steps} actions are the most probable ones"
    if greedy < steps or evidence["log_chance"] > np.log(CHANCE):
        return Outcome(Status.PASSED, told, evidence)
    message = (
        f"{told}; drawn with the probabilities that the agent shows this has a chance of "
        f"{np.exp(evidence['log_chance']):.0e}. Expected actions drawn from the policy while it learns"
    )
    return Outcome(Status.FAILED, message, evidence, {"no-exploration": 0.9})


def _no_policy(facts: Evidence, settings: Settings) -> str | None:
    shown = facts.get("capabilities", ())
    if "action_probabilities" not in shown or "q_values" in shown:
        return "the subject shows no action probabilities, or acts by action values"
    return None


SAMPLING = Check(
    name="agent/draws-its-actions",
    title="While it learns, a policy draws its actions and does not take the most probable one.",
    explanation=(
        "E[grad log pi(a | s) A] is the gradient of the return only for actions drawn from pi. A rollout "
        "that takes the mode, often by a `deterministic=True` meant for evaluation, learns nothing of "
        "the other actions; where values tell the rest it may still solve easy tasks."
    ),
    trial=first_actions,
    judge=one_trial(judge_first),
    applies=_no_policy,
    requires=("agent/one-update",),
    catches=("no-exploration",),
)
