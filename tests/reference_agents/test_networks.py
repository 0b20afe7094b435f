"""Stacked networks, per-seed clipping and random streams: each seed as if it were alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reference_agents.networks import (
    SeedOptimiser,
    StackedMLP,
    clip_grad_per_seed,
    fast_tanh,
    orthogonal,
)
from reference_agents.streams import SeedStreams


def test_streams_of_a_seed_do_not_depend_on_other_seeds():
    many, alone = SeedStreams([4, 9, -2], "act"), SeedStreams([9], "act")
    assert torch.equal(many.uniform(3, 2)[1:2], alone.uniform(3, 2))
    assert torch.equal(many.permutations(2, 7)[1:2], alone.permutations(2, 7))
    assert torch.equal(many.integers(10, 5)[1:2], alone.integers(10, 5))


def test_streams_are_uniform_and_independent():
    draws = SeedStreams(range(40), "act").uniform(2500)
    counts = torch.histc(draws, bins=20, min=0, max=1)
    chi_square = float(((counts - 5000).square() / 5000).sum())
    assert chi_square < 43.8  # the 99.9 % point with 19 degrees of freedom
    between_seeds = torch.corrcoef(draws)[~torch.eye(40, dtype=torch.bool)].abs().max()
    assert float(between_seeds) < 5 / 50  # five standard errors
    assert 0.0 < float(draws.min())
    assert float(draws.max()) < 1.0
    other = SeedStreams(range(40), "env").uniform(2500)
    assert abs(float(torch.corrcoef(torch.stack((draws.flatten(), other.flatten())))[0, 1])) < 0.016


def test_streams_do_not_depend_on_the_dtype_and_continue_from_their_state():
    single, double = SeedStreams([1], "x"), SeedStreams([1], "x", dtype=torch.float64)
    assert torch.equal(single.uniform(9).double(), double.uniform(9))
    stored = single.state_dict()
    following = single.normal(5)
    again = SeedStreams([1], "x")
    again.load_state_dict(stored)
    assert torch.equal(again.normal(5), following)


def test_permutations_are_permutations():
    orders = SeedStreams([0, 1], "x").permutations(3, 50)
    assert torch.equal(orders.sort(dim=-1).values, torch.arange(50).expand(2, 3, 50))


@pytest.mark.parametrize("shape", [(3, 8), (8, 3), (5, 5)])
def test_initial_weights_are_orthogonal(shape):
    weights = orthogonal(SeedStreams([0, 1], "init", dtype=torch.float64), *shape, 2.0)
    small = min(shape)
    gram = weights @ weights.mT if shape[0] <= shape[1] else weights.mT @ weights
    torch.testing.assert_close(gram, 4.0 * torch.eye(small, dtype=torch.float64).expand(2, -1, -1))


def test_stacked_network_equals_the_seeds_one_by_one():
    streams = SeedStreams([0, 1, 2], "init", dtype=torch.float64)
    net = StackedMLP([3, 8, 2], streams)
    x = torch.randn(3, 5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    outputs = net(x)
    for seed in range(3):
        hidden = torch.tanh(x[seed] @ net.weights[0][seed] + net.biases[0][seed])
        expected = hidden @ net.weights[1][seed] + net.biases[1][seed]
        torch.testing.assert_close(outputs[seed], expected)


def test_fast_tanh_has_the_value_and_gradient_of_tanh():
    x = torch.linspace(-30, 30, 601, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(fast_tanh(x), torch.tanh(x), rtol=1e-14, atol=1e-15)
    (gradient,) = torch.autograd.grad(fast_tanh(x).sum(), x)
    (expected,) = torch.autograd.grad(torch.tanh(x).sum(), x)
    torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=1e-14)


def test_clipping_is_per_seed():
    grad = torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]])
    norms = clip_grad_per_seed(grad, 1.0)
    np.testing.assert_allclose(norms, [5.0, 0.5, 0.0], rtol=1e-6)
    expected = torch.tensor([[0.6, 0.8], [0.3, 0.4], [0.0, 0.0]])
    torch.testing.assert_close(grad, expected, rtol=1e-5, atol=1e-7)


def test_a_seed_learns_the_same_alone_and_among_many():
    def train(seeds, keep):
        net = StackedMLP([2, 16, 1], SeedStreams(seeds, "init", dtype=torch.float64))
        optimiser = SeedOptimiser([net], 1e-2, max_grad_norm=0.1)
        generator = torch.Generator().manual_seed(0)
        for _ in range(20):
            x = torch.randn(3, 8, 2, dtype=torch.float64, generator=generator)[keep]
            optimiser.step((net(x) - x.sum(-1, keepdim=True)).square().mean() * len(seeds))
        return optimiser.flat

    torch.testing.assert_close(train([5, 6, 7], slice(None))[1:2], train([6], slice(1, 2)))


def test_lr_scale_of_zero_leaves_a_seed_where_it_is():
    net = StackedMLP([2, 4, 1], SeedStreams([0, 1], "init"))
    optimiser = SeedOptimiser([net], 1e-2)
    before = optimiser.flat.clone()
    optimiser.step(net(torch.ones(2, 3, 2)).square().sum(), torch.tensor([0.0, 1.0]))
    assert torch.equal(optimiser.flat[0], before[0])
    assert not torch.equal(optimiser.flat[1], before[1])
