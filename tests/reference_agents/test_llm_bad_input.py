"""Input that nothing can be learned from gives a documented number or a clear error, never NaN."""

from __future__ import annotations

import math

import pytest
import torch

from reference_agents.llm.chunked import chunked_log_probs
from reference_agents.llm.losses import (
    aggregate,
    dpo_loss,
    group_advantages,
    grpo_loss,
    kl_estimate,
    reward_model_loss,
    rlhf_token_rewards,
    sequence_log_probs,
    token_log_probs,
)

NAN = math.nan
ROWS, MASK = -torch.ones(2, 3), torch.ones(2, 3, dtype=torch.bool)
SIGNS = torch.tensor([1.0, -1.0])
LEVELS = ("token", "sequence-mean", "sequence-product")


def grpo(log_probs=ROWS, old=ROWS, advantages=SIGNS, mask=MASK, **options):
    return grpo_loss(log_probs, old, advantages, mask, clip_epsilon=0.2, **options)


@pytest.mark.parametrize("aggregation", ["seq-mean", "token-mean"])
def test_empty_completions_are_worth_nothing(aggregation):
    empty, kept = torch.zeros(2, 0), torch.ones(2, 0, dtype=torch.bool)
    assert grpo(empty, empty, SIGNS, kept, aggregation=aggregation) == 0
    assert rlhf_token_rewards(SIGNS, empty, empty, kept, kl_coef=0.1).shape == (2, 0)
    assert token_log_probs(torch.zeros(2, 0, 5), empty.long()).shape == (2, 0)
    assert chunked_log_probs(torch.zeros(2, 0, 4), torch.zeros(5, 4), empty.long()).shape == (2, 0)
    for reduction in ("sum", "mean"):
        assert sequence_log_probs(empty, kept, reduction=reduction).tolist() == [0, 0]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("poison", [NAN, math.inf, -math.inf])
def test_a_fully_masked_row_has_no_gradient_whatever_it_holds(level, poison):
    mask, log_probs = MASK.clone(), ROWS.clone()
    mask[1], log_probs[1] = False, poison
    log_probs.requires_grad_()
    loss = grpo(log_probs, mask=mask, ratio=level)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(-0.5)
    assert log_probs.grad[1].tolist() == [0, 0, 0]
    assert rlhf_token_rewards(SIGNS, ROWS, ROWS, mask, kl_coef=0.1)[1].tolist() == [0, 0, 0]


def test_nothing_at_all_is_zero():
    none = torch.zeros(0)
    assert reward_model_loss(none, none) == 0
    assert dpo_loss(none, none, none, none, beta=0.1) == 0
    assert aggregate(ROWS, torch.zeros_like(MASK)) == 0
    assert group_advantages(none, none.long()).shape == (0,)


@pytest.mark.parametrize("baseline", ["mean", "leave-one-out"])
def test_a_group_of_one_has_no_advantage(baseline):
    rewards = torch.tensor([3.0, 1.0, 2.0])
    made = group_advantages(rewards, torch.tensor([0, 1, 1]), baseline=baseline)
    assert made[0] == 0


CALLS = {
    "log_probs": lambda bad: grpo(bad),
    "old_log_probs": lambda bad: grpo(ROWS, bad),
    "ref_log_probs": lambda bad: grpo(ref_log_probs=bad, kl_coef=0.1),
    "advantages": lambda bad: grpo(advantages=bad),
    "values": lambda bad: aggregate(bad, MASK),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("value", [NAN, math.inf, -math.inf])
def test_what_counts_and_is_not_finite_is_named(name, value):
    bad = ROWS.clone()
    bad[0, 1] = value
    with pytest.raises(ValueError, match=f"`{name}` must be finite where the mask keeps it"):
        CALLS[name](bad)


def test_pairs_and_single_functions_name_it_too():
    bad = torch.tensor([1.0, NAN])
    with pytest.raises(ValueError, match="`policy_rejected_logps` must be finite, it holds NaN"):
        dpo_loss(SIGNS, bad, SIGNS, SIGNS, beta=0.1)
    with pytest.raises(ValueError, match="`rejected_rewards` must be finite"):
        reward_model_loss(SIGNS, bad)
    with pytest.raises(ValueError, match="`log_probs` must be finite"):
        kl_estimate(ROWS * NAN, ROWS)
    with pytest.raises(ValueError, match="`log_probs` must be finite where"):
        sequence_log_probs(ROWS * NAN, MASK)
    with pytest.raises(ValueError, match="`scores` must be finite where"):
        rlhf_token_rewards(bad, ROWS, ROWS, MASK, kl_coef=0.1)
    with pytest.raises(ValueError, match="logits of a token that counts hold NaN"):
        token_log_probs(torch.full((1, 1, 3), NAN), torch.zeros(1, 1, dtype=torch.long))


def test_lengths_that_do_not_match_are_named():
    with pytest.raises(ValueError, match="`advantages` must have the shape of `log_probs` without"):
        grpo(advantages=SIGNS[:1])
    with pytest.raises(ValueError, match="`old_log_probs` must have the shape of `log_probs`"):
        grpo(old=ROWS[:, :2])
    with pytest.raises(ValueError, match="`policy_rejected_logps` must have the shape"):
        dpo_loss(SIGNS, SIGNS[:1], SIGNS, SIGNS, beta=0.1)
    with pytest.raises(ValueError, match="`group_ids` must have the shape of `rewards`"):
        group_advantages(SIGNS, torch.tensor([0]))
    with pytest.raises(ValueError, match=r"`tokens` must lie in \[0, 3\).*mask out labels"):
        token_log_probs(torch.zeros(1, 1, 3), torch.tensor([[-100]]))
