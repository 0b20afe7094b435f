"""Correct functions whose choices are legitimate and unusual: losses, language models, state."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import torch
import torch.nn.functional as F
from scipy.special import log_expit, log_softmax

from benchmarks.independent.records import correct


@correct("policy-gradient-loss")
def mean_by_a_dot_product(log_prob, advantage):
    return -torch.dot(log_prob.flatten(), advantage.flatten()) / log_prob.numel()


@correct("ppo-loss")
def relu_of_what_goes_beyond(logp, logp_old, adv, clip=0.2):
    """min(r A, clip(r) A) = r A - relu of the excess."""
    ratio = torch.exp(logp - logp_old)
    excess = F.relu(ratio - (1 + clip)) * F.relu(adv) + F.relu((1 - clip) - ratio) * F.relu(-adv)
    return -(ratio * adv - excess).mean()


@correct("ppo-loss")
def with_a_second_clip_by_option(
    log_prob, old_log_prob, advantages, clip_ratio=0.2, clip_ratio_c=3.0
):
    ratio = torch.exp(log_prob - old_log_prob)
    first = torch.max(
        -advantages * ratio, -advantages * ratio.clamp(1 - clip_ratio, 1 + clip_ratio)
    )
    second = torch.min(first, -advantages * clip_ratio_c)
    return torch.where(advantages < 0, second, first).mean()


@correct("ppo-loss")
def sum_with_a_coefficient(logps, old_logps, advs, eps, policy_coef=1.0):
    ratio = jnp.exp(logps - jax.lax.stop_gradient(old_logps))
    gain = jnp.minimum(ratio * advs, jnp.clip(ratio, 1 - eps, 1 + eps) * advs)
    return -policy_coef * gain.sum()


@correct("value-loss")
def weighted_by_its_coefficient(newvalue, returns, vf_coef=0.5):
    return vf_coef * ((newvalue - returns) ** 2).mean()


@correct("value-loss")
def clipping_switched_by_none(values, returns, old_values=None, clip_range_vf=None):
    if old_values is not None and clip_range_vf is not None:
        moved = old_values + torch.clamp(values - old_values, -clip_range_vf, clip_range_vf)
        return torch.max(
            F.mse_loss(values, returns, reduction="none"), (moved - returns) ** 2
        ).mean()
    return F.mse_loss(values, returns)


@correct("advantage-normalisation")
def deviation_kept_from_zero(advantages):
    centred = advantages - advantages.mean()
    return centred / torch.clamp(centred.pow(2).mean().sqrt(), min=1e-8)


@correct("advantage-normalisation")
def masked_with_bessel(values, mask, eps=1e-8):
    n = mask.sum()
    mean = torch.where(mask.bool(), values, 0.0).sum() / n
    var = torch.where(mask.bool(), (values - mean) ** 2, 0.0).sum() / n
    if n > 1:
        var = var * n / (n - 1)
    return (values - mean) * torch.rsqrt(var + eps)


@correct("token-log-probs")
def upcast_to_single(logits, input_ids, attention_mask):
    log_p = F.log_softmax(logits.float(), dim=-1)
    picked = torch.gather(log_p, -1, input_ids.unsqueeze(-1)).squeeze(-1)
    return picked * attention_mask


@correct("token-log-probs")
def in_chunks_of_columns(logits, tokens, temperature=1.0, chunk_size=2):
    parts = []
    for start in range(0, tokens.shape[1], chunk_size):
        piece = logits[:, start : start + chunk_size] / temperature
        picked = np.take_along_axis(piece, tokens[:, start : start + chunk_size, None], axis=2)[
            ..., 0
        ]
        top = piece.max(-1)
        parts.append(picked - top - np.log(np.exp(piece - top[..., None]).sum(-1)))
    return np.concatenate(parts, axis=1)


@correct("sequence-log-probs")
def selected_then_summed(token_logps, labels_mask):
    return torch.where(labels_mask.bool(), token_logps, torch.zeros_like(token_logps)).sum(dim=1)


@correct("aggregate")
def by_the_names_of_a_trainer(loss_mat, loss_mask, loss_agg_mode="token-mean"):
    if loss_agg_mode == "token-mean":
        return (loss_mat * loss_mask).sum() / loss_mask.sum()
    sums = (loss_mat * loss_mask).sum(-1)
    if loss_agg_mode == "seq-mean-token-sum":
        return sums.mean()
    if loss_agg_mode == "seq-mean-token-mean":
        return (sums / loss_mask.sum(-1)).mean()
    raise ValueError(f"unknown loss_agg_mode: {loss_agg_mode}")


@correct("kl-estimate")
def estimator_by_name(logprobs, ref_logprobs, kl_type="k3"):
    d = logprobs - ref_logprobs
    if kl_type == "k1":
        return d
    if kl_type == "k2":
        return 0.5 * d**2
    return torch.exp(-d) - 1 + d


@correct("kl-estimate")
def log_ratio_from_the_other_side(logp, logp_ref, mask):
    log_ratio = logp_ref - logp
    return jnp.where(mask, jnp.expm1(log_ratio) - log_ratio, 0.0)


@correct("rlhf-token-rewards")
def cumulative_mask(scores, logprobs, ref_logprobs, mask, kl_coef=0.05):
    """The last token that counts is where the running count reaches the total."""
    keep = mask.to(logprobs.dtype)
    running = keep.cumsum(-1)
    last = keep * (running == running[:, -1:]).to(keep.dtype)
    return last * scores.reshape(-1, 1) - kl_coef * keep * (logprobs - ref_logprobs)


@correct("rlhf-token-rewards")
def lists_of_sequences(scores, log_probs, ref_log_probs, masks, kl_coef):
    out = np.zeros_like(log_probs)
    for i, (score, p, q, m) in enumerate(zip(scores, log_probs, ref_log_probs, masks, strict=True)):
        kept = np.flatnonzero(m)
        out[i, kept] = -kl_coef * (p[kept] - q[kept])
        out[i, kept[-1]] += score
    return out


@correct("dpo-loss")
def log_expit_of_scipy(chosen_logps, rejected_logps, ref_chosen_logps, ref_rejected_logps, beta):
    chosen, rejected = chosen_logps - ref_chosen_logps, rejected_logps - ref_rejected_logps
    return -log_expit(beta * (chosen - rejected)).mean()


@correct("dpo-loss")
def robust_to_flips(
    policy_chosen_logps,
    policy_rejected_logps,
    ref_chosen_logps,
    ref_rejected_logps,
    beta,
    label_smoothing,
):
    h = (policy_chosen_logps - policy_rejected_logps) - (ref_chosen_logps - ref_rejected_logps)
    kept = F.logsigmoid(beta * h) * (1 - label_smoothing)
    flipped = F.logsigmoid(-beta * h) * label_smoothing
    return ((flipped - kept) / (1 - 2 * label_smoothing)).mean()


@correct("reward-model-loss")
def sum_of_pairs(chosen, rejected):
    return F.softplus(rejected - chosen).sum()


@correct("group-advantages")
def threshold_for_constant_groups(rewards, prompt_ids):
    out = torch.zeros_like(rewards)
    for prompt in torch.unique(prompt_ids):
        where = prompt_ids == prompt
        group = rewards[where]
        spread = group.std(unbiased=False)
        if spread > 1e-6:
            out[where] = (group - group.mean()) / spread
    return out


@correct("group-advantages")
def repeated_rows(rewards, num_generations, scale_rewards=True):
    mean = rewards.view(-1, num_generations).mean(dim=1).repeat_interleave(num_generations)
    std = rewards.view(-1, num_generations).std(dim=1).repeat_interleave(num_generations)
    advantages = rewards - mean
    return advantages / (std + 1e-4) if scale_rewards else advantages


@correct("grpo-loss")
def log_space_bounds(log_probs, old_log_probs, advantages, mask, clip_epsilon):
    """The bounds are taken of the log-ratio: log(1 - eps), log(1 + eps)."""
    d = log_probs - old_log_probs
    bounded = d.clamp(np.log1p(-clip_epsilon), np.log1p(clip_epsilon))
    adv = advantages.reshape(len(d), -1)
    gain = torch.where(adv > 0, torch.minimum(d, bounded), torch.maximum(d, bounded)).exp() * adv
    return -((gain * mask).sum(-1) / mask.sum(-1)).mean()


@correct("grpo-loss")
def half_square_as_penalty(logps, old_logps, ref_logps, advantages, mask, eps=0.2, beta=0.1):
    ratio = jnp.exp(logps - old_logps)
    adv = advantages.reshape(logps.shape[0], -1)
    losses = -jnp.minimum(ratio * adv, jnp.clip(ratio, 1 - eps, 1 + eps) * adv)
    losses = losses + beta * 0.5 * jnp.square(logps - ref_logps)
    return jnp.sum(losses * mask) / jnp.sum(mask)


@correct("dueling-q")
def maximum_subtracted(values, advantages):
    return values + advantages - np.max(advantages, axis=1, keepdims=True)


@correct("categorical-log-prob")
def batched_one_hot_in_numpy(logits, actions):
    hot = np.eye(logits.shape[1])[actions]
    return (log_softmax(logits, axis=1) * hot).sum(axis=1)


@correct("polyak-update")
def tree_of_arrays(target_params, online_params, tau):
    """A new tree is returned, as JAX programs do."""
    return jax.tree.map(lambda t, o: (1 - tau) * t + tau * o, target_params, online_params)


@correct("polyak-update")
def fused_over_lists(online_parameters, target_parameters, tau):
    with torch.no_grad():
        torch._foreach_mul_(list(target_parameters), 1 - tau)
        torch._foreach_add_(list(target_parameters), list(online_parameters), alpha=tau)


@correct("running-normaliser")
class CalledToNormalise:
    """Moments in `mean` and `std`; the object itself normalises."""

    def __init__(self, shape):
        self.n, self.mean, self.s = 0, np.zeros(shape), np.zeros(shape)
        self.std = np.ones(shape)

    def update(self, batch):
        for x in np.asarray(batch):
            self.n += 1
            before = self.mean.copy()
            self.mean = before + (x - before) / self.n
            self.s = self.s + (x - before) * (x - self.mean)
        self.std = np.sqrt(self.s / self.n)

    def __call__(self, x):
        return (x - self.mean) / (self.std + 1e-8)


@correct("replay-buffer")
class TensorsWithOffsets:
    """Another order of columns and a tensor for each of them."""

    def __init__(self, capacity):
        self.capacity, self.count, self.store = capacity, 0, {}

    def store_transition(self, state, next_state, action, reward, terminated, truncated):
        row = {"state": state, "next_state": next_state, "action": action, "reward": reward}
        row |= {"terminated": terminated, "truncated": truncated}
        for key, value in row.items():
            value = torch.as_tensor(value)
            if key not in self.store:
                self.store[key] = torch.zeros((self.capacity, *value.shape), dtype=value.dtype)
            self.store[key][self.count % self.capacity] = value
        self.count += 1

    def sample(self, batch_size):
        index = torch.randint(0, min(self.count, self.capacity), (batch_size,))
        return {key: column[index] for key, column in self.store.items()}


@correct("prioritised-replay")
class SumTreeWithStrata:
    """A binary sum tree; one draw from each of n equal parts; beta given to `sample`."""

    def __init__(self, capacity, alpha=0.6):
        self.capacity, self.alpha, self.largest = capacity, alpha, 1.0
        self.leaves = 1
        while self.leaves < capacity:
            self.leaves *= 2
        self.tree = np.zeros(2 * self.leaves)
        self.rows, self.next = [None] * capacity, 0
        self.size = 0

    def _set(self, leaf, value):
        node = leaf + self.leaves
        self.tree[node] = value
        while node > 1:
            node //= 2
            self.tree[node] = self.tree[2 * node] + self.tree[2 * node + 1]

    def add(self, obs, action, reward, next_obs, terminated, truncated):
        self.rows[self.next] = (
            np.copy(obs),
            action,
            reward,
            np.copy(next_obs),
            terminated,
            truncated,
        )
        self._set(self.next, self.largest**self.alpha)
        self.next = (self.next + 1) % self.capacity
        self.size = min(self.size + 1, self.capacity)

    def _find(self, mass):
        node = 1
        while node < self.leaves:
            node *= 2
            if mass >= self.tree[node]:
                mass -= self.tree[node]
                node += 1
        return min(node - self.leaves, self.size - 1)

    def sample(self, batch_size, beta=0.4):
        part = self.tree[1] / batch_size
        index = np.array([self._find((k + np.random.random()) * part) for k in range(batch_size)])
        p = self.tree[index + self.leaves] / self.tree[1]
        weights = (self.size * p) ** -beta
        columns = [np.array(c) for c in zip(*(self.rows[i] for i in index), strict=True)]
        return {"batch": columns, "indices": index, "weights": weights / weights.max()}

    def update_priorities(self, indices, priorities):
        for i, p in zip(indices, priorities, strict=True):
            self._set(int(i), float(p) ** self.alpha)
            self.largest = max(self.largest, float(p))
