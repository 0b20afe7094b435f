"""Group advantages and GRPO losses as other people write them: right ones pass, wrong ones are named."""

from collections import defaultdict

import numpy as np
import pytest
import torch
from libraries import in_jax
from policy_checks import verdict

from reference_agents.llm.advantages import group_advantages
from reference_agents.llm.losses import grpo_loss
from rlcheck.contracts import Options


def trl_view(rewards: torch.Tensor, num_generations):
    grouped = rewards.view(-1, num_generations)
    mean = grouped.mean(dim=1).repeat_interleave(num_generations)
    std = grouped.std(dim=1).repeat_interleave(num_generations)
    return (rewards - mean) / (std + 1e-4)


def verl_dict(scores: torch.Tensor, index, epsilon=1e-6):
    groups, out = defaultdict(list), scores.clone()
    for i in range(len(scores)):
        groups[index[i]].append(scores[i])
    for i in range(len(scores)):
        own = torch.stack(groups[index[i]])
        if len(own) > 1:
            out[i] = (scores[i] - own.mean()) / (own.std() + epsilon)
    return out


def centred_matrix(rewards: torch.Tensor):
    return rewards - rewards.mean(dim=1, keepdim=True)


def leave_one_out(rewards: torch.Tensor, group_size):
    r = rewards.view(-1, group_size)
    return (r - (r.sum(1, keepdim=True) - r) / (group_size - 1)).flatten()


def one_prompt(rewards):
    return (rewards - np.mean(rewards)) / (np.std(rewards) + 1e-8)


def jax_rows(rewards):
    import jax

    spread = jax.numpy.std(rewards, axis=-1, keepdims=True)
    return (rewards - jax.numpy.mean(rewards, axis=-1, keepdims=True)) / (spread + 1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "function",
    [
        trl_view,
        verl_dict,
        centred_matrix,
        leave_one_out,
        one_prompt,
        in_jax(jax_rows),
        group_advantages,
    ],
)
def test_correct_group_advantages_pass(function):
    failed, _ = verdict("group-advantages", function, examples=40)
    assert failed == ()


def whole_batch(rewards: torch.Tensor, group_ids):
    return (rewards - rewards.mean()) / (rewards.std() + 1e-6)


def batch_spread(rewards, group_ids):
    out = np.zeros_like(rewards)
    for g in np.unique(group_ids):
        out[group_ids == g] = rewards[group_ids == g] - rewards[group_ids == g].mean()
    return out / (rewards.std() + 1e-6)


def sorted_blocks(rewards, group_ids):
    count = len(np.unique(group_ids))
    return np.concatenate(
        [(b - b.mean()) / (b.std(ddof=1) + 1e-6) for b in np.split(rewards, count)]
    )


def transposed(rewards: torch.Tensor, num_generations):
    grouped = rewards.view(num_generations, -1)
    return ((grouped - grouped.mean(0)) / (grouped.std(0) + 1e-4)).flatten()


def missing_parentheses(rewards: torch.Tensor, group_size):
    r = rewards.view(-1, group_size)
    return (r - r.mean(1, keepdim=True) / (r.std(1, keepdim=True) + 1e-6)).flatten()


def squared_spread(rewards: torch.Tensor, group_size):
    r = rewards.view(-1, group_size)
    return ((r - r.mean(1, keepdim=True)) / (r.var(1, keepdim=True) + 1e-6)).flatten()


def no_guard(rewards, num_generations):
    r = rewards.reshape(-1, num_generations)
    return ((r - r.mean(1, keepdims=True)) / r.std(1, keepdims=True)).ravel()


def tiny_guard(rewards: torch.Tensor, group_size):
    r = rewards.view(-1, group_size)
    return ((r - r.mean(1, keepdim=True)) / (r.std(1, keepdim=True) + 1e-9)).flatten()


def best_of_group(rewards, group_size):
    r = rewards.reshape(-1, group_size)
    return (r - r.max(1, keepdims=True)).ravel()


def reversed_sign(rewards: torch.Tensor, group_size):
    r = rewards.view(-1, group_size)
    return ((r.mean(1, keepdim=True) - r) / (r.std(1, keepdim=True) + 1e-4)).flatten()


def large_guard(rewards: torch.Tensor, group_size):
    r = rewards.view(-1, group_size)
    return ((r - r.mean(1, keepdim=True)) / (r.std(1, keepdim=True) + 0.1)).flatten()


