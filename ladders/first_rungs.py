"""The two lowest rungs: one update does what it must, and a single transition can be overfitted."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from ladders.env import chosen_actions, encode_states
from ladders.tasks import one_step_mdp, tabular_task
from ladders.training import (
    ONE_STEP,
    SHORT_STEPS,
    moved,
    outputs,
    short_training,
    small_rollout,
    tensors_of,
    train,
    untrained_outputs,
)
from rlcheck.adapters.protocol import AgentHandle, AgentSubject
from rlcheck.adapters.rng import preserved_rng
from rlcheck.records import Check, Context, Evidence, More, Outcome, Status, Trial

# --- (a) one update -------------------------------------------------------------------------------

UPDATE_STEPS = (SHORT_STEPS, 2_048, 8_192)


def update_once(subject: AgentSubject, trial: Trial, context: Context) -> Evidence:
    """Train shortly; which tensors and answers moved, and is everything that is shown finite?"""
    options = small_rollout(context.facts)
    short = trial.steps == SHORT_STEPS
    trained = (
        short_training(subject, context, trial.seed)
        if short
        else train(subject, context, seed=trial.seed, steps=trial.steps, options=options)
    )
    before = untrained_outputs(subject, context, trial.seed, options)
    after = outputs(trained)
    shown = [name for name in after if name in before and name != "executed"]
    return {
        "steps": len(after["executed"]),
        "asked": trial.steps,
        "not_finite": [name for name in after if not np.isfinite(after[name]).all()],
        "moved": moved(before, after),
        "shown": shown,
    }


def judge_update(trials: Sequence[tuple[Trial, Evidence]], context: Context) -> Outcome | More:
    """Something moved, nothing is NaN, the environment was really stepped."""
    if not trials:
        return More((Trial(context.settings.seed, UPDATE_STEPS[0]),), "one update")
    evidence = trials[-1][1]
    if evidence["not_finite"]:
        names = ", ".join(evidence["not_finite"][:3])
        message = f"after {evidence['steps']} steps these are not finite: {names}"
        return Outcome(Status.FAILED, message, evidence, {"does-not-learn": 0.6})
    if evidence["steps"] < 0.5 * evidence["asked"]:
        message = (
            f"learn({evidence['asked']}) took only {evidence['steps']} environment steps; expected "
            "about as many as it was asked for"
        )
        return Outcome(Status.FAILED, message, evidence, {"does-not-learn": 0.3})
    if not evidence["shown"]:
        message = (
            f"the environment was stepped {evidence['steps']:,} times; the agent shows nothing that "
            "could be compared with before"
        )
        return Outcome(Status.PASSED, message, evidence)
    if evidence["moved"]:
        moved = len(evidence["moved"])
        return Outcome(Status.PASSED, f"{moved} outputs and tensors moved, all finite", evidence)
    if len(trials) < len(UPDATE_STEPS):
        steps = UPDATE_STEPS[len(trials)]
        return More((Trial(context.settings.seed, steps),), "nothing moved yet")
    message = f"nothing that the agent shows changed within {evidence['steps']} steps of training"
    return Outcome(Status.INCONCLUSIVE, message, evidence, {"does-not-learn": 0.5})


UPDATE = Check(
    name="agent/one-update",
    title="A short training steps the environment, changes the agent, and keeps it finite.",
    explanation=(
        "The lowest rung: `learn(n)` must take about n environment steps, parameters or answers must "
        "move, and nothing may become NaN or infinite."
    ),
    trial=update_once,
    judge=judge_update,
    catches=("does-not-learn",),
)

# --- (b) overfit one transition -------------------------------------------------------------------

REWARD = 1.0
FIT_CHUNKS, FIT_SECONDS = 40, 8.0
FIT_GAMMA = 0.9
"""A leak of the transition's own value ends at REWARD / (1 - FIT_GAMMA); beyond, the critic diverges."""
LEARN_LEVELS = (1_024, 4_096, 16_384)


def fit_one(subject: AgentSubject, trial: Trial, context: Context) -> Evidence:
    """Fit one terminal transition again and again, or learn the environment that is nothing else."""
    if "fit_transition" in context.facts.get("capabilities", ()):
        return _fit_transition(subject, trial, context)
    trained = train(subject, context, env_id=ONE_STEP, seed=trial.seed, steps=trial.steps)
    observation = encode_states(1, "one-hot")
    evidence = {"way": "learn", "steps": trial.steps, "value": None, "action": None}
    with preserved_rng():
        if trained.agent.values is not None:
            evidence["value"] = float(np.asarray(trained.agent.values(observation)).reshape(-1)[0])
        if trained.agent.predict is not None:
            answer = trained.agent.predict(observation)
            evidence["action"] = int(chosen_actions(answer, trained.continuous)[0])
    records = trained.recording.records()
    late = np.concatenate([record["actions"][-200:] for record in records])
    evidence["executed"] = float(np.mean(late))
    return evidence


