"""Seeds: the same one repeats a training, another one changes it."""

from __future__ import annotations

import numpy as np

from ladders.training import executed, outputs, same, small_rollout, train
from rlcheck.adapters.protocol import AgentSubject
from rlcheck.records import Check, Context, Evidence, Outcome, Settings, Status, Trial, one_trial

STEPS = 300


def _names_no_seed(facts: Evidence, settings: Settings) -> str | None:
    return None if facts.get("accepts_seed") else "the subject takes no seed"


def compare_seeds(subject: AgentSubject, trial: Trial, context: Context) -> Evidence:
    """Train twice with one seed and once with another, on the same stream of questions."""
    small = small_rollout(context.facts)
    runs = [
        train(subject, context, seed=seed, env_seed=trial.seed, steps=STEPS, options=small)
        for seed in (trial.seed, trial.seed, trial.seed + 1)
    ]
    did = [executed(run.recording) for run in runs]
    shown = [outputs(run) for run in runs]
    first = _first_difference(did[0], did[1])
    return {
        "steps": len(did[0]),
        "same_seed_same": same(shown[0], shown[1]),
        "first_difference": first,
        "other_seed_same": same(shown[0], shown[2]),
    }


def _first_difference(one: np.ndarray, other: np.ndarray) -> int | None:
    length = min(len(one), len(other))
    differs = np.nonzero((one[:length] != other[:length]).any(axis=1))[0]
    return int(differs[0]) if len(differs) else None


def judge_seeds(evidence: Evidence, context: Context) -> Outcome:
    """Same seed, same training; another seed, another one."""
    # Rounding that depends on thread timing shows late and small; a seed that is not used shows in
    # the actions of the first few hundred steps.
    if evidence["first_difference"] is not None:
        message = (
            f"two trainings with the same seed took different actions from step "
            f"{evidence['first_difference']} on; expected identical ones: some random stream of the "
            "agent is not seeded by `seed`"
        )
        return Outcome(Status.FAILED, message, evidence, {"seed-ignored": 0.95})
    if evidence["other_seed_same"]:
        message = (
            "trainings with two different seeds are identical in every action and parameter; "
            "expected `seed` to change them"
        )
        return Outcome(Status.FAILED, message, evidence, {"seed-ignored": 0.95})
    if not evidence["same_seed_same"]:
        note = "the same seed repeats the actions but not every parameter bit for bit"
        return Outcome(Status.PASSED, "the seed decides the actions", evidence, notes=(note,))
    return Outcome(Status.PASSED, "the seed decides the training, bit for bit", evidence)


SEEDS = Check(
    name="agent/seed-decides-training",
    title="The same seed gives the same training, another seed a different one.",
    explanation=(
        "A run that cannot be repeated cannot be debugged, and seeds that change nothing make five "
        "runs count as one. The check trains twice with one seed and once with another on the same "
        "stream of questions and compares every action, answer and parameter."
    ),
    trial=compare_seeds,
    judge=one_trial(judge_seeds),
    applies=_names_no_seed,
    requires=("agent/one-update",),
    catches=("seed-ignored",),
)
