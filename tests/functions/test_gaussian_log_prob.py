import math

import numpy as np
import pytest
import scipy.stats
import torch
from libraries import in_jax
from row_checks import named_first, verdict
from torch.distributions import Independent, MultivariateNormal, Normal

import rlcheck
from property_tests.gaussian_log_prob import CONTRACT as BOUND
from reference_agents.distributions import gaussian_log_prob
from rlcheck.contracts import Options

CONTRACT, WRT = "gaussian-log-prob", ("mean", "log_std")


def normal(mean: torch.Tensor, log_std, actions):
    return Normal(mean, log_std.exp()).log_prob(actions).sum(-1)


def independent(mu: torch.Tensor, std, a):
    return Independent(Normal(mu, std), 1).log_prob(a)


def multivariate(actions, mean: torch.Tensor, variance):
    return MultivariateNormal(mean, torch.diag_embed(variance)).log_prob(actions)


def kept_axis(mean: torch.Tensor, log_std, actions):
    return Normal(mean, log_std.exp()).log_prob(actions).sum(dim=1, keepdim=True)


def clamped(mean: torch.Tensor, log_std, actions):
    return normal(mean, log_std.clamp(-20, 2), actions)


def with_entropy(mean: torch.Tensor, log_std, actions):
    dist = Normal(mean, log_std.exp())
    return dist.log_prob(actions).sum(1), dist.entropy().sum(1)


def of_scipy(mean, log_std, actions):
    return scipy.stats.norm.logpdf(actions, mean, np.exp(log_std)).sum(axis=-1)


def with_jax(mean, log_std, actions):
    import jax.scipy.stats

    return jax.scipy.stats.norm.logpdf(actions, mean, jax.numpy.exp(log_std)).sum(axis=-1)


def single_precision(mean: torch.Tensor, log_std, actions):
    return normal(mean.float(), log_std.float(), actions.float())


CORRECT = (
    gaussian_log_prob, normal, independent, multivariate, kept_axis, clamped, with_entropy,
    of_scipy, in_jax(with_jax), single_precision,
)  # fmt: skip


@pytest.mark.parametrize("function", CORRECT, ids=lambda f: f.__name__)
def test_correct_functions_pass(function):
    assert verdict(CONTRACT, function, wrt=WRT)[0] == ()


def unsummed(mean: torch.Tensor, log_std, actions):
    return Normal(mean, log_std.exp()).log_prob(actions)


def averaged(mean: torch.Tensor, log_std, actions):
    return Normal(mean, log_std.exp()).log_prob(actions).mean(-1)


def total(mean: torch.Tensor, log_std, actions):
    return Normal(mean, log_std.exp()).log_prob(actions).sum()


def first_axis(mean: torch.Tensor, log_std, actions):
    return Normal(mean, log_std.exp()).log_prob(actions).sum(0)


def inverse_std(mu, sigma, actions):
    terms = -((actions - mu) ** 2) / (2 * sigma) - np.log(sigma * np.sqrt(2 * np.pi))
    return terms.sum(1)


def variance_as_scale(mean: torch.Tensor, variance, actions):
    return Normal(mean, variance).log_prob(actions).sum(-1)


def std_as_covariance(mean: torch.Tensor, log_std, actions):
    return MultivariateNormal(mean, torch.diag_embed(log_std.exp())).log_prob(actions)


def plain_log_std(mean, log_std, actions):
    z = (actions - mean) / log_std
    return (-0.5 * z**2 - np.log(np.abs(log_std)) - 0.5 * math.log(2 * math.pi)).sum(1)


def no_log_std(mean, log_std, actions):
    z = (actions - mean) * np.exp(-log_std)
    return -0.5 * (z**2).sum(1) - 0.5 * z.shape[1] * math.log(2 * math.pi)


def no_constant(mean, log_std, actions):
    z = (actions - mean) * np.exp(-log_std)
    return -(0.5 * z**2 + log_std).sum(1)


