"""Several environments at once: rows of different environments must not be mixed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ladders.exam import design
from ladders.exam_trial import read_answers
from ladders.no_learning import easiest
from ladders.training import exam_gamma, train
from rlcheck.adapters.protocol import AgentSubject
from rlcheck.records import Check, Context, Evidence, More, Outcome, Settings, Status, Trial

N_ENVS = 4
LEVELS = (8_192, 16_384, 32_768)


def learn_in_parallel(subject: AgentSubject, trial: Trial, context: Context) -> Evidence:
    """The exam's easiest questions, learned in four environments or in one."""
    exam = design(exam_gamma(context.facts, context.settings))
    n_envs = 1 if trial.variant == "one" else N_ENVS
    trained = train(subject, context, seed=trial.seed, steps=trial.steps, n_envs=n_envs)
    answers = read_answers(exam, trained.agent, trained.recording, trained.continuous)["answers"]
    easy = easiest(exam)
    wrong = easy & (np.array(answers) != exam.right)
    names = [exam.mdp.names[state] for state in exam.decisions[wrong]]
    return {"easy": int(easy.sum()), "wrong": names, "envs": len(trained.recording.envs)}


def judge_parallel(trials: Sequence[tuple[Trial, Evidence]], context: Context) -> Outcome | More:
    """Four environments must learn what one does within twice the steps."""
    seed = context.settings.seed
    many = [pair for pair in trials if pair[0].variant == ""]
    if not trials:
        return More((Trial(seed, LEVELS[0]),), f"{N_ENVS} environments")
    trial, evidence = many[-1]
    if evidence["envs"] < 2:
        return Outcome(Status.SKIPPED, "the subject built only one environment", evidence)
    if not evidence["wrong"]:
        message = f"{N_ENVS} environments: {evidence['easy']} easy questions right"
        return Outcome(Status.PASSED, f"{message} after {trial.steps:,} steps", evidence)
    if len(many) < len(LEVELS):
        return More((Trial(seed, LEVELS[len(many)]),), "not yet learned in parallel")
    if len(many) == len(trials):
        return More(
            (Trial(seed, LEVELS[1], "one"), Trial(seed + 1, LEVELS[-1])), "comparing with one"
        )
    alone = next(evidence for trial, evidence in trials if trial.variant == "one")
    both = [evidence["wrong"] for trial, evidence in many if trial.steps == LEVELS[-1]]
    worst = min(len(wrong) for wrong in both)
    message = (
        f"with {N_ENVS} environments {worst} or more of {evidence['easy']} easy questions are answered "
        f"wrongly after {LEVELS[-1]:,} steps, with one environment {len(alone['wrong'])} after "
        f"{LEVELS[1]:,}"
    )
    if not alone["wrong"] and worst >= 2:
        suspects = {"env-axis-mixed": 0.8, "batch-misaligned": 0.15}
        return Outcome(Status.FAILED, message, {"wrong": both}, suspects)
    return Outcome(Status.INCONCLUSIVE, message, {"wrong": both})


def _not_parallel(facts: Evidence, settings: Settings) -> str | None:
    known = facts.get("accepts_n_envs") and "predict" in facts.get("capabilities", ())
    return None if known else "the subject learns in one environment at a time"


PARALLEL = Check(
    name="agent/several-environments",
    title="What one environment teaches, several side by side teach as well.",
    explanation=(
        "Rollouts are [time, environment]. Flattened over the wrong axis, one environment's advantages "
        "are credited to another's actions; with a single environment nobody notices."
    ),
    trial=learn_in_parallel,
    judge=judge_parallel,
    applies=_not_parallel,
    requires=("agent/one-update",),
    stochastic=True,
    catches=("env-axis-mixed", "batch-misaligned"),
)
