"""One-step targets of value-based learning, and the dueling combination.

Rows are transitions: `[B]` or any shape, with action values one axis longer (`[B, A]`). A target is
data for a loss, so it carries no gradient. `terminated` takes the bootstrap away; `truncated` does
not, and is named in every signature to say so: a time limit is no part of the task.
"""

from __future__ import annotations

import torch
from torch import Tensor

from reference_agents._expect import expect_last_axis, expect_same_shape


@torch.no_grad()
def td_target(
    rewards: Tensor,
    next_values: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    *,
    gamma: float,
) -> Tensor:
    """Reward plus the discounted value of the next state.

        y = r + gamma * (1 - terminated) * V(s')

    Args:
        rewards:     [B]  r.
        next_values: [B]  V(s') of the state that the step really reached.
        terminated:  [B]  the step ended the episode: y = r.
        truncated:   [B]  the step was cut by a limit: the bootstrap stays.
        gamma: discount in [0, 1].

    Returns:
        [B] y.

    Raises:
        ValueError: the shapes differ.

    References: Sutton and Barto 2018, eq. 6.2; time limits: Pardo et al. 2018, arXiv:1712.00378.
    """
    expect_same_shape(
        "rewards", rewards, next_values=next_values, terminated=terminated, truncated=truncated
    )
    return torch.add(rewards, next_values.masked_fill(terminated.bool(), 0.0), alpha=gamma)


@torch.no_grad()
def q_learning_target(
    rewards: Tensor,
    next_q_values: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    *,
    gamma: float,
) -> Tensor:
    """Bellman optimality target: the best action follows.

        y = r + gamma * (1 - terminated) * max_a Q(s', a)

    Args:
        rewards:       [B]     r.
        next_q_values: [B, A]  Q(s', a) of the network that evaluates.
        terminated:    [B]     the step ended the episode: y = r.
        truncated:     [B]     the step was cut by a limit: the bootstrap stays.
        gamma: discount in [0, 1].

    Returns:
        [B] y.

    Raises:
        ValueError: the shapes do not match.

    References: Watkins and Dayan 1992; Mnih et al. 2015, eq. 1.
    """
    expect_last_axis("next_q_values", next_q_values, rewards=rewards)
    return td_target(rewards, next_q_values.amax(dim=-1), terminated, truncated, gamma=gamma)


@torch.no_grad()
def sarsa_target(
    rewards: Tensor,
    next_q_values: Tensor,
    next_actions: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    *,
    gamma: float,
) -> Tensor:
    """On-policy target: the action really taken next follows.

        y = r + gamma * (1 - terminated) * Q(s', a')

    Args:
        rewards:       [B]     r.
        next_q_values: [B, A]  Q(s', a).
        next_actions:  [B]     a', an index in [0, A).
        terminated:    [B]     the step ended the episode: y = r.
        truncated:     [B]     the step was cut by a limit: the bootstrap stays.
        gamma: discount in [0, 1].

    Returns:
        [B] y.

    Raises:
        ValueError: the shapes do not match.

    References: Sutton and Barto 2018, eq. 6.7.
    """
    expect_last_axis("next_q_values", next_q_values, rewards=rewards, next_actions=next_actions)
    next_values = next_q_values.gather(-1, next_actions.long().unsqueeze(-1)).squeeze(-1)
    return td_target(rewards, next_values, terminated, truncated, gamma=gamma)


@torch.no_grad()
def expected_sarsa_target(
    rewards: Tensor,
    next_q_values: Tensor,
    next_action_probabilities: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    *,
    gamma: float,
) -> Tensor:
    """Target under the mean over the policy's next action, without the noise of sampling it.

        y = r + gamma * (1 - terminated) * sum_a pi(a|s') Q(s', a)

    Args:
        rewards:                   [B]     r.
        next_q_values:             [B, A]  Q(s', a).
        next_action_probabilities: [B, A]  pi(a|s'), rows sum to 1.
        terminated:                [B]     the step ended the episode: y = r.
        truncated:                 [B]     the step was cut by a limit: the bootstrap stays.
        gamma: discount in [0, 1].

    Returns:
        [B] y; under the greedy policy this is the Q-learning target.

    Raises:
        ValueError: the shapes do not match.

    References: van Seijen et al. 2009; Sutton and Barto 2018, eq. 6.9.
    """
    expect_same_shape(
        "next_q_values", next_q_values, next_action_probabilities=next_action_probabilities
    )
    expect_last_axis("next_q_values", next_q_values, rewards=rewards)
    next_values = (next_action_probabilities * next_q_values).sum(dim=-1)
    return td_target(rewards, next_values, terminated, truncated, gamma=gamma)


