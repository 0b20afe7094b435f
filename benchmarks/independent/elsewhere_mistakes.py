"""Mistakes of public code bases, written anew: rollouts, targets, tables, rules, state."""

from __future__ import annotations

import random
from collections import deque

import jax.numpy as jnp
import numpy as np
import torch

from benchmarks.independent.records import correct, faulty


@faulty("gae", "truncation-bootstrap-in-all-environments")
def value_of_one_timeout_for_all(rews, vals, last_val, next_vals, terms, truncs, gamma, lam):
    """Where any environment ran out of time, the bootstrap is added to the rewards of all."""
    rews = rews.clone()
    stop = terms.bool() | truncs.bool()
    for t in range(len(rews)):
        if (truncs[t].bool() & ~terms[t].bool()).any():
            rews[t] += gamma * next_vals[t]
    adv, carry = torch.zeros_like(rews), torch.zeros_like(last_val)
    for t in reversed(range(len(rews))):
        alive = (~stop[t]).to(rews.dtype)
        following = last_val if t == len(rews) - 1 else vals[t + 1]
        carry = rews[t] + gamma * following * alive - vals[t] + gamma * lam * alive * carry
        adv[t] = carry
    return adv


@faulty("gae", "bootstrap-from-reset-observation")
def next_row_for_the_final_observation(
    rewards, values, next_values, terminations, truncations, gamma, gae_lambda
):
    following = np.concatenate([values[1:], next_values[-1:]])
    delta = rewards + gamma * following * (1 - terminations) - values
    adv, carry = np.zeros_like(delta), np.zeros_like(delta[0])
    for t in reversed(range(len(delta))):
        keep = (1 - terminations[t]) * (1 - truncations[t])
        carry = delta[t] + gamma * gae_lambda * keep * carry
        adv[t] = carry
    return adv


@faulty("gae", "mask-ignored")
def padding_keeps_its_values(rewards, values, last_value, mask, gamma, lam):
    """Padded steps are set to zero in the answer and nowhere else."""
    following = jnp.concatenate([values[1:], last_value[None]])
    delta = rewards + gamma * following - values
    out, carry = [], jnp.zeros_like(last_value)
    for t in range(delta.shape[0] - 1, -1, -1):
        carry = delta[t] + gamma * lam * carry
        out.append(carry)
    return jnp.stack(out[::-1]) * mask


@faulty("gae", "forward-recursion")
def loop_in_the_wrong_direction(rewards, values, next_value, dones, gamma=0.99, lam=0.95):
    out, carry = [], 0.0
    values = [*values, next_value]
    for t in range(len(rewards)):
        delta = rewards[t] + gamma * values[t + 1] * (1 - dones[t]) - values[t]
        carry = delta + gamma * lam * (1 - dones[t]) * carry
        out.append(carry)
    return out


@faulty("gae", "lambda-gamma-swapped")
def arguments_the_wrong_way_round(rewards, values, last_value, dones, gae_lambda, gamma):
    def recursion(discount, trace):
        alive = 1.0 - dones
        following = np.concatenate([values[1:], np.asarray(last_value)[None]])
        out, carry = np.zeros_like(rewards), 0.0
        for t in reversed(range(len(rewards))):
            delta = rewards[t] + discount * alive[t] * following[t] - values[t]
            out[t] = carry = delta + discount * trace * alive[t] * carry
        return out

    return recursion(gae_lambda, gamma)


@faulty("lambda-returns", "reward-early")
def rewards_of_the_next_row(rewards, values, last_value, dones, gamma, lam):
    """The reward that led to a state is taken for that of leaving it."""
    rewards = torch.cat([rewards[1:], torch.zeros_like(rewards[:1])])
    following = torch.cat([values[1:], last_value.unsqueeze(0)])
    carry, out = last_value, []
    for t in reversed(range(len(rewards))):
        mixed = (1 - lam) * following[t] + lam * carry
        carry = rewards[t] + gamma * (1 - dones[t].to(values.dtype)) * mixed
        out.insert(0, carry)
    return torch.stack(out)


@faulty("n-step-returns", "truncation-ignored")
def spills_over_a_time_limit(rewards, next_values, terminated, truncated, gamma, n):
    del truncated
    horizon, out = len(rewards), np.zeros_like(rewards)
    for t in range(horizon):
        for b in range(rewards.shape[1]):
            for k in range(t, min(t + n, horizon)):
                out[t, b] += gamma ** (k - t) * rewards[k, b]
                if terminated[k, b]:
                    break
            else:
                out[t, b] += gamma ** (k - t + 1) * next_values[k, b]
    return out


@faulty("discounted-returns", "truncation-as-terminal")
def nothing_after_a_time_limit(rewards, next_values, terminated, truncated, gamma):
    g, out = next_values[-1], []
    for t in reversed(range(len(rewards))):
        stop = jnp.logical_or(terminated[t], truncated[t])
        g = rewards[t] + gamma * jnp.where(stop, 0.0, g)
        out.append(g)
    return jnp.stack(out[::-1])


