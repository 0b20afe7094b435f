"""Policies' densities: normalisation, masks, saturation, gradients."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_agents.distributions import (
    categorical_entropy,
    categorical_log_prob,
    gaussian_entropy,
    gaussian_log_prob,
    masked_log_softmax,
    tanh_gaussian_log_prob,
    tanh_gaussian_sample,
    tanh_log_det,
)

quick = settings(max_examples=50, deadline=None)
logit_rows = st.lists(st.floats(-30, 30), min_size=2, max_size=6)


@given(logit_rows, st.floats(-1e3, 1e3))
@quick
def test_categorical_log_prob_is_the_normalised_exponential(row, shift):
    logits = torch.tensor([row], dtype=torch.float64)
    total = sum(math.exp(x) for x in row)
    for action, logit in enumerate(row):
        got = float(categorical_log_prob(logits + shift, torch.tensor([action])))
        assert got == pytest.approx(logit - math.log(total), abs=1e-9)


@given(logit_rows)
@quick
def test_categorical_entropy_is_minus_p_log_p(row):
    weights = [math.exp(x) for x in row]
    probabilities = [w / sum(weights) for w in weights]
    expected = -sum(p * math.log(p) for p in probabilities)
    got = float(categorical_entropy(torch.tensor(row, dtype=torch.float64)))
    assert got == pytest.approx(expected, abs=1e-9)
    assert -1e-12 <= got <= math.log(len(row)) + 1e-12


def test_forbidden_actions_do_not_exist():
    logits = torch.tensor([[1.0, 50.0, 2.0]], dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[True, False, True]])
    permitted = logits[:, [0, 2]]
    assert masked_log_softmax(logits, mask).exp()[0, 1] == 0.0
    torch.testing.assert_close(
        categorical_log_prob(logits, torch.tensor([2]), mask),
        categorical_log_prob(permitted, torch.tensor([1])),
    )
    assert categorical_log_prob(logits, torch.tensor([1]), mask).item() == -math.inf
    torch.testing.assert_close(categorical_entropy(logits, mask), categorical_entropy(permitted))

    for result in (
        categorical_entropy(logits, mask),
        categorical_log_prob(logits, torch.tensor([2]), mask),
    ):
        (gradient,) = torch.autograd.grad(result.sum(), logits)
        assert gradient.isfinite().all()
        assert gradient[0, 1] == 0.0


def test_entropy_of_a_certain_policy_is_zero_with_a_finite_gradient():
    logits = torch.tensor([[0.0, -math.inf], [0.0, -1e4]], requires_grad=True)
    entropy = categorical_entropy(logits)
    entropy.sum().backward()
    assert entropy.tolist() == [0.0, 0.0]
    assert logits.grad.isfinite().all()


def test_gradients_of_the_densities():
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()

    logits, mean, log_std, actions = draw(3, 4), draw(3, 2), draw(3, 2), draw(3, 2)
    mask = torch.tensor([[1, 1, 0, 1]] * 3).bool()
    chosen = torch.tensor([0, 1, 3])
    torch.autograd.gradcheck(lambda x: categorical_log_prob(x, chosen, mask), logits)
    torch.autograd.gradcheck(lambda x: categorical_entropy(x, mask), logits)
    torch.autograd.gradcheck(gaussian_log_prob, (mean, log_std, actions))
    torch.autograd.gradcheck(gaussian_entropy, log_std)
    squashed = actions.detach().tanh()
    torch.autograd.gradcheck(lambda m, s: tanh_gaussian_log_prob(m, s, squashed), (mean, log_std))
    torch.autograd.gradcheck(lambda m, s: tanh_gaussian_sample(m, s, squashed), (mean, log_std))


def test_gaussian_of_a_hand_worked_row():
    mean = torch.tensor([[0.0, 1.0]]).double()
    log_std = torch.tensor([[0.0, math.log(2.0)]]).double()
    actions = torch.tensor([[1.0, 5.0]]).double()
    # -1/2 - log(2 pi)/2, and -(4/2)^2/2 - log 2 - log(2 pi)/2
    expected = -0.5 - 2.0 - math.log(2.0) - math.log(2.0 * math.pi)
    assert float(gaussian_log_prob(mean, log_std, actions)) == pytest.approx(expected)
    assert float(gaussian_entropy(log_std)) == pytest.approx(
        math.log(2.0 * math.pi * math.e) + math.log(2.0)
    )


@given(st.floats(-1.5, 1.5), st.floats(-1.0, 0.5))
@quick
def test_densities_integrate_to_one(mean, log_std):
    # Integrating over u, with da = (1 - tanh(u)^2) du, keeps the steep ends of (-1, 1) smooth.
    u = torch.linspace(-9.0, 9.0, 4001, dtype=torch.float64)[:, None]
    mean_column, log_std_column = torch.full_like(u, mean), torch.full_like(u, log_std)
    plain = gaussian_log_prob(mean_column, log_std_column, u + mean).exp()
    assert float(torch.trapezoid(plain, u[:, 0])) == pytest.approx(1.0, abs=1e-6)
    squashed = tanh_gaussian_log_prob(mean_column, log_std_column, u.tanh()).exp()
    derivative = tanh_log_det(u).exp()
    assert float(torch.trapezoid(squashed * derivative, u[:, 0])) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_saturated_actions_stay_finite(dtype):
    actions = torch.tensor([[1.0, -1.0, 1.0 - 1e-7, 0.0]], dtype=dtype).t().contiguous()
    mean = torch.zeros_like(actions).requires_grad_()
    log_std = torch.zeros_like(actions).requires_grad_()
    log_probs = tanh_gaussian_log_prob(mean, log_std, actions)
    log_probs.sum().backward()
    for tensor in (log_probs, mean.grad, log_std.grad):
        assert tensor.isfinite().all()
    # log(1 - tanh(u)^2) tends to 2 (log 2 - |u|), which is -39.3 at 20, where float32 sees 0.
    u = torch.tensor([[20.0], [-20.0]], dtype=dtype)
    expected = torch.full((2,), 2.0 * (math.log(2.0) - 20.0), dtype=dtype)
    torch.testing.assert_close(tanh_log_det(u), expected)


@given(st.integers(0, 2**31))
@quick
def test_sample_and_density_agree(seed):
    generator = torch.Generator().manual_seed(seed)
    mean, log_std, noise = (
        torch.randn(4, 3, generator=generator, dtype=torch.float64) * 0.5 for _ in range(3)
    )
    actions, log_probs = tanh_gaussian_sample(mean, log_std, noise)
    torch.testing.assert_close(actions, (mean + log_std.exp() * noise).tanh())
    torch.testing.assert_close(log_probs, tanh_gaussian_log_prob(mean, log_std, actions))


def test_shapes_that_would_broadcast_are_refused():
    logits, mean = torch.zeros(3, 2), torch.zeros(3, 2)
    with pytest.raises(ValueError, match=r"`actions` must have the shape of `logits` without"):
        categorical_log_prob(logits, torch.zeros(3, 1))
    with pytest.raises(ValueError, match=r"`mask` must have the shape of `logits`, \(3, 2\)"):
        categorical_entropy(logits, torch.ones(2).bool())
    with pytest.raises(ValueError, match=r"`log_std` must have the shape of `mean`, \(3, 2\)"):
        gaussian_log_prob(mean, torch.zeros(2), mean)
