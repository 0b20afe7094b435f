"""The exam on made-up learners: one that holds each faulty belief exactly, right ones, unfinished ones.

No training: a learner is its belief (`ladders.semantics`), answers follow its gaps with the error rate
of `ladders.grading`. This shows what the exam can tell apart at all; how real agents fare is measured by
`benchmarks/detection_matrix.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ladders import long_walk
from ladders.beliefs import CORRECT, NOT_LEARNED, Belief
from ladders.exam import Exam, design
from ladders.exam_judge import judge_exam
from ladders.grading import answer_probabilities
from ladders.unfinished import UNKNOWN, passing
from rlcheck.records import Context, Evidence, More, Outcome, Settings, Status, Trial
from rlcheck.selftests import Row

Answers = Callable[[int, np.random.Generator], np.ndarray]
"""(steps of training, random stream) -> [D] answers."""

FACTS: Evidence = {"accepts_gamma": True, "actions": "discrete", "capabilities": [], "options": {}}
CORRECT_LEARNERS = 100


def sit_exam(answers: Answers, seed: int = 0, settings: Settings | None = None) -> Outcome:
    """Let the judge of the exam question a made-up learner until it has its verdict."""
    exam = design(0.9)
    context = Context(settings or Settings(), FACTS)
    rng = np.random.default_rng(seed)
    trials: list[tuple[Trial, Evidence]] = []
    while True:
        said = judge_exam(trials, context)
        if isinstance(said, Outcome):
            return said
        assert isinstance(said, More)
        trials += [
            (trial, _evidence(exam, np.asarray(answers(trial.steps, rng)), trial.steps))
            if trial.variant != long_walk.VARIANT
            else (trial, long_walk.UNTOLD)
            for trial in said.trials
        ]


def _evidence(exam: Exam, answers: np.ndarray, steps: int) -> Evidence:
    """What a training would have recorded of a learner that acts as it answers."""
    late = np.full((exam.mdp.n_states, 2), 20)
    late[exam.decisions, answers] += 200
    return {
        "seconds": 1e-3 * steps,
        "steps": steps,
        "late": late.tolist(),
        "counts": (late + 50).tolist(),
        "lone": [steps // 40, steps // 2, 2],
        "answers": answers.tolist(),
    }


def learner(belief: Belief, noise: float = 1.0) -> Answers:
    """A learner that holds a belief; `noise` 0 answers exactly by it, a coin where it does not care."""
    gaps = belief.gaps[design(0.9).decisions]
    exact = np.where(np.abs(gaps) < 1e-9, 0.5, gaps > 0)
    probabilities = noise * answer_probabilities(design(0.9), belief) + (1.0 - noise) * exact
    return lambda steps, rng: (rng.random(len(gaps)) < probabilities).astype(int)


def rows() -> list[Row]:
    """One row a belief: every variant of every fault once, correct learners with a noise of 5 %."""
    found = []
    for belief in design(0.9).beliefs:
        # A learner with a fault that is never done is one with another fault.
        if belief.fault in (CORRECT, NOT_LEARNED) or passing(belief):
            continue
        name = f"exact learner {belief.variant}".strip()
        found.append(_row(name, belief.fault, sit_exam(learner(belief, noise=0.0))))
    for belief in design(0.9).beliefs:
        if belief.fault == CORRECT:
            found += [
                _row(f"noisy learner {seed}", "", sit_exam(learner(belief), seed))
                for seed in range(CORRECT_LEARNERS)
            ]
        # A critic that never gets to know what is behind a time limit is the fault itself.
        unknown = belief.variant.startswith("0") or belief.variant.endswith(UNKNOWN)
        if belief.fault == NOT_LEARNED and not unknown:
            found.append(_row(f"unfinished, {belief.variant}", "", sit_exam(learner(belief))))
    return found


def _row(implementation: str, fault: str, outcome: Outcome) -> Row:
    failed = ("agent/exam",) if outcome.status is Status.FAILED else ()
    undecided = ("agent/exam",) if outcome.status is Status.INCONCLUSIVE else ()
    named = next(iter(outcome.suspects), "") if failed else ""
    return Row(implementation, fault, failed, named, undecided)
