"""Token log-probabilities, plain and chunked, advantages and rewards of responses."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_agents.llm.advantages import group_advantages, process_advantages, token_gae
from reference_agents.llm.chunked import chunked_log_probs
from reference_agents.llm.log_probs import sequence_log_probs, token_log_probs
from reference_agents.llm.rewards import Component, last_token, rlhf_token_rewards, score
from reference_agents.returns import gae

quick = settings(max_examples=50, deadline=None)
seeds = st.integers(0, 2**31)


@given(
    seeds,
    st.integers(1, 9),
    st.integers(1, 12),
    st.sampled_from([0.5, 1.0, 1.7]),
    st.booleans(),
)
@quick
def test_chunked_equals_plain_in_value_and_gradient(seed, chunk_size, vocabulary, tau, masked):
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(2, 4, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    matrix = torch.randn(
        vocabulary, 3, generator=generator, dtype=torch.float64, requires_grad=True
    )
    tokens = torch.randint(0, vocabulary, (2, 4), generator=generator)
    mask = torch.rand(2, 4, generator=generator) < 0.6 if masked else None
    weights = torch.randn(2, 4, generator=generator, dtype=torch.float64)
    plain = token_log_probs(hidden @ matrix.T, tokens, mask, temperature=tau)
    chunked = chunked_log_probs(
        hidden, matrix, tokens, mask, temperature=tau, chunk_size=chunk_size
    )
    torch.testing.assert_close(chunked, plain, rtol=1e-12, atol=1e-12)
    expected = torch.autograd.grad((plain * weights).sum(), (hidden, matrix))
    got = torch.autograd.grad((chunked * weights).sum(), (hidden, matrix))
    torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-12)


def test_chunked_forms_only_the_gradients_that_are_wanted():
    hidden = torch.randn(1, 3, 2, dtype=torch.float64, requires_grad=True)
    chunked_log_probs(hidden, torch.randn(4, 2).double(), torch.zeros(1, 3).long()).sum().backward()
    assert hidden.grad is not None


def test_chunked_in_half_precision_is_as_good_as_plain():
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(1, 16, 32, generator=generator).bfloat16()
    matrix = torch.randn(100, 32, generator=generator).bfloat16()
    tokens = torch.randint(0, 100, (1, 16), generator=generator)
    exact = token_log_probs(hidden.double() @ matrix.double().T, tokens)
    errors = [
        (form.double() - exact).abs().max()
        for form in (
            token_log_probs(hidden @ matrix.T, tokens),
            chunked_log_probs(hidden, matrix, tokens, chunk_size=5),
        )
    ]
    assert errors[1] <= 1.01 * errors[0]


def test_probabilities_of_all_responses_sum_to_one():
    generator = torch.Generator().manual_seed(1)
    tree = {
        prefix: torch.randn(3, generator=generator, dtype=torch.float64)
        for length in range(3)
        for prefix in itertools.product(range(3), repeat=length)
    }
    responses = list(itertools.product(range(3), repeat=3))
    logits = torch.stack([torch.stack([tree[y[:t]] for t in range(3)]) for y in responses])
    for tau in (0.5, 1.0):
        log_probs = token_log_probs(logits, torch.tensor(responses), temperature=tau)
        total = sequence_log_probs(log_probs).exp().sum()
        assert float(total) == pytest.approx(1.0)


@pytest.mark.parametrize("poison", [1e4, math.nan, -math.inf])
def test_padding_of_any_content_touches_nothing(poison):
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(2, 3, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[True, False, True], [False, False, False]])
    dirty = torch.where(mask.unsqueeze(-1), logits.detach(), poison).requires_grad_()
    tokens = torch.tensor([[1, -100, 4], [7, -100, 99]])
    values = [token_log_probs(z, tokens, mask) for z in (logits, dirty)]
    slopes = [
        torch.autograd.grad(sequence_log_probs(value, mask, reduction="mean").sum(), z)[0]
        for value, z in zip(values, (logits, dirty), strict=True)
    ]
    assert torch.equal(*values)
    assert torch.equal(*slopes)
    assert (slopes[1][~mask] == 0).all()
    assert sequence_log_probs(values[0], mask)[1].item() == 0.0


def test_gradient_row_is_onehot_minus_softmax():
    logits = torch.randn(1, 2, 4, dtype=torch.float64, requires_grad=True)
    tokens = torch.tensor([[2, 0]])
    (gradient,) = torch.autograd.grad(
        token_log_probs(logits, tokens, temperature=2.0).sum(), logits
    )
    onehot = torch.nn.functional.one_hot(tokens, 4)
    torch.testing.assert_close(gradient, (onehot - (logits / 2.0).softmax(-1)) / 2.0)


@given(seeds, st.lists(st.sampled_from([1, 2, 3, 5, 6, 7, 12]), min_size=1, max_size=4))
@quick
def test_group_advantages_are_the_loop_over_groups(seed, sizes):
    generator = torch.Generator().manual_seed(seed)
    ids = torch.cat([torch.full((size,), 10 * k) for k, size in enumerate(sizes)])
    ids = ids[torch.randperm(len(ids), generator=generator)]
    rewards = torch.randn(len(ids), generator=generator, dtype=torch.float64)
    for ddof in (0, 1):
        got = group_advantages(rewards, ids, ddof=ddof)
        loo = group_advantages(rewards, ids, baseline="leave-one-out", normalise=False)
        for name in ids.unique():
            group = rewards[ids == name]
            size = len(group)
            std = float(group.std(correction=ddof)) if size > 1 else 0.0
            expected = (group - group.mean()) / (std + 1e-4)
            torch.testing.assert_close(got[ids == name], expected)
            others = (group.sum() - group) / max(size - 1, 1) if size > 1 else group
            torch.testing.assert_close(loo[ids == name], group - others)


@given(st.sampled_from([1, 3, 5, 6, 7, 12]), st.floats(-1e3, 1e3, width=32))
@quick
def test_equal_rewards_have_exactly_no_advantage(size, reward):
    rewards = torch.full((size,), reward, dtype=torch.float32)
    for baseline in ("mean", "leave-one-out"):
        advantages = group_advantages(rewards, torch.zeros(size).long(), baseline=baseline)
        assert (advantages == 0).all()


def test_a_reward_that_is_not_finite_is_an_error():
    with pytest.raises(ValueError, match="`rewards` must be finite"):
        group_advantages(torch.tensor([1.0, math.nan]), torch.zeros(2).long())


def test_rewards_of_steps_are_normalised_in_the_group_and_summed_to_the_end():
    rewards = torch.tensor([[1.0, 0.0, 9.0], [0.0, 2.0, 1.0]])
    mask = torch.tensor([[True, True, False], [True, True, True]])
    steps = rewards[mask]
    normal = (rewards - steps.mean()) / (steps.std() + 1e-4)
    expected = [[normal[0, 0] + normal[0, 1], normal[0, 1], 0.0]]
    expected.append([normal[1].sum(), normal[1, 1:].sum(), normal[1, 2]])
    got = process_advantages(rewards, mask, torch.zeros(2).long())
    torch.testing.assert_close(got, torch.tensor(expected))


@given(seeds, st.sampled_from([0.0, 0.7, 1.0]))
@quick
def test_token_gae_is_gae_of_the_tokens_that_count(seed, lam):
    generator = torch.Generator().manual_seed(seed)
    rewards, values = torch.randn(2, 1, 6, generator=generator, dtype=torch.float64)
    mask = torch.rand(1, 6, generator=generator) < 0.6
    got = token_gae(rewards, values, mask, gamma=0.9, lam=lam)
    assert (got.advantages[~mask] == 0).all()
    if mask.any():
        r, v = rewards[mask].unsqueeze(1), values[mask].unsqueeze(1)
        ends = torch.zeros_like(r, dtype=torch.bool)
        ends[-1] = True
        following = torch.cat([v[1:], torch.zeros(1, 1, dtype=v.dtype)])
        expected = gae(r, v, following, ends, torch.zeros_like(ends), gamma=0.9, lam=lam)
        torch.testing.assert_close(got.advantages[mask], expected[:, 0])
        torch.testing.assert_close(got.returns[mask], (expected + v)[:, 0])


@given(seeds)
@quick
def test_token_rewards_sum_to_the_score_less_the_price_of_the_kl(seed):
    generator = torch.Generator().manual_seed(seed)
    log_probs, ref = torch.randn(2, 3, 4, generator=generator, dtype=torch.float64)
    scores = torch.randn(3, generator=generator, dtype=torch.float64)
    mask = torch.rand(3, 4, generator=generator) < 0.6
    rewards = rlhf_token_rewards(scores, log_probs, ref, mask, kl_coef=0.3)
    drift = ((log_probs - ref) * mask).sum(1)
    expected = torch.where(mask.any(1), scores, 0.0) - 0.3 * drift
    torch.testing.assert_close(rewards.sum(1), expected)
    assert (rewards[~mask] == 0).all()
    alone = rlhf_token_rewards(scores, ref, ref, mask, kl_coef=0.3)
    assert torch.equal(alone != 0, last_token(mask) & (scores != 0).unsqueeze(1))


def test_components_of_a_reward_are_weighted_and_told_apart():
    tokens = torch.tensor([[1, 2, 0], [2, 2, 2]])
    mask = torch.tensor([[True, True, False], [True, True, True]])
    components = [
        Component("right", 2.0, lambda prompts, tokens, mask: (tokens[:, 0] == 1).float()),
        Component("twos", 0.5, lambda prompts, tokens, mask: (tokens == 2).float()),
    ]
    scores = score(components, tokens[:, :1], tokens, mask)
    assert scores.outcomes.tolist() == [2.0, 0.0]
    assert scores.steps.tolist() == [[0.0, 0.5, 0.0], [0.5, 0.5, 0.5]]
    assert scores.totals.tolist() == [2.5, 1.5]
    assert {name: part.tolist() for name, part in scores.parts.items()} == {
        "right": [1.0, 0.0],
        "twos": [1.0, 3.0],
    }
    wrong = [Component("odd", 1.0, lambda prompts, tokens, mask: torch.zeros(5))]
    with pytest.raises(ValueError, match=r"component `odd` must answer with \(2,\) or \(2, 3\)"):
        score(wrong, tokens[:, :1], tokens, mask)


def test_bad_arguments_are_told_apart():
    logits, tokens = torch.zeros(1, 2, 3), torch.zeros(1, 2).long()
    with pytest.raises(ValueError, match="`temperature` must be positive, it is 0"):
        token_log_probs(logits, tokens, temperature=0.0)
    with pytest.raises(
        ValueError, match=r"`tokens` must lie in \[0, 3\) where the mask keeps them"
    ):
        token_log_probs(logits, tokens - 100)
    with pytest.raises(ValueError, match="`tokens` must have the shape of `logits` without"):
        token_log_probs(logits, tokens[:, :1])
    with pytest.raises(ValueError, match="`output_matrix` must have the width of `hidden`"):
        chunked_log_probs(logits, torch.zeros(5, 4), tokens)
    with pytest.raises(ValueError, match="`reduction` must be 'sum' or 'mean'"):
        sequence_log_probs(torch.zeros(1, 2), reduction="max")
