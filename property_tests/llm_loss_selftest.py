"""Self tests of the contracts on losses and advantages of language-model RL.

Correct variants are written in the forms that public libraries use, with their names, and share no
code with the definitions: Zheng et al. (GSPO), Liu et al. (Dr. GRPO), Yu et al. (DAPO), Ahmadian et
al. (RLOO), and the layouts of TRL, verl and OpenRLHF.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from property_tests.framework.build import completed
from property_tests.framework.gradients import with_gradient
from property_tests.framework.records import FunctionContract, Model
from property_tests.framework.trial_run import as_subject, row
from rlcheck.contracts import Options
from rlcheck.selftests import Row

WRT: Mapping[str, Sequence[str]] = {
    "dpo-loss": ("policy_chosen_logps", "policy_rejected_logps"),
    "reward-model-loss": ("chosen_rewards", "rejected_rewards"),
    "group-advantages": (),
    "grpo-loss": ("log_probs",),
}
PINNED: Mapping[str, Mapping[str, Any]] = {
    "ipo-target-wrong": {"loss": "ipo"},
    "own-reward-in-leave-one-out": {"baseline": "leave-one-out"},
    "ratio-over-padding": {"ratio": "sequence-mean", "aggregation": "token-mean"},
    "ratio-of-the-batch": {"ratio": "sequence-mean"},
}
"""Conventions without which a fault cannot be."""


def dpo_openrlhf(
    policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps,
    beta, label_smoothing,
):  # fmt: skip
    """Loss, and detached rewards beside it."""
    pi, ref = (
        policy_chosen_logps - policy_rejected_logps,
        (reference_chosen_logps - reference_rejected_logps),
    )
    x = beta * (pi - ref)
    losses = (1 - label_smoothing) * np.logaddexp(0, -x) + label_smoothing * np.logaddexp(0, x)
    return losses.mean(), beta * (policy_chosen_logps - reference_chosen_logps)


def dpo_per_pair(pi_chosen_logp, pi_rejected_logp, ref_chosen_logp, ref_rejected_logp, beta):
    """One loss a pair."""
    ratio_w, ratio_l = pi_chosen_logp - ref_chosen_logp, pi_rejected_logp - ref_rejected_logp
    return np.logaddexp(0.0, beta * ratio_l - beta * ratio_w)


def ipo(chosen_logps, rejected_logps, ref_chosen_logps, ref_rejected_logps, tau):
    """Squared distance to 1 / (2 tau)."""
    gap = chosen_logps - rejected_logps - ref_chosen_logps + ref_rejected_logps
    return np.mean((gap - 1 / (2 * tau)) ** 2)


def slic(chosen_logps, rejected_logps, ref_chosen_logps, ref_rejected_logps, beta):
    """Hinge, summed."""
    gap = chosen_logps - rejected_logps - (ref_chosen_logps - ref_rejected_logps)
    return np.maximum(1 - beta * gap, 0).sum()


def bradley_terry(chosen_scores, rejected_scores, margin):
    """With a margin."""
    return np.logaddexp(0, rejected_scores - chosen_scores + margin).mean()


def bradley_terry_list(chosen: list, rejected: list):
    """Over plain lists."""
    each = [float(np.log1p(np.exp(r - c))) for c, r in zip(chosen, rejected, strict=True)]
    return sum(each) / len(each)


def group_norm_dict(scores, index, epsilon=1e-6):
    """A dictionary of groups; a single answer keeps its score."""
    groups: dict[Any, list[float]] = defaultdict(list)
    for score, group in zip(scores, index, strict=True):
        groups[group].append(score)
    out = np.zeros(len(scores))
    for i, group in enumerate(index):
        own = np.array(groups[group])
        single = len(own) == 1
        out[i] = scores[i] if single else (scores[i] - own.mean()) / (own.std(ddof=1) + epsilon)
    return out


def group_norm_view(rewards, num_generations):
    """Contiguous groups of one size."""
    rows = rewards.reshape(-1, num_generations)
    spread = np.repeat(rows.std(axis=1, ddof=1), num_generations)
    return (rewards - np.repeat(rows.mean(axis=1), num_generations)) / (spread + 1e-4)


def dr_grpo_rows(rewards):
    """[G, n], without division."""
    return rewards - rewards.mean(axis=1, keepdims=True)


def rloo(rewards, group_ids):
    """Leave-one-out by counts."""
    _, inverse, counts = np.unique(group_ids, return_inverse=True, return_counts=True)
    sums, n = np.bincount(inverse, rewards)[inverse], counts[inverse]
    others = np.where(n > 1, (sums - rewards) / np.maximum(n - 1, 1), rewards)
    return rewards - others


def grpo_trl(
    per_token_logps, old_per_token_logps, advantages, completion_mask, ref_per_token_logps,
    epsilon_low, epsilon_high, beta,
):  # fmt: skip
    """Sequence means, two bounds, k3."""
    ratio = np.exp(per_token_logps - old_per_token_logps)
    near = np.clip(ratio, 1 - epsilon_low, 1 + epsilon_high)
    loss = -np.minimum(ratio * advantages[:, None], near * advantages[:, None])
    apart = ref_per_token_logps - per_token_logps
    loss = (loss + beta * (np.exp(apart) - apart - 1)) * completion_mask
    return (loss.sum(-1) / np.maximum(completion_mask.sum(-1), 1)).mean()


def dapo(log_prob, old_log_prob, advantages, response_mask, clip_ratio_low, clip_ratio_high):
    """Token mean, advantages for every token, no penalty."""
    if advantages.ndim != 2:
        raise ValueError("advantages [B, T] expected")
    ratio = np.exp(np.clip(log_prob - old_log_prob, -20, 20))
    worse = np.maximum(
        -advantages * ratio, -advantages * np.clip(ratio, 1 - clip_ratio_low, 1 + clip_ratio_high)
    )
    return np.where(response_mask, worse, 0.0).sum() / (response_mask.sum() + 1e-8)


def dr_grpo(log_probs, old_log_probs, advantages, mask, clip_eps, max_completion_length):
    """Constant divisor."""
    ratio, weight = np.exp(log_probs - old_log_probs), advantages[:, None]
    kept = np.minimum(ratio * weight, np.clip(ratio, 1 - clip_eps, 1 + clip_eps) * weight) * mask
    return -kept.sum() / (len(mask) * max_completion_length)


def gspo(log_probs, old_log_probs, advantages, response_mask, eps_low, eps_high):
    """Geometric mean of the ratios of a sequence."""
    lengths = np.maximum(response_mask.sum(-1), 1)
    ratio = np.exp(((log_probs - old_log_probs) * response_mask).sum(-1) / lengths)
    near = np.clip(ratio, 1 - eps_low, 1 + eps_high)
    return -np.minimum(ratio * advantages, near * advantages).mean()


def one_group(policy_log_probs, old_log_probs, ref_log_probs, rewards, clip_epsilon, kl_coeff):
    """One group, product of the ratios, summed k1."""
    advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-8)
    ratio = np.exp((policy_log_probs - old_log_probs).sum(axis=1))
    near = np.clip(ratio, 1 - clip_epsilon, 1 + clip_epsilon)
    penalty = (policy_log_probs - ref_log_probs).sum(axis=1).mean()
    return -np.minimum(ratio * advantages, near * advantages).mean() + kl_coeff * penalty


VARIANTS: Mapping[str, tuple[Model, ...]] = {
    "dpo-loss": (dpo_openrlhf, dpo_per_pair, ipo, slic),
    "reward-model-loss": (bradley_terry, bradley_terry_list),
    "group-advantages": (group_norm_dict, group_norm_view, dr_grpo_rows, rloo),
    "grpo-loss": (grpo_trl, dapo, dr_grpo, gspo, one_group),
}


def spec(name: str) -> FunctionContract:
    """The contract by name, with its generic properties and faults."""
    return completed(import_module(f"property_tests.{name.replace('-', '_')}").SPEC)


def rows(name: str, *, size: int = 100) -> list[Row]:
    """One row for each faulty version and each correct variant of a contract."""
    contract, found = spec(name), []
    for fault in contract.faults:
        pinned = Options(dialect=PINNED.get(fault.name, {}))
        for number, model in enumerate(fault.models, start=1):
            subject = as_subject(contract, model)
            label = f"{fault.name} {number}"
            found.append(
                row(
                    contract,
                    subject,
                    implementation=label,
                    fault=fault.name,
                    size=size,
                    options=pinned,
                )
            )
    for variant in (contract.oracle, *VARIANTS[name]):
        subject = variant
        if variant is not contract.oracle and WRT[name]:
            subject = with_gradient(variant, contract, WRT[name], Options())
        label = "oracle" if variant is contract.oracle else variant.__name__
        found.append(row(contract, subject, implementation=label, size=size))
    return found


def selftest(name: str) -> list[Row]:
    """Rows of one contract, faults and checks with its name in front."""

    def full(own: str) -> str:
        return f"{name}/{own}" if own else ""

    return [
        Row(one.implementation, full(one.fault), tuple(map(full, one.failed)), full(one.named))
        for one in rows(name)
    ]


dpo_loss = partial(selftest, "dpo-loss")
reward_model_loss = partial(selftest, "reward-model-loss")
group_advantages = partial(selftest, "group-advantages")
grpo_loss = partial(selftest, "grpo-loss")
