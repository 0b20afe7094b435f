"""Exact solutions against definitions: brute-force enumeration and hand-computed numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ladders.mdp import MDP, greedy, optimal_control, policy_evaluation, sweeps


def random_mdp(seed: int, n_states: int = 5) -> MDP:
    rng = np.random.default_rng(seed)
    transitions = rng.dirichlet(np.ones(n_states), size=(n_states, 2))
    terminated = rng.random((n_states, 2)) < 0.3
    return MDP(
        transitions=transitions,
        rewards=rng.normal(size=(n_states, 2)),
        terminated=terminated,
        truncated=~terminated & (rng.random((n_states, 2)) < 0.3),
        start=np.full(n_states, 1 / n_states),
        names=tuple(f"s{i}" for i in range(n_states)),
    )


@given(st.integers(0, 10_000), st.floats(0.0, 0.95))
@settings(max_examples=50, deadline=None)
def test_values_satisfy_the_bellman_equations(seed, gamma):
    mdp = random_mdp(seed)
    flow = mdp.continuation(gamma)
    policy = np.random.default_rng(seed).dirichlet(np.ones(2), size=mdp.n_states)
    values, q_values = policy_evaluation(mdp.rewards, flow, policy)
    np.testing.assert_allclose(q_values, mdp.rewards + flow @ values, atol=1e-9)
    np.testing.assert_allclose(values, (policy * q_values).sum(1), atol=1e-9)
    best, best_q = optimal_control(mdp.rewards, flow)
    np.testing.assert_allclose(best, (mdp.rewards + flow @ best).max(1), atol=1e-8)
    assert (best >= values - 1e-9).all()
    np.testing.assert_allclose(sweeps(mdp.rewards, flow, 2_000).max(1), best, atol=1e-6)
    assert (greedy(best_q).sum(1) == 1).all()


def test_termination_zeroes_the_bootstrap_and_truncation_keeps_it():
    # Two states: 0 -> 1 by a truncated step, 1 -> 0 by a terminating one; reward 1 everywhere.
    transitions = np.zeros((2, 2, 2))
    transitions[0, :, 1] = transitions[1, :, 0] = 1.0
    ends = np.array([[False, False], [True, True]])
    mdp = MDP(transitions, np.ones((2, 2)), ends, ~ends, np.array([1.0, 0.0]), ("a", "b"))
    values, _ = optimal_control(mdp.rewards, mdp.continuation(0.9))
    np.testing.assert_allclose(values, [1 + 0.9 * 1, 1])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"transitions": np.ones((2, 2, 3))}, "transitions: expected shape"),
        ({"transitions": np.ones((2, 2, 2))}, "must sum to 1"),
        ({"start": np.array([1.0, 1.0])}, "start: must sum to 1"),
    ],
)
def test_inconsistent_tables_are_refused(change, text):
    flags = np.zeros((2, 2), dtype=bool)
    tables = {
        "transitions": np.full((2, 2, 2), 0.5),
        "rewards": np.zeros((2, 2)),
        "terminated": flags,
        "truncated": flags,
        "start": np.array([0.5, 0.5]),
        "names": ("a", "b"),
    }
    with pytest.raises(ValueError, match=text):
        MDP(**{**tables, **change})
