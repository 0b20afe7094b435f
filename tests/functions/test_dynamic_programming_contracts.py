"""Policy evaluation and value iteration: correct ones pass, faults of one's own making are named."""

import numpy as np
import pytest
import torch
from policy_checks import few, verdict

from reference_agents import dynamic_programming


def loops(P, R, policy, gamma, theta=1e-6):
    """Nested loops over states, actions and next states, in place, rewards per transition."""
    V = [0.0] * len(P)
    while True:
        delta = 0.0
        for s in range(len(P)):
            v = 0.0
            for a, prob in enumerate(policy[s]):
                for t in range(len(P)):
                    v += prob * P[s][a][t] * (R[s][a][t] + gamma * V[t])
            delta = max(delta, abs(v - V[s]))
            V[s] = v
        if delta < theta:
            return V


def torch_sweeps(policy: torch.Tensor, rewards, transitions, discount, num_iterations):
    """A fixed number of sweeps in single precision, expected rewards."""
    policy, rewards, transitions = (x.float() for x in (policy, rewards, transitions))
    values = torch.zeros(rewards.shape[0])
    for _ in range(num_iterations):
        values = (policy * (rewards + discount * transitions @ values)).sum(1)
    return values


def actions_first(P, R, policy, gamma):
    """`[A, S, S]`, as toolboxes of operations research have it."""
    states = P.shape[1]
    moves, earned = np.zeros((states, states)), np.zeros(states)
    for a in range(P.shape[0]):
        moves += policy[:, [a]] * P[a]
        earned += policy[:, a] * R[:, a]
    return np.linalg.inv(np.eye(states) - gamma * moves) @ earned


@pytest.mark.parametrize(
    "function", [dynamic_programming.policy_evaluation, loops, torch_sweeps, actions_first]
)
def test_correct_evaluations_pass(function):
    assert verdict("policy-evaluation", function, examples=30) == ((), "")


def evaluation(backup, sweeps=400, signed=False):
    def evaluate(discount, policy, rewards, transitions):
        V = np.zeros(len(policy))
        for _ in range(sweeps):
            new = np.array(
                [backup(policy, rewards, transitions, discount, V, s) for s in range(len(V))]
            )
            change, V = (new - V if signed else np.abs(new - V)), new
            if change.max() < 1e-7:
                break
        return V

    return evaluate


def bellman(pi, r, p, g, v, s):
    return sum(pi[s, a] * p[s, a] @ (r[s, a] + g * v) for a in range(pi.shape[1]))


EVALUATIONS = {
    "best-action-for-policy": evaluation(
        lambda pi, r, p, g, v, s: max(p[s, a] @ (r[s, a] + g * v) for a in range(pi.shape[1]))
    ),
    "policy-ignored": evaluation(
        lambda pi, r, p, g, v, s: np.mean([p[s, a] @ (r[s, a] + g * v) for a in range(len(pi[0]))])
    ),
    "gamma-on-reward": evaluation(
        lambda pi, r, p, g, v, s: (
            g * sum(pi[s, a] * p[s, a] @ (r[s, a] + v) for a in range(len(pi[0])))
        )
    ),
    "transitions-transposed": evaluation(
        lambda pi, r, p, g, v, s: sum(
            pi[s, a] * (p[s, a] @ r[s, a] + g * p[:, a, s] @ v) for a in range(len(pi[0]))
        )
    ),
    "reward-not-weighted": evaluation(
        lambda pi, r, p, g, v, s: sum(
            pi[s, a] * (r[s, a, :].mean() + g * p[s, a] @ v) for a in range(len(pi[0]))
        )
    ),
    "policy-as-deterministic": evaluation(
        lambda pi, r, p, g, v, s: p[s, np.argmax(pi[s])] @ (r[s, np.argmax(pi[s])] + g * v)
    ),
    "stopped-early": evaluation(bellman, sweeps=3),
    "falling-values-stop-it": evaluation(bellman, signed=True),
}


@pytest.mark.parametrize("fault", few(EVALUATIONS, "policy-ignored", "stopped-early"))
def test_faulty_evaluations_are_caught_and_named(fault):
    failed, named = verdict("policy-evaluation", EVALUATIONS[fault], examples=30)
    assert failed
    assert named == fault


def book(transitions, rewards, gamma, theta=1e-4):
    """In place with loops; returns the policy first, as probabilities."""
    states, actions, _ = transitions.shape
    V = np.zeros(states)
    delta = 1.0
    while delta > theta:
        delta = 0.0
        for s in range(states):
            best = max(np.dot(transitions[s, a], rewards[s, a] + gamma * V) for a in range(actions))
            delta, V[s] = max(delta, abs(best - V[s])), best
    policy = np.zeros((states, actions))
    for s in range(states):
        q = [np.dot(transitions[s, a], rewards[s, a] + gamma * V) for a in range(actions)]
        policy[s, np.argmax(q)] = 1.0
    return policy, V


def with_count(P: torch.Tensor, R, gamma, tol=1e-5):
    V = torch.zeros(P.shape[0], dtype=torch.float32)
    for count in range(10_000):  # noqa: B007 (returned)
        new = (R.float() + gamma * P.float() @ V).max(dim=1).values
        if torch.max(torch.abs(new - V)) < tol:
            break
        V = new
    return new, count


@pytest.mark.parametrize(
    "function",
    [dynamic_programming.value_iteration, dynamic_programming.policy_iteration, book, with_count],
)
def test_correct_solvers_pass(function):
    assert verdict("value-iteration", function, examples=30) == ((), "")


def solver(best, extract=None, sweeps=400):
    def solve(rewards, transitions, gamma):
        v = np.zeros(len(rewards))
        for _ in range(sweeps):
            q = np.einsum("xay,xay->xa", transitions, rewards) + gamma * transitions @ v
            new = best(q, v)
            done, v = np.max(np.abs(new - v)) < 1e-8, new
            if done:
                break
        return (v, extract(q, rewards, transitions)) if extract else v

    return solve


SOLVERS = {
    "mean-for-max": solver(lambda q, v: np.mean(q, -1)),
    "min-for-max": solver(lambda q, v: np.min(q, -1)),
    "maximum-starts-at-zero": solver(lambda q, v: np.maximum(v, q.max(-1))),
    "only-the-first-action": solver(lambda q, v: q[:, -1]),
    "stopped-early": solver(lambda q, v: q.max(-1), sweeps=2),
    "policy-of-the-worst-action": solver(lambda q, v: q.max(-1), lambda q, r, p: q.argmin(-1)),
    "policy-ignores-the-future": solver(
        lambda q, v: q.max(-1), lambda q, r, p: (p * r).sum(-1).argmax(-1)
    ),
}


@pytest.mark.parametrize("fault", few(SOLVERS, "mean-for-max", "policy-of-the-worst-action"))
def test_faulty_solvers_are_caught_and_named(fault):
    failed, named = verdict("value-iteration", SOLVERS[fault], examples=30)
    assert failed
    assert named == fault


def test_a_gamma_of_one_is_refused_in_one_sentence():
    from rlcheck.errors import BindingError

    def undiscounted(transitions, rewards):
        return rewards

    with pytest.raises(BindingError, match=r"gamma must lie in \[0, 1\)"):
        verdict("value-iteration", undiscounted, constants={"gamma": 1.0})