@torch.no_grad()
def double_q_target(
    rewards: Tensor,
    next_q_online: Tensor,
    next_q_target: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    *,
    gamma: float,
) -> Tensor:
    """Double Q-learning target: one network selects the action, the other evaluates it.

        y = r + gamma * (1 - terminated) * Q_target(s', argmax_a Q_online(s', a))

    Args:
        rewards:       [B]     r.
        next_q_online: [B, A]  Q(s', a) of the network being learnt, which selects.
        next_q_target: [B, A]  Q(s', a) of the target network, which evaluates.
        terminated:    [B]     the step ended the episode: y = r.
        truncated:     [B]     the step was cut by a limit: the bootstrap stays.
        gamma: discount in [0, 1].

    Returns:
        [B] y, never above the Q-learning target of the target network.

    Raises:
        ValueError: the shapes do not match.

    References: van Hasselt et al. 2016, arXiv:1509.06461, eq. 4.
    """
    expect_same_shape("next_q_online", next_q_online, next_q_target=next_q_target)
    best = next_q_online.argmax(dim=-1)
    return sarsa_target(rewards, next_q_target, best, terminated, truncated, gamma=gamma)


@torch.no_grad()
def soft_q_target(
    rewards: Tensor,
    next_q1: Tensor,
    next_q2: Tensor,
    next_log_probs: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    *,
    gamma: float,
    alpha: float | Tensor,
) -> Tensor:
    """Target of soft actor-critic: the pessimistic twin, plus the entropy of the next action.

        y = r + gamma * (1 - terminated) * (min(Q1, Q2)(s', a') - alpha * log pi(a'|s'))

    Args:
        rewards:        [B]  r.
        next_q1:        [B]  Q1(s', a') of the first target critic, a' drawn from the policy.
        next_q2:        [B]  the same of the second.
        next_log_probs: [B]  log pi(a'|s').
        terminated:     [B]  the step ended the episode: neither value nor entropy follows.
        truncated:      [B]  the step was cut by a limit: the bootstrap stays.
        gamma: discount in [0, 1].
        alpha: temperature >= 0, a number or a tensor that broadcasts against [B].

    Returns:
        [B] y.

    Raises:
        ValueError: the shapes differ.

    References: Haarnoja et al. 2018, arXiv:1812.05905, eq. 3.
    """
    expect_same_shape(
        "rewards", rewards, next_q1=next_q1, next_q2=next_q2, next_log_probs=next_log_probs
    )
    next_values = torch.minimum(next_q1, next_q2) - alpha * next_log_probs
    return td_target(rewards, next_values, terminated, truncated, gamma=gamma)


def dueling_q(state_values: Tensor, action_advantages: Tensor) -> Tensor:
    """Action values from a state value and advantages that are centred to be identifiable.

        Q(s, a) = V(s) + A(s, a) - mean_b A(s, b)

    Part of a network, so unlike the targets it is differentiable.

    Args:
        state_values:      [B, 1]  V(s).
        action_advantages: [B, A]  A(s, a), determined up to a constant per state.

    Returns:
        [B, A] Q(s, a), whose mean over the actions is V(s).

    Raises:
        ValueError: `state_values` is not one column beside `action_advantages`.

    References: Wang et al. 2016, arXiv:1511.06581, eq. 9.
    """
    column = (*action_advantages.shape[:-1], 1)
    if state_values.shape != column:
        raise ValueError(
            f"`state_values` must be one column beside `action_advantages`, {column}, "
            f"it has shape {tuple(state_values.shape)}; keep its last axis, of size 1"
        )
    return state_values + action_advantages - action_advantages.mean(dim=-1, keepdim=True)
