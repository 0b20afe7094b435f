"""The exam by itself: gaps, fault predictions, grading of sheets that are made up, no training."""

import dataclasses

import numpy as np
import pytest

from ladders.exam import design
from ladders.exam_judge import judge_exam
from ladders.grading import answer_probabilities, depths, grade, resolution, signature
from ladders.semantics import CORRECT, NOT_LEARNED
from rlcheck.records import Context, More, Settings, Status

EXAM = design(0.9)
FACTS = {"accepts_gamma": True, "actions": "discrete", "capabilities": [], "options": {}}
SAME_SHEET = {
    # Pairs that no answer can tell apart, by the definition of their semantics.
    "terminal-as-truncation": {"terminal-bootstrap"},
    "ratio-inverted": {"advantage-sign-flipped", "reward-sign-flipped"},
    "reward-sign-flipped": {"advantage-sign-flipped", "ratio-inverted"},
    "advantage-sign-flipped": {"reward-sign-flipped", "ratio-inverted"},
    "discount-hard-coded": {"discount-ignored"},
    "discount-ignored": {"discount-hard-coded"},
    "reward-mean-subtracted": {"terminal-bootstrap"},
}


def run_judge(answer_of, gamma=0.9, seed=0, noise=0.0):
    """Drive the judge with answers that `answer_of(steps, rng)` makes up; late counts follow them."""
    exam = design(gamma)
    context = Context(Settings(), FACTS | {"accepts_gamma": gamma == 0.9, "gamma": gamma})
    rng = np.random.default_rng(seed)
    trials = []
    for _ in range(20):
        said = judge_exam(trials, context)
        if not isinstance(said, More):
            return said
        for trial in said.trials:
            answers = np.asarray(answer_of(trial.steps, rng))
            flip = rng.random(len(answers)) < noise
            answers = np.where(flip, 1 - answers, answers)
            late = np.zeros((exam.mdp.n_states, 2), dtype=int) + 20
            late[exam.decisions, answers] += 200
            counts = (late + 50).tolist()
            evidence = {"seconds": 1e-3 * trial.steps, "steps": trial.steps}
            evidence |= {"late": late.tolist(), "counts": counts, "answers": answers.tolist()}
            trials.append((trial, evidence))
    raise AssertionError("the judge never came to an end")


@pytest.mark.parametrize("gamma", [0.5, 0.8, 0.9, 0.95, 0.99])
def test_every_question_has_a_clear_answer_at_every_discount(gamma):
    exam = design(gamma)
    gaps = np.abs(exam.beliefs[0].gaps[exam.decisions])
    assert gaps.min() > 0.1, dict(zip(exam.decisions, gaps, strict=True))
    right = (exam.beliefs[0].gaps[exam.decisions] > 0).mean()
    assert 0.35 < right < 0.65, "always answering the same must not get far"


@pytest.mark.parametrize("gamma", [0.8, 0.9, 0.99])
def test_every_fault_deviates_somewhere(gamma):
    exam = design(gamma)
    for belief in exam.beliefs:
        if belief.fault in (CORRECT, NOT_LEARNED):
            continue
        undecided = np.abs(belief.gaps[exam.decisions]) < 1e-9
        assert signature(exam, belief).any() or undecided.any(), belief


def test_no_two_faults_predict_the_same_sheet_unless_they_are_the_same_semantics():
    sheets = {}
    for belief in EXAM.beliefs:
        if belief.fault in (CORRECT, NOT_LEARNED):
            continue
        gaps = belief.gaps[EXAM.decisions]
        key = tuple(np.where(np.abs(gaps) < resolution(gaps), 0, np.sign(gaps)).astype(int))
        for other in sheets.setdefault(key, set()):
            assert other == belief.fault or other in SAME_SHEET.get(belief.fault, set()), (
                belief.fault,
                other,
            )
        sheets[key].add(belief.fault)


def faulty_beliefs():
    return [b for b in EXAM.beliefs if b.fault not in (CORRECT, NOT_LEARNED)]


@pytest.mark.parametrize("belief", faulty_beliefs(), ids=lambda b: f"{b.fault} {b.variant}".strip())
def test_a_learner_with_a_fault_is_failed_and_named(belief):
    def answers(steps, rng):
        return rng.random(len(EXAM.decisions)) < np.where(
            np.abs(belief.gaps[EXAM.decisions]) < 1e-9, 0.5, belief.gaps[EXAM.decisions] > 0
        )

    outcome = run_judge(lambda steps, rng: answers(steps, rng).astype(int))
    assert outcome.status is Status.FAILED, outcome.message
    first = next(iter(outcome.suspects))
    assert first == belief.fault or first in SAME_SHEET.get(belief.fault, set()), outcome.suspects
    assert outcome.evidence["proof"][first]


def test_a_right_sheet_passes_at_once():
    outcome = run_judge(lambda steps, rng: (EXAM.beliefs[0].gaps[EXAM.decisions] > 0).astype(int))
    assert outcome.status is Status.PASSED
    assert "25 questions answered right" in outcome.message


@pytest.mark.parametrize("count", range(5))
def test_an_unfinished_learner_is_never_called_faulty(count):
    belief = [b for b in EXAM.beliefs if b.fault == NOT_LEARNED][count]
    probabilities = answer_probabilities(belief.gaps[EXAM.decisions])
    for seed in range(20):
        outcome = run_judge(
            lambda steps, rng: (rng.random(len(probabilities)) < probabilities).astype(int),
            seed=seed,
        )
        if count == 0:  # guessing after 65,536 steps is not learning
            assert "does-not-learn" in outcome.suspects or outcome.status is Status.INCONCLUSIVE
        else:
            assert outcome.status in (Status.INCONCLUSIVE, Status.PASSED), (seed, outcome)


def test_a_slow_learner_passes_when_it_has_learned():
    needed = depths(EXAM)
    right = (EXAM.beliefs[0].gaps[EXAM.decisions] > 0).astype(int)

    def answers(steps, rng):
        known = needed <= {8_192: 1, 16_384: 2, 32_768: 3}.get(steps, 9)
        return np.where(known, right, rng.integers(0, 2, len(right)))

    for seed in range(20):
        assert run_judge(answers, seed=seed).status is Status.PASSED


def test_false_alarms_of_noisy_correct_learners_are_rare():
    """Correct answers, each flipped with probability 5 %: no alarm in 200 runs (95 % bound 1.5 %)."""
    right = (EXAM.beliefs[0].gaps[EXAM.decisions] > 0).astype(int)
    statuses = [
        run_judge(lambda steps, rng: right, seed=seed, noise=0.05).status for seed in range(200)
    ]
    assert Status.FAILED not in statuses


def test_values_tell_faults_apart_that_answers_cannot():
    flipped = {b.fault: b for b in EXAM.beliefs}
    names = ("reward-sign-flipped", "advantage-sign-flipped")
    for name in names:
        from ladders.grading import Sheet

        belief = flipped[name]
        sheet = Sheet(
            seed=0,
            steps=1,
            answers=(belief.gaps[EXAM.decisions] > 0).astype(int),
            values=belief.values,
            late=np.full((EXAM.mdp.n_states, 2), 30.0),
        )
        graded = grade(EXAM, [sheet, dataclasses.replace(sheet, seed=1)])
        assert graded.ranked_faults()[0][0].split("-sign")[0] in name