def constant_once(mean, log_std, actions):
    z = (actions - mean) * np.exp(-log_std)
    return -(0.5 * z**2 + log_std).sum(1) - 0.5 * math.log(2 * math.pi)


def no_half(mean, log_std, actions):
    z = (actions - mean) * np.exp(-log_std)
    return -(z**2 + log_std + 0.5 * math.log(2 * math.pi)).sum(1)


def density(mean: torch.Tensor, log_std, actions):
    return normal(mean, log_std, actions).exp()


def likelihood_loss(mean: torch.Tensor, log_std, actions):
    return -normal(mean, log_std, actions)


def one_dimension(mean: torch.Tensor, log_std, actions):
    return unsummed(mean, log_std, actions)[:, 0]


def detached_mean(mean: torch.Tensor, log_std, actions):
    return normal(mean.detach(), log_std.detach(), actions)


def fixed_scale(mean: torch.Tensor, log_std, actions):
    return Normal(mean, torch.ones_like(log_std)).log_prob(actions).sum(-1)


FAULTY = {
    "dimensions-not-summed": (unsummed,),
    "dimensions-averaged": (averaged,),
    "batch-summed": (total,),
    "summed-over-the-batch": (first_axis,),
    "std-for-variance": (inverse_std,),
    "wrong-scale": (variance_as_scale, std_as_covariance),
    "log-std-not-exponentiated": (plain_log_std,),
    "log-std-missing": (no_log_std,),
    "constant-wrong": (no_constant, constant_once),
    "half-missing": (no_half,),
    "probability-for-log-probability": (density,),
    "sign-flipped": (likelihood_loss,),
    "one-dimension-only": (one_dimension,),
    "graph-cut": (detached_mean,),
    "std-ignored": (fixed_scale,),
}


@pytest.mark.slow
def test_faulty_functions_are_caught_and_named():
    missed, share = named_first(CONTRACT, FAULTY, wrt=WRT)
    assert not missed
    assert share >= 0.85


def test_a_missing_sum_is_named_through_the_public_interface():
    report = rlcheck.check(unsummed, CONTRACT, max_examples=20)
    assert report.diagnosis[0].fault == f"{CONTRACT}/dimensions-not-summed"


def test_a_scale_without_gradient_is_caught():
    def stopped(mean: torch.Tensor, log_std, actions):
        return normal(mean, log_std.detach(), actions)

    assert verdict(CONTRACT, stopped, wrt=WRT)[0] == ("gradient-agrees-with-the-definition",)


def test_a_column_is_noted():
    bound = BOUND.bind(kept_axis, Options())
    assert bound.dialect["layout"] == "column"
    assert any("returns a column [B, 1]" in note for note in bound.notes)


def beside_the_quotient(x, mu, log_std):
    z = (x - mu) / (np.exp(log_std) + 1e-8)
    return (-0.5 * (z**2 + 2 * log_std + np.log(2 * np.pi))).sum(1)


def beside_the_scale(x: torch.Tensor, mu, log_std):
    return Normal(mu, log_std.exp() + 1e-6).log_prob(x).sum(-1)


def beside_the_quotient_and_detached(x: torch.Tensor, mu, log_std):
    z = (x - mu) / (log_std.exp().detach() + 1e-8)
    return (-0.5 * (z**2 + 2 * log_std + math.log(2 * math.pi))).sum(1)


@pytest.mark.parametrize("function", [beside_the_quotient, beside_the_scale])
def test_a_small_number_beside_the_deviation_is_a_convention(function):
    report = rlcheck.check(function, CONTRACT, max_examples=15)
    assert report.verdict == "passed"
    assert float(report.dialect["guard"]) > 0


def test_a_small_number_hides_no_missing_gradient():
    failed, _ = verdict(CONTRACT, beside_the_quotient_and_detached, wrt=WRT)
    assert "gradient-agrees-with-the-definition" in failed
