"""Targets of value learning as other code bases write them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch import nn

from benchmarks.independent.records import correct, faulty

# --- td-target ------------------------------------------------------------------------------------


@correct("td-target")
@torch.no_grad()
def column_vectors(reward, next_value, not_done, discount):
    """All inputs [B, 1], as networks with one output return them."""
    return reward + not_done * discount * next_value


@correct("td-target")
def plain_python(rewards, next_values, terminateds, truncateds, gamma=0.99):
    targets = []
    for r, v, term, _ in zip(rewards, next_values, terminateds, truncateds, strict=True):
        targets.append(r if term else r + gamma * v)
    return targets


@faulty("td-target", "mask-of-any-row")
def if_any_is_done(reward, next_value, done, gamma):
    target = reward.clone()
    if not bool(done.any()):
        target = target + gamma * next_value
    return target


@faulty("td-target", "truncation-as-terminal")
def max_of_both_flags(r, v_next, terminated, truncated, gamma):
    return r + gamma * (1 - np.maximum(terminated, truncated)) * v_next


@faulty("td-target", "mask-inverted")
def flag_taken_for_the_mask(rew, next_value, terminal, discount):
    return rew + discount * terminal * next_value


# --- q-learning-target ----------------------------------------------------------------------------


class DQNTarget(nn.Module):
    """A target that is a module, with its discount as a buffer."""

    def __init__(self, gamma: float) -> None:
        super().__init__()
        self.register_buffer("gamma", torch.tensor(gamma, dtype=torch.float64))

    def forward(self, rewards, next_q_values, terminated):
        best = next_q_values.max(dim=-1).values
        return torch.where(terminated.bool(), rewards, rewards + self.gamma * best)


module_forward = correct("q-learning-target", constants={"gamma": 0.95})(DQNTarget(0.95))


@correct("q-learning-target")
def vectorised_over_rows(r_t, discount_t, q_t):
    """One transition, mapped over the batch; discount_t is gamma (1 - done)."""
    return jax.vmap(lambda r, d, q: r + d * jnp.max(q))(r_t, discount_t, q_t)


@correct("q-learning-target")
def masked_by_multiplication_of_bool(rews, target_q, terms, gamma=0.99, n_step=1):
    """gamma ** n_step with n_step left at 1."""
    return rews + gamma**n_step * target_q.max(axis=1) * ~terms.astype(bool)


@faulty("q-learning-target", "max-over-batch")
def maximum_over_axis_zero(rewards, next_q, dones, gamma):
    return rewards + gamma * (1 - dones) * jnp.max(next_q)


@faulty("q-learning-target", "reward-clipped")
def signs_as_for_games(reward, q_next, done, gamma):
    return reward.clamp(-1, 1) + gamma * q_next.max(1)[0] * (1 - done.to(q_next.dtype))


@faulty("q-learning-target", "index-instead-of-value")
def argmax_forgotten(rewards, next_q_values, terminated, gamma):
    return rewards + gamma * (1 - terminated) * np.argmax(next_q_values, axis=1)


@faulty("q-learning-target", "gamma-on-everything")
def bracket_one_too_wide(rewards, next_q_values, terminated, gamma):
    best, _ = next_q_values.max(dim=1)
    return gamma * (rewards + best * (1 - terminated.to(best.dtype)))


# --- sarsa and expected sarsa ---------------------------------------------------------------------


@correct("sarsa-target")
def one_hot_einsum(rewards, next_q_values, next_actions, terminated, gamma):
    chosen = jax.nn.one_hot(next_actions, next_q_values.shape[-1], dtype=next_q_values.dtype)
    return rewards + gamma * (1 - terminated) * jnp.einsum("ba,ba->b", next_q_values, chosen)


@faulty("sarsa-target", "mean-instead-of-taken", "max-instead-of-taken")
def best_of_the_row(reward, next_q, next_action, done, gamma):
    return reward + gamma * (1 - done.to(reward.dtype)) * next_q.amax(-1)


@faulty("sarsa-target", "action-of-first-row")
def broadcast_of_one_action(rewards, next_q_values, next_actions, terminated, gamma):
    return rewards + gamma * (1 - terminated) * next_q_values[:, next_actions[0]]


@correct("expected-sarsa-target")
def batched_matrix_product(rewards, next_q_values, next_probs, terminated, gamma):
    value = torch.bmm(next_probs.unsqueeze(1), next_q_values.unsqueeze(2)).squeeze(2).squeeze(1)
    return torch.addcmul(rewards, gamma * (1 - terminated.to(value.dtype)), value)


@faulty("expected-sarsa-target", "mean-instead-of-sum")
def mean_of_the_product(rewards, next_q_values, next_probs, terminated, gamma):
    return rewards + gamma * (1 - terminated) * np.mean(next_probs * next_q_values, axis=-1)


@faulty("expected-sarsa-target", "most-probable-action")
def value_of_the_likeliest(rewards, next_q_values, next_probs, terminated, gamma):
    index = next_probs.argmax(-1, keepdim=True)
    value = next_q_values.gather(-1, index).squeeze(-1)
    return rewards + gamma * ~terminated.bool() * value


# --- double-q-target ------------------------------------------------------------------------------


@correct("double-q-target")
def take_along_axis(rewards, next_q_online, next_q_target, dones, gamma):
    best = np.argmax(next_q_online, axis=1)[:, None]
    chosen = np.take_along_axis(next_q_target, best, axis=1)[:, 0]
    return rewards + (1.0 - dones) * gamma * chosen


@correct("double-q-target")
def selector_first(q_t_selector, q_t_value, r_t, discount_t):
    """The words of Haiku-style code: selector is the online network."""
    onehot = jax.nn.one_hot(q_t_selector.argmax(-1), q_t_value.shape[-1], dtype=q_t_value.dtype)
    return r_t + discount_t * (q_t_value * onehot).sum(-1)


@faulty("double-q-target", "networks-swapped")
def target_net_selects(reward, next_q_online, next_q_target, done, gamma):
    index = next_q_target.argmax(dim=1, keepdim=True)
    chosen = next_q_online.gather(1, index).squeeze(1)
    return reward + gamma * (1 - done.to(chosen.dtype)) * chosen


@faulty("double-q-target", "actions-index-rows")
def fancy_index_on_the_batch(rewards, next_q_online, next_q_target, dones, gamma):
    best = next_q_online.argmax(axis=1)
    chosen = next_q_target[:, best].mean(axis=1)
    return rewards + gamma * (1 - dones) * chosen


@faulty("double-q-target", "plain-target-maximum")
def online_network_forgotten(rewards, next_q_online, next_q_target, terminated, gamma):
    del next_q_online
    return rewards + gamma * (1 - terminated) * jnp.max(next_q_target, axis=-1)


# --- soft-q-target --------------------------------------------------------------------------------


@correct("soft-q-target")
def log_alpha_from_outside(rewards, dones, next_q1, next_q2, next_log_pi, gamma, ent_coef):
    next_q = torch.cat((next_q1.reshape(-1, 1), next_q2.reshape(-1, 1)), dim=1)
    next_q, _ = torch.min(next_q, dim=1, keepdim=True)
    next_q = next_q - ent_coef * next_log_pi.reshape(-1, 1)
    target = rewards.reshape(-1, 1) + (1 - dones.to(next_q.dtype).reshape(-1, 1)) * gamma * next_q
    return target.reshape(rewards.shape)


@faulty("soft-q-target", "entropy-outside-mask")
def entropy_added_at_the_end(rewards, next_q1, next_q2, next_log_probs, terminated, gamma, alpha):
    target = rewards + gamma * (1 - terminated) * np.minimum(next_q1, next_q2)
    return target - alpha * next_log_probs


@faulty("soft-q-target", "twin-minimum-missing")
def only_the_first_critic(r, target_q1, target_q2, logp, d, gamma, alpha):
    return r + gamma * (1 - d.to(r.dtype)) * (target_q1 - alpha * logp)


@faulty("soft-q-target", "minimum-over-batch")
def min_without_an_axis(rewards, next_q1, next_q2, next_log_probs, terminated, gamma, alpha):
    smaller = jnp.min(jnp.stack([next_q1, next_q2]))
    return rewards + gamma * (1 - terminated) * (smaller - alpha * next_log_probs)


# --- dueling-q ------------------------------------------------------------------------------------


class DuelingHead(nn.Module):
    """The combining part of a dueling network."""

    def forward(self, value, advantage):
        return value + (advantage - advantage.mean(dim=-1, keepdim=True))


a_module_that_combines = correct("dueling-q")(DuelingHead())


@correct("dueling-q")
def centring_by_a_projection(state_values, action_advantages):
    n = action_advantages.shape[1]
    projection = np.eye(n) - np.ones((n, n)) / n
    return np.asarray(state_values).reshape(-1, 1) + action_advantages @ projection


@faulty("dueling-q", "centred-over-everything")
def mean_without_an_axis(value, advantage):
    return value + advantage - advantage.mean()


@faulty("dueling-q", "centred-over-the-batch")
def centred_down_the_batch(values, advantages):
    return values + (advantages - jnp.mean(advantages, axis=0, keepdims=True))


# --- potential-shaping ----------------------------------------------------------------------------


@correct("potential-shaping")
def shaped_reward_with_a_weight(rewards, phi, next_phi, terminated, gamma, weight=1.0):
    return rewards + weight * (gamma * torch.where(terminated.bool(), 0.0, next_phi) - phi)


@faulty("potential-shaping", "whole-term-masked")
def no_shaping_at_the_end(phi, next_phi, terminated, gamma):
    return (gamma * next_phi - phi) * (1 - terminated)


@faulty("potential-shaping", "gamma-missing")
def difference_of_both_potentials(rewards, potential, next_potential, terminated, gamma):
    return rewards + (1 - terminated) * next_potential - potential


@faulty("potential-shaping", "terminal-potential-counted")
def flag_not_looked_at(reward, phi_s, phi_s_next, done, gamma):
    return reward + gamma * phi_s_next - phi_s
