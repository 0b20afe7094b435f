"""Correct implementations in the forms that public libraries use, for self tests.

They share no code with the oracles: backward loops, vectorised forms, flags that mark the start of
a step, lists. None of them may ever fail a check.
"""

from __future__ import annotations

import numpy as np

from property_tests.framework.records import Model


def gae_loop(rewards, values, next_values, terminated, truncated, gamma, lam):
    """Backward loop with two masks."""
    advantages, carried = np.zeros_like(rewards), np.zeros_like(rewards[0])
    for t in range(len(rewards) - 1, -1, -1):
        delta = rewards[t] + gamma * np.where(terminated[t], 0.0, next_values[t]) - values[t]
        carried = delta + gamma * lam * np.where(terminated[t] | truncated[t], 0.0, carried)
        advantages[t] = carried
    return advantages, advantages + values


def gae_float_masks(r, v, v_next, terminations, truncations, discount, gae_lambda):
    """The same with masks as numbers, under other names."""
    delta = r + discount * (1.0 - terminations) * v_next - v
    keep = (1.0 - terminations) * (1.0 - truncations)
    carried = 0.0 * delta[0]
    rows = []
    for t in reversed(range(delta.shape[0])):
        carried = delta[t] + discount * gae_lambda * keep[t] * carried
        rows.append(carried)
    return np.stack(rows[::-1])


def gae_starts(rewards, values, dones, next_value, next_done, gamma, gae_lambda):
    """Flags that mark the start of a step, as in single-file PPO scripts."""
    advantages, last = np.zeros_like(rewards), 0.0
    for t in reversed(range(len(rewards))):
        if t == len(rewards) - 1:
            goes_on, following = 1.0 - next_done, next_value
        else:
            goes_on, following = 1.0 - dones[t + 1], values[t + 1]
        delta = rewards[t] + gamma * following * goes_on - values[t]
        advantages[t] = last = delta + gamma * gae_lambda * goes_on * last
    return advantages


def gae_list(rewards, values, next_value, dones, gamma, lam):
    """Plain Python over one trajectory, with one flag."""
    following, carried = next_value, 0.0
    advantages: list[float] = []
    for reward, value, done in zip(rewards[::-1], values[::-1], dones[::-1], strict=True):
        if done:
            following, carried = 0.0, 0.0
        carried = reward + gamma * following - value + gamma * lam * carried
        following = value
        advantages.insert(0, carried)
    return advantages


def gae_appended_values(rewards, values, not_dones, gamma, lam):
    """The bootstrap value appended to the values, masks that name the kept side."""
    delta = rewards + gamma * values[1:] * not_dones - values[:-1]
    for t in range(len(delta) - 2, -1, -1):
        delta[t] += gamma * lam * not_dones[t] * delta[t + 1]
    return delta


def gae_batch_first(rewards, values, next_values, terminated, truncated, *, gamma, lam):
    """`[B, T]` arrays."""
    assert rewards.ndim == 2
    delta = rewards + gamma * next_values * ~terminated - values
    out = delta.copy()
    for t in range(rewards.shape[1] - 2, -1, -1):
        out[:, t] += gamma * lam * ~(terminated | truncated)[:, t] * out[:, t + 1]
    return out


def gae_single_precision(rewards, values, next_values, terminated, truncated, gamma, lam):
    """Computes in float32."""
    r, v, reached = (np.asarray(x, dtype=np.float32) for x in (rewards, values, next_values))
    return gae_loop(r, v, reached, terminated, truncated, np.float32(gamma), np.float32(lam))[0]


def lambda_returns_as_gae(rewards, values, next_values, terminated, truncated, gamma, lam):
    """Returns the lambda-return, value included, and nothing else."""
    returns = np.zeros_like(rewards)
    for t in reversed(range(len(rewards))):
        reached = next_values[t] * ~terminated[t]
        ended = terminated[t] | truncated[t]
        later = reached if t == len(rewards) - 1 else np.where(ended, reached, returns[t + 1])
        returns[t] = rewards[t] + gamma * ((1.0 - lam) * reached + lam * later)
    return returns


def lambda_returns_from_gae(rewards, values, next_values, terminated, truncated, gamma, lam):
    """Advantages plus values."""
    return gae_loop(rewards, values, next_values, terminated, truncated, gamma, lam)[1]


def returns_to_go(rewards, gamma):
    """A list of rewards of one complete episode."""
    total, out = 0.0, []
    for reward in reversed(rewards):
        total = reward + gamma * total
        out.append(total)
    return out[::-1]


def returns_with_bootstrap(rewards, last_value, dones, gamma):
    """Rollouts of several environments with one flag."""
    returns, following = np.empty_like(rewards), last_value
    for t in reversed(range(len(rewards))):
        returns[t] = following = rewards[t] + gamma * following * (1.0 - dones[t])
    return returns


def masked_td_target(reward, next_value, done, gamma):
    """One line with one flag, for a batch or a single transition."""
    return reward + gamma * (1 - done) * next_value


def column_q_target(rewards, next_q_values, dones, gamma):
    """Rewards and flags in columns `[B, 1]`, as replay buffers hand them out."""
    return rewards + gamma * (1 - dones) * next_q_values.max(axis=1, keepdims=True)


VARIANTS: dict[str, dict[str, Model]] = {
    "gae": {
        "backward loop, two masks": gae_loop,
        "masks as numbers": gae_float_masks,
        "flags that mark starts": gae_starts,
        "lists": gae_list,
        "values with the bootstrap appended": gae_appended_values,
        "[B, T]": gae_batch_first,
        "float32 inside": gae_single_precision,
        "lambda-returns": lambda_returns_as_gae,
    },
    "lambda-returns": {
        "advantages plus values": lambda_returns_from_gae,
        "recursion on returns": lambda_returns_as_gae,
    },
    "discounted-returns": {
        "list of rewards": returns_to_go,
        "bootstrap and one flag": returns_with_bootstrap,
    },
    "td-target": {"one line, one flag": masked_td_target},
    "q-learning-target": {"columns": column_q_target},
}
