"""Preference losses and group-relative optimisation as other code bases write them."""

from __future__ import annotations

from collections import defaultdict

import jax
import jax.numpy as jnp
import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.independent.records import correct, faulty

# --- dpo-loss -------------------------------------------------------------------------------------


@correct("dpo-loss")
def binary_cross_entropy_of_the_margin(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta=0.1,
):
    margin = policy_chosen_logps - reference_chosen_logps
    margin = margin - (policy_rejected_logps - reference_rejected_logps)
    return F.binary_cross_entropy_with_logits(beta * margin, torch.ones_like(margin))


@correct("dpo-loss")
def softplus_and_the_rewards(
    reference_rejected_logps,
    reference_chosen_logps,
    policy_rejected_logps,
    policy_chosen_logps,
    beta,
):
    chosen_reward = beta * (policy_chosen_logps - reference_chosen_logps)
    rejected_reward = beta * (policy_rejected_logps - reference_rejected_logps)
    losses = jax.nn.softplus(rejected_reward - chosen_reward)
    return losses.mean(), (chosen_reward, rejected_reward)


@correct("dpo-loss")
def conservative_with_smoothing(
    pi_chosen,
    pi_rejected,
    ref_chosen,
    ref_rejected,
    beta=0.1,
    label_smoothing=0.0,
    reference_free=False,
):
    pi_ratio = pi_chosen - pi_rejected
    ref_ratio = torch.zeros_like(pi_ratio) if reference_free else ref_chosen - ref_rejected
    h = beta * (pi_ratio - ref_ratio)
    return -(F.logsigmoid(h) * (1 - label_smoothing) + F.logsigmoid(-h) * label_smoothing)


@correct("dpo-loss")
def squared_distance_from_half_over_beta(
    chosen_logps, rejected_logps, ref_chosen_logps, ref_rejected_logps, beta
):
    h = (chosen_logps - rejected_logps) - (ref_chosen_logps - ref_rejected_logps)
    return np.mean((h - 0.5 / beta) ** 2)


@faulty("dpo-loss", "reference-sign-flipped")
def plus_the_reference(
    policy_chosen_logps, policy_rejected_logps, ref_chosen_logps, ref_rejected_logps, beta
):
    h = (policy_chosen_logps - policy_rejected_logps) + (ref_chosen_logps - ref_rejected_logps)
    return -F.logsigmoid(beta * h).mean()


@faulty("dpo-loss", "beta-on-one-term")
def bracket_around_the_policy_only(
    policy_chosen_logps, policy_rejected_logps, ref_chosen_logps, ref_rejected_logps, beta
):
    h = beta * (policy_chosen_logps - policy_rejected_logps) - (
        ref_chosen_logps - ref_rejected_logps
    )
    return -jnp.mean(jax.nn.log_sigmoid(h))


@faulty("dpo-loss", "pair-swapped")
def rejected_half_first(
    policy_chosen_logps, policy_rejected_logps, ref_chosen_logps, ref_rejected_logps, beta
):
    h = (policy_rejected_logps - ref_rejected_logps) - (policy_chosen_logps - ref_chosen_logps)
    return -F.logsigmoid(beta * h).mean()


@faulty("dpo-loss", "ipo-target-wrong", dialect={"loss": "ipo"})
def distance_from_one_over_beta(
    policy_chosen_logps, policy_rejected_logps, ref_chosen_logps, ref_rejected_logps, beta
):
    h = (policy_chosen_logps - policy_rejected_logps) - (ref_chosen_logps - ref_rejected_logps)
    return ((h - 1 / beta) ** 2).mean()


@faulty("dpo-loss", "sigmoid-underflows")
def log_of_a_logistic(
    policy_chosen_logps, policy_rejected_logps, ref_chosen_logps, ref_rejected_logps, beta
):
    h = policy_chosen_logps - policy_rejected_logps - ref_chosen_logps + ref_rejected_logps
    return -np.log(1 / (1 + np.exp(-beta * h))).mean()


# --- reward-model-loss ----------------------------------------------------------------------------


@correct("reward-model-loss")
def log_of_two_class_softmax(chosen_scores, rejected_scores):
    pair = torch.stack([chosen_scores, rejected_scores], dim=-1)
    target = torch.zeros(pair.shape[:-1], dtype=torch.long)
    return F.cross_entropy(pair.reshape(-1, 2), target.reshape(-1))


@correct("reward-model-loss")
def logaddexp_with_a_margin(chosen_rewards, rejected_rewards, margin=None):
    d = chosen_rewards - rejected_rewards
    if margin is not None:
        d = d - margin
    return jnp.logaddexp(0.0, -d).mean()


