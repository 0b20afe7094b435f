"""Dynamic programming and tables of action values."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import torch

from benchmarks.independent.records import correct, faulty

# --- policy evaluation ----------------------------------------------------------------------------


@correct("policy-evaluation")
def linear_solve(transitions, rewards, policy, gamma):
    if rewards.ndim == 3:
        rewards = np.einsum("sat,sat->sa", transitions, rewards)
    p = np.einsum("sa,sat->st", policy, transitions)
    r = (policy * rewards).sum(1)
    return np.linalg.solve(np.eye(len(r)) - gamma * p, r)


@correct("policy-evaluation")
def sweeps(P, R, pi, gamma, theta=1e-10):
    values = np.zeros(P.shape[0])
    while True:
        change = 0.0
        for s in range(P.shape[0]):
            old, new = values[s], 0.0
            for a in range(P.shape[1]):
                for t in range(P.shape[2]):
                    r = R[s, a] if R.ndim == 2 else R[s, a, t]
                    new += pi[s, a] * P[s, a, t] * (r + gamma * values[t])
            values[s] = new
            change = max(change, abs(old - new))
        if change < theta:
            return values


@faulty("policy-evaluation", "falling-values-stop-it")
def signed_difference(transitions, rewards, policy, gamma):
    expected = (transitions * rewards).sum(-1) if rewards.ndim == 3 else rewards
    v = np.zeros(len(policy))
    while True:
        new = (policy * (expected + gamma * transitions @ v)).sum(1)
        if (new - v).max() < 1e-8:
            return new
        v = new


@faulty("policy-evaluation", "best-action-for-policy")
def greedy_backup(transitions, rewards, policy, gamma):
    expected = (transitions * rewards).sum(-1) if rewards.ndim == 3 else rewards
    v = np.zeros(len(policy))
    for _ in range(3000):
        v = (expected + gamma * transitions @ v).max(axis=1)
    return v


@faulty("policy-evaluation", "transitions-transposed")
def reversed_chain(transitions, rewards, policy, gamma):
    expected = (transitions * rewards).sum(-1) if rewards.ndim == 3 else rewards
    chain = np.einsum("sa,sat->ts", policy, transitions)
    r = (policy * expected).sum(1)
    return np.linalg.solve(np.eye(len(r)) - gamma * chain, r)


@faulty("policy-evaluation", "gamma-on-reward")
def brackets_in_the_wrong_place(transitions, rewards, policy, gamma):
    expected = (transitions * rewards).sum(-1) if rewards.ndim == 3 else rewards
    v = np.zeros(len(policy))
    for _ in range(3000):
        v = (policy * gamma * (expected + transitions @ v)).sum(1)
    return v


@faulty("policy-evaluation", "rewards-not-under-policy")
def rewards_averaged(transitions, rewards, policy, gamma):
    expected = (transitions * rewards).sum(-1) if rewards.ndim == 3 else rewards
    chain = np.einsum("sa,sat->st", policy, transitions)
    return np.linalg.solve(np.eye(len(chain)) - gamma * chain, expected.mean(1))


# --- value iteration ------------------------------------------------------------------------------


@correct("value-iteration")
def vectorised(transitions, rewards, gamma):
    expected = (transitions * rewards).sum(-1) if rewards.ndim == 3 else rewards
    v = np.zeros(transitions.shape[0])
    while True:
        q = expected + gamma * transitions @ v
        new = q.max(axis=1)
        if np.abs(new - v).max() < 1e-10:
            return new, q.argmax(axis=1)
        v = new


@correct("value-iteration")
def policy_iteration(P, R, gamma):
    n_states = P.shape[0]
    r = (P * R).sum(-1) if R.ndim == 3 else R
    pi = np.zeros(n_states, dtype=int)
    while True:
        here = np.arange(n_states)
        v = np.linalg.solve(np.eye(n_states) - gamma * P[here, pi], r[here, pi])
        q = r + gamma * P @ v
        better = np.where(q.max(1) > q[here, pi] + 1e-10, q.argmax(1), pi)
        if (better == pi).all():
            return v
        pi = better


@correct("value-iteration")
def jax_fixed_sweeps(transitions, rewards, gamma, max_iterations=4000):
    expected = jnp.sum(transitions * rewards, axis=-1) if rewards.ndim == 3 else rewards
    v = jnp.zeros(transitions.shape[0])
    for _ in range(max_iterations):
        new = jnp.max(expected + gamma * transitions @ v, axis=1)
        if jnp.max(jnp.abs(new - v)) < 1e-12:
            break
        v = new
    return v


@faulty("value-iteration", "maximum-starts-at-zero")
def best_starts_at_zero(transitions, rewards, gamma):
    n_states, n_actions, _ = transitions.shape
    expected = (transitions * rewards).sum(-1) if rewards.ndim == 3 else rewards
    v = np.zeros(n_states)
    for _ in range(1000):
        delta = 0.0
        for s in range(n_states):
            best = 0.0
            for a in range(n_actions):
                best = max(best, expected[s, a] + gamma * transitions[s, a] @ v)
            delta = max(delta, abs(best - v[s]))
            v[s] = best
        if delta < 1e-10:
            break
    return v


@faulty("value-iteration", "one-state-stops-it")
def minimum_of_the_changes(transitions, rewards, gamma):
    expected = (transitions * rewards).sum(-1) if rewards.ndim == 3 else rewards
    v = np.zeros(len(transitions))
    for _ in range(5000):
        new = (expected + gamma * transitions @ v).max(1)
        small = np.abs(new - v) < 1e-8
        v = new
        if small.any():
            break
    return v


@faulty("value-iteration", "maxima-taken-apart")
def two_maxima(transitions, rewards, gamma):
    expected = (transitions * rewards).sum(-1) if rewards.ndim == 3 else rewards
    v = np.zeros(len(transitions))
    for _ in range(4000):
        new = expected.max(1) + gamma * (transitions @ v).max(1)
        if np.abs(new - v).max() < 1e-11:
            break
        v = new
    return v


@faulty("value-iteration", "policy-ignores-the-future")
def greedy_in_rewards(transitions, rewards, gamma):
    expected = (transitions * rewards).sum(-1) if rewards.ndim == 3 else rewards
    v = np.zeros(len(transitions))
    while True:
        new = (expected + gamma * transitions @ v).max(1)
        if np.abs(new - v).max() < 1e-11:
            return new, expected.argmax(1)
        v = new


@faulty("value-iteration", "stopped-early")
def ten_sweeps(transitions, rewards, gamma):
    expected = (transitions * rewards).sum(-1) if rewards.ndim == 3 else rewards
    v = np.zeros(len(transitions))
    for _ in range(10):
        v = (expected + gamma * transitions @ v).max(1)
    return v


# --- updates of a table ---------------------------------------------------------------------------


@correct("tabular-update")
def q_learning(q_table, state, action, reward, next_state, terminated, learning_rate, gamma):
    q_table = q_table.copy()
    best = 0.0 if terminated else q_table[next_state].max()
    q_table[state, action] += learning_rate * (reward + gamma * best - q_table[state, action])
    return q_table


@correct("tabular-update", dialect={"update": "in place"})
def sarsa_in_place(q, s, a, r, next_s, next_a, done, alpha, gamma):
    target = r + (0 if done else gamma * q[next_s, next_a])
    q[s, a] = (1 - alpha) * q[s, a] + alpha * target


@correct("tabular-update")
def torch_q_learning(q_values, obs, action, reward, next_obs, terminated, lr, discount):
    table = q_values.clone()
    follow = table[next_obs].max() * (1.0 - float(terminated))
    table[obs, action] = torch.lerp(table[obs, action], reward + discount * follow, lr)
    return table


@faulty("tabular-update", "index-for-value")
def argmax_for_max(q_table, state, action, reward, next_state, terminated, learning_rate, gamma):
    q = q_table.copy()
    target = reward + gamma * np.argmax(q[next_state]) * (1 - terminated)
    q[state, action] += learning_rate * (target - q[state, action])
    return q


@faulty("tabular-update", "own-state-bootstrap")
def current_state_again(
    q_table, state, action, reward, next_state, terminated, learning_rate, gamma
):
    q = q_table.copy()
    target = reward + gamma * np.max(q[state]) * (not terminated)
    q[state, action] += learning_rate * (target - q[state, action])
    return q


@faulty("tabular-update", "learning-rate-on-target-parts")
def brackets_after_the_reward(
    q_table, state, action, reward, next_state, terminated, learning_rate, gamma
):
    q = q_table.copy()
    best = 0.0 if terminated else q[next_state].max()
    q[state, action] += learning_rate * reward + gamma * best - q[state, action]
    return q


@faulty("tabular-update", "whole-row-changed")
def missing_action_index(
    q_table, state, action, reward, next_state, terminated, learning_rate, gamma
):
    q = q_table.copy()
    target = reward + gamma * q[next_state].max() * (1 - terminated)
    q[state] += learning_rate * (target - q[state, action])
    return q


@faulty("tabular-update", "next-action-ignored")
def sarsa_with_a_maximum(
    q_table, state, action, reward, next_state, next_action, terminated, learning_rate, gamma
):
    q = q_table.copy()
    target = reward + gamma * np.max(q[next_state]) * (1 - terminated)
    q[state, action] += learning_rate * (target - q[state, action])
    return q


@faulty("tabular-update", "error-sign-flipped")
def step_away(q_table, state, action, reward, next_state, terminated, learning_rate, gamma):
    q = q_table.copy()
    target = reward + (0.0 if terminated else gamma * q[next_state].max())
    q[state, action] += learning_rate * (q[state, action] - target)
    return q
