"""Small policies: what they compute, what is sampled from them, and what stays untouched."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from reference_agents.llm.responses import (
    Responses,
    chunked_response_log_probs,
    frozen_copy,
    joined,
    response_log_probs,
    response_scores,
    response_values,
    sample,
)
from reference_agents.llm.tabular import TabularPolicy, TabularScalar, prefix_nodes
from reference_agents.llm.transformer import TransformerConfig, make_policy, make_scalar

SMALL = TransformerConfig(vocabulary=5, context=8, width=16, depth=2, heads=2)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_tabular(seed: int = 0) -> TabularPolicy:
    policy = TabularPolicy(num_prompts=2, vocabulary=3, length=3)
    with torch.no_grad():
        policy.table.copy_(torch.randn(policy.table.shape, generator=generator(seed)))
    return policy


def test_every_prefix_has_a_node_of_its_own():
    seen = set()
    for length in range(4):
        for tokens in itertools.product(range(3), repeat=length):
            seen.add(int(prefix_nodes(torch.tensor([[1, *tokens]]), 3)[0, -1]))
    assert seen == set(range(1 + 3 + 9 + 27))


def test_probabilities_of_all_responses_of_a_tabular_policy_sum_to_one():
    tokens = torch.tensor(list(itertools.product(range(3), repeat=3)))
    mask = torch.ones_like(tokens).bool()
    for prompt in range(2):
        responses = Responses(torch.full((27, 1), prompt), tokens, mask)
        total = response_log_probs(random_tabular(), responses).sum(1).exp().sum()
        assert float(total.detach()) == pytest.approx(1.0, rel=1e-5)


def test_a_transformer_sees_no_later_token():
    policy = make_policy(SMALL, seed=0)
    tokens = torch.randint(0, 5, (2, 6), generator=generator())
    changed = tokens.clone()
    changed[:, 4] = (changed[:, 4] + 1) % 5
    before, after = policy(tokens), policy(changed)
    assert torch.equal(before[:, :4], after[:, :4])
    assert not torch.equal(before[:, 4:], after[:, 4:])


def test_models_depend_on_their_seed_only_and_leave_the_global_stream_alone():
    state = torch.random.get_rng_state()
    first, again, other = (make_policy(SMALL, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.output.weight, again.output.weight)
    assert not torch.equal(first.output.weight, other.output.weight)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_transformer_refuses_more_tokens_than_positions():
    policy = make_policy(SMALL, seed=0)
    with pytest.raises(ValueError, match="`tokens` must be at most 8 long, they are 9"):
        policy(torch.zeros(1, 9).long())
    with pytest.raises(ValueError, match="`width` must be a multiple of `heads`"):
        make_policy(TransformerConfig(5, 8, width=10, heads=4), seed=0)


@pytest.mark.parametrize("temperature", [0.7, 1.0])
def test_sampled_log_probabilities_are_the_policys(temperature):
    policy = make_policy(SMALL, seed=0)
    prompts = torch.randint(0, 5, (16, 3), generator=generator())
    state = torch.random.get_rng_state()
    responses, log_probs = sample(
        policy, prompts, length=5, generator=generator(1), temperature=temperature, end_token=0
    )
    assert torch.equal(torch.random.get_rng_state(), state)
    again = response_log_probs(policy, responses, temperature=temperature)
    torch.testing.assert_close(again, log_probs, rtol=1e-4, atol=1e-5)
    chunked = chunked_response_log_probs(policy, responses, temperature=temperature)
    torch.testing.assert_close(chunked, again, rtol=1e-4, atol=1e-5)


def test_responses_end_with_their_end_token():
    policy = make_policy(SMALL, seed=0)
    responses, _ = sample(
        policy, torch.zeros(64, 2).long(), length=6, generator=generator(2), end_token=4
    )
    for tokens, mask in zip(responses.tokens.tolist(), responses.mask.tolist(), strict=True):
        length = tokens.index(4) + 1 if 4 in tokens else 6
        assert mask == [t < length for t in range(6)]


def test_sampling_follows_the_probabilities():
    policy = random_tabular(3)
    responses, _ = sample(policy, torch.zeros(20_000, 1).long(), length=1, generator=generator(3))
    shares = np.bincount(responses.tokens[:, 0].numpy(), minlength=3) / 20_000
    expected = policy.table[0, 0].softmax(-1).detach().numpy()
    np.testing.assert_allclose(shares, expected, atol=0.02)


def test_padding_has_no_effect_on_log_probabilities():
    policy = make_policy(SMALL, seed=0)
    prompts = torch.zeros(1, 2).long()
    short = Responses(prompts, torch.tensor([[1, 2]]), torch.ones(1, 2).bool())
    mask = torch.tensor([[True, True, False, False]])
    padded = Responses(prompts, torch.tensor([[1, 2, -100, 3]]), mask)
    torch.testing.assert_close(
        response_log_probs(policy, padded)[:, :2], response_log_probs(policy, short)
    )
    assert (joined(padded)[0, 4:] == 0).all()


def test_scores_are_read_at_the_last_token_and_values_before_each():
    scalar = TabularScalar(num_prompts=1, vocabulary=2, length=2)
    with torch.no_grad():
        scalar.table.copy_(torch.arange(7.0))
    prompts = torch.zeros(2, 1).long()
    tokens = torch.tensor([[1, 0], [0, 1]])
    mask = torch.tensor([[True, True], [True, False]])
    responses = Responses(prompts, tokens, mask)
    # Node of (1, 0) is 2 * 2 + 1 = 5; the second response is (0,), node 1.
    assert response_scores(scalar, responses).tolist() == [5.0, 1.0]
    assert response_values(scalar, responses).tolist() == [[0.0, 2.0], [0.0, 1.0]]
    empty = Responses(prompts, tokens, torch.zeros_like(mask))
    with pytest.raises(ValueError, match="`responses` must not be empty to be scored"):
        response_scores(scalar, empty)


def test_a_frozen_copy_shares_nothing():
    policy = make_policy(SMALL, seed=0)
    reference = frozen_copy(policy)
    before = reference(torch.zeros(1, 2).long())
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(1.0)
    assert torch.equal(reference(torch.zeros(1, 2).long()), before)
    assert not any(parameter.requires_grad for parameter in reference.parameters())
    assert make_scalar(SMALL, seed=0)(torch.zeros(1, 3).long()).tolist() == [[0.0, 0.0, 0.0]]
