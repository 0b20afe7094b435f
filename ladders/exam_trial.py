"""The half of the exam that runs beside the subject: train once, write down every answer."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from ladders.behaviour import blind, lone_choices, observation_answered
from ladders.env import chosen_actions, encode_states
from ladders.exam import Exam, design
from ladders.long_walk import VARIANT, take_long_walk
from ladders.recording import action_counts, majority
from ladders.tasks import Recording
from ladders.training import exam_gamma, train
from rlcheck.adapters.parameters import lagged
from rlcheck.adapters.protocol import AgentHandle, AgentSubject
from rlcheck.adapters.rng import preserved_rng
from rlcheck.records import Context, Evidence, Trial


def take_exam(subject: AgentSubject, trial: Trial, context: Context) -> Evidence:
    """Train once in the exam and write down every answer, exposed value and action count."""
    if trial.variant == VARIANT:
        return take_long_walk(subject, trial, context)
    exam = design(exam_gamma(context.facts, context.settings))

    def watch(steps: int) -> None:
        context.progress(min(1.0, steps / trial.steps), f"seed {trial.seed}, {steps:,} steps")

    began = _cpu_seconds()
    trained = train(subject, context, seed=trial.seed, steps=trial.steps, watch=watch)
    seconds = _cpu_seconds() - began
    if subject.isolated:
        seconds -= max((float(r["before"]) for r in trained.recording.records()), default=0.0)
    answers = read_answers(exam, trained.agent, trained.recording, trained.continuous)
    untrained = {"still": list(trained.still), "tensors": trained.tensors}
    if trained.still and trained.agent.parameters is not None:
        untrained["targets"] = sorted(lagged(trained.agent.parameters()))
    return {"seconds": seconds, **answers, **untrained}


def _cpu_seconds() -> float:
    """Processor time of this process and its children: budgets must not depend on who else is busy."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def read_answers(
    exam: Exam, agent: AgentHandle, recording: Recording, continuous: bool
) -> dict[str, Any]:
    """Answers, exposed values and action counts of a trained agent, as JSON."""
    n_states, n_actions = exam.mdp.rewards.shape
    records = recording.records()
    late = action_counts(records, n_states, n_actions, 0.8, 1.0)
    counts = action_counts(records, n_states, n_actions, 0.0, 1.0)
    evidence: dict[str, Any] = {
        "late": late.tolist(),
        "counts": counts.tolist(),
        "lone": lone_choices(exam, records),
        "steps": sum(len(record["states"]) for record in records),
    }
    if agent.predict is None:
        return evidence | {"answers": majority(late[exam.decisions]).tolist()}
    observations = encode_states(n_states, "one-hot")
    with preserved_rng():
        greedy = chosen_actions(agent.predict(observations), continuous)
        evidence["answers"] = greedy[exam.decisions].tolist()
        evidence["answered"] = observation_answered(records, greedy, exam.mdp.start > 0)
        if agent.values is not None:
            values = np.asarray(agent.values(observations), dtype=float).reshape(-1)
            evidence["values"] = [float(v) if np.isfinite(v) else None for v in values]
        evidence["blind"] = blind(agent, observations)
    return evidence
