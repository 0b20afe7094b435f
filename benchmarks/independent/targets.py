"""One-step targets: TD, Q-learning, SARSA, expected SARSA, double Q-learning, soft Q."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import torch

from benchmarks.independent.records import correct, faulty

# --- TD target ------------------------------------------------------------------------------------


@correct("td-target")
def row_by_row(rewards, next_values, terminated, truncated, gamma):
    return np.array(
        [
            r if end else r + gamma * v
            for r, v, end in zip(rewards, next_values, terminated, strict=True)
        ]
    )


@correct("td-target")
def torch_where(reward, next_value, terminated, discount):
    return torch.where(terminated.bool(), reward, reward + discount * next_value)


@correct("td-target")
def jax_not_done(rewards, next_values, not_done, gamma):
    return rewards + gamma * not_done * next_values


@faulty("td-target", "terminal-bootstrap")
def mask_forgotten(rewards, next_values, terminated, gamma):
    return rewards + gamma * next_values


@faulty("td-target", "truncation-as-terminal")
def any_end(rewards, next_values, terminated, truncated, gamma):
    return rewards + gamma * next_values * (1.0 - np.maximum(terminated, truncated))


@faulty("td-target", "mask-inverted")
def mask_named_the_other_way(rewards, next_values, terminated, gamma):
    masks = terminated.to(rewards.dtype)
    return rewards + gamma * masks * next_values


@faulty("td-target", "reward-masked")
def brackets_too_wide(rewards, next_values, terminated, gamma):
    return (1 - terminated) * (rewards + gamma * next_values)


@faulty("td-target", "reward-clipped")
def atari_habit(rewards, next_values, dones, gamma):
    rewards = rewards.clamp(-1, 1)
    return rewards + gamma * next_values * (1 - dones.float())


# --- Q-learning target ----------------------------------------------------------------------------


@correct("q-learning-target")
def torch_max(rewards, next_q_values, terminated, truncated, gamma):
    best, _ = next_q_values.max(dim=1)
    return rewards + gamma * best * (1.0 - terminated.to(rewards.dtype))


@correct("q-learning-target")
def jax_max(rewards, next_q, terminated, gamma):
    return rewards + gamma * jnp.where(terminated, 0.0, jnp.max(next_q, axis=-1))


@correct("q-learning-target")
def in_place_zeroing(r, q_next, done, discount):
    following = q_next.copy()
    following[done.astype(bool)] = 0.0
    return r + discount * np.amax(following, axis=1)


@faulty("q-learning-target", "max-over-batch")
def maximum_without_an_axis(rewards, next_q_values, terminated, gamma):
    return rewards + gamma * np.max(next_q_values) * (1 - terminated)


@faulty("q-learning-target", "index-instead-of-value")
def second_of_the_pair(rewards, next_q_values, terminated, gamma):
    target = next_q_values.max(1)[1]
    return rewards + gamma * target * (1 - terminated.to(rewards.dtype))


@faulty("q-learning-target", "terminal-bootstrap", "mask-inverted")
def zeroed_where_alive(rewards, next_q_values, terminated, gamma):
    best = next_q_values.max(axis=1).copy()
    best[terminated == 0] = 0.0
    return rewards + gamma * best


@faulty("q-learning-target", "mean-instead-of-max")
def averaged_actions(rewards, next_q_values, terminated, truncated, gamma):
    following = next_q_values.mean(-1)
    return rewards + gamma * (1 - terminated.to(rewards.dtype)) * following


@faulty("q-learning-target", "gamma-on-everything")
def discounted_reward(rewards, next_q_values, terminated, gamma):
    return gamma * (rewards + np.where(terminated, 0.0, next_q_values.max(axis=1)))


@faulty("q-learning-target", "max-clipped-at-zero")
def maximum_from_zero(rewards, next_q_values, terminated, gamma):
    best = np.zeros(len(rewards))
    for i, row in enumerate(next_q_values):
        for q in row:
            if q > best[i]:
                best[i] = q
    return rewards + gamma * best * (1 - terminated)


@faulty("q-learning-target", "mask-of-any-row")
def one_end_for_the_batch(rewards, next_q_values, terminated, gamma):
    if terminated.any():
        return rewards
    return rewards + gamma * next_q_values.max(axis=1)


# --- SARSA target ---------------------------------------------------------------------------------


@correct("sarsa-target")
def gathered(rewards, next_q_values, next_actions, terminated, truncated, gamma):
    q = next_q_values.gather(1, next_actions.long().unsqueeze(1)).squeeze(1)
    return rewards + gamma * (1 - terminated.to(rewards.dtype)) * q


@correct("sarsa-target")
def fancy_index(rewards, next_q_values, next_actions, dones, gamma):
    q = next_q_values[np.arange(len(rewards)), next_actions]
    return rewards + gamma * q * (1 - dones)


@faulty("sarsa-target", "max-instead-of-taken")
def actually_q_learning(rewards, next_q_values, next_actions, terminated, gamma):
    return rewards + gamma * next_q_values.max(axis=1) * (1 - terminated)


@faulty("sarsa-target", "action-of-next-row")
def actions_one_row_off(rewards, next_q_values, next_actions, terminated, gamma):
    actions = np.roll(next_actions, -1)
    q = np.take_along_axis(next_q_values, actions[:, None], axis=1)[:, 0]
    return rewards + gamma * q * (1 - terminated)


@faulty("sarsa-target", "truncation-as-terminal")
def time_limit_is_an_end(rewards, next_q_values, next_actions, terminated, truncated, gamma):
    alive = ~(terminated.bool() | truncated.bool())
    q = next_q_values[torch.arange(len(rewards)), next_actions.long()]
    return rewards + gamma * q * alive


@faulty("sarsa-target", "gamma-missing")
def undiscounted(rewards, next_q_values, next_actions, terminated, gamma):
    q = next_q_values[np.arange(next_q_values.shape[0]), next_actions]
    return rewards + q * (1 - terminated)


# --- expected SARSA target ------------------------------------------------------------------------


@correct("expected-sarsa-target")
def weighted_sum(rewards, next_q_values, next_action_probabilities, terminated, truncated, gamma):
    v = (next_action_probabilities * next_q_values).sum(dim=-1)
    return rewards + gamma * v * (~terminated.bool())


@correct("expected-sarsa-target")
def einsum(rewards, next_q, next_probs, terminated, gamma):
    return rewards + gamma * (1 - terminated) * np.einsum("ba,ba->b", next_probs, next_q)


@faulty("expected-sarsa-target", "mean-instead-of-sum")
def mean_of_products(rewards, next_q_values, next_action_probabilities, terminated, gamma):
    v = (next_action_probabilities * next_q_values).mean(-1)
    return rewards + gamma * v * (1 - terminated.to(rewards.dtype))


@faulty("expected-sarsa-target", "most-probable-action")
def mode_of_the_policy(rewards, next_q_values, next_action_probabilities, terminated, gamma):
    a = next_action_probabilities.argmax(axis=1)
    v = next_q_values[np.arange(len(a)), a]
    return rewards + gamma * v * (1 - terminated)


@faulty("expected-sarsa-target", "both-flags-as-truncation")
def truncation_wins(
    rewards, next_q_values, next_action_probabilities, terminated, truncated, gamma
):
    v = (next_action_probabilities * next_q_values).sum(1)
    ended = terminated.astype(bool) & ~truncated.astype(bool)
    return rewards + gamma * np.where(ended, 0.0, v)


@faulty("expected-sarsa-target", "max-instead-of-expectation")
def greedy_expectation(rewards, next_q_values, next_action_probabilities, terminated, gamma):
    v = next_q_values.amax(dim=1)
    return rewards + gamma * v * (1 - terminated.to(rewards.dtype))


# --- double Q-learning target ---------------------------------------------------------------------


@correct("double-q-target")
def select_then_evaluate(rewards, next_q_online, next_q_target, terminated, truncated, gamma):
    greedy = next_q_online.argmax(dim=1, keepdim=True)
    q = next_q_target.gather(1, greedy).squeeze(1)
    return rewards + (1 - terminated.to(rewards.dtype)) * gamma * q


@correct("double-q-target")
def one_hot_selection(r, next_online_q, next_target_q, terminated, gamma):
    greedy = jnp.eye(next_online_q.shape[1])[jnp.argmax(next_online_q, axis=1)]
    return r + gamma * (1 - terminated) * jnp.sum(greedy * next_target_q, axis=1)


@faulty("double-q-target", "networks-swapped")
def target_selects(rewards, next_q_online, next_q_target, terminated, gamma):
    best = next_q_target.argmax(1)
    q = next_q_online[torch.arange(len(best)), best]
    return rewards + gamma * q * (1 - terminated.to(rewards.dtype))


@faulty("double-q-target", "plain-target-maximum")
def no_double_at_all(rewards, next_q_online, next_q_target, terminated, gamma):
    return rewards + gamma * next_q_target.max(axis=1) * (1 - terminated)


@faulty("double-q-target", "minimum-of-both")
def clipped_double(rewards, next_q_online, next_q_target, terminated, gamma):
    smaller = np.minimum(next_q_online, next_q_target)
    best = next_q_online.argmax(axis=1)
    return rewards + gamma * smaller[np.arange(len(best)), best] * (1 - terminated)


@faulty("double-q-target", "online-maximum")
def target_net_unused(rewards, next_q_online, next_q_target, dones, gamma):
    actions = next_q_online.argmax(dim=-1, keepdim=True)
    q = next_q_online.gather(-1, actions)[:, 0]
    return rewards + gamma * (1.0 - dones.to(q.dtype)) * q


@faulty("double-q-target")
def batch_axis_indexed(rewards, next_q_online, next_q_target, terminated, gamma):
    """Actions index rows of the batch; the maximum over what comes out hides the shape."""
    actions = next_q_online.argmax(axis=1)
    q = next_q_target[actions % len(rewards)].max(axis=1)
    return rewards + gamma * q * (1 - terminated)


# --- soft Q target --------------------------------------------------------------------------------


@correct("soft-q-target")
def sac(rewards, next_q1, next_q2, next_log_probs, terminated, truncated, gamma, alpha):
    soft = torch.min(next_q1, next_q2) - alpha * next_log_probs
    return rewards + gamma * (1 - terminated.to(rewards.dtype)) * soft


@correct("soft-q-target")
def entropy_regularised(r, q1_next, q2_next, next_logp, done, gamma, ent_coef):
    v = np.where(q1_next < q2_next, q1_next, q2_next)
    v = v - ent_coef * next_logp
    v = np.where(done, 0.0, v)
    return r + gamma * v


@faulty("soft-q-target", "entropy-outside-mask")
def entropy_after_the_mask(rewards, next_q1, next_q2, next_log_probs, terminated, gamma, alpha):
    q = torch.minimum(next_q1, next_q2)
    backup = rewards + gamma * (1 - terminated.to(rewards.dtype)) * q
    return backup - alpha * next_log_probs


@faulty("soft-q-target", "twin-minimum-missing")
def first_critic_only(rewards, next_q1, next_q2, next_log_probs, terminated, gamma, alpha):
    return rewards + gamma * (1 - terminated) * (next_q1 - alpha * next_log_probs)


@faulty("soft-q-target", "entropy-sign-flipped")
def plus_log_prob(rewards, next_q1, next_q2, next_log_probs, terminated, gamma, alpha):
    v = np.minimum(next_q1, next_q2) + alpha * next_log_probs
    return rewards + gamma * (1 - terminated) * v


@faulty("soft-q-target", "minimum-over-batch")
def minimum_of_everything(rewards, next_q1, next_q2, next_log_probs, terminated, gamma, alpha):
    q = torch.stack([next_q1, next_q2]).min()
    return rewards + gamma * (1 - terminated.to(rewards.dtype)) * (q - alpha * next_log_probs)


@faulty("soft-q-target", "temperature-missing")
def bare_log_prob(rewards, next_q1, next_q2, next_log_probs, terminated, gamma, alpha):
    soft = np.minimum(next_q1, next_q2) - next_log_probs
    return rewards + gamma * (1 - terminated) * soft
