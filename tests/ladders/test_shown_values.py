"""Values that no policy can change: what convicts a critic, and what says nothing about it."""

from __future__ import annotations

import numpy as np
import pytest

from ladders.exam import design
from ladders.exam_judge import judge_exam
from ladders.mdp import optimal_control
from ladders.sheets import Sheet
from ladders.shown_values import certain, may_be_wrong, misjudged, wrong_values
from rlcheck.records import Context, More, Settings, Status, Trial

EXAM = design(0.9)
RIGHT = EXAM.beliefs[0].values
CONTEXT = Context(Settings(gamma=0.9), {"capabilities": ("predict", "values")})
rng = np.random.default_rng(0)


def discounted(gamma: float) -> np.ndarray:
    return optimal_control(EXAM.mdp.rewards, EXAM.mdp.continuation(gamma))[0]


def sheet(values: np.ndarray, seed: int = 0, right: float = 1.0) -> Sheet:
    visits = np.full((EXAM.mdp.n_states, 2), 100.0)
    count = round(right * len(EXAM.decisions))
    answers = np.where(np.arange(len(EXAM.decisions)) < count, EXAM.right, 1 - EXAM.right)
    return Sheet(seed, 8_192, answers, values, visits)


def judged(before: np.ndarray, now: np.ndarray, **facts: object):
    levels = {8_192: [sheet(before), sheet(before, 1)], 16_384: [sheet(now, 2), sheet(now, 3)]}
    return wrong_values(EXAM, levels, Context(Settings(gamma=0.9), {**CONTEXT.facts, **facts}))


def test_certain_states_are_walks_and_forced_ends():
    names = {EXAM.mdp.names[state] for state in np.nonzero(certain(EXAM))[0]}
    assert {"good", "bad", "long-delay-1", "stay-3"} <= names
    assert not names & {"bandit-0", "gamble", "going-on-to-good"}


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(RIGHT, id="exact"),
        pytest.param(0.1 * RIGHT, id="rewards divided by 10"),
        pytest.param(-0.5 + RIGHT, id="shifted, as a normaliser does"),
        pytest.param(discounted(0.8), id="later values on their way from zero"),
        pytest.param(RIGHT + rng.normal(0, 0.3, len(RIGHT)), id="noisy"),
        pytest.param(10.0 + RIGHT, id="shifted so far that neighbours look equal"),
        pytest.param(np.full(len(RIGHT), np.nan), id="not shown"),
    ],
)
def test_what_a_right_learner_may_show_convicts_nobody(values):
    assert misjudged(EXAM, [sheet(values), sheet(values, 1)]) is None
    assert judged(values, values) is None


@pytest.mark.parametrize(
    ("gamma", "first"), [(0.95, "hard-coded"), (0.99, "hard-coded"), (1, "ignored")]
)
def test_a_larger_discount_is_read_off_walks_although_every_answer_is_right(gamma, first):
    outcome = judged(discounted(gamma), discounted(gamma))
    assert outcome.status is Status.FAILED
    assert next(iter(outcome.suspects)) == f"discount-{first}"
    assert f"V(s) = {gamma:.3f} V(s')" in outcome.message


def test_a_discount_that_is_still_changing_or_not_certain_convicts_nobody():
    assert judged(discounted(1.0), discounted(0.96)) is None
    assert judged(discounted(0.95), discounted(0.95), entropy_in_value=True) is None


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(-RIGHT, id="negated"),
        pytest.param(rng.normal(0, 0.1, len(RIGHT)), id="untrained"),
        pytest.param(np.zeros(len(RIGHT)), id="zero"),
    ],
)
def test_a_critic_that_has_nothing_to_do_with_the_rewards_is_named(values):
    assert judged(values, values).suspects == {"critic-not-trained": 0.8}
    assert judged(values, RIGHT) is None


def test_a_critic_counts_only_once_the_policy_has_learned():
    zero = np.zeros(len(RIGHT))
    assert misjudged(EXAM, [sheet(zero, right=0.5)] * 2) is None


def test_right_answers_with_doubtful_values_call_for_one_more_level():
    def trial(steps: int, seed: int, values: np.ndarray, variant: str = ""):
        evidence = {
            "seconds": 1.0,
            "steps": steps,
            "late": np.full((EXAM.mdp.n_states, 2), 50.0).tolist(),
            "counts": np.full((EXAM.mdp.n_states, 2), 100.0).tolist(),
            "lone": [50, 4_000, 2],
            "answers": EXAM.right.tolist(),
            "values": values.tolist(),
        }
        return Trial(seed, steps, variant), evidence

    wrong = discounted(0.95)
    assert may_be_wrong(EXAM, [sheet(wrong)] * 2, CONTEXT)
    speed = trial(512, 0, wrong, "speed")
    first = [trial(8_192, seed, wrong) for seed in (0, 1)]
    more = judge_exam([speed, *first], CONTEXT)
    assert isinstance(more, More)
    assert {one.steps for one in more.trials} == {16_384}
    again = [trial(16_384, seed, wrong) for seed in (10, 11)]
    assert judge_exam([speed, *first, *again], CONTEXT).status is Status.FAILED
    settled = [trial(16_384, seed, RIGHT) for seed in (10, 11)]
    assert judge_exam([speed, *first, *settled], CONTEXT).status is Status.PASSED
