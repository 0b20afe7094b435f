"""Mistakes of public code bases, written anew: policies, losses, language models."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import torch
import torch.nn.functional as F
from torch import distributions, nn

from benchmarks.independent.records import faulty


class SummedOverTheBatch(nn.Module):
    """`sum()` without an axis."""

    def forward(self, mean, log_std, actions):
        return distributions.Normal(mean, log_std.exp()).log_prob(actions).sum()


reduced_over_everything = faulty("gaussian-log-prob", "batch-summed")(SummedOverTheBatch())


@faulty("gaussian-log-prob", "sign-flipped")
def loss_for_the_logarithm(mean, std, actions):
    return F.gaussian_nll_loss(mean, actions, std**2, full=True, reduction="none").sum(-1)


@faulty("entropy", "mask-ignored")
def mask_only_when_acting(logits, action_mask=None):
    return distributions.Categorical(logits=logits).entropy()


@faulty("entropy", "wrong-unit")
def in_bits(logits):
    log_p = jax.nn.log_softmax(logits, axis=-1)
    return -(jnp.exp(log_p) * log_p).sum(-1) / jnp.log(2.0)


@faulty("categorical-log-prob", "actions-of-other-rows")
def rows_of_a_sorted_batch(logits, actions):
    log_p = F.log_softmax(logits, dim=-1)
    return log_p.flip(0).gather(-1, actions.unsqueeze(-1)).squeeze(-1)


@faulty("tanh-gaussian-log-prob", "density-at-the-action")
def gaussian_at_the_squashed_action(mean, log_std, actions):
    normal = distributions.Normal(mean, log_std.exp()).log_prob(actions)
    return (normal - torch.log(1 - actions.pow(2) + 1e-6)).sum(-1)


@faulty("policy-gradient-loss", "advantage-absolute")
def without_its_sign(log_probs, advantages):
    return -(log_probs * np.abs(advantages)).mean()


@faulty("ppo-loss", "ratio-inverted")
def behaviour_over_policy(logp, logp_old, adv, clip_ratio):
    ratio = jnp.exp(logp_old - logp)
    return -jnp.minimum(ratio * adv, jnp.clip(ratio, 1 - clip_ratio, 1 + clip_ratio) * adv).mean()


@faulty("ppo-loss", "clip-epsilon-hard-coded")
def constant_of_the_paper(logp, old_logp, adv, clip_range=0.2):
    ratio = torch.exp(logp - old_logp)
    return -torch.min(ratio * adv, torch.clamp(ratio, 0.8, 1.2) * adv).mean()


@faulty("value-loss", "old-values-not-added-back")
def movement_for_the_value(values, returns, old_values, clip_range):
    moved = torch.clamp(values - old_values, -clip_range, clip_range)
    return 0.5 * torch.max((values - returns) ** 2, (moved - returns) ** 2).mean()


@faulty("value-loss", "mask-ignored")
def padding_counts(values, returns, mask):
    return 0.5 * ((values - returns) ** 2).mean()


@faulty("token-log-probs", "temperature-applied-twice")
def temperature_in_two_places(logits, tokens, temperature):
    logits = logits / temperature
    log_p = F.log_softmax(logits / temperature, dim=-1)
    return log_p.gather(-1, tokens.unsqueeze(-1)).squeeze(-1)


@faulty("token-log-probs", "rows-misaligned")
def tokens_of_another_sequence(logits, tokens):
    log_p = jax.nn.log_softmax(logits, axis=-1)
    tokens = jnp.roll(tokens, 1, axis=0)
    return jnp.take_along_axis(log_p, tokens[..., None], axis=-1)[..., 0]


@faulty("sequence-log-probs", "length-of-the-batch")
def mean_length_for_all(log_probs, mask):
    return (log_probs * mask).sum(-1) / mask.sum(-1).to(log_probs.dtype).mean()


@faulty("aggregate", "normalised-twice")
def divided_by_length_and_count(losses, mask):
    per_sequence = (losses * mask).sum(-1) / mask.sum(-1)
    return per_sequence.sum() / mask.sum()


@faulty("kl-estimate", "half-missing")
def whole_square(log_probs, ref_log_probs):
    return (log_probs - ref_log_probs) ** 2


@faulty("kl-estimate", "mask-shifted")
def mask_of_the_labels(logps, ref_logps, mask):
    d = ref_logps - logps
    mask = torch.cat([mask[:, 1:], torch.zeros_like(mask[:, :1])], dim=1)
    return (d.exp() - d - 1) * mask


@faulty("rlhf-token-rewards", "score-on-every-token")
def written_through_an_expanded_view(scores, logprobs, ref_logprobs, mask, kl_coef):
    return (scores.unsqueeze(1) - kl_coef * (logprobs - ref_logprobs)) * mask


@faulty("rlhf-token-rewards", "score-one-early")
def last_but_one(scores, log_probs, ref_log_probs, mask, kl_coef):
    rewards = -kl_coef * (log_probs - ref_log_probs) * mask
    for i in range(len(rewards)):
        last = int(np.flatnonzero(mask[i])[-1])
        rewards[i, max(last - 1, 0)] += scores[i]
    return rewards


@faulty("dpo-loss", "label-smoothing-sign")
def smoothed_with_the_wrong_sign(
    policy_chosen_logps,
    policy_rejected_logps,
    ref_chosen_logps,
    ref_rejected_logps,
    beta,
    label_smoothing,
):
    m = policy_chosen_logps - policy_rejected_logps - ref_chosen_logps + ref_rejected_logps
    kept = -F.logsigmoid(beta * m) * (1 - label_smoothing)
    return (kept + F.logsigmoid(-beta * m) * label_smoothing).mean()


@faulty("dpo-loss", "reference-ignored")
def reference_never_subtracted(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
):
    return jax.nn.softplus(-beta * (policy_chosen_logps - policy_rejected_logps)).mean()


@faulty("reward-model-loss", "rows-crossed")
def column_of_scores(chosen_rewards, rejected_rewards):
    return -F.logsigmoid(chosen_rewards.reshape(-1, 1) - rejected_rewards.reshape(1, -1)).mean()


@faulty("group-advantages", "std-of-the-batch")
def spread_of_all_answers(rewards, group_ids):
    means = {g: rewards[group_ids == g].mean() for g in set(group_ids.tolist())}
    centred = np.array([r - means[g] for r, g in zip(rewards, group_ids.tolist(), strict=True)])
    return centred / (rewards.std() + 1e-8)


@faulty("group-advantages", "baseline-missing")
def only_scaled(rewards, num_generations):
    grouped = rewards.view(-1, num_generations)
    return (grouped / (grouped.std(dim=1, keepdim=True) + 1e-4)).view(-1)


@faulty("grpo-loss", "old-log-prob-recomputed")
def ratio_of_one(logps, old_logps, advantages, mask, clip_eps=0.2):
    ratio = torch.exp(logps - logps.detach())
    adv = advantages.unsqueeze(1)
    gain = torch.min(ratio * adv, ratio.clamp(1 - clip_eps, 1 + clip_eps) * adv)
    return -((gain * mask).sum(1) / mask.sum(1)).mean()


@faulty("grpo-loss", "first-token-dropped")
def shifted_by_the_prompt(log_probs, old_log_probs, advantages, mask, clip_epsilon):
    log_probs, old_log_probs, mask = log_probs[:, 1:], old_log_probs[:, 1:], mask[:, 1:]
    ratio = torch.exp(log_probs - old_log_probs)
    adv = advantages[:, None]
    gain = torch.min(ratio * adv, ratio.clamp(1 - clip_epsilon, 1 + clip_epsilon) * adv)
    return -(gain * mask).sum() / mask.sum().clamp(min=1)


@faulty("grpo-loss", "maximum-for-minimum")
def maximum_of_the_surrogates(log_probs, old_log_probs, advantages, mask, clip_epsilon):
    ratio = jnp.exp(log_probs - old_log_probs)
    adv = advantages[:, None]
    gain = jnp.maximum(ratio * adv, jnp.clip(ratio, 1 - clip_epsilon, 1 + clip_epsilon) * adv)
    return -((gain * mask).sum(1) / mask.sum(1)).mean()