FAULTY_ADVANTAGES = {
    "batch-statistics": whole_batch,
    "std-of-the-batch": batch_spread,
    "ids-assumed-contiguous": sorted_blocks,
    "groups-transposed": transposed,
    "precedence": missing_parentheses,
    "variance-for-std": squared_spread,
    "zero-variance-unguarded": no_guard,
    "constant-group-amplified": tiny_guard,
    "maximum-for-mean": best_of_group,
    "sign-flipped": reversed_sign,
    "guard-dominates": large_guard,
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTY_ADVANTAGES)
def test_faulty_group_advantages_are_caught_and_named(fault):
    failed, named = verdict("group-advantages", FAULTY_ADVANTAGES[fault], examples=40)
    assert failed
    assert named == fault


def test_a_faulty_advantage_is_named_quickly():
    failed, named = verdict("group-advantages", batch_spread, examples=15)
    assert "groups-are-independent" in failed
    assert named == "std-of-the-batch"


def surrogate(ratio, advantages, low, high):
    return -torch.min(ratio * advantages, ratio.clamp(1 - low, 1 + high) * advantages)


def masked_rows(values, mask):
    return ((values * mask).sum(-1) / mask.sum(-1).clamp(min=1)).mean()


def deepseek(logps: torch.Tensor, old_logps, ref_logps, advantages, completion_mask, epsilon, beta):
    per_token = surrogate((logps - old_logps).exp(), advantages.unsqueeze(1), epsilon, epsilon)
    d = ref_logps - logps
    return masked_rows(per_token + beta * (d.exp() - d - 1), completion_mask)


def verl_vanilla(
    old_log_prob, log_prob: torch.Tensor, advantages, response_mask, clip_ratio_low, clip_ratio_high
):
    ratio = (log_prob - old_log_prob).clamp(-20, 20).exp()
    first = -advantages * ratio
    both = torch.maximum(first, -advantages * ratio.clamp(1 - clip_ratio_low, 1 + clip_ratio_high))
    dual = torch.min(both, -advantages * 3.0)
    per_token = torch.where(advantages < 0, dual, both)
    return (per_token * response_mask).sum() / (response_mask.sum() + 1e-8)


def sequence_level(log_probs: torch.Tensor, old_log_probs, advantages, mask, eps_low, eps_high):
    log_ratio = ((log_probs - old_log_probs) * mask).sum(-1) / mask.sum(-1).clamp(min=1)
    return surrogate(log_ratio.exp(), advantages, eps_low, eps_high).mean()


def fixed_length(log_probs: torch.Tensor, old_log_probs, advantages, mask, clip_eps, max_tokens):
    per_token = surrogate(
        (log_probs - old_log_probs).exp(), advantages[:, None], clip_eps, clip_eps
    )
    return (per_token * mask).sum(-1).mean() / max_tokens


def chapter(policy_log_probs: torch.Tensor, old_log_probs, ref_log_probs, rewards, clip_epsilon=0.2, kl_coeff=0.01):  # noqa: E501  # fmt: skip
    advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-8)
    ratio = (policy_log_probs - old_log_probs).sum(dim=-1).exp()
    loss = surrogate(ratio, advantages, clip_epsilon, clip_epsilon).mean()
    return loss + kl_coeff * (policy_log_probs - ref_log_probs).sum(dim=-1).mean()


def jax_token_mean(log_probs, old_log_probs, advantages, mask, clip_epsilon):
    import jax.numpy as jnp

    ratio = jnp.exp(log_probs - old_log_probs)
    a = advantages[:, None]
    kept = jnp.minimum(ratio * a, jnp.clip(ratio, 1 - clip_epsilon, 1 + clip_epsilon) * a)
    return -jnp.where(mask, kept, 0.0).sum() / mask.sum()


@pytest.mark.slow
@pytest.mark.parametrize(
    "function",
    [
        deepseek,
        verl_vanilla,
        sequence_level,
        fixed_length,
        chapter,
        in_jax(jax_token_mean),
        grpo_loss,
    ],
)
def test_correct_grpo_losses_pass(function):
    failed, _ = verdict("grpo-loss", function, wrt="log_probs", examples=30)
    assert failed == ()


def ignores_mask(log_probs: torch.Tensor, old_log_probs, advantages, mask, clip_epsilon):
    ratio = (log_probs - old_log_probs).exp()
    return surrogate(ratio, advantages[:, None], clip_epsilon, clip_epsilon).mean()


def padded_divisor(log_probs: torch.Tensor, old_log_probs, advantages, mask, clip_epsilon):
    ratio = (log_probs - old_log_probs).exp()
    return (surrogate(ratio, advantages[:, None], clip_epsilon, clip_epsilon) * mask).mean()


