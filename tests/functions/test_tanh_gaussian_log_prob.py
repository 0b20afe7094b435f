import math

import numpy as np
import pytest
import torch
from libraries import in_jax
from row_checks import named_first, verdict
from torch.distributions import Normal
from torch.nn import functional as F

import rlcheck
from reference_agents.distributions import tanh_gaussian_log_prob

CONTRACT, WRT = "tanh-gaussian-log-prob", ("mean", "log_std")


def spinning_up(mu: torch.Tensor, log_std, pi_action):
    logp = Normal(mu, log_std.exp()).log_prob(pi_action).sum(axis=-1)
    return logp - (2 * (np.log(2) - pi_action - F.softplus(-2 * pi_action))).sum(axis=1)


def cleanrl(mean: torch.Tensor, log_std, x_t):
    y_t = torch.tanh(x_t)
    log_prob = Normal(mean, log_std.exp()).log_prob(x_t)
    log_prob -= torch.log(1 - y_t.pow(2) + 1e-6)
    return log_prob.sum(1, keepdim=True)


def stable_baselines3(mean: torch.Tensor, log_std, actions):
    eps = torch.finfo(actions.dtype).eps
    inside = actions.clamp(min=-1.0 + eps, max=1.0 - eps)
    gaussian = 0.5 * (inside.log1p() - (-inside).log1p())
    log_prob = Normal(mean, log_std.exp()).log_prob(gaussian).sum(1)
    return log_prob - torch.sum(torch.log(1 - actions**2 + 1e-6), dim=1)


def both(mean: torch.Tensor, std, pre_tanh, actions):
    plain = Normal(mean, std).log_prob(pre_tanh)
    return (plain - torch.log1p(-actions.pow(2) + 1e-6)).sum(-1)


def with_jax(mean, log_std, raw_actions):
    import jax.scipy.stats

    plain = jax.scipy.stats.norm.logpdf(raw_actions, mean, jax.numpy.exp(log_std))
    slope = 2.0 * (np.log(2.0) - raw_actions - jax.nn.softplus(-2.0 * raw_actions))
    return (plain - slope).sum(-1)


def in_numpy(mean, std, action):
    a = np.clip(action, -0.999999, 0.999999)
    u = np.arctanh(a)
    terms = -0.5 * ((u - mean) / std) ** 2 - np.log(std) - 0.5 * np.log(2 * np.pi)
    return np.sum(terms - np.log(1 - a**2), axis=-1)


def single_precision(mean: torch.Tensor, log_std, pre_tanh):
    return cleanrl(mean.float(), log_std.float(), pre_tanh.float()).squeeze(-1)


BIND = {spinning_up: {"pre_tanh": "pi_action"}}
CORRECT = (
    tanh_gaussian_log_prob, spinning_up, cleanrl, stable_baselines3, both, in_jax(with_jax), in_numpy,
    single_precision,
)  # fmt: skip


@pytest.mark.parametrize("function", CORRECT, ids=lambda f: f.__name__)
def test_correct_functions_pass(function):
    assert verdict(CONTRACT, function, wrt=WRT, bind=BIND.get(function, {}))[0] == ()


def uncorrected(mean: torch.Tensor, log_std, pre_tanh):
    return Normal(mean, log_std.exp()).log_prob(pre_tanh).sum(-1)


def uncorrected_from_the_action(mean: torch.Tensor, log_std, actions):
    u = torch.atanh(actions.clamp(-1 + 1e-7, 1 - 1e-7))
    return Normal(mean, log_std.exp()).log_prob(u).sum(-1)


def plus(mean: torch.Tensor, log_std, pre_tanh):
    log_prob = Normal(mean, log_std.exp()).log_prob(pre_tanh).sum(-1)
    return log_prob + torch.log(1 - torch.tanh(pre_tanh) ** 2 + 1e-6).sum(-1)


def of_the_sample(mean: torch.Tensor, log_std, u):
    plain = Normal(mean, log_std.exp()).log_prob(u)
    return (plain - torch.log(F.relu(1 - u**2) + 1e-6)).sum(-1)


def tanh_of_tanh(mean: torch.Tensor, log_std, pre_tanh, actions):
    plain = Normal(mean, log_std.exp()).log_prob(pre_tanh)
    return (plain - torch.log(1 - torch.tanh(actions) ** 2)).sum(-1)