@faulty("td-target", "gamma-twice")
def discount_in_the_mask_as_well(reward, next_value, done, gamma):
    mask = gamma * (1.0 - done)
    return reward + gamma * mask * next_value


@faulty("q-learning-target", "terminal-bootstrap")
def done_taken_and_not_used(rewards, next_q_values, dones, gamma):
    return rewards + gamma * next_q_values.max(dim=1)[0]


@faulty("soft-q-target", "entropy-missing")
def target_of_td3_in_sac(rewards, next_q1, next_q2, next_log_probs, dones, gamma, alpha):
    return rewards + gamma * (1 - dones.to(rewards.dtype)) * torch.min(next_q1, next_q2)


@faulty("soft-q-target", "temperature-missing")
def entropy_without_its_weight(rewards, next_q1, next_q2, next_log_probs, dones, gamma, alpha):
    return rewards + gamma * (1 - dones) * (np.minimum(next_q1, next_q2) - next_log_probs)


@faulty("double-q-target", "online-maximum")
def target_network_forgotten(rewards, next_q_online, next_q_target, dones, gamma):
    return rewards + gamma * (1 - dones.to(rewards.dtype)) * next_q_online.max(1).values


@faulty("tabular-update", "terminal-bootstrap")
def flag_without_effect(q_table, state, action, reward, next_state, done, alpha, gamma):
    td_error = reward + gamma * max(q_table[next_state]) - q_table[state][action]
    q_table[state][action] += alpha * td_error
    return td_error


@faulty("tabular-update", "error-sign-flipped")
def old_minus_target(Q, s, a, r, s_prime, terminated, alpha, gamma):
    error = Q[s, a] - (r + gamma * (1 - terminated) * Q[s_prime].max())
    Q[s, a] += alpha * error
    return Q


@faulty("policy-evaluation", "policy-ignored")
def all_actions_alike(P, R, policy, gamma):
    n = len(P)
    return np.linalg.solve(np.eye(n) - gamma * P.mean(axis=1), R.mean(axis=1))


@faulty("value-iteration", "gamma-twice")
def discount_squared(P, R, gamma):
    V = np.zeros(len(P))
    for _ in range(20_000):
        V = (R + gamma**2 * P @ V).max(axis=1)
    return V


@faulty("epsilon-schedule", "twice-as-fast")
def half_the_steps(step, start, end, decay_steps):
    return max(end, start - (start - end) * 2 * step / decay_steps)


@faulty("epsilon-greedy", "best-never-explored")
def other_action_or_the_best(q_values, epsilon, rng):
    """The random action is drawn among the others."""
    best = int(np.argmax(q_values))
    if rng.random() < epsilon:
        return int(rng.choice([a for a in range(len(q_values)) if a != best]))
    return best


@faulty("boltzmann", "overflows")
def exponential_of_large_values(q_values, temperature, rng):
    p = np.exp(np.asarray(q_values, dtype=float) / temperature)
    return rng.choice(len(p), p=p / p.sum())


@faulty("ucb", "c-inside-the-root")
def constant_under_the_root(q_values, counts, step, c):
    counts = np.asarray(counts, dtype=float)
    if (counts == 0).any():
        return int(np.argmin(counts))
    return int(np.argmax(np.asarray(q_values) + np.sqrt(c * np.log(step) / counts)))


@faulty("polyak-update", "online-not-weighed")
def online_added_whole(target, online, tau):
    with torch.no_grad():
        for t, o in zip(target.parameters(), online.parameters(), strict=True):
            t.copy_((1 - tau) * t + o)


@faulty("running-normaliser", "variance-for-deviation")
class DividedByTheVariance:
    def __init__(self, shape):
        self.rows, self.shape = [], shape

    def update(self, batch):
        self.rows.extend(np.array(batch))

    def normalise(self, x):
        data = np.array(self.rows)
        return (x - data.mean(0)) / (data.var(0) + 1e-8)


@faulty("replay-buffer", "references-stored")
class KeepsWhatItIsGiven:
    def __init__(self, capacity):
        self.memory = deque(maxlen=capacity)

    def add(self, obs, action, reward, next_obs, terminated, truncated):
        self.memory.append((obs, action, reward, next_obs, terminated, truncated))

    def sample(self, n):
        rows = random.choices(self.memory, k=n)
        return tuple(np.array(column) for column in zip(*rows, strict=True))


@correct("replay-buffer")
class CopiesWhatItIsGiven:
    """One object a transition, a list of them as the sample."""

    def __init__(self, max_size):
        self.memory = deque(maxlen=max_size)

    def append(self, observation, action, reward, next_observation, terminated, truncated):
        row = {"observation": np.copy(observation), "action": action, "reward": reward}
        row |= {"next_observation": np.copy(next_observation)}
        row |= {"terminated": terminated, "truncated": truncated}
        self.memory.append(row)

    def sample(self, n):
        return random.choices(self.memory, k=n)
