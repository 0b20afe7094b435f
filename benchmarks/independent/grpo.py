"""Group-relative policy optimisation: its loss and its advantages."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import torch

from benchmarks.independent.records import correct, faulty

# --- loss -----------------------------------------------------------------------------------------


@correct("grpo-loss")
def as_in_the_paper(
    log_probs, old_log_probs, advantages, mask, ref_log_probs, clip_epsilon, kl_coef
):
    if advantages.ndim == 1:
        advantages = advantages[:, None]
    ratio = (log_probs - old_log_probs).exp()
    surrogate = torch.min(
        ratio * advantages, ratio.clamp(1 - clip_epsilon, 1 + clip_epsilon) * advantages
    )
    away = ref_log_probs - log_probs
    kl = away.exp() - away - 1
    per_token = (surrogate - kl_coef * kl) * mask
    return -(per_token.sum(1) / mask.sum(1)).mean()


@correct("grpo-loss", dialect={"aggregation": "token-mean"})
def dapo(logprobs, old_logprobs, advantages, response_mask, clip_ratio_low, clip_ratio_high):
    if advantages.ndim == 1:
        advantages = advantages.unsqueeze(-1)
    ratio = torch.exp(logprobs - old_logprobs)
    losses = torch.maximum(
        -advantages * ratio,
        -advantages * torch.clamp(ratio, 1 - clip_ratio_low, 1 + clip_ratio_high),
    )
    response_mask = response_mask.to(losses.dtype)
    return (losses * response_mask).sum() / response_mask.sum()


@correct("grpo-loss", dialect={"ratio": "sequence-mean"})
def gspo(log_probs, old_log_probs, advantages, mask, clip_epsilon):
    mask = mask.astype(log_probs.dtype)
    lengths = mask.sum(1)
    log_ratio = jnp.sum((log_probs - old_log_probs) * mask, axis=1) / lengths
    ratio = jnp.exp(log_ratio)
    advantages = advantages if advantages.ndim == 1 else advantages[:, 0]
    bounded = jnp.clip(ratio, 1 - clip_epsilon, 1 + clip_epsilon)
    return -jnp.mean(jnp.minimum(ratio * advantages, bounded * advantages))


@correct("grpo-loss")
def sequence_by_sequence(
    per_token_logps, old_per_token_logps, advantages, completion_mask, epsilon
):
    total = 0.0
    for lp, old, a, m in zip(
        per_token_logps, old_per_token_logps, advantages, completion_mask, strict=True
    ):
        keep = m.bool()
        r = torch.exp(lp[keep] - old[keep])
        a = a if a.ndim == 0 else a[keep]
        total = total - torch.min(r * a, r.clamp(1 - epsilon, 1 + epsilon) * a).mean()
    return total / len(per_token_logps)


@faulty("grpo-loss", "kl-sign-flipped")
def kl_subtracted_from_the_loss(
    log_probs, old_log_probs, advantages, mask, ref_log_probs, clip_epsilon, kl_coef
):
    a = advantages[:, None] if advantages.ndim == 1 else advantages
    ratio = (log_probs - old_log_probs).exp()
    policy = -torch.min(ratio * a, ratio.clamp(1 - clip_epsilon, 1 + clip_epsilon) * a)
    delta = ref_log_probs - log_probs
    loss = policy - kl_coef * (delta.exp() - delta - 1)
    return ((loss * mask).sum(-1) / mask.sum(-1)).mean()


@faulty("grpo-loss", "padded-length-denominator")
def mean_over_the_width(log_probs, old_log_probs, advantages, mask, clip_epsilon):
    a = advantages[:, None] if advantages.ndim == 1 else advantages
    ratio = (log_probs - old_log_probs).exp()
    loss = -torch.min(ratio * a, ratio.clamp(1 - clip_epsilon, 1 + clip_epsilon) * a)
    return (loss * mask).mean(dim=1).mean()


@faulty("grpo-loss", "old-log-prob-recomputed")
def always_on_policy(log_probs, old_log_probs, advantages, mask, clip_epsilon):
    a = advantages[:, None] if advantages.ndim == 1 else advantages
    ratio = torch.exp(log_probs - log_probs.detach())
    loss = -torch.min(ratio * a, ratio.clamp(1 - clip_epsilon, 1 + clip_epsilon) * a)
    return ((loss * mask).sum(1) / mask.sum(1)).mean()


@faulty("grpo-loss", "kl-outside-mask")
def penalty_on_padding(
    log_probs, old_log_probs, advantages, mask, ref_log_probs, clip_epsilon, kl_coef
):
    a = advantages[:, None] if advantages.ndim == 1 else advantages
    ratio = (log_probs - old_log_probs).exp()
    loss = -torch.min(ratio * a, ratio.clamp(1 - clip_epsilon, 1 + clip_epsilon) * a)
    policy = ((loss * mask).sum(1) / mask.sum(1)).mean()
    delta = ref_log_probs - log_probs
    return policy + kl_coef * (delta.exp() - delta - 1).mean()


@faulty("grpo-loss", "kl-reversed")
def policy_and_reference_exchanged(
    log_probs, old_log_probs, advantages, mask, ref_log_probs, clip_epsilon, kl_coef
):
    a = advantages[:, None] if advantages.ndim == 1 else advantages
    ratio = (log_probs - old_log_probs).exp()
    loss = -torch.min(ratio * a, ratio.clamp(1 - clip_epsilon, 1 + clip_epsilon) * a)
    delta = log_probs - ref_log_probs
    loss = loss + kl_coef * (torch.exp(delta) - delta - 1)
    return ((loss * mask).sum(1) / mask.sum(1)).mean()


@faulty("grpo-loss", "ref-for-old")
def ratio_to_the_reference(
    log_probs, old_log_probs, advantages, mask, ref_log_probs, clip_epsilon, kl_coef
):
    a = advantages[:, None] if advantages.ndim == 1 else advantages
    ratio = (log_probs - ref_log_probs).exp()
    loss = -torch.min(ratio * a, ratio.clamp(1 - clip_epsilon, 1 + clip_epsilon) * a)
    delta = ref_log_probs - log_probs
    loss = loss + kl_coef * (delta.exp() - delta - 1)
    return ((loss * mask).sum(1) / mask.sum(1)).mean()


@faulty("grpo-loss", "mask-ignored")
def prompt_and_padding_trained(log_probs, old_log_probs, advantages, mask, clip_epsilon):
    a = advantages[:, None] if advantages.ndim == 1 else advantages
    ratio = np.exp(log_probs - old_log_probs)
    bounded = np.clip(ratio, 1 - clip_epsilon, 1 + clip_epsilon)
    return -np.minimum(ratio * a, bounded * a).mean()


@faulty("grpo-loss", "ratio-over-padding", "mask-ignored", dialect={"ratio": "sequence-mean"})
def unmasked_sequence_ratio(log_probs, old_log_probs, advantages, mask, clip_epsilon):
    ratio = torch.exp((log_probs - old_log_probs).mean(dim=1))
    a = advantages if advantages.ndim == 1 else advantages[:, 0]
    bounded = ratio.clamp(1 - clip_epsilon, 1 + clip_epsilon)
    return -torch.min(ratio * a, bounded * a).mean()


@faulty("grpo-loss", "clip-high-ignored")
def one_epsilon_for_both(
    log_probs, old_log_probs, advantages, mask, clip_epsilon, clip_epsilon_high
):
    a = advantages[:, None] if advantages.ndim == 1 else advantages
    ratio = (log_probs - old_log_probs).exp()
    loss = torch.max(-ratio * a, -ratio.clamp(1 - clip_epsilon, 1 + clip_epsilon) * a)
    return ((loss * mask).sum(1) / mask.sum(1)).mean()


# --- advantages -----------------------------------------------------------------------------------


@correct("group-advantages")
def by_ids(rewards, group_ids):
    out = np.zeros(len(rewards))
    for group in np.unique(group_ids):
        own = group_ids == group
        members = rewards[own]
        if len(members) > 1:
            out[own] = (members - members.mean()) / (members.std(ddof=1) + 1e-6)
    return out


@correct("group-advantages")
def reshaped(rewards, num_generations):
    grouped = rewards.view(-1, num_generations)
    mean = grouped.mean(dim=1, keepdim=True)
    std = grouped.std(dim=1, keepdim=True)
    return ((grouped - mean) / (std + 1e-4)).reshape(-1)


@correct("group-advantages", dialect={"scale": "none"})
def centred_only(rewards, group_ids):
    out = torch.empty_like(rewards)
    for g in torch.unique(group_ids):
        out[group_ids == g] = rewards[group_ids == g] - rewards[group_ids == g].mean()
    return out


@correct("group-advantages", dialect={"baseline": "leave-one-out", "scale": "none"})
def rloo(rewards, group_size):
    r = rewards.reshape(-1, group_size)
    others = (r.sum(axis=1, keepdims=True) - r) / (group_size - 1)
    return (r - others).reshape(-1)


@faulty("group-advantages", "batch-statistics")
def whole_batch(rewards, group_ids):
    return (rewards - rewards.mean()) / (rewards.std(ddof=1) + 1e-6)


@faulty("group-advantages", "std-of-the-batch")
def batch_deviation(rewards, group_ids):
    out = np.zeros(len(rewards))
    for g in np.unique(group_ids):
        own = group_ids == g
        out[own] = rewards[own] - rewards[own].mean()
    return out / (rewards.std(ddof=1) + 1e-6)


@faulty("group-advantages", "groups-transposed")
def strided_groups(rewards, num_generations):
    grouped = rewards.view(num_generations, -1)
    mean = grouped.mean(dim=0, keepdim=True)
    std = grouped.std(dim=0, keepdim=True)
    return ((grouped - mean) / (std + 1e-4)).flatten()


@faulty("group-advantages", "precedence")
def missing_parentheses(rewards, num_generations):
    r = rewards.reshape(-1, num_generations)
    return (r - r.mean(1, keepdims=True) / (r.std(1, ddof=1, keepdims=True) + 1e-6)).reshape(-1)


@faulty("group-advantages", "zero-variance-unguarded")
def division_by_nothing(rewards, num_generations):
    r = rewards.reshape(-1, num_generations)
    return ((r - r.mean(1, keepdims=True)) / r.std(1, ddof=1, keepdims=True)).reshape(-1)


@faulty(
    "group-advantages",
    "own-reward-in-leave-one-out",
    dialect={"baseline": "leave-one-out", "scale": "none"},
)
def loo_with_itself(rewards, group_size):
    r = rewards.reshape(-1, group_size)
    baseline = r.sum(axis=1, keepdims=True) / (group_size - 1)
    return (r - baseline).reshape(-1)


@faulty("group-advantages", "fractions-lost")
def integer_buffer(rewards, group_ids):
    """Rewards are copied into an array of integers."""
    scores = np.zeros(len(rewards), dtype=int)
    for i, r in enumerate(rewards):
        scores[i] = r
    out = np.zeros(len(rewards))
    for g in set(np.asarray(group_ids).tolist()):
        own = np.asarray(group_ids) == g
        out[own] = (scores[own] - scores[own].mean()) / (scores[own].std() + 1e-8)
    return out
