"""Dynamic programming on random MDPs, against the Bellman equations and hand-worked chains."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_agents.dynamic_programming import (
    action_values,
    policy_evaluation,
    policy_iteration,
    value_iteration,
)

quick = settings(max_examples=40, deadline=None)
gammas = st.sampled_from([0.0, 0.5, 0.9, 0.99])


def random_mdp(seed: int, n_states: int = 4, n_actions: int = 3) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    transitions = draw(n_states, n_actions, n_states) ** 3
    policy = draw(n_states, n_actions)
    return (
        transitions / transitions.sum(-1, keepdim=True),
        draw(n_states, n_actions, n_states) - 0.5,
        policy / policy.sum(-1, keepdim=True),
    )


mdps = st.integers(0, 2**31).map(random_mdp)


def close(got: torch.Tensor, expected: torch.Tensor, atol: float = 1e-9) -> None:
    torch.testing.assert_close(got, expected, rtol=0.0, atol=atol)


@given(mdps, gammas)
@quick
def test_policy_evaluation_solves_the_bellman_equation(mdp, gamma):
    transitions, rewards, policy = mdp
    values = policy_evaluation(transitions, rewards, policy, gamma=gamma)
    for s in range(4):
        backup = sum(
            policy[s, a] * transitions[s, a, t] * (rewards[s, a, t] + gamma * values[t])
            for a in range(3)
            for t in range(4)
        )
        assert float(values[s]) == pytest.approx(float(backup), abs=1e-10)
    expected = (transitions * rewards).sum(-1)
    close(policy_evaluation(transitions, expected, policy, gamma=gamma), values)


@given(mdps, gammas)
@quick
def test_both_iterations_find_the_best_of_all_deterministic_policies(mdp, gamma):
    transitions, rewards, _ = mdp
    every_policy = torch.tensor(list(itertools.product(range(3), repeat=4)))
    one_hot = torch.nn.functional.one_hot(every_policy, 3).double()
    # The leading axis makes one batch of 81 evaluations.
    every_value = policy_evaluation(
        transitions.expand(81, -1, -1, -1), rewards.expand(81, -1, -1, -1), one_hot, gamma=gamma
    )
    best = every_value.max(0).values
    by_policies = policy_iteration(transitions, rewards, gamma=gamma)
    by_values = value_iteration(transitions, rewards, gamma=gamma)
    close(by_policies.values, best)
    close(by_values.values, best)
    for solution in (by_policies, by_values):
        chosen = torch.nn.functional.one_hot(solution.policy, 3).double()
        close(policy_evaluation(transitions, rewards, chosen, gamma=gamma), best)


def test_batches_of_mdps_are_solved_apart():
    mdps = [random_mdp(seed) for seed in range(3)]
    transitions = torch.stack([m[0] for m in mdps])
    rewards = torch.stack([m[1] for m in mdps])
    for solve in (policy_iteration, value_iteration):
        together = solve(transitions, rewards, gamma=0.9)
        for i, (alone_transitions, alone_rewards, _) in enumerate(mdps):
            alone = solve(alone_transitions, alone_rewards, gamma=0.9)
            close(together.values[i], alone.values)
            assert torch.equal(together.policy[i], alone.policy)


def test_a_chain_with_a_terminal_state():
    # State 0: stop for 1, or go on to state 1, which pays 2 at its end. State 2 is terminal.
    transitions = torch.zeros(3, 2, 3).double()
    transitions[0, 0, 2] = transitions[0, 1, 1] = transitions[1, :, 2] = 1.0
    rewards = torch.tensor([[1.0, 0.0], [2.0, 2.0], [0.0, 0.0]]).double()
    for gamma, values, action in ((0.9, [1.8, 2.0, 0.0], 1), (0.4, [1.0, 2.0, 0.0], 0)):
        for solve in (policy_iteration, value_iteration):
            solution = solve(transitions, rewards, gamma=gamma)
            close(solution.values, torch.tensor(values).double(), atol=1e-7)
            assert solution.policy[0] == action
    go_on = torch.tensor([[0.0, 1.0], [0.5, 0.5], [0.5, 0.5]]).double()
    undiscounted = policy_evaluation(transitions, rewards, go_on, gamma=1.0)
    assert undiscounted.tolist() == [2.0, 2.0, 0.0]


def test_equally_good_actions_do_not_keep_policy_iteration_busy():
    transitions = torch.full((5, 4, 5), 0.2, dtype=torch.float64)
    rewards = torch.full((5, 4), 0.35, dtype=torch.float64)
    solution = policy_iteration(transitions, rewards, gamma=0.999)
    close(solution.values, torch.full((5,), 350.0).double(), atol=1e-8)


@pytest.mark.parametrize("gamma", [0.9, 0.99])
def test_single_precision_stops_too(gamma):
    transitions, rewards, _ = random_mdp(7, n_states=30)
    exact = value_iteration(transitions, rewards, gamma=gamma).values
    got = value_iteration(transitions.float(), rewards.float(), gamma=gamma).values
    torch.testing.assert_close(got.double(), exact, rtol=1e-4, atol=1e-4 / (1 - gamma))


def test_action_values_are_consistent_with_values():
    transitions, rewards, policy = random_mdp(3)
    values = policy_evaluation(transitions, rewards, policy, gamma=0.9)
    q_values = action_values(transitions, rewards, values, gamma=0.9)
    close((policy * q_values).sum(-1), values)


def test_wrong_arguments_are_refused():
    transitions, rewards, policy = random_mdp(0)
    with pytest.raises(ValueError, match=r"`rewards` must have shape \[S, A\] \(4, 3\) or"):
        policy_evaluation(transitions, rewards[0], policy, gamma=0.9)
    with pytest.raises(ValueError, match=r"`gamma` must lie in \[0, 1\), it is 1\.0"):
        value_iteration(transitions, rewards, gamma=1.0)
