"""Generalised advantage estimation."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import torch

from benchmarks.independent.records import correct, faulty


@correct("gae")
def double_loop(rewards, values, next_values, terminated, truncated, gamma, lam):
    horizon, batch = rewards.shape
    advantages = np.zeros((horizon, batch))
    for b in range(batch):
        carry = 0.0
        for t in range(horizon - 1, -1, -1):
            bootstrap = 0.0 if terminated[t, b] else next_values[t, b]
            if terminated[t, b] or truncated[t, b]:
                carry = 0.0
            carry = rewards[t, b] + gamma * bootstrap - values[t, b] + gamma * lam * carry
            advantages[t, b] = carry
    return advantages


@correct("gae")
def torch_with_returns(rewards, values, next_values, terminated, truncated, gamma, lam):
    not_terminal = 1.0 - terminated.to(rewards.dtype)
    not_over = 1.0 - torch.maximum(terminated, truncated).to(rewards.dtype)
    td = rewards + gamma * next_values * not_terminal - values
    advantages = torch.empty_like(td)
    last = torch.zeros_like(td[0])
    for t in range(td.shape[0] - 1, -1, -1):
        last = td[t] + gamma * lam * not_over[t] * last
        advantages[t] = last
    return advantages, advantages + values


@correct("gae")
def scan(rewards, values, next_values, terminated, truncated, gamma, gae_lambda):
    terminated = terminated.astype(rewards.dtype)
    over = jnp.maximum(terminated, truncated.astype(rewards.dtype))
    deltas = rewards + gamma * (1 - terminated) * next_values - values

    def step(carry, row):
        delta, end = row
        carry = delta + gamma * gae_lambda * (1 - end) * carry
        return carry, carry

    _, out = jax.lax.scan(step, jnp.zeros_like(deltas[0]), (deltas, over), reverse=True)
    return out


@correct("gae")
def start_flags(rewards, values, episode_starts, last_values, dones, gamma, gae_lambda):
    """Flags that mark the start of a step, the last one beside them."""
    steps = len(rewards)
    advantages = np.zeros_like(rewards)
    last_gae = 0
    for step in reversed(range(steps)):
        if step == steps - 1:
            going_on, following = 1.0 - dones[-1], last_values
        else:
            going_on, following = 1.0 - episode_starts[step + 1], values[step + 1]
        delta = rewards[step] + gamma * following * going_on - values[step]
        last_gae = delta + gamma * gae_lambda * going_on * last_gae
        advantages[step] = last_gae
    return advantages, advantages + values


@correct("gae")
def next_done_style(rews, vals, dones, next_value, next_done, gamma, lam):
    """`dones[t]` says that the observation of step t is the first of an episode."""
    advs = torch.zeros_like(rews)
    carry = 0
    for t in reversed(range(rews.shape[0])):
        if t == rews.shape[0] - 1:
            alive, nxt = 1.0 - next_done.to(rews.dtype), next_value
        else:
            alive, nxt = 1.0 - dones[t + 1].to(rews.dtype), vals[t + 1]
        carry = rews[t] + gamma * nxt * alive - vals[t] + gamma * lam * alive * carry
        advs[t] = carry
    return advs


@correct("gae")
def explicit_double_sum(rewards, values, next_values, terminated, truncated, gamma, lam):
    horizon = rewards.shape[0]
    delta = rewards + gamma * np.where(terminated, 0.0, next_values) - values
    out = np.zeros_like(delta)
    for t in range(horizon):
        weight = np.ones(rewards.shape[1])
        for k in range(t, horizon):
            out[t] += weight * delta[k]
            weight = (
                weight * gamma * lam * ~(terminated[k].astype(bool) | truncated[k].astype(bool))
            )
    return out


@correct("gae")
def single_precision(rewards, values, last_value, dones, gamma, lam):
    rewards, values = rewards.astype(np.float32), values.astype(np.float32)
    extended = np.append(values, np.asarray(last_value, np.float32)[None], axis=0)
    out = np.zeros_like(rewards)
    carry = np.zeros_like(rewards[0])
    for t in range(len(rewards))[::-1]:
        mask = 1 - dones[t].astype(np.float32)
        carry = (
            rewards[t] + gamma * extended[t + 1] * mask - extended[t] + gamma * lam * mask * carry
        )
        out[t] = carry
    return out


@correct("gae")
def one_finished_episode(rewards, values, gamma, lam):
    """A single complete trajectory as lists."""
    advantages, carry, following = [], 0.0, 0.0
    for reward, value in zip(reversed(rewards), reversed(values), strict=True):
        carry = reward + gamma * following - value + gamma * lam * carry
        following = value
        advantages.append(carry)
    advantages.reverse()
    return advantages


@faulty("gae", "truncation-as-terminal")
def either_flag_zeroes(rewards, values, next_values, terminated, truncated, gamma, lam):
    done = np.logical_or(terminated, truncated).astype(rewards.dtype)
    out, carry = np.zeros_like(rewards), 0.0
    for t in reversed(range(len(rewards))):
        delta = rewards[t] + gamma * next_values[t] * (1 - done[t]) - values[t]
        carry = delta + gamma * lam * (1 - done[t]) * carry
        out[t] = carry
    return out


@faulty("gae", "truncation-ignored")
def cut_only_at_terminals(rewards, values, next_values, terminated, truncated, gamma, lam):
    alive = 1.0 - terminated.to(rewards.dtype)
    deltas = rewards + gamma * alive * next_values - values
    out, carry = [], torch.zeros_like(rewards[0])
    for t in range(len(deltas) - 1, -1, -1):
        carry = deltas[t] + gamma * lam * alive[t] * carry
        out.insert(0, carry)
    return torch.stack(out)


@faulty("gae", "done-early")
def flag_of_the_next_row(rewards, values, dones, last_value, gamma, lam):
    """Recursion for start-of-step flags, fed with end-of-step flags."""
    horizon = rewards.shape[0]
    out, carry = np.zeros_like(rewards), 0.0
    for t in reversed(range(horizon)):
        if t == horizon - 1:
            alive, nxt = 1.0 - dones[-1], last_value
        else:
            alive, nxt = 1.0 - dones[t + 1], values[t + 1]
        delta = rewards[t] + gamma * nxt * alive - values[t]
        carry = delta + gamma * lam * alive * carry
        out[t] = carry
    return out


@faulty("gae", "mask-only-on-bootstrap")
def leaking_carry(rewards, values, last_value, dones, gamma, lam):
    nxt = torch.cat([values[1:], last_value.reshape(1, *values.shape[1:])])
    deltas = rewards + gamma * nxt * (1 - dones.to(rewards.dtype)) - values
    adv = torch.zeros_like(deltas)
    running = 0
    for t in reversed(range(deltas.shape[0])):
        running = deltas[t] + gamma * lam * running
        adv[t] = running
    return adv


@faulty("gae", "last-value-stale", "bootstrap-from-own-value")
def value_before_the_last_step(rewards, values, dones, last_value, gamma, lam):
    """The last step bootstraps from the value of the last state acted in."""
    nxt = np.concatenate([values[1:], values[-1:]])
    adv, running = np.zeros_like(rewards), 0.0
    for t in reversed(range(len(rewards))):
        running = (
            rewards[t]
            + gamma * nxt[t] * (1 - dones[t])
            - values[t]
            + gamma * lam * (1 - dones[t]) * running
        )
        adv[t] = running
    return adv


@faulty("gae", "trace-seeded-with-last-value")
def carry_starts_from_the_bootstrap(rewards, values, last_value, dones, gamma, lam):
    adv = np.zeros_like(rewards)
    gae, nxt = last_value, last_value
    for t in reversed(range(len(rewards))):
        alive = 1 - dones[t]
        gae = rewards[t] + gamma * nxt * alive - values[t] + gamma * lam * alive * gae
        nxt = values[t]
        adv[t] = gae
    return adv


@faulty("gae", "returns-stale")
def returns_of_the_empty_buffer(rewards, values, last_value, dones, gamma, lam):
    advantages = np.zeros_like(rewards)
    returns = advantages + values
    carry = 0
    for t in reversed(range(len(rewards))):
        nxt = last_value if t == len(rewards) - 1 else values[t + 1]
        delta = rewards[t] + gamma * nxt * (1 - dones[t]) - values[t]
        carry = delta + gamma * lam * (1 - dones[t]) * carry
        advantages[t] = carry
    return advantages, returns


@faulty("gae", "gamma-missing-in-trace")
def decay_by_lambda(rewards, values, next_values, terminated, truncated, gamma, lam):
    alive = 1.0 - terminated
    going = 1.0 - np.maximum(terminated, truncated)
    carry, out = np.zeros(rewards.shape[1]), np.zeros_like(rewards)
    for t in range(rewards.shape[0] - 1, -1, -1):
        delta = rewards[t] + gamma * alive[t] * next_values[t] - values[t]
        carry = delta + lam * going[t] * carry
        out[t] = carry
    return out


@faulty("gae", "normalised-inside")
def whitened(rewards, values, next_values, terminated, truncated, gamma, lam):
    going = 1.0 - torch.logical_or(terminated.bool(), truncated.bool()).to(rewards.dtype)
    delta = rewards + gamma * next_values * (1 - terminated.to(rewards.dtype)) - values
    out = torch.zeros_like(delta)
    carry = torch.zeros_like(delta[0])
    for t in reversed(range(delta.shape[0])):
        carry = delta[t] + gamma * lam * going[t] * carry
        out[t] = carry
    return (out - out.mean()) / (out.std() + 1e-8)


@faulty("gae", "truncation-bootstrap-in-all-environments")
def time_limit_value_for_everybody(rewards, values, next_values, terminated, truncated, gamma, lam):
    """If any environment ran into its limit, its value is added to the rewards of all of them."""
    rewards = rewards.copy()
    done = np.logical_or(terminated, truncated)
    for t in range(len(rewards)):
        if (truncated[t] & ~terminated[t]).any():
            rewards[t] += gamma * next_values[t]
    adv, carry = np.zeros_like(rewards), 0.0
    for t in reversed(range(len(rewards))):
        alive = 1.0 - done[t]
        carry = (
            rewards[t] + gamma * next_values[t] * alive - values[t] + gamma * lam * alive * carry
        )
        adv[t] = carry
    return adv


@faulty("gae", "last-flag-for-all-steps")
def the_flag_left_over_from_the_loop(rewards, values, next_values, terminated, gamma, lam):
    for t in range(len(rewards)):
        done = terminated[t]
    adv, carry = np.zeros_like(rewards), 0.0
    for t in reversed(range(len(rewards))):
        delta = rewards[t] + gamma * next_values[t] * (1 - done) - values[t]
        carry = delta + gamma * lam * (1 - done) * carry
        adv[t] = carry
    return adv


@faulty("gae", "bootstrap-from-reset-observation")
def next_row_is_next_state(rewards, values, next_values, terminated, truncated, gamma, lam):
    """At a time limit the value of the following row, a fresh episode, stands for V(s')."""
    following = np.concatenate([values[1:], next_values[-1:]])
    adv, carry = np.zeros_like(rewards), 0.0
    for t in reversed(range(len(rewards))):
        over = np.logical_or(terminated[t], truncated[t])
        delta = rewards[t] + gamma * following[t] * (1 - terminated[t]) - values[t]
        carry = delta + gamma * lam * (1 - over) * carry
        adv[t] = carry
    return adv
