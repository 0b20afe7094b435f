"""The exam by itself: gaps, fault predictions, grading of sheets that are made up, no training."""

import dataclasses

import numpy as np
import pytest

from ladders.beliefs import CORRECT, NOT_LEARNED
from ladders.exam import design
from ladders.grading import depths, grade, resolution
from ladders.selftest import learner, rows, sit_exam
from ladders.unfinished import passing
from rlcheck.records import Status
from rlcheck.selftests import tally

EXAM = design(0.9)
SAME_SHEET = {
    # Pairs that no answer can tell apart, by the definition of their semantics.
    "terminal-as-truncation": {"terminal-bootstrap"},
    "ratio-inverted": {"advantage-sign-flipped", "reward-sign-flipped"},
    "reward-sign-flipped": {"advantage-sign-flipped", "ratio-inverted"},
    "advantage-sign-flipped": {"reward-sign-flipped", "ratio-inverted"},
    "discount-hard-coded": {"discount-ignored"},
    "discount-ignored": {"discount-hard-coded"},
    "reward-mean-subtracted": {"terminal-bootstrap"},
    # Their values differ.
    "critic-not-trained": {"truncation-as-terminal"},
    "observation-ignored": {"observation-stale"},
    "observation-stale": {"observation-ignored"},
}


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
        gaps, right = belief.gaps[exam.decisions], exam.beliefs[0].gaps[exam.decisions]
        assert (np.sign(gaps) * np.sign(right) < 1).any(), belief


def test_no_two_faults_predict_the_same_sheet_unless_they_are_the_same_semantics():
    sheets = {}
    for belief in EXAM.beliefs:
        if belief.fault in (CORRECT, NOT_LEARNED):
            continue
        gaps = belief.gaps[EXAM.decisions]
        key = tuple(np.where(np.abs(gaps) < resolution(EXAM, gaps), 0, np.sign(gaps)).astype(int))
        for other in sheets.setdefault(key, set()):
            assert other == belief.fault or other in SAME_SHEET.get(belief.fault, set()), (
                belief.fault,
                other,
            )
        sheets[key].add(belief.fault)


def faulty_beliefs():
    beliefs = [b for b in EXAM.beliefs if b.fault not in (CORRECT, NOT_LEARNED)]
    return [belief for belief in beliefs if not passing(belief)]


@pytest.mark.parametrize("belief", faulty_beliefs(), ids=lambda b: f"{b.fault} {b.variant}".strip())
def test_a_learner_with_a_fault_is_failed_and_named(belief):
    outcome = sit_exam(learner(belief, noise=0.0))
    assert outcome.status is Status.FAILED, outcome.message
    first = next(iter(outcome.suspects))
    assert first == belief.fault or first in SAME_SHEET.get(belief.fault, set()), outcome.suspects
    assert outcome.evidence["proof"][first]


def test_a_right_sheet_passes_at_once():
    outcome = sit_exam(lambda steps, rng: EXAM.right)
    assert outcome.status is Status.PASSED
    assert "25 questions answered right" in outcome.message


@pytest.mark.parametrize("count", range(5))
def test_an_unfinished_learner_is_never_called_faulty(count):
    belief = [b for b in EXAM.beliefs if b.fault == NOT_LEARNED][count]
    for seed in range(20):
        outcome = sit_exam(learner(belief), seed=seed)
        if count == 0:  # guessing after 65,536 steps is not learning
            assert "does-not-learn" in outcome.suspects or outcome.status is Status.INCONCLUSIVE
        else:
            assert outcome.status in (Status.INCONCLUSIVE, Status.PASSED), (seed, outcome)


def test_a_slow_learner_passes_when_it_has_learned():
    needed = depths(EXAM)
    right = EXAM.right

    def answers(steps, rng):
        known = needed <= {8_192: 1, 16_384: 2, 32_768: 3}.get(steps, 9)
        return np.where(known, right, rng.integers(0, 2, len(right)))

    for seed in range(20):
        assert sit_exam(answers, seed=seed).status is Status.PASSED


@pytest.mark.parametrize("unknown", ["good", "bad", "good and bad"])
def test_a_critic_that_lags_behind_at_time_limits_is_waited_for(unknown):
    """Returns of whole episodes teach everything else; what is behind a time limit, only the critic."""
    lagging = next(
        b for b in EXAM.beliefs if b.variant == f"100%, {unknown} unknown at a time limit"
    )
    for seed in range(20):
        outcome = sit_exam(
            lambda steps, rng: learner(lagging if steps < 30_000 else EXAM.beliefs[0], 0)(
                steps, rng
            ),
            seed=seed,
        )
        assert outcome.status is Status.PASSED
    # No mistake looks like a critic that knows the bad state alone.
    stays = sit_exam(learner(lagging, 0))
    assert stays.status is (Status.INCONCLUSIVE if unknown == "good" else Status.FAILED)
    assert all(fault.startswith("truncation-") for fault in list(stays.suspects)[:1])


@pytest.mark.parametrize("share", ["90%", "80%", "65%"])
def test_a_fault_in_a_learner_that_is_not_done_is_named_when_it_is_done(share):
    """On its way it answers as one whose critic is not trained."""
    found = {b.variant: b for b in EXAM.beliefs if b.fault == "truncation-as-terminal"}
    unfinished, done = found[f"{share} of every later value"], found[""]
    outcome = sit_exam(
        lambda steps, rng: learner(unfinished if steps < 30_000 else done, 0)(steps, rng)
    )
    assert outcome.status is Status.FAILED
    assert next(iter(outcome.suspects)) == "truncation-as-terminal"


def test_false_alarms_of_noisy_correct_learners_are_rare():
    """Right answers, each flipped with a probability of at least 5 %: no alarm in 200 runs."""
    statuses = [sit_exam(learner(EXAM.beliefs[0]), seed=seed).status for seed in range(200)]
    assert Status.FAILED not in statuses


def test_the_self_test_misses_nothing_and_accuses_nobody():
    found = tally(rows())
    assert not found.missed
    assert not found.false_alarms
    assert found.correct > 100


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
