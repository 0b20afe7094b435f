"""Preference losses: DPO and the reward model's."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch.nn import functional

from benchmarks.independent.records import correct, faulty

# --- DPO ------------------------------------------------------------------------------------------


@correct("dpo-loss")
def log_sigmoid(
    policy_chosen_logps, policy_rejected_logps, ref_chosen_logps, ref_rejected_logps, beta
):
    chosen = policy_chosen_logps - ref_chosen_logps
    rejected = policy_rejected_logps - ref_rejected_logps
    return -functional.logsigmoid(beta * (chosen - rejected)).mean()


@correct("dpo-loss")
def with_rewards(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
    label_smoothing,
):
    """Losses of the pairs and both implicit rewards, detached."""
    logits = (policy_chosen_logps - policy_rejected_logps) - (
        reference_chosen_logps - reference_rejected_logps
    )
    losses = (
        -functional.logsigmoid(beta * logits) * (1 - label_smoothing)
        - functional.logsigmoid(-beta * logits) * label_smoothing
    )
    chosen_rewards = beta * (policy_chosen_logps - reference_chosen_logps).detach()
    rejected_rewards = beta * (policy_rejected_logps - reference_rejected_logps).detach()
    return losses, chosen_rewards, rejected_rewards


@correct("dpo-loss")
def numpy_softplus(pi_chosen_logp, pi_rejected_logp, ref_chosen_logp, ref_rejected_logp, beta):
    margin = beta * (pi_chosen_logp - ref_chosen_logp - pi_rejected_logp + ref_rejected_logp)
    return np.mean(np.logaddexp(0.0, -margin))


@correct("dpo-loss", dialect={"loss": "ipo"})
def identity_preferences(
    policy_chosen_logps, policy_rejected_logps, ref_chosen_logps, ref_rejected_logps, beta
):
    gap = (policy_chosen_logps - policy_rejected_logps) - (ref_chosen_logps - ref_rejected_logps)
    return jnp.mean((gap - 1 / (2 * beta)) ** 2)


@faulty("dpo-loss", "pair-swapped")
def rejected_first(
    policy_chosen_logps, policy_rejected_logps, ref_chosen_logps, ref_rejected_logps, beta
):
    pi = policy_rejected_logps - policy_chosen_logps
    ref = ref_rejected_logps - ref_chosen_logps
    return -functional.logsigmoid(beta * (pi - ref)).mean()


@faulty("dpo-loss", "reference-sign-flipped")
def reference_added(
    policy_chosen_logps, policy_rejected_logps, ref_chosen_logps, ref_rejected_logps, beta
):
    pi = policy_chosen_logps - policy_rejected_logps
    ref = ref_chosen_logps - ref_rejected_logps
    return -functional.logsigmoid(beta * (pi + ref)).mean()


@faulty("dpo-loss", "beta-outside")
def beta_before_the_loss(
    policy_chosen_logps, policy_rejected_logps, ref_chosen_logps, ref_rejected_logps, beta
):
    h = policy_chosen_logps - ref_chosen_logps - (policy_rejected_logps - ref_rejected_logps)
    return -beta * jnp.mean(jax.nn.log_sigmoid(h))


@faulty("dpo-loss", "beta-on-one-term")
def brackets_forgotten(
    policy_chosen_logps, policy_rejected_logps, ref_chosen_logps, ref_rejected_logps, beta
):
    pi = policy_chosen_logps - policy_rejected_logps
    ref = ref_chosen_logps - ref_rejected_logps
    return -functional.logsigmoid(beta * pi - ref).mean()


@faulty("dpo-loss", "sigmoid-underflows")
def log_of_sigmoid(
    policy_chosen_logps, policy_rejected_logps, ref_chosen_logps, ref_rejected_logps, beta
):
    h = policy_chosen_logps - ref_chosen_logps - policy_rejected_logps + ref_rejected_logps
    return -torch.log(torch.sigmoid(beta * h)).mean()


@faulty("dpo-loss", "margin-averaged")
def mean_before_the_sigmoid(
    policy_chosen_logps, policy_rejected_logps, ref_chosen_logps, ref_rejected_logps, beta
):
    chosen = (policy_chosen_logps - ref_chosen_logps).mean()
    rejected = (policy_rejected_logps - ref_rejected_logps).mean()
    return -functional.logsigmoid(beta * (chosen - rejected))


@faulty("dpo-loss", "rejected-detached")
def no_grad_for_the_loser(
    policy_chosen_logps, policy_rejected_logps, ref_chosen_logps, ref_rejected_logps, beta
):
    chosen = policy_chosen_logps - ref_chosen_logps
    with torch.no_grad():
        rejected = policy_rejected_logps - ref_rejected_logps
    return -functional.logsigmoid(beta * (chosen - rejected)).mean()


@faulty("dpo-loss", "label-smoothing-sign", dialect={"loss": "sigmoid"})
def smoothing_with_plus(
    policy_chosen_logps,
    policy_rejected_logps,
    ref_chosen_logps,
    ref_rejected_logps,
    beta,
    label_smoothing,
):
    m = beta * (policy_chosen_logps - policy_rejected_logps - ref_chosen_logps + ref_rejected_logps)
    good, flipped = functional.logsigmoid(m), functional.logsigmoid(-m)
    return -((1 - label_smoothing) * good - label_smoothing * flipped).mean()


@faulty("dpo-loss", "ipo-target-wrong", dialect={"loss": "ipo"})
def ipo_margin_of_one_over_beta(
    policy_chosen_logps, policy_rejected_logps, ref_chosen_logps, ref_rejected_logps, beta
):
    h = policy_chosen_logps - ref_chosen_logps - policy_rejected_logps + ref_rejected_logps
    return ((h - 1 / beta) ** 2).mean()


# --- reward model ---------------------------------------------------------------------------------


@correct("reward-model-loss")
def bradley_terry(chosen_rewards, rejected_rewards):
    return -functional.logsigmoid(chosen_rewards - rejected_rewards).mean()


@correct("reward-model-loss")
def binary_cross_entropy(chosen_reward, rejected_reward):
    gap = chosen_reward - rejected_reward
    return functional.binary_cross_entropy_with_logits(gap, torch.ones_like(gap))


@correct("reward-model-loss")
def jax_with_margin(chosen_rewards, rejected_rewards, margin):
    return jnp.mean(jax.nn.softplus(rejected_rewards - chosen_rewards + margin))


@correct("reward-model-loss")
def pairwise_softmax(chosen_rewards, rejected_rewards):
    """The log-softmax over both scores of a pair."""
    scores = torch.stack([chosen_rewards.flatten(), rejected_rewards.flatten()], dim=-1)
    return -scores.log_softmax(-1)[:, 0].mean()


@faulty("reward-model-loss", "margin-sign-flipped")
def margin_helps(chosen_rewards, rejected_rewards, margin):
    return -functional.logsigmoid(chosen_rewards - rejected_rewards + margin).mean()


@faulty("reward-model-loss", "pair-swapped")
def worse_is_better(chosen_rewards, rejected_rewards):
    return -functional.logsigmoid(rejected_rewards - chosen_rewards).mean()


@faulty("reward-model-loss", "logarithm-missing")
def probability_of_winning(chosen_rewards, rejected_rewards):
    return -torch.sigmoid(chosen_rewards - rejected_rewards).mean()


@faulty("reward-model-loss", "rows-crossed")
def all_pairs(chosen_rewards, rejected_rewards):
    gap = chosen_rewards.reshape(-1, 1) - rejected_rewards.reshape(1, -1)
    return -functional.logsigmoid(gap).mean()


@faulty("reward-model-loss", "denominator-of-both-halves")
def concatenated_batch(chosen_rewards, rejected_rewards):
    scores = torch.cat([chosen_rewards, rejected_rewards])
    n = scores.shape[0] // 2
    return -functional.logsigmoid(scores[:n] - scores[n:]).sum() / scores.shape[0]


@faulty("reward-model-loss", "sigmoid-underflows")
def naive_numpy(chosen_rewards, rejected_rewards):
    p = 1 / (1 + np.exp(-(chosen_rewards - rejected_rewards)))
    return -np.mean(np.log(p))


@faulty("reward-model-loss")
def guarded_logarithm(chosen_rewards, rejected_rewards):
    """A visible constant inside the logarithm."""
    return -torch.log(torch.sigmoid(chosen_rewards - rejected_rewards) + 1e-2).mean()