@faulty("reward-model-loss", "rejected-detached")
def rejected_under_no_grad(chosen_rewards, rejected_rewards):
    return -F.logsigmoid(chosen_rewards - rejected_rewards.detach()).mean()


@faulty("reward-model-loss", "logarithm-missing")
def one_minus_the_probability(rewards_chosen, rewards_rejected):
    return (1 - torch.sigmoid(rewards_chosen - rewards_rejected)).mean()


@faulty("reward-model-loss", "margin-sign-flipped")
def margin_in_favour(chosen_rewards, rejected_rewards, margin):
    return jax.nn.softplus(-(chosen_rewards - rejected_rewards + margin)).mean()


# --- group-advantages -----------------------------------------------------------------------------


@correct("group-advantages")
def dictionary_of_groups(scores, index, epsilon=1e-6, norm_adv_by_std_in_grpo=True):
    members = defaultdict(list)
    for score, i in zip(scores, index, strict=True):
        members[int(i)].append(score)
    out = []
    for score, i in zip(scores, index, strict=True):
        group = torch.stack(members[int(i)])
        centred = score - (group.mean() if len(group) > 1 else 0.0)
        spread = group.std() if len(group) > 1 else torch.tensor(1.0)
        out.append(centred / (spread + epsilon) if norm_adv_by_std_in_grpo else centred)
    return torch.stack(out)


@correct("group-advantages")
def segment_sums(rewards, group_ids):
    """Sums by group through bincount; population deviation."""
    _, inverse = np.unique(group_ids, return_inverse=True)
    count = np.bincount(inverse)
    mean = np.bincount(inverse, rewards) / count
    centred = rewards - mean[inverse]
    std = np.sqrt(np.bincount(inverse, centred**2) / count)
    return centred / (std[inverse] + 1e-8)


@correct("group-advantages")
def rows_of_generations(rewards, num_generations):
    grouped = rewards.reshape(-1, num_generations)
    centred = grouped - grouped.mean(axis=1, keepdims=True)
    return (centred / (grouped.std(axis=1, ddof=1, keepdims=True) + 1e-4)).reshape(-1)


@correct("group-advantages")
def leave_one_out_by_scaling(rewards, num_generations):
    """n / (n - 1) times the distance from the mean."""
    grouped = rewards.view(-1, num_generations)
    factor = num_generations / (num_generations - 1)
    return (factor * (grouped - grouped.mean(1, keepdim=True))).flatten()


@faulty("group-advantages", "batch-statistics")
def moments_of_all_answers(rewards, group_ids):
    return (rewards - rewards.mean()) / (rewards.std() + 1e-6)


@faulty("group-advantages", "groups-transposed")
def reshaped_the_other_way(rewards, num_generations):
    grouped = rewards.view(num_generations, -1)
    normalised = (grouped - grouped.mean(0)) / (grouped.std(0) + 1e-4)
    return normalised.view(-1)


@faulty("group-advantages", "guard-dominates")
def one_beside_the_deviation(rewards, group_ids):
    same = jnp.equal(group_ids[:, None], group_ids[None, :]).astype(rewards.dtype)
    n = same.sum(1)
    centred = rewards - same @ rewards / n
    std = jnp.sqrt(same @ centred**2 / n)
    return centred / (std + 1.0)


@faulty("group-advantages", "own-reward-in-leave-one-out", "maximum-for-mean")
def others_plus_self(rewards, num_generations):
    """The sum of all over n - 1."""
    grouped = rewards.view(-1, num_generations)
    baseline = grouped.sum(1, keepdim=True) / (num_generations - 1)
    return (grouped - baseline).flatten()


# --- grpo-loss ------------------------------------------------------------------------------------


@correct("grpo-loss")
def clip_higher_token_mean(
    logprobs, old_logprobs, advantages, response_mask, clip_ratio_low, clip_ratio_high
):
    ratio = torch.exp(logprobs - old_logprobs)
    adv = advantages.unsqueeze(1) if advantages.dim() == 1 else advantages
    losses = torch.maximum(
        -adv * ratio, -adv * ratio.clamp(1 - clip_ratio_low, 1 + clip_ratio_high)
    )
    return (losses * response_mask).sum() / response_mask.sum().clamp(min=1)


@correct("grpo-loss")
def with_penalty_and_metrics(
    per_token_logps,
    old_per_token_logps,
    advantages,
    completion_mask,
    ref_per_token_logps,
    epsilon=0.2,
    beta=0.04,
):
    delta = ref_per_token_logps - per_token_logps
    kl = torch.exp(delta) - delta - 1
    coef_1 = torch.exp(per_token_logps - old_per_token_logps)
    coef_2 = torch.clamp(coef_1, 1 - epsilon, 1 + epsilon)
    loss = -torch.min(coef_1 * advantages[:, None], coef_2 * advantages[:, None]) + beta * kl
    loss = ((loss * completion_mask).sum(-1) / completion_mask.sum(-1).clamp(min=1.0)).mean()
    metrics = {"kl": (kl.detach() * completion_mask).sum() / completion_mask.sum()}
    return loss, metrics


