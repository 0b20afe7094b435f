"""Exact solutions of finite MDPs whose transitions and rewards are known.

`transitions[s, a, t]` is the probability of reaching t, and rewards are expected per state and
action, or per state, action and next state. Leading axes before these index independent MDPs.
A terminal state is one without anything after it: let its row of `transitions` be all zeros, or let
it lead to itself with reward 0.

References: Sutton and Barto 2018, chapter 4.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from reference_agents._expect import expect_in_range


class Solution(NamedTuple):
    """Optimal values [S] and a greedy action for every state [S]."""

    values: Tensor
    policy: Tensor


def expected_rewards(transitions: Tensor, rewards: Tensor) -> Tensor:
    """Rewards per state and action.

        R(s, a) = sum_t P(t|s, a) R(s, a, t)

    Args:
        transitions: [S, A, S]  P(t|s, a).
        rewards:     [S, A] or [S, A, S].

    Returns:
        [S, A] R(s, a).

    Raises:
        ValueError: `rewards` has neither shape.
    """
    if rewards.shape == transitions.shape:
        return (transitions * rewards).sum(dim=-1)
    if rewards.shape == transitions.shape[:-1]:
        return rewards
    raise ValueError(
        f"`rewards` must have shape [S, A] {tuple(transitions.shape[:-1])} or [S, A, S] "
        f"{tuple(transitions.shape)}, it has {tuple(rewards.shape)}; give one reward for each entry"
    )


def action_values(transitions: Tensor, rewards: Tensor, values: Tensor, *, gamma: float) -> Tensor:
    """Value of every action when `values` is what follows.

        Q(s, a) = R(s, a) + gamma * sum_t P(t|s, a) V(t)

    Args:
        transitions: [S, A, S]  P(t|s, a).
        rewards:     [S, A] or [S, A, S].
        values:      [S]  V.
        gamma: discount.

    Returns:
        [S, A] Q.
    """
    following = (transitions * values[..., None, None, :]).sum(dim=-1)
    return expected_rewards(transitions, rewards) + gamma * following


def policy_evaluation(
    transitions: Tensor, rewards: Tensor, policy: Tensor, *, gamma: float
) -> Tensor:
    """Values of a policy, from one linear solve.

        V = (I - gamma P_pi)^-1 R_pi,   P_pi(s, t) = sum_a pi(a|s) P(t|s, a)

    Args:
        transitions: [S, A, S]  P(t|s, a).
        rewards:     [S, A] or [S, A, S].
        policy:      [S, A]  pi(a|s), rows sum to 1.
        gamma: discount in [0, 1); 1 where the policy is sure to terminate.

    Returns:
        [S] V.

    Raises:
        ValueError: `rewards` has the wrong shape, or gamma is outside [0, 1].
    """
    expect_in_range("gamma", gamma, 0.0, 1.0)
    state_transitions = (policy[..., None] * transitions).sum(dim=-2)
    state_rewards = (policy * expected_rewards(transitions, rewards)).sum(dim=-1)
    identity = torch.eye(policy.shape[-2], dtype=policy.dtype, device=policy.device)
    return torch.linalg.solve(identity - gamma * state_transitions, state_rewards)


def policy_iteration(transitions: Tensor, rewards: Tensor, *, gamma: float) -> Solution:
    """Optimal values by evaluating a policy and acting greedily on it until nothing improves.

        pi'(s) = argmax_a Q_pi(s, a)

    Args:
        transitions: [S, A, S]  P(t|s, a).
        rewards:     [S, A] or [S, A, S].
        gamma: discount in [0, 1).

    Returns:
        `Solution(values, policy)`.

    Raises:
        ValueError: `rewards` has the wrong shape, or gamma is outside [0, 1).

    References: Howard 1960; Sutton and Barto 2018, section 4.3.
    """
    _expect_discounting(gamma)
    n_actions = transitions.shape[-2]
    best = expected_rewards(transitions, rewards).argmax(dim=-1)
    while True:
        policy = torch.nn.functional.one_hot(best, n_actions).to(transitions.dtype)
        values = policy_evaluation(transitions, rewards, policy, gamma=gamma)
        q_values = action_values(transitions, rewards, values, gamma=gamma)
        greedy = q_values.max(dim=-1)
        # Equally good actions differ by the rounding of the solve; changing between them for ever
        # would be no improvement.
        rounding = 100 * torch.finfo(values.dtype).eps * values.abs().amax(dim=-1, keepdim=True)
        better = greedy.values > values + rounding / (1.0 - gamma)
        if not better.any():
            return Solution(values, best)
        best = torch.where(better, greedy.indices, best)


def value_iteration(
    transitions: Tensor, rewards: Tensor, *, gamma: float, tolerance: float = 1e-10
) -> Solution:
    """Optimal values by repeating the Bellman optimality update.

        V_{k+1}(s) = max_a (R(s, a) + gamma * sum_t P(t|s, a) V_k(t))

    Stops when |V_{k+1} - V_k| <= tolerance * (1 - gamma) / gamma, which puts V_{k+1} within
    `tolerance` of the optimum, or when a sweep changes nothing beyond rounding.

    Args:
        transitions: [S, A, S]  P(t|s, a).
        rewards:     [S, A] or [S, A, S].
        gamma: discount in [0, 1).
        tolerance: largest error of the values.

    Returns:
        `Solution(values, policy)`.

    Raises:
        ValueError: `rewards` has the wrong shape, or gamma is outside [0, 1).

    References: Sutton and Barto 2018, section 4.4; stopping rule: Puterman 1994, theorem 6.3.1.
    """
    _expect_discounting(gamma)
    values = torch.zeros_like(transitions[..., 0, 0])
    largest_change = tolerance * (1.0 - gamma) / gamma if gamma > 0.0 else tolerance
    while True:
        q_values = action_values(transitions, rewards, values, gamma=gamma)
        new_values, policy = q_values.max(dim=-1)
        change = (new_values - values).abs().amax(dim=-1)
        rounding = 16 * torch.finfo(values.dtype).eps * new_values.abs().amax(dim=-1)
        values = new_values
        if (change <= rounding.clamp(min=largest_change)).all():
            return Solution(values, policy)


def _expect_discounting(gamma: float) -> None:
    """Without discounting a loop with reward has no value, and the search for it no end."""
    if not 0.0 <= gamma < 1.0:
        raise ValueError(
            f"`gamma` must lie in [0, 1), it is {gamma}; "
            "for an undiscounted task that surely ends take a number such as 0.999999"
        )
