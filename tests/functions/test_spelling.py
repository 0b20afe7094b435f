"""Names are read by their nearest spelling that means one thing only."""

import numpy as np
import pytest
import torch

import rlcheck
from rlcheck.errors import UsageError
from rlcheck.functions.spelling import Spellings

WORDS = [
    ("values", "values"),
    ("next_values", "next_values"),
    ("next_vals", "next_values"),
    ("last_value", "last_value"),
    ("next_value", "last_value"),
    ("clip_epsilon", "clip"),
    ("epsilon", "clip"),
    ("clip_range", "clip"),
    ("old_log_probs", "old"),
    ("ref_log_probs", "ref"),
    ("gamma", "gamma"),
    ("rewards", "rewards"),
    ("reward", "rewards"),
    ("lambda", "lam"),
    ("discounts", "discounts"),
    ("next_probabilities", "policy"),
]


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("cliprange", "clip"),
        ("eps", "clip"),
        ("logp_old", "old"),
        ("oldLogProbs", "old"),
        ("old_logprob", "old"),
        ("ref_logps", "ref"),
        ("logprobs_reference", "ref"),
        ("next_val", "last_value"),
        ("vals_next", "next_values"),
        ("reward_t", "rewards"),
        ("rews", "rewards"),
        ("lambda_", "lam"),
        ("discount_t", "discounts"),
        ("next_probs", "policy"),
    ],
)
def test_other_spellings_of_a_word(name, meaning):
    assert Spellings(WORDS).read(name).meaning == meaning


@pytest.mark.parametrize("name", ["v_t", "q", "values_t", "log_probs", "mask", "delta"])
def test_what_may_mean_something_else_is_not_read(name):
    assert Spellings(WORDS).read(name) is None


def test_a_spelling_of_two_meanings_is_not_read():
    assert Spellings([("old_q", "a"), ("q_old", "b")]).read("old_qs") is None


def test_of_two_names_for_one_word_the_nearer_is_taken():
    def loss(log_probs, old_log_probs, advantages, eps=0.5, clip_range=0.2):
        ratio = np.exp(log_probs - old_log_probs)
        clipped = np.clip(ratio, 1 - clip_range, 1 + clip_range)
        return -np.minimum(ratio * advantages, clipped * advantages).mean() + 0 * eps

    assert rlcheck.check(loss, "ppo-loss", max_examples=10).verdict == "passed"


def test_a_guard_against_division_by_zero_is_no_clip():
    def loss(log_probs, old_log_probs, advantages, eps=1e-8):
        ratio = np.exp(log_probs - old_log_probs)
        return -np.minimum(ratio * advantages, np.clip(ratio, 0.8, 1.2) * advantages).mean()

    with pytest.raises(UsageError, match="does not name the hyper-parameter"):
        rlcheck.check(loss, "ppo-loss", max_examples=10)


def test_bind_is_understood_either_way_round_where_a_name_is_also_a_word():
    def loss(predictions, returns, values, eps):
        """`values` are the old ones."""
        moved = values + np.clip(predictions - values, -eps, eps)
        return np.maximum((predictions - returns) ** 2, (moved - returns) ** 2).mean()

    own_first = {"predictions": "values", "values": "old_values", "eps": "clip_epsilon"}
    contract_first = {word: name for name, word in own_first.items()}
    for bind in (own_first, contract_first):
        report = rlcheck.check(loss, "value-loss", bind=bind, max_examples=10)
        assert report.verdict == "passed"


def returns_of_discounts(rewards, discounts):
    """gamma is in the discounts, which are 0 at an end."""
    out, following = np.zeros_like(rewards), np.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        out[t] = following = rewards[t] + discounts[t] * following
    return out


def test_discounts_hold_gamma_and_the_ends():
    report = rlcheck.check(returns_of_discounts, "discounted-returns", max_examples=20)
    assert report.verdict == "passed"
    assert any("only one flag" in note for note in report.notes)


def test_discounts_of_a_transition():
    def target(reward_t, discount_t, v_t):
        return reward_t + discount_t * v_t

    assert rlcheck.check(target, "td-target", max_examples=20).verdict == "passed"


def test_minus_a_word_is_read_where_a_word_has_a_sign():
    """Value and gradient are those of the contract's own word."""

    def loss(neglogp, old_neglogp, adv, cliprange):
        ratio = torch.exp(old_neglogp - neglogp)
        clipped = ratio.clamp(1 - cliprange, 1 + cliprange)
        return torch.max(-adv * ratio, -adv * clipped).mean()

    def inverted(neglogp, old_neglogp, adv, cliprange):
        return loss(old_neglogp, neglogp, adv, cliprange)

    assert rlcheck.check(loss, "ppo-loss", max_examples=10).verdict == "passed"
    report = rlcheck.check(inverted, "ppo-loss", max_examples=10)
    assert report.diagnosis[0].fault == "ppo-loss/ratio-inverted"


def test_minus_a_flag_is_not_read():
    assert Spellings([("mask", "mask")]).read("neg_mask").negated

    def kept(log_probs, neg_mask):
        return (log_probs * neg_mask).sum(-1)

    with pytest.raises(UsageError, match="neg_mask"):
        rlcheck.check(kept, "sequence-log-probs", max_examples=10)


class Schedule:
    """Settings in an object, the step alone in the call."""

    def __init__(self, start, end, steps):
        self.start, self.end, self.steps = start, end, steps

    def value(self, step):
        return self.start + (self.end - self.start) * min(step / self.steps, 1.0)

    def without_end(self, step):
        return self.start + (self.end - self.start) * step / self.steps


def test_a_schedule_with_settings_of_its_own():
    settings = {"start": 1.0, "end": 0.02, "decay_steps": 50_000}
    own = Schedule(1.0, 0.02, 50_000)
    report = rlcheck.check(own.value, "epsilon-schedule", constants=settings, max_examples=10)
    assert report.verdict == "passed"
    report = rlcheck.check(own.without_end, "epsilon-schedule", constants=settings, max_examples=10)
    assert report.diagnosis[0].fault == "epsilon-schedule/not-cut-off"


def test_a_schedule_whose_settings_are_unknown_asks_for_them():
    with pytest.raises(UsageError, match="--set start=VALUE"):
        rlcheck.check(Schedule(1.0, 0.02, 10).value, "epsilon-schedule", max_examples=10)
