"""Language-model objectives as they stand in scripts written in a hurry."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import torch
import torch.nn.functional as functional

from benchmarks.independent.records import correct, faulty

# --- tokens ---------------------------------------------------------------------------------------


@correct("token-log-probs")
def categorical_distribution(logits, labels, loss_mask):
    logps = torch.distributions.Categorical(logits=logits).log_prob(labels)
    return torch.where(loss_mask.bool(), logps, torch.zeros_like(logps))


@faulty("token-log-probs", "temperature-multiplied")
def logits_times_temperature(logits, tokens, temperature):
    logps = torch.log_softmax(logits * temperature, -1)
    return torch.gather(logps, -1, tokens.unsqueeze(-1)).squeeze(-1)


@faulty("token-log-probs", "sign-flipped")
def cross_entropy_kept(logits, labels):
    losses = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    return losses.view(labels.shape)


@correct("sequence-log-probs")
def per_sample_loop(logps, mask):
    return np.array([row[keep.astype(bool)].sum() for row, keep in zip(logps, mask, strict=True)])


@faulty("sequence-log-probs", "first-token-dropped")
def shifted_once_too_often(logps, mask):
    return (logps[:, 1:] * mask[:, 1:]).sum(-1)


@faulty("aggregate", "normalised-twice")
def averaged_again(per_token_loss, mask):
    per_sequence = (per_token_loss * mask).sum(1) / mask.sum(1).clamp(min=1)
    return per_sequence.mean() / len(per_sequence)


@faulty("kl-estimate", "one-missing", dialect={"estimator": "k3"})
def constant_forgotten(logprobs, ref_logprobs):
    d = ref_logprobs - logprobs
    return jnp.exp(d) - d


# --- rewards and advantages -----------------------------------------------------------------------


@correct("rlhf-token-rewards")
def flipped_mask_argmax(scores, logprobs, ref_logprobs, mask, kl_coef):
    out = -kl_coef * (logprobs - ref_logprobs) * mask
    steps = mask.shape[1]
    last = steps - 1 - np.argmax(mask[:, ::-1], axis=1)
    out[np.arange(len(out)), last] += scores
    return out


@faulty("rlhf-token-rewards", "penalty-paid-at-the-end")
def one_penalty_a_sequence(scores, logprobs, ref_logprobs, mask, kl_coef):
    kl = ((logprobs - ref_logprobs) * mask).sum(1)
    out = torch.zeros_like(logprobs)
    last = mask.cumsum(1).argmax(1)
    out[torch.arange(len(out)), last] = scores - kl_coef * kl
    return out


@correct("group-advantages")
def scatter_moments(rewards, group_ids):
    _, inverse, counts = torch.unique(group_ids, return_inverse=True, return_counts=True)
    total = torch.zeros(len(counts), dtype=rewards.dtype).index_add_(0, inverse, rewards)
    centred = rewards - (total / counts)[inverse]
    squares = torch.zeros_like(total).index_add_(0, inverse, centred**2)
    std = (squares / (counts - 1).clamp(min=1)).sqrt()
    return centred / (std[inverse] + 1e-4)


@faulty("group-advantages", "baseline-missing")
def scaled_rewards(rewards, num_generations):
    grouped = rewards.view(-1, num_generations)
    return (grouped / (grouped.std(1, keepdim=True) + 1e-4)).view(-1)


@faulty("group-advantages", "variance-for-std")
def over_the_variance(rewards, group_ids):
    out = np.zeros(len(rewards))
    for g in np.unique(group_ids):
        r = rewards[group_ids == g]
        out[group_ids == g] = (r - r.mean()) / (r.var(ddof=min(1, len(r) - 1)) + 1e-4)
    return out


# --- losses ---------------------------------------------------------------------------------------


@correct("dpo-loss")
def jax_logsigmoid(
    policy_chosen_logps, policy_rejected_logps, ref_chosen_logps, ref_rejected_logps, beta
):
    margin = (policy_chosen_logps - policy_rejected_logps) - (ref_chosen_logps - ref_rejected_logps)
    return -jax.nn.log_sigmoid(beta * margin).mean()


@faulty("dpo-loss", "reference-of-one-side-missing")
def rejected_without_reference(
    policy_chosen_logps, policy_rejected_logps, ref_chosen_logps, ref_rejected_logps, beta
):
    margin = policy_chosen_logps - ref_chosen_logps - policy_rejected_logps
    return -functional.logsigmoid(beta * margin).mean()


@faulty("dpo-loss", "terms-added")
def both_up(pi_chosen, pi_rejected, ref_chosen, ref_rejected, beta):
    w, l = pi_chosen - ref_chosen, pi_rejected - ref_rejected  # noqa: E741
    return -functional.logsigmoid(beta * (w + l)).mean()


@correct("reward-model-loss")
def softplus_of_the_gap(chosen_rewards, rejected_rewards):
    return np.logaddexp(0.0, rejected_rewards - chosen_rewards).mean()


@faulty("reward-model-loss", "hinge-for-logistic")
def ranking_loss(chosen_rewards, rejected_rewards):
    return torch.relu(1 - (chosen_rewards - rejected_rewards)).mean()


@correct("grpo-loss")
def einsum_style(logps, old_logps, advs, mask, eps):
    advs = advs if advs.ndim == 2 else advs[:, None]
    ratio = torch.exp(logps - old_logps)
    per_token = torch.maximum(-advs * ratio, -advs * torch.clip(ratio, 1 - eps, 1 + eps))
    weights = mask / mask.sum(1, keepdim=True) / len(mask)
    return torch.einsum("bt,bt->", per_token, weights.to(per_token))


@faulty("grpo-loss", "ratio-inverted")
def old_minus_new(logps, old_logps, advantages, mask, clip_epsilon):
    a = advantages if advantages.ndim == 2 else advantages[:, None]
    ratio = torch.exp(old_logps - logps)
    loss = -torch.min(ratio * a, ratio.clamp(1 - clip_epsilon, 1 + clip_epsilon) * a)
    return ((loss * mask).sum(1) / mask.sum(1)).mean()


@faulty("grpo-loss", "first-token-dropped")
def prompt_shift_left_in(logps, old_logps, advantages, mask, clip_epsilon):
    a = advantages if advantages.ndim == 2 else advantages[:, None]
    mask = mask.clone()
    mask[:, 0] = 0
    ratio = torch.exp(logps - old_logps)
    loss = -torch.min(ratio * a, ratio.clamp(1 - clip_epsilon, 1 + clip_epsilon) * a)
    return ((loss * mask).sum(1) / mask.sum(1).clamp(min=1)).mean()
