"""The estimates of the large-vocabulary benchmark have the mean that they claim."""

from __future__ import annotations

import pytest
import torch

from benchmarks.tensor_memory import peak_bytes
from benchmarks.vocabulary_bandit import ESTIMATORS, exact_gradient, make_bandit

UNBIASED = [name for name in ESTIMATORS if not name.startswith("Gumbel")]


@pytest.mark.parametrize("name", UNBIASED)
def test_sampled_choices_have_the_true_gradient_as_their_mean(name):
    estimator, in_two_steps = ESTIMATORS[name]
    bandit = make_bandit(30, 64, "cpu")
    generator = torch.Generator().manual_seed(0)
    true = exact_gradient(bandit, in_two_steps)
    draws = torch.stack(
        [-torch.autograd.grad(estimator(bandit, generator), bandit.shift)[0] for _ in range(300)]
    )
    error = draws.std(dim=0) / 300**0.5
    assert ((draws.mean(dim=0) - true).abs() < 5 * error).all()


def test_a_straight_through_relaxation_is_biased():
    estimator, _ = ESTIMATORS["Gumbel-Softmax, temperature 1"]
    bandit = make_bandit(30, 64, "cpu")
    generator = torch.Generator().manual_seed(0)
    true = exact_gradient(bandit, False)
    draws = torch.stack(
        [-torch.autograd.grad(estimator(bandit, generator), bandit.shift)[0] for _ in range(300)]
    )
    error = draws.std(dim=0) / 300**0.5
    assert ((draws.mean(dim=0) - true).abs() > 5 * error).any()


def test_peak_memory_counts_what_lives_at_once():
    def two_at_once() -> float:
        first = torch.zeros(1000)
        second = first + 1.0
        del first
        third = second + 1.0
        return float(third.sum())

    assert 8_000 <= peak_bytes(two_at_once) < 9_000
