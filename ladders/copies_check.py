"""Parallel environments: each must draw its own chances."""

from __future__ import annotations

import numpy as np

from ladders.experience import exam_mdp
from ladders.training import SHORT_STEPS, small_rollout, train
from rlcheck.adapters.protocol import AgentSubject
from rlcheck.records import Check, Context, Evidence, Outcome, Status, Trial, one_trial

N_ENVS, TRAININGS = 4, 3


def draw_starts(subject: AgentSubject, trial: Trial, context: Context) -> Evidence:
    """The question that each parallel environment drew first, in a few short trainings."""
    options = small_rollout(context.facts)
    n_envs = N_ENVS if context.facts.get("accepts_n_envs") else None
    starts: list[list[int]] = []
    for seed in range(trial.seed, trial.seed + TRAININGS):
        trained = train(
            subject, context, seed=seed, steps=SHORT_STEPS, options=options, n_envs=n_envs
        )
        records = [record["states"] for record in trained.recording.records()]
        # An environment for evaluation is stepped another number of times.
        length = max((len(states) for states in records), default=0)
        side_by_side = [int(s[0]) for s in records if len(s) >= length - 1 > 0]
        if len(side_by_side) < 2:
            break
        starts.append(side_by_side)
    return {"starts": starts}


def judge_starts(evidence: Evidence, context: Context) -> Outcome:
    """Equal first states throughout are too unlikely by chance."""
    starts = evidence["starts"]
    if not starts:
        return Outcome(Status.SKIPPED, "the subject learns in one environment at a time")
    start = exam_mdp(context).start
    chance = float(np.prod([np.sum(start ** len(row)) for row in starts]))
    if all(len(set(row)) == 1 for row in starts) and chance < context.settings.alpha / 10:
        message = (
            f"in {len(starts)} trainings all {len(starts[0])} environments began with the same question "
            f"(by chance: {chance:.1g}); expected each to draw its own"
        )
        return Outcome(Status.FAILED, message, evidence, {"envs-share-seed": 0.95})
    return Outcome(
        Status.PASSED, f"{len(starts[0])} environments draw their own questions", evidence
    )


COPIES = Check(
    name="agent/environments-differ",
    title="Parallel environments draw their own chances.",
    explanation=(
        "Copies that were all seeded alike start in the same state and see the same noise, so many "
        "environments yield the data of one. The first questions that the environments of a few "
        "trainings draw are compared; the exam has two dozen, drawn uniformly."
    ),
    trial=draw_starts,
    judge=one_trial(judge_starts),
    requires=("agent/one-update",),
    catches=("envs-share-seed",),
)