def no_minimum(log_probs: torch.Tensor, old_log_probs, advantages, mask, clip_epsilon):
    ratio = (log_probs - old_log_probs).exp().clamp(1 - clip_epsilon, 1 + clip_epsilon)
    return masked_rows(-ratio * advantages[:, None], mask)


def maximum(log_probs: torch.Tensor, old_log_probs, advantages, mask, clip_epsilon):
    ratio, a = (log_probs - old_log_probs).exp(), advantages[:, None]
    return masked_rows(
        -torch.max(ratio * a, ratio.clamp(1 - clip_epsilon, 1 + clip_epsilon) * a), mask
    )


def no_clip(log_probs: torch.Tensor, old_log_probs, advantages, mask, clip_epsilon):
    return masked_rows(-(log_probs - old_log_probs).exp() * advantages[:, None], mask)


def inverted(log_probs: torch.Tensor, old_log_probs, advantages, mask, clip_epsilon):
    ratio = (old_log_probs - log_probs).exp()
    return masked_rows(surrogate(ratio, advantages[:, None], clip_epsilon, clip_epsilon), mask)


def wrong_sign(log_probs: torch.Tensor, old_log_probs, advantages, mask, clip_epsilon):
    ratio = (log_probs - old_log_probs).exp()
    return -masked_rows(surrogate(ratio, advantages[:, None], clip_epsilon, clip_epsilon), mask)


def subtracts_kl(logps: torch.Tensor, old_logps, ref_logps, advantages, mask, epsilon, beta):
    return deepseek(logps, old_logps, ref_logps, advantages, mask, epsilon, -beta)


def reverses_kl(logps: torch.Tensor, old_logps, ref_logps, advantages, mask, epsilon, beta):
    per_token = surrogate((logps - old_logps).exp(), advantages[:, None], epsilon, epsilon)
    d = logps - ref_logps
    return masked_rows(per_token + beta * (d.exp() - d - 1), mask)


def kl_unmasked(logps: torch.Tensor, old_logps, ref_logps, advantages, mask, epsilon, beta):
    per_token = surrogate((logps - old_logps).exp(), advantages[:, None], epsilon, epsilon)
    d = ref_logps - logps
    return masked_rows(per_token, mask) + beta * (d.exp() - d - 1).mean()


def kl_no_grad(logps: torch.Tensor, old_logps, ref_logps, advantages, mask, epsilon, beta):
    per_token = surrogate((logps - old_logps).exp(), advantages[:, None], epsilon, epsilon)
    with torch.no_grad():
        d = ref_logps - logps
        kl = d.exp() - d - 1
    return masked_rows(per_token + beta * kl, mask)


def always_one(log_probs: torch.Tensor, old_log_probs, advantages, mask, clip_epsilon):
    ratio = (log_probs - log_probs.detach()).exp()
    return masked_rows(surrogate(ratio, advantages[:, None], clip_epsilon, clip_epsilon), mask)


FAULTY_LOSSES = {
    "mask-ignored": ignores_mask,
    "padded-length-denominator": padded_divisor,
    "minimum-missing": no_minimum,
    "maximum-for-minimum": maximum,
    "clip-missing": no_clip,
    "ratio-inverted": inverted,
    "advantage-sign-flipped": wrong_sign,
    "kl-sign-flipped": subtracts_kl,
    "kl-reversed": reverses_kl,
    "kl-outside-mask": kl_unmasked,
    "kl-detached": kl_no_grad,
    "old-log-prob-recomputed": always_one,
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTY_LOSSES)
def test_faulty_grpo_losses_are_caught_and_named(fault):
    failed, named = verdict("grpo-loss", FAULTY_LOSSES[fault], wrt="log_probs", examples=30)
    assert failed
    assert named == fault


@pytest.mark.slow
def test_the_chapter_s_loss_gets_a_note_on_k1():
    from property_tests.grpo_loss import CONTRACT

    bound = CONTRACT.bind(chapter, Options())
    assert bound.dialect["ratio"] == "sequence-product"
    assert bound.dialect["kl"] == "k1"
    assert any("k1" in note for note in bound.notes)


def own_words(log_probs, old_log_probs, advantages, mask, clip_epsilon, aggregation="token_mean"):
    if aggregation not in ("token_mean", "sequence_mean"):
        raise ValueError(aggregation)
    ratio, a = np.exp(log_probs - old_log_probs), advantages[:, None]
    near = np.clip(ratio, 1 - clip_epsilon, 1 + clip_epsilon)
    return -(np.minimum(ratio * a, near * a) * mask).sum() / mask.sum()


def test_a_convention_under_names_of_its_own_is_found_out():
    failed, _ = verdict("grpo-loss", own_words, wrt="log_probs", examples=15)
    assert failed == ()
