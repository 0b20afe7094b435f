"""Correct implementations of targets on rollouts, dynamic programming and tables, as people write them.

None of them may fail a check. They differ from the oracles in everything that may differ.
"""

from __future__ import annotations

import numpy as np

from property_tests.framework.records import Model


def n_step_backwards(rewards, next_values, terminated, truncated, gamma, n):
    """One more reward at a time: n - 1 sweeps of a one-step recursion."""
    one_step = rewards + gamma * next_values * ~terminated
    returns, ended = one_step, terminated | truncated
    for _ in range(n - 1):
        longer = np.vstack([rewards[:-1] + gamma * returns[1:], one_step[-1:]])
        returns = np.where(ended, one_step, longer)
    return returns


def n_step_list(rewards, values, last_value, dones, gamma, n_steps):
    """Plain Python over one trajectory, with values and one flag."""
    following, returns = [*values[1:], last_value], []
    for start in range(len(rewards)):
        total, discount, bootstrap = 0.0, 1.0, 0.0
        for k in range(start, min(start + n_steps, len(rewards))):
            total += discount * rewards[k]
            discount *= gamma
            bootstrap = following[k]
            if dones[k]:
                bootstrap = 0.0
                break
        returns.append(total + discount * bootstrap)
    return returns


def n_step_batch_first(n, gamma, not_dones, next_values, rewards):
    """`[B, T]` in single precision, parameters in another order, a mask that names the kept side."""
    rewards, reached = (np.asarray(x, dtype=np.float32) for x in (rewards, next_values))
    alive = np.asarray(not_dones, dtype=np.float32)
    assert rewards.ndim == 2
    returns = np.zeros_like(rewards)
    steps = rewards.shape[1]
    for t in range(steps):
        going, discount = np.ones_like(rewards[:, 0]), np.float32(1.0)
        for k in range(t, min(t + n, steps)):
            returns[:, t] += going * discount * rewards[:, k]
            discount *= np.float32(gamma)
            going = going * alive[:, k]
            last = k == min(t + n, steps) - 1
            returns[:, t] += last * going * discount * reached[:, k]
    return returns


def vtrace_backwards(
    rewards, values, next_values, log_probs, old_log_probs, terminated, truncated, gamma,
    rho_clip, c_clip,
):  # fmt: skip
    """The recursion of remark 1 of the paper."""
    ratio = np.exp(log_probs - old_log_probs)
    rho, c = np.minimum(ratio, rho_clip), np.minimum(ratio, c_clip)
    reached = next_values * ~terminated
    targets, advantages = np.zeros_like(values), np.zeros_like(values)
    excess, following = np.zeros_like(values[0]), reached[-1]
    for t in reversed(range(len(rewards))):
        ended = terminated[t] | truncated[t]
        following = np.where(ended, reached[t], following)
        excess = np.where(ended, 0.0, excess)
        delta = rho[t] * (rewards[t] + gamma * reached[t] - values[t])
        advantages[t] = rho[t] * (rewards[t] + gamma * following - values[t])
        excess = delta + gamma * c[t] * excess
        targets[t] = following = values[t] + excess
    return targets, advantages


def vtrace_from_weights(log_rhos, dones, rewards, values, bootstrap_value, gamma, rho_bar, c_bar):
    """Importance weights given, one flag, targets only."""
    weights, discounts = np.exp(log_rhos), gamma * (1.0 - dones)
    following = np.concatenate([values[1:], bootstrap_value[None]])
    delta = np.clip(weights, None, rho_bar) * (rewards + discounts * following - values)
    out, carried = [], 0.0
    for t in range(len(delta) - 1, -1, -1):
        carried = delta[t] + discounts[t] * min_of(c_bar, weights[t]) * carried
        out.append(carried + values[t])
    return np.stack(out[::-1])


def min_of(bound, weights):
    """The smaller of a number and each weight."""
    return np.where(weights > bound, bound, weights)


def dueling_rows(values, advantages):
    """Row by row, over lists."""
    rows = zip(values, advantages, strict=True)
    return [[v + a - sum(row) / len(row) for a in row] for (v,), row in rows]


def dueling_max(advantages, value):
    """The form with the maximum, parameters the other way round."""
    return value + (advantages - np.max(advantages, axis=-1, keepdims=True))


