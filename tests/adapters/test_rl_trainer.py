"""`rl-trainer`: TRL's own GRPO and RLOO trainers are verified, and each planted mistake is named."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("trl")

from faulty_grpo import CORRECT, FAULTY

import rlcheck
from ladders.trainers import group_semantics
from ladders.trainers.rollout_semantics import (
    Setting,
    Tokens,
    correct_semantics,
    gradient_of,
    loss_of,
)


@pytest.mark.slow
@pytest.mark.parametrize("name", CORRECT)
def test_correct_trainers_pass(name):
    report = rlcheck.check(CORRECT[name], "rl-trainer")
    assert report.verdict == "passed", [(r.check, r.message) for r in report.results]


@pytest.mark.slow
@pytest.mark.parametrize("trainer", FAULTY)
def test_every_mistake_is_caught_and_named(trainer):
    report = rlcheck.check(trainer, "rl-trainer")
    assert report.verdict == "failed"
    assert report.diagnosis[0].fault == f"rl-trainer/{FAULTY[trainer]}"


def tokens(random, length):
    new, old, reference = (random.normal(-2, 0.3, length) for _ in range(3))
    return Tokens(new, new.copy(), old, reference, 2 * new, 2 * old, 2 * reference)


def test_the_usual_loss_is_the_equation():
    random = np.random.default_rng(0)
    rows, advantages = [tokens(random, 3), tokens(random, 5)], np.array([1.5, -0.5])
    usual = correct_semantics(0.1)[0]
    total, count = 0.0, 0
    for row, advantage in zip(rows, advantages, strict=True):
        for new, old, reference in zip(row.policy, row.old, row.reference, strict=True):
            ratio = np.exp(new - old)
            kl = np.exp(reference - new) - (reference - new) - 1
            total += -min(ratio * advantage, np.clip(ratio, 0.8, 1.2) * advantage) + 0.1 * kl
            count += 1
    assert loss_of(usual, rows, advantages, Setting(0.2, 0.1, 8)) == pytest.approx(total / count)


def test_on_policy_the_gradient_is_minus_the_advantage():
    row = tokens(np.random.default_rng(1), 4)
    row = row._replace(old=row.policy)
    usual = correct_semantics(0.0)[0]
    (slope,) = gradient_of(usual, [row], np.array([2.0]), Setting(0.2, 0.0, 8))
    np.testing.assert_allclose(slope, -2.0 / 4, rtol=1e-5)


def test_cispo_keeps_the_gradient_of_every_token_and_sapo_is_reinforce_on_policy():
    random = np.random.default_rng(1)
    row = tokens(random, 4)
    setting, advantage = Setting(0.2, 0.0, 8), np.array([2.0])
    around = next(
        s
        for s in correct_semantics(0.0, "cispo")
        if s.form == "CISPO around 1" and s.level == "token"
    )
    (slope,) = gradient_of(around, [row], advantage, setting)
    weight = np.clip(np.exp(row.policy - row.old), 0.8, 1.2)
    np.testing.assert_allclose(slope, -2.0 * weight / 4, rtol=1e-5)
    (slope,) = gradient_of(
        correct_semantics(0.0, "sapo")[0], [row._replace(old=row.policy)], advantage, setting
    )
    np.testing.assert_allclose(slope, -2.0 / 4, rtol=1e-5)


def test_every_published_advantage_is_told_from_every_fault():
    rewards = np.random.default_rng(0).normal(size=(4, 5)) + np.arange(4)[:, None]
    made = {name: semantics(rewards) for name, semantics in group_semantics.EVERY.items()}
    for name, advantages in made.items():
        assert [other for other in made if np.allclose(made[other], advantages)] == [name]
