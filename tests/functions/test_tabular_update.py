"""Updates of tables: in place and copied, NumPy, torch and lists; faults of one's own are named."""

import copy

import numpy as np
import pytest
import torch
from policy_checks import verdict

import rlcheck
from reference_agents import tabular


def torch_in_place(q_table: torch.Tensor, state, action, reward, next_state, done, lr, gamma):
    with torch.no_grad():
        best = torch.zeros(()) if done else q_table[next_state].max()
        q_table[state, action] = q_table[state, action].lerp(reward + gamma * best.double(), lr)


def torch_copy(
    gamma, learning_rate, terminated, next_state, reward, action, state, q: torch.Tensor
):
    new = q.clone()
    new[state, action] += learning_rate * (
        reward + gamma * (1 - int(terminated)) * q[next_state].amax() - q[state, action]
    )
    return new


def lists(Q, s, a, r, s_next, terminal, alpha, gamma):
    Q = copy.deepcopy(Q)
    follows = 0 if terminal else gamma * max(Q[s_next])
    Q[s][a] = (1 - alpha) * Q[s][a] + alpha * (r + follows)
    return Q


def sarsa_in_place(Q, state, action, reward, next_state, next_action, done, alpha, gamma):
    td_error = reward + (0.0 if done else gamma * Q[next_state][next_action]) - Q[state][action]
    Q[state][action] += alpha * td_error
    return td_error


def table_and_error(
    q_table, state, action, reward, next_state, terminated, truncated, alpha, gamma
):
    q_table = q_table.astype(np.float32)
    follows = 0 if terminated else gamma * np.max(q_table[next_state])
    error = np.float32(reward + follows) - q_table[state, action]
    q_table[state, action] += np.float32(alpha) * error
    return q_table, error


def never_ends(q_table, state, action, reward, next_state, alpha, gamma):
    q_table[state, action] += alpha * (
        reward + gamma * q_table[next_state].max() - q_table[state, action]
    )
    return q_table


CORRECT = (
    tabular.q_learning_update, tabular.sarsa_update, tabular.expected_sarsa_update,
    torch_in_place, torch_copy, lists, sarsa_in_place, table_and_error, never_ends,
)  # fmt: skip


@pytest.mark.parametrize("function", CORRECT, ids=lambda f: f.__name__)
def test_correct_updates_pass(function):
    assert verdict("tabular-update", function, examples=40) == ((), "")


def made(target, step=lambda old, y, alpha: old + alpha * (y - old), place=lambda s, a, t: (s, a)):
    """Q-learning in place; the arguments are where it goes wrong."""

    def update(gamma, alpha, terminated, next_state, reward, action, state, Q):
        at = place(state, action, next_state)
        Q[at] = step(Q[at], target(Q, reward, gamma, terminated, state, action, next_state), alpha)

    return update


def right(Q, r, g, end, s, a, t):
    return r + g * (not end) * Q[t].max()


def greedy_sarsa(Q, s, a, r, next_s, next_a, done, lr, gamma):
    best = int(np.argmax(Q[next_s]))
    Q[s, a] += lr * (r + gamma * (1 - done) * Q[next_s, best] - Q[s, a])
    return Q


def merged(q_table, state, action, reward, next_state, terminated, truncated, alpha, gamma):
    table = q_table.copy()
    goes_on = not (terminated or truncated)
    table[state, action] += alpha * (
        reward + goes_on * gamma * q_table[next_state].max() - q_table[state, action]
    )
    return table


def lost(q_table, state, action, reward, next_state, done, alpha, gamma):
    table = q_table.copy()
    table[state, action] += alpha * (
        reward + (not done) * gamma * table[next_state].max() - table[state, action]
    )


FAULTY = {
    "terminal-bootstrap": made(lambda Q, r, g, end, s, a, t: r + g * np.max(Q[t])),
    "gamma-missing": made(lambda Q, r, g, end, s, a, t: r + (0 if end else Q[t].max())),
    "mean-for-max": made(lambda Q, r, g, end, s, a, t: r + (0 if end else g * Q[t].mean())),
    "index-for-value": made(lambda Q, r, g, end, s, a, t: r + (0 if end else g * Q[t].argmax())),
    "own-state-bootstrap": made(lambda Q, r, g, end, s, a, t: r + (0 if end else g * max(Q[s]))),
    "maximum-over-the-table": made(lambda Q, r, g, end, s, a, t: r + (0 if end else g * Q.max())),
    "learning-rate-ignored": made(right, lambda old, y, alpha: y),
    "error-sign-flipped": made(right, lambda old, y, alpha: old - alpha * (y - old)),
    "old-value-not-subtracted": made(right, lambda old, y, alpha: old + alpha * y),
    "whole-row-changed": made(right, place=lambda s, a, t: s),
    "wrong-entry": made(right, place=lambda s, a, t: (t, a)),
    "next-action-ignored": greedy_sarsa,
    "truncation-as-terminal": merged,
    "update-lost": lost,
}


@pytest.mark.parametrize("fault", FAULTY)
def test_faulty_updates_are_caught_and_named(fault):
    failed, named = verdict("tabular-update", FAULTY[fault], examples=40)
    assert failed
    assert named == fault


def test_a_pinned_copy_that_changes_its_argument_is_reported():
    report = rlcheck.check(
        never_ends, "tabular-update", dialect={"update": "copy"}, max_examples=20
    )
    assert report.verdict == "failed"
    failed = {result.check for result in report.results if result.status == "failed"}
    assert "tabular-update/one-table" in failed
    assert report.diagnosis[0].fault == "tabular-update/inputs-changed"


def test_the_convention_is_shown():
    report = rlcheck.check(sarsa_in_place, "tabular-update", max_examples=20)
    assert report.verdict == "passed"
    assert report.dialect["update"] == "in place"