def unsquared(mean, log_std, pre_tanh):
    z = (pre_tanh - mean) / np.exp(log_std)
    plain = -0.5 * z**2 - log_std - 0.5 * np.log(2 * np.pi)
    return (plain - np.log(1 - np.tanh(pre_tanh))).sum(1)


def halved(mean: torch.Tensor, log_std, pre_tanh):
    plain = Normal(mean, log_std.exp()).log_prob(pre_tanh)
    return (plain - (np.log(2) - pre_tanh - F.softplus(-2 * pre_tanh))).sum(-1)


def mistyped(mean: torch.Tensor, log_std, pre_tanh):
    plain = Normal(mean, log_std.exp()).log_prob(pre_tanh)
    return (plain - 2 * (np.log(2) - pre_tanh - F.softplus(2 * pre_tanh))).sum(-1)


def half_summed(mean: torch.Tensor, log_std, pre_tanh):
    plain = Normal(mean, log_std.exp()).log_prob(pre_tanh).sum(-1, keepdim=True)
    return plain - torch.log(1 - torch.tanh(pre_tanh) ** 2 + 1e-6)


def at_the_action(mean: torch.Tensor, log_std, actions):
    plain = Normal(mean, log_std.exp()).log_prob(actions)
    return (plain - torch.log(1 - actions**2)).sum(-1)


def squashed_mean(mean: torch.Tensor, log_std, pre_tanh):
    plain = Normal(torch.tanh(mean), log_std.exp()).log_prob(pre_tanh)
    return (plain - torch.log(1 - torch.tanh(pre_tanh) ** 2 + 1e-6)).sum(-1)


def infinite(mean: torch.Tensor, log_std, pre_tanh):
    plain = Normal(mean, log_std.exp()).log_prob(pre_tanh)
    return (plain - torch.log(1 - torch.tanh(pre_tanh) ** 2)).sum(-1)


def infinite_inverse(mean: torch.Tensor, log_std, actions):
    plain = Normal(mean, log_std.exp()).log_prob(torch.atanh(actions))
    return (plain - torch.log(1 - actions**2 + 1e-6)).sum(-1)


def unsummed(mean: torch.Tensor, log_std, pre_tanh):
    plain = Normal(mean, log_std.exp()).log_prob(pre_tanh)
    return plain - 2 * (np.log(2) - pre_tanh - F.softplus(-2 * pre_tanh))


def rough_epsilon(mean: torch.Tensor, log_std, pre_tanh):
    plain = Normal(mean, log_std.exp()).log_prob(pre_tanh)
    return (plain - torch.log(1 - torch.tanh(pre_tanh) ** 2 + 1e-2)).sum(-1)


def detached(mean: torch.Tensor, log_std, pre_tanh):
    with torch.no_grad():
        return cleanrl(mean, log_std, pre_tanh).squeeze(-1)


FAULTY = {
    "tanh-correction-missing": (uncorrected, uncorrected_from_the_action),
    "correction-sign-flipped": (plus,),
    "correction-of-the-wrong-variable": (of_the_sample, tanh_of_tanh),
    "square-missing": (unsquared,),
    "correction-scaled": (halved,),
    "stable-form-wrong": (mistyped,),
    "correction-not-summed": (half_summed,),
    "density-at-the-action": (at_the_action,),
    "mean-squashed": (squashed_mean,),
    "infinite-at-saturation": (infinite, infinite_inverse),
    "dimensions-not-summed": (unsummed,),
    "epsilon-too-large": (rough_epsilon,),
    "graph-cut": (detached,),
}


@pytest.mark.slow
def test_faulty_functions_are_caught_and_named():
    missed, share = named_first(CONTRACT, FAULTY, wrt=WRT)
    assert not missed
    assert share >= 0.85


def test_a_missing_correction_is_named_through_the_public_interface():
    report = rlcheck.check(uncorrected, CONTRACT, max_examples=20)
    assert report.diagnosis[0].fault == f"{CONTRACT}/tanh-correction-missing"


def squared_before_tanh(mean: torch.Tensor, log_std, actions):
    u = torch.atanh(actions.clamp(-1 + 1e-12, 1 - 1e-12))
    density = -0.5 * ((u - mean) / log_std.exp()) ** 2 - log_std - 0.5 * math.log(2 * math.pi)
    return (density - torch.log(1 - torch.tanh(u**2) + 1e-6)).sum(-1)


def test_a_mistake_that_no_fault_explains_is_still_a_verdict():
    report = rlcheck.check(squared_before_tanh, "tanh-gaussian-log-prob", max_examples=6)
    assert report.verdict == "failed"
