"""`preference-trainer` on reward models: TRL's own is verified, and each planted mistake is named."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("trl")

from faulty_reward import CORRECT, FAULTY, make_reward_trainer

import rlcheck
from ladders.trainers.reward_semantics import Scored, ScoredPair, all_semantics, predict
from rlcheck.errors import BindingError

COMPARED = ["*definition*"]


@pytest.mark.slow
@pytest.mark.parametrize("name", CORRECT)
def test_correct_trainers_pass(name):
    report = rlcheck.check(CORRECT[name], "preference-trainer")
    assert report.verdict == "passed", [(r.check, r.message) for r in report.results]


@pytest.mark.slow
@pytest.mark.parametrize("trainer", FAULTY)
def test_every_mistake_is_caught_and_named(trainer):
    report = rlcheck.check(trainer, "preference-trainer")
    assert report.verdict == "failed"
    assert report.diagnosis[0].fault == f"preference-trainer/{FAULTY[trainer]}"


def test_a_factory_of_reward_trainers_is_given_a_reward_model():
    report = rlcheck.check(make_reward_trainer, "preference-trainer", select=COMPARED)
    assert report.verdict == "passed"
    assert report.dialect == {"trains": "reward model"}
    messages = [r.message for r in report.results if r.status == "passed"]
    assert messages[0] == "5 batches: the loss is Bradley-Terry, exactly"


def test_what_a_trainer_trains_is_one_of_two():
    with pytest.raises(BindingError, match="`trains` is 'policy' or 'reward model', got 'critic'"):
        rlcheck.check(make_reward_trainer, "preference-trainer", dialect={"trains": "critic"})


def _pairs():
    random = np.random.default_rng(0)

    def side(length):
        return Scored(random.normal(size=6), length)

    return [ScoredPair(side(6), side(4), 0.5), ScoredPair(side(3), side(5), 0.0)]


def test_the_usual_loss_is_the_equation():
    pairs, total = _pairs(), 0.0
    for chosen, rejected, margin in pairs:
        a, b = chosen.scores[chosen.length - 1], rejected.scores[rejected.length - 1]
        total += np.log1p(np.exp(-(a - b - margin))) + 0.3 * (a + b) ** 2
    assert predict(next(all_semantics()), pairs, 0.3)[0] == pytest.approx(total / 2)


def test_the_derivative_of_every_semantics_is_that_of_its_value():
    pairs = _pairs()
    for semantics in all_semantics():
        if semantics.frozen:
            continue
        _, weights = predict(semantics, pairs, 0.3)
        sides = [side for pair in pairs for side in pair[:2]]
        for side, weight in zip(sides, weights, strict=True):
            for place in range(6):
                values = []
                for step in (1e-6, -1e-6):
                    side.scores[place] += step
                    values.append(predict(semantics, pairs, 0.3)[0])
                    side.scores[place] -= step
                assert weight[place] == pytest.approx((values[0] - values[1]) / 2e-6, abs=1e-7)