@correct("grpo-loss")
def geometric_mean_ratio(logps, old_logps, adv, mask, eps):
    length = jnp.maximum(mask.sum(-1), 1)
    ratio = jnp.exp(((logps - old_logps) * mask).sum(-1) / length)
    return -jnp.minimum(ratio * adv, jnp.clip(ratio, 1 - eps, 1 + eps) * adv).mean()


@correct("grpo-loss")
def sum_over_a_constant(
    log_probs, old_log_probs, advantages, mask, clip_epsilon, max_completion_length
):
    ratio = np.exp(log_probs - old_log_probs)
    adv = np.reshape(advantages, (len(ratio), -1))
    gain = np.minimum(ratio * adv, np.clip(ratio, 1 - clip_epsilon, 1 + clip_epsilon) * adv)
    return -(gain * mask).sum() / (len(ratio) * max_completion_length)


@correct("grpo-loss")
def first_on_policy_pass(logps, advantages, mask, old_logps=None, clip_eps=0.2):
    old_logps = logps.detach() if old_logps is None else old_logps
    ratio = (logps - old_logps).exp()
    adv = advantages.reshape(len(logps), -1)
    gain = torch.minimum(ratio * adv, ratio.clip(1 - clip_eps, 1 + clip_eps) * adv)
    return -((gain * mask).sum(1) / mask.sum(1)).mean()


@faulty("grpo-loss", "kl-sign-flipped")
def penalty_subtracted(
    log_probs, old_log_probs, advantages, mask, ref_log_probs, clip_epsilon, kl_coef
):
    ratio = torch.exp(log_probs - old_log_probs)
    adv = advantages.unsqueeze(-1)
    gain = torch.min(ratio * adv, ratio.clamp(1 - clip_epsilon, 1 + clip_epsilon) * adv)
    delta = ref_log_probs - log_probs
    losses = -gain - kl_coef * (delta.exp() - delta - 1)
    return ((losses * mask).sum(1) / mask.sum(1)).mean()


@faulty("grpo-loss", "padded-length-denominator")
def mean_over_the_padded_width(log_probs, old_log_probs, advantages, mask, clip_epsilon):
    ratio = jnp.exp(log_probs - old_log_probs)
    adv = advantages[:, None]
    gain = jnp.minimum(ratio * adv, jnp.clip(ratio, 1 - clip_epsilon, 1 + clip_epsilon) * adv)
    return -(gain * mask).mean()


@faulty("grpo-loss", "ratio-over-padding", "mask-ignored")
def sequence_ratio_with_padding(logps, old_logps, adv, mask, eps):
    ratio = torch.exp((logps - old_logps).mean(-1))
    gain = torch.min(ratio * adv, ratio.clamp(1 - eps, 1 + eps) * adv)
    return -gain.mean()


@faulty("grpo-loss", "clip-bounds-swapped")
def high_below_and_low_above(logps, old_logps, adv, mask, clip_low, clip_high):
    ratio = (logps - old_logps).exp()
    clipped = ratio.clamp(1 - clip_high, 1 + clip_low)
    gain = torch.min(ratio * adv[:, None], clipped * adv[:, None])
    return -(gain * mask).sum() / mask.sum()


@faulty("grpo-loss", "kl-detached")
def penalty_without_gradient(
    log_probs, old_log_probs, advantages, mask, ref_log_probs, clip_epsilon, kl_coef
):
    ratio = torch.exp(log_probs - old_log_probs)
    adv = advantages.unsqueeze(1)
    gain = torch.min(ratio * adv, ratio.clamp(1 - clip_epsilon, 1 + clip_epsilon) * adv)
    with torch.no_grad():
        kl = torch.expm1(ref_log_probs - log_probs) - (ref_log_probs - log_probs)
    return (((kl_coef * kl - gain) * mask).sum(1) / mask.sum(1)).mean()


@faulty("grpo-loss", "advantages-of-other-rows")
def repeated_in_the_wrong_order(log_probs, old_log_probs, advantages, mask, clip_epsilon):
    ratio = np.exp(log_probs - old_log_probs)
    adv = np.roll(advantages, 1)[:, None]
    gain = np.minimum(ratio * adv, np.clip(ratio, 1 - clip_epsilon, 1 + clip_epsilon) * adv)
    return -((gain * mask).sum(1) / mask.sum(1)).mean()
