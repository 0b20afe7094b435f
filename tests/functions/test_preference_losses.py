"""DPO and reward-model losses as other people write them: right ones pass, wrong ones are named."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from libraries import in_jax
from policy_checks import verdict

from reference_agents.llm import preferences

DPO = ("policy_chosen_logps", "policy_rejected_logps")
RM = ("chosen_rewards", "rejected_rewards")


def torchtune_like(
    policy_chosen_logps: torch.Tensor,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
    label_smoothing=0.0,
):
    logits = (policy_chosen_logps - policy_rejected_logps) - (
        reference_chosen_logps - reference_rejected_logps
    )
    losses = -F.logsigmoid(beta * logits) * (1 - label_smoothing) - (
        F.logsigmoid(-beta * logits) * label_smoothing
    )
    chosen = beta * (policy_chosen_logps - reference_chosen_logps).detach()
    rejected = beta * (policy_rejected_logps - reference_rejected_logps).detach()
    return losses, chosen, rejected


def from_the_paper(pi_logps_w: torch.Tensor, pi_logps_l, ref_logps_w, ref_logps_l, beta):
    return F.softplus(-beta * ((pi_logps_w - ref_logps_w) - (pi_logps_l - ref_logps_l))).mean()


def jax_ipo(chosen_logps, rejected_logps, ref_chosen_logps, ref_rejected_logps, beta):
    import jax

    gap = chosen_logps - ref_chosen_logps - rejected_logps + ref_rejected_logps
    return jax.numpy.mean(jax.numpy.square(gap - 0.5 / beta))


def jax_dpo(chosen_logps, rejected_logps, ref_chosen_logps, ref_rejected_logps, beta):
    import jax

    gap = chosen_logps - ref_chosen_logps - rejected_logps + ref_rejected_logps
    return -jax.nn.log_sigmoid(beta * gap).mean()


def simpo_like(chosen_logps: torch.Tensor, rejected_logps, beta):
    return -F.logsigmoid(beta * (chosen_logps - rejected_logps)).mean()


def robust(
    policy_chosen_logps: torch.Tensor, policy_rejected_logps, ref_chosen_logps, ref_rejected_logps,
    beta, label_smoothing,
):  # fmt: skip
    m = beta * (policy_chosen_logps - policy_rejected_logps - ref_chosen_logps + ref_rejected_logps)
    kept = F.logsigmoid(m) * (1 - label_smoothing) - F.logsigmoid(-m) * label_smoothing
    return (-kept / (1 - 2 * label_smoothing)).sum()


@pytest.mark.slow
@pytest.mark.parametrize(
    "function",
    [
        torchtune_like,
        from_the_paper,
        in_jax(jax_ipo),
        in_jax(jax_dpo),
        simpo_like,
        robust,
        preferences.dpo_loss,
    ],
)
def test_correct_dpo_losses_pass(function):
    failed, _ = verdict("dpo-loss", function, wrt=DPO, examples=30)
    assert failed == ()


def swapped(policy_chosen_logps: torch.Tensor, policy_rejected_logps, ref_chosen_logps, ref_rejected_logps, beta):  # noqa: E501  # fmt: skip
    pi, ref = policy_rejected_logps - policy_chosen_logps, ref_rejected_logps - ref_chosen_logps
    return -F.logsigmoid(beta * (pi - ref)).mean()


def no_reference(ref_rejected_logps, ref_chosen_logps, policy_rejected_logps: torch.Tensor, policy_chosen_logps, beta):  # noqa: E501  # fmt: skip
    return -F.logsigmoid(beta * (policy_chosen_logps - policy_rejected_logps))


def plus_reference(policy_chosen_logps: torch.Tensor, policy_rejected_logps, ref_chosen_logps, ref_rejected_logps, beta):  # noqa: E501  # fmt: skip
    pi, ref = policy_chosen_logps - policy_rejected_logps, ref_chosen_logps - ref_rejected_logps
    return -F.logsigmoid(beta * (pi + ref)).mean()


def no_beta(policy_chosen_logps: torch.Tensor, policy_rejected_logps, ref_chosen_logps, ref_rejected_logps, beta):  # noqa: E501  # fmt: skip
    return -F.logsigmoid(
        policy_chosen_logps - policy_rejected_logps - ref_chosen_logps + ref_rejected_logps
    ).mean()


def beta_twice(policy_chosen_logps: torch.Tensor, policy_rejected_logps, ref_chosen_logps, ref_rejected_logps, beta):  # noqa: E501  # fmt: skip
    chosen = beta * (policy_chosen_logps - ref_chosen_logps)
    rejected = beta * (policy_rejected_logps - ref_rejected_logps)
    return -F.logsigmoid(beta * (chosen - rejected)).mean()


def two_steps(policy_chosen_logps: torch.Tensor, policy_rejected_logps, ref_chosen_logps, ref_rejected_logps, beta):  # noqa: E501  # fmt: skip
    pi, ref = policy_chosen_logps - policy_rejected_logps, ref_chosen_logps - ref_rejected_logps
    return -torch.log(torch.sigmoid(beta * (pi - ref))).mean()


def half_detached(policy_chosen_logps: torch.Tensor, policy_rejected_logps, ref_chosen_logps, ref_rejected_logps, beta):  # noqa: E501  # fmt: skip
    pi, ref = (
        policy_chosen_logps - policy_rejected_logps.detach(),
        (ref_chosen_logps - ref_rejected_logps),
    )
    return -F.logsigmoid(beta * (pi - ref)).mean()


def smoothing_subtracted(policy_chosen_logps: torch.Tensor, policy_rejected_logps, ref_chosen_logps, ref_rejected_logps, beta, label_smoothing):  # noqa: E501  # fmt: skip
    m = beta * (policy_chosen_logps - policy_rejected_logps - ref_chosen_logps + ref_rejected_logps)
    e = label_smoothing
    return (-(1 - e) * F.logsigmoid(m) + e * F.logsigmoid(-m)).mean()


def minimises_sigmoid(policy_chosen_logps, policy_rejected_logps, ref_chosen_logps, ref_rejected_logps, beta):  # noqa: E501  # fmt: skip
    m = beta * (policy_chosen_logps - policy_rejected_logps - ref_chosen_logps + ref_rejected_logps)
    return np.mean(1 - 1 / (1 + np.exp(-m)))


def ipo_without_half(policy_chosen_logps, policy_rejected_logps, ref_chosen_logps, ref_rejected_logps, beta):  # noqa: E501  # fmt: skip
    h = policy_chosen_logps - policy_rejected_logps - ref_chosen_logps + ref_rejected_logps
    return np.mean((h - 1 / beta) ** 2)


def broadcasts(policy_chosen_logps: torch.Tensor, policy_rejected_logps, ref_chosen_logps, ref_rejected_logps, beta):  # noqa: E501  # fmt: skip
    chosen = (policy_chosen_logps - ref_chosen_logps).unsqueeze(1)
    return -F.logsigmoid(beta * (chosen - (policy_rejected_logps - ref_rejected_logps))).mean()


FAULTY_DPO = {
    "pair-swapped": swapped,
    "reference-ignored": no_reference,
    "reference-sign-flipped": plus_reference,
    "beta-missing": no_beta,
    "beta-squared": beta_twice,
    "sigmoid-underflows": two_steps,
    "rejected-detached": half_detached,
    "label-smoothing-sign": smoothing_subtracted,
    "logarithm-missing": minimises_sigmoid,
    "ipo-target-wrong": ipo_without_half,
    "rows-crossed": broadcasts,
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTY_DPO)
def test_faulty_dpo_losses_are_caught_and_named(fault):
    failed, named = verdict("dpo-loss", FAULTY_DPO[fault], wrt=DPO, examples=30)
    assert failed
    assert named == fault


def test_a_faulty_dpo_loss_is_named_quickly():
    _, named = verdict("dpo-loss", minimises_sigmoid, wrt=DPO, examples=15)
    assert named == "logarithm-missing"


def trl_like(rewards_chosen: torch.Tensor, rewards_rejected, margin=None):
    if margin is None:
        return -F.logsigmoid(rewards_chosen - rewards_rejected).mean()
    return -F.logsigmoid(rewards_chosen - rewards_rejected - margin).mean()


def cross_entropy(chosen_rewards: torch.Tensor, rejected_rewards):
    pairs = torch.stack([chosen_rewards, rejected_rewards], dim=1)
    return F.cross_entropy(pairs, torch.zeros(len(pairs), dtype=torch.long))


def binary(chosen_reward: torch.Tensor, rejected_reward):
    difference = chosen_reward - rejected_reward
    return F.binary_cross_entropy_with_logits(difference, torch.ones_like(difference))


@pytest.mark.slow
@pytest.mark.parametrize(
    "function", [trl_like, cross_entropy, binary, preferences.reward_model_loss]
)
def test_correct_reward_model_losses_pass(function):
    failed, _ = verdict("reward-model-loss", function, wrt=RM, examples=30)
    assert failed == ()


def wrong_way(chosen_rewards: torch.Tensor, rejected_rewards):
    return -F.logsigmoid(rejected_rewards - chosen_rewards).mean()


def margin_added(chosen_rewards: torch.Tensor, rejected_rewards, margin):
    return -F.logsigmoid(chosen_rewards - rejected_rewards + margin).mean()


def margin_unused(chosen_rewards: torch.Tensor, rejected_rewards, margin):
    return -F.logsigmoid(chosen_rewards - rejected_rewards).mean()


def naive(chosen_rewards: torch.Tensor, rejected_rewards):
    return -torch.log(torch.sigmoid(chosen_rewards - rejected_rewards)).mean()


def ranks(chosen_rewards: torch.Tensor, rejected_rewards):
    return F.relu(1 - (chosen_rewards - rejected_rewards)).mean()


def one_sided(chosen_rewards: torch.Tensor, rejected_rewards):
    return -F.logsigmoid(chosen_rewards - rejected_rewards.detach()).mean()


FAULTY_RM = {
    "pair-swapped": wrong_way,
    "margin-sign-flipped": margin_added,
    "margin-ignored": margin_unused,
    "sigmoid-underflows": naive,
    "hinge-for-logistic": ranks,
    "rejected-detached": one_sided,
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTY_RM)
def test_faulty_reward_model_losses_are_caught_and_named(fault):
    failed, named = verdict("reward-model-loss", FAULTY_RM[fault], wrt=RM, examples=30)
    assert failed
    assert named == fault