def _fit_transition(subject: AgentSubject, trial: Trial, context: Context) -> Evidence:
    continuous = context.facts.get("actions") == "continuous"
    mdp = one_step_mdp()
    action_form = "continuous" if continuous else "discrete"
    task, _ = tabular_task(mdp, ONE_STEP, gamma=FIT_GAMMA, seed=trial.seed, action=action_form)
    gamma = FIT_GAMMA if subject.accepts_gamma else None
    agent = subject.make(task, seed=trial.seed, gamma=gamma)
    observation = encode_states(1, "one-hot")[0]
    action = np.array([0.5], dtype=np.float32) if continuous else 1
    before = tensors_of(agent)
    values, losses = [_value(agent, observation, action, continuous)], []
    began = time.perf_counter()
    for _ in range(FIT_CHUNKS):
        assert agent.fit_transition is not None
        steps = 1 if trial.variant == "rollouts" else 50
        losses += agent.fit_transition(observation, action, REWARD, observation, True, False, steps)
        values.append(_value(agent, observation, action, continuous))
        near = values[-1] is not None and abs(values[-1] - REWARD) < 0.05
        if near or time.perf_counter() - began > FIT_SECONDS:
            break
    after = tensors_of(agent)
    still = [name for name in before if np.array_equal(before[name], after[name])]
    return {
        "way": "fit_transition",
        "values": values,
        "losses": [float(loss) for loss in losses[:: max(1, len(losses) // 20)]],
        "unmoved": still,
        "tensors": len(before),
    }


def _value(
    agent: AgentHandle, observation: np.ndarray, action: Any, continuous: bool
) -> float | None:
    """Q of the fitted action where the agent has Q-values, else V of the state."""
    with preserved_rng():
        if agent.q_values is not None and not continuous:
            return float(np.asarray(agent.q_values(observation[None]))[0, int(action)])
        if agent.values is not None:
            return float(np.asarray(agent.values(observation[None])).reshape(-1)[0])
    return None


def judge_fit(trials: Sequence[tuple[Trial, Evidence]], context: Context) -> Outcome | More:
    """The value reaches the reward; the better action is taken."""
    seed = context.settings.seed
    if not trials:
        variant = "rollouts" if context.facts.get("on_policy") else ""
        return More((Trial(seed, LEARN_LEVELS[0], variant),), "fitting one transition")
    evidence = trials[-1][1]
    if evidence["way"] == "fit_transition":
        return _judge_fitted(evidence, context.facts.get("actions") == "continuous")
    learned = evidence["value"] is None or abs(evidence["value"] - REWARD) < 0.15
    acts = evidence["action"] == 1 or (evidence["action"] is None and evidence["executed"] > 0.6)
    if learned and acts:
        return Outcome(Status.PASSED, "the one-state environment is learned", evidence)
    if len(trials) < len(LEARN_LEVELS):
        return More((Trial(seed, LEARN_LEVELS[len(trials)]),), "not yet fitted")
    told = f"value {evidence['value']:.3g}" if evidence["value"] is not None else "no value shown"
    message = (
        f"one state, one step, reward 1 for action 1 and 0 for action 0: after {evidence['steps']:,} "
        f"steps the agent takes action {evidence['action']}, {told}; expected action 1 and value 1"
    )
    # The exam asks the same with more context and names the fault; this rung only reports.
    return Outcome(Status.INCONCLUSIVE, message, evidence)


def _judge_fitted(evidence: Evidence, continuous: bool) -> Outcome:
    values = [value for value in evidence["values"] if value is not None]
    if not values:
        return Outcome(Status.SKIPPED, "the agent shows neither values nor Q-values", evidence)
    first, last = values[0], values[-1]
    path = f"the value went from {first:.3g} to {last:.3g} in {len(values) - 1} rounds of fitting"
    # A continuous agent is asked for the value of its own greedy action, which lies near, not at,
    # the one that was fitted.
    if abs(last - REWARD) < (0.25 if continuous else 0.1):
        return Outcome(Status.PASSED, f"{path}; the target is {REWARD:g}", evidence)
    if abs(last - first) < 1e-6:
        message = f"{path}; expected it to move to the target {REWARD:g}: nothing trains the critic"
        nothing = evidence["tensors"] and len(evidence["unmoved"]) == evidence["tensors"]
        suspects = {"does-not-learn": 0.9} if nothing else {"critic-not-trained": 0.9}
        return Outcome(Status.FAILED, message, evidence, suspects)
    if last > 1.2 * REWARD / (1.0 - FIT_GAMMA):
        message = f"{path}; the target is {REWARD:g}: the critic diverges"
        return Outcome(Status.FAILED, message, evidence, {"critic-not-trained": 0.4})
    if last > REWARD + 0.3 and values[-1] >= max(values) - 1e-6:
        message = (
            f"{path} and still rises; the transition is terminal, so the target is its reward "
            f"{REWARD:g} and nothing else"
        )
        return Outcome(Status.FAILED, message, evidence, {"terminal-bootstrap": 0.8})
    if abs(last - REWARD) < abs(first - REWARD):
        message = f"{path}; it approaches the target {REWARD:g} but slowly"
        return Outcome(Status.INCONCLUSIVE, message, evidence)
    message = f"{path}; expected it to approach the target {REWARD:g}"
    return Outcome(Status.INCONCLUSIVE, message, evidence)


FIT = Check(
    name="agent/overfits-one-transition",
    title="Trained on one terminal transition alone, the critic's value becomes its reward.",
    explanation=(
        "For a terminal transition the target is the reward and nothing else, so the value must reach "
        "it and the critic's loss must vanish. Where the subject has no `fit_transition`, a one-state, "
        "one-step environment is learned instead."
    ),
    trial=fit_one,
    judge=judge_fit,
    requires=("agent/one-update",),
    catches=("critic-not-trained", "terminal-bootstrap"),
)
CHECKS = (UPDATE, FIT)
