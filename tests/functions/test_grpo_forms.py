"""CISPO and SAPO as libraries write them are variants of the GRPO loss; mistakes in them are named."""

import numpy as np
import pytest
import torch
from policy_checks import verdict

from property_tests.grpo_loss import CONTRACT
from rlcheck.contracts import Options


def token_mean(values, mask):
    return (values * mask).sum() / mask.sum()


def seq_mean(values, mask):
    return ((values * mask).sum(-1) / mask.sum(-1).clamp(min=1)).mean()


def cispo_trl(logps: torch.Tensor, old_logps, advantages, mask, epsilon, epsilon_high):
    weight = (logps - old_logps).exp().clamp(max=epsilon_high).detach()
    return token_mean(-weight * advantages[:, None] * logps, mask)


def cispo_verl(log_prob: torch.Tensor, old_log_prob, advantages, response_mask, eps_low, eps_high):
    ratio = (log_prob - old_log_prob).clamp(-20, 20).exp()
    held = ratio.clamp(1 - eps_low, 1 + eps_high).detach()
    return token_mean(-advantages * held * log_prob, response_mask)


def cispo_minimax(log_probs: torch.Tensor, old_log_probs, ref_log_probs, advantages, mask,
                  clip_lower, clip_higher, beta):  # fmt: skip
    ratio = torch.exp(log_probs.detach() - old_log_probs)
    apart = ref_log_probs - log_probs
    values = -ratio.clamp(max=1 + clip_higher) * advantages.unsqueeze(-1) * log_probs
    return seq_mean(values + beta * (apart.exp() - apart - 1), mask)


def cispo_arrays(log_probs, old_log_probs, advantages, mask, clip_epsilon):
    weight = np.clip(np.exp(log_probs - old_log_probs), 1 - clip_epsilon, 1 + clip_epsilon)
    return -(weight * advantages[:, None] * log_probs * mask).sum() / mask.sum()


def sapo_trl(logps: torch.Tensor, old_logps, advantages, mask, temperature_pos, temperature_neg):
    a = advantages[:, None]
    heat = torch.where(a > 0, temperature_pos, temperature_neg)
    gate = torch.sigmoid(heat * ((logps - old_logps).exp() - 1)) * 4 / heat
    return seq_mean(-gate * a, mask)


def sapo_arrays(log_probs, old_log_probs, advantages, mask, tau_pos=1.0, tau_neg=1.05):
    a = advantages[:, None]
    heat = np.where(a > 0, tau_pos, tau_neg)
    gate = 4.0 / heat / (1.0 + np.exp(-heat * (np.exp(log_probs - old_log_probs) - 1.0)))
    return -(gate * a * mask).sum() / mask.sum()


FORMS = {
    cispo_trl: "cispo-absolute",
    cispo_verl: "cispo",
    cispo_minimax: "cispo-upper",
    cispo_arrays: "cispo",
    sapo_trl: "sapo",
    sapo_arrays: "sapo",
}


@pytest.mark.parametrize("function", FORMS)
def test_correct_forms_pass(function):
    bound = CONTRACT.bind(function, Options())
    assert bound.dialect["clip_form"] == FORMS[function]
    assert any("CISPO" in note or "SAPO" in note for note in bound.notes)
    options = {} if "clip_epsilon" in bound.subject.function.signature.names else {
        "constants": {"clip_epsilon": 0.2}
    }  # fmt: skip
    failed, _ = verdict("grpo-loss", function, wrt="log_probs", examples=15, **options)
    assert failed == ()


def negated(logps: torch.Tensor, old_logps, advantages, mask, epsilon):
    weight = (logps - old_logps).exp().clamp(max=1 + epsilon).detach()
    return token_mean(weight * advantages[:, None] * logps, mask)


def not_masked(logps: torch.Tensor, old_logps, advantages, mask, epsilon):
    weight = (logps - old_logps).exp().clamp(1 - epsilon, 1 + epsilon).detach()
    return (-weight * advantages[:, None] * logps).mean()


def through_the_clip(logps: torch.Tensor, old_logps, advantages, mask, epsilon):
    ratio = (logps - old_logps).exp().clamp(1 - epsilon, 1 + epsilon)
    return token_mean(-ratio * advantages[:, None], mask)


def inverted(logps: torch.Tensor, old_logps, advantages, mask, epsilon):
    weight = (old_logps - logps).exp().clamp(1 - epsilon, 1 + epsilon).detach()
    return token_mean(-weight * advantages[:, None] * logps, mask)


FAULTY = {
    negated: "advantage-sign-flipped",
    not_masked: "mask-ignored",
    # The bug of two libraries: without the detached weight, clipped tokens have no gradient.
    through_the_clip: "minimum-missing",
    inverted: "ratio-inverted",
}


@pytest.mark.parametrize("function", FAULTY)
def test_mistakes_in_cispo_are_caught_and_named(function):
    failed, named = verdict("grpo-loss", function, wrt="log_probs", examples=15)
    assert failed
    assert named == FAULTY[function]
