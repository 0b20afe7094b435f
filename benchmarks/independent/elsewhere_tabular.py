"""Dynamic programming and tables as other code bases write them."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.independent.records import correct, faulty

# --- policy-evaluation ----------------------------------------------------------------------------


@correct("policy-evaluation")
def gauss_seidel_in_place(P, R, pi, gamma=0.9, theta=1e-8):
    n_states, n_actions, _ = P.shape
    V = np.zeros(n_states)
    while True:
        delta = 0.0
        for s in range(n_states):
            old, new = V[s], 0.0
            for a in range(n_actions):
                for s2 in range(n_states):
                    r = R[s, a] if np.ndim(R) == 2 else R[s, a, s2]
                    new += pi[s, a] * P[s, a, s2] * (r + gamma * V[s2])
            V[s] = new
            delta = max(delta, abs(new - old))
        if delta < theta:
            return V


@correct("policy-evaluation")
def neumann_series_by_squaring(transition_probs, reward, policy, discount):
    """(I - gamma P)^-1 = prod_k (I + (gamma P)^(2^k))."""
    p = torch.einsum("sa,sat->st", policy, transition_probs)
    r = torch.einsum("sa,sa->s", policy, reward)
    power, values = discount * p, r
    for _ in range(40):
        values = values + power @ values
        power = power @ power
    return values


@faulty("policy-evaluation", "stopped-early")
def ten_sweeps(P, R, policy, gamma):
    V = np.zeros(len(P))
    for _ in range(10):
        V = np.einsum("sa,sa->s", policy, R + gamma * P @ V)
    return V


@faulty("policy-evaluation", "transitions-transposed")
def solve_with_the_transpose(P, R, policy, gamma):
    p = np.einsum("sa,sat->ts", policy, P)
    return np.linalg.solve(np.eye(len(P)) - gamma * p, (policy * R).sum(1))


@faulty("policy-evaluation", "policy-as-deterministic")
def argmax_of_the_policy(P, R, pi, gamma):
    rows, best = np.arange(len(P)), pi.argmax(1)
    return np.linalg.solve(np.eye(len(P)) - gamma * P[rows, best], R[rows, best])


# --- value-iteration ------------------------------------------------------------------------------


@correct("value-iteration")
def policy_iteration_by_howard(P, R, gamma):
    n, policy = len(P), np.zeros(len(P), dtype=int)
    rows = np.arange(n)
    while True:
        V = np.linalg.solve(np.eye(n) - gamma * P[rows, policy], R[rows, policy])
        Q = R + gamma * P @ V
        better = np.where(Q.max(1) > Q[rows, policy] + 1e-12, Q.argmax(1), policy)
        if (better == policy).all():
            return V, policy
        policy = better


@correct("value-iteration")
def q_iteration(
    transition_model, reward_model, discount_factor, tolerance=1e-9, max_iterations=100_000
):
    Q = np.zeros(transition_model.shape[:2])
    for _ in range(max_iterations):
        V = Q.max(axis=1)
        new = reward_model + discount_factor * np.tensordot(transition_model, V, axes=([2], [0]))
        done = np.abs(new - Q).max() < tolerance
        Q = new
        if done:
            break
    return {"values": Q.max(axis=1), "policy": Q.argmax(axis=1)}


@faulty("value-iteration", "own-value-bootstrap")
def present_state_instead_of_next(P, R, gamma):
    V = np.zeros(len(P))
    for _ in range(5000):
        V = np.max(
            [(P[:, a] * (R[:, [a]] + gamma * V[:, None])).sum(1) for a in range(R.shape[1])], axis=0
        )
    return V


@faulty("value-iteration", "falling-values-stop-it")
def signed_difference(P, R, gamma, theta=1e-9):
    V = np.full(len(P), 0.0)
    while True:
        new = (R + gamma * P @ V).max(1)
        if (new - V).max() < theta:
            return new
        V = new


@faulty("value-iteration", "policy-ignores-the-future")
def greedy_in_the_reward(P, R, gamma):
    V = np.zeros(len(P))
    for _ in range(10_000):
        new = (R + gamma * P @ V).max(1)
        if np.abs(new - V).max() < 1e-10:
            break
        V = new
    return V, R.argmax(1)


@faulty("value-iteration", "mean-for-max")
def average_over_actions(transitions, rewards, gamma):
    values = np.zeros(transitions.shape[0])
    for _ in range(5000):
        values = (rewards + gamma * transitions @ values).mean(axis=1)
    return values


# --- tabular-update -------------------------------------------------------------------------------


class QLearner:
    """Holds its rates; the table comes from outside."""

    def __init__(self, alpha: float, gamma: float) -> None:
        self.alpha = alpha
        self.gamma = gamma

    def update(self, q_table, state, action, reward, next_state, terminated):
        best = 0.0 if terminated else max(q_table[next_state])
        q_table[state][action] += self.alpha * (reward + self.gamma * best - q_table[state][action])
        return q_table


rates_held_by_an_object = correct(
    "tabular-update", constants={"learning_rate": 0.25, "gamma": 0.9}
)(QLearner(0.25, 0.9).update)


@correct("tabular-update")
def sarsa_by_convex_combination(Q, s, a, r, s_next, a_next, done, alpha=0.1, gamma=0.99):
    target = r + (not done) * gamma * Q[s_next, a_next]
    Q[s, a] = (1 - alpha) * Q[s, a] + alpha * target


@correct("tabular-update")
def expected_value_of_the_policy(
    q, state, action, reward, next_state, next_policy, terminal, lr, gamma
):
    new = np.array(q, copy=True)
    new[state, action] += lr * (
        reward + gamma * (1 - terminal) * (next_policy @ q[next_state]) - q[state, action]
    )
    return new


@faulty("tabular-update", "learning-rate-on-target-parts")
def rate_on_the_reward_only(Q, s, a, r, s_next, done, alpha, gamma):
    Q[s, a] = Q[s, a] + alpha * r + gamma * (1 - done) * np.max(Q[s_next]) - Q[s, a]
    return Q


@faulty("tabular-update", "maximum-over-the-table")
def best_of_the_whole_table(
    q_table, state, action, reward, next_state, terminated, learning_rate, gamma
):
    target = reward + gamma * (1 - terminated) * np.max(q_table)
    q_table[state, action] += learning_rate * (target - q_table[state, action])
    return q_table


@faulty("tabular-update", "whole-row-changed")
def row_of_the_state(Q, state, action, reward, next_state, terminated, lr, gamma):
    target = reward + gamma * (1 - terminated) * Q[next_state].max()
    Q[state] += lr * (target - Q[state])
    return Q


@faulty("tabular-update", "index-for-value")
def argmax_as_value(Q, state, action, reward, next_state, done, lr, gamma):
    best = np.argmax(Q[next_state])
    Q[state, action] += lr * (reward + gamma * best * (not done) - Q[state, action])
    return Q