def dueling_flat_values(v, adv):
    """State values without a column."""
    return np.asarray(v)[:, np.newaxis] + adv - adv.mean(-1, keepdims=True)


def sweeps_in_place(policy, P, R, gamma, theta=1e-4):
    """Iterative evaluation, in place, with expected rewards."""
    values = np.zeros(len(P))
    while True:
        change = 0.0
        for s in range(len(P)):
            old = values[s]
            values[s] = sum(
                policy[s][a] * (R[s][a] + gamma * P[s][a] @ values) for a in range(len(P[s]))
            )
            change = max(change, abs(old - values[s]))
        if change < theta:
            return values


def sweeps_until_close(transitions, rewards, policy, discount):
    """Synchronous sweeps with rewards per transition, stopping at a thousandth."""
    values = np.zeros(transitions.shape[0])
    for _ in range(10_000):
        q_values = np.sum(transitions * (rewards + discount * values), axis=2)
        new = np.sum(policy * q_values, axis=1)
        if np.max(np.abs(new - values)) < 1e-3:
            return new
        values = new
    return values


def greedy_sweeps(transitions, rewards, gamma, max_iterations, tol):
    """Value iteration with the policy as a table of probabilities, policy first."""
    values = np.zeros(len(transitions))
    for _ in range(max_iterations):
        q_values = np.einsum("sat,sat->sa", transitions, rewards + gamma * values)
        new = q_values.max(axis=1)
        if np.abs(new - values).max() < tol:
            break
        values = new
    return np.eye(transitions.shape[1])[q_values.argmax(axis=1)], new


def improving_policies(rewards, transitions, gamma):
    """Policy iteration with expected rewards, equally good actions taken from the end."""
    states, actions = rewards.shape
    policy = np.zeros(states, dtype=int)
    while True:
        moves, earned = transitions[np.arange(states), policy], rewards[np.arange(states), policy]
        values = np.linalg.solve(np.eye(states) - gamma * moves, earned)
        q_values = (rewards + gamma * transitions @ values)[:, ::-1]
        better = actions - 1 - np.round(q_values, 9).argmax(axis=1)
        if (better == policy).all():
            return values, policy
        policy = better


def q_learning_in_place(q, state, action, reward, next_state, done, alpha, gamma):
    """Changes the table and returns nothing."""
    best_next = 0.0 if done else max(q[next_state])
    q[state][action] += alpha * (reward + gamma * best_next - q[state][action])


def sarsa_convex(q_table, s, a, r, next_s, next_a, terminated, lr, discount):
    """Old value and target weighted, in a copy."""
    new = np.array(q_table)
    target = r + (1 - terminated) * discount * q_table[next_s, next_a]
    new[s, a] = (1 - lr) * q_table[s, a] + lr * target
    return new


def expected_sarsa_error(
    learning_rate, gamma, terminated, truncated, reward, next_state, action, state,
    next_action_probabilities, q_table,
):  # fmt: skip
    """In place, returning the error."""
    follows = np.dot(next_action_probabilities, q_table[next_state])
    error = reward + gamma * (0.0 if terminated else follows) - q_table[state, action]
    q_table[state, action] += learning_rate * error
    return error


VARIANTS: dict[str, dict[str, Model]] = {
    "n-step-returns": {
        "one more reward at a time": n_step_backwards,
        "lists": n_step_list,
        "[B, T], float32": n_step_batch_first,
    },
    "vtrace": {
        "backward recursion": vtrace_backwards,
        "weights and one flag": vtrace_from_weights,
    },
    "dueling-q": {
        "lists": dueling_rows,
        "maximum": dueling_max,
        "flat values": dueling_flat_values,
    },
    "policy-evaluation": {
        "in-place sweeps": sweeps_in_place,
        "sweeps that stop at 0.001": sweeps_until_close,
    },
    "value-iteration": {
        "policy first, as probabilities": greedy_sweeps,
        "policy iteration": improving_policies,
    },
    "tabular-update": {
        "Q-learning in place": q_learning_in_place,
        "SARSA in a copy": sarsa_convex,
        "expected SARSA in place": expected_sarsa_error,
    },
}
