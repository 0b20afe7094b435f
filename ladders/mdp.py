"""A finite Markov decision process with exact solutions, termination and truncation kept apart.

Equations, for a policy pi and the optimal policy (Sutton & Barto 2018, chapters 3 and 4):

    Q(s, a)  = R(s, a) + gamma * (1 - terminated(s, a)) * sum_s' P(s' | s, a) * V(s')
    V_pi(s)  = sum_a pi(a | s) Q_pi(s, a)            V*(s) = max_a Q*(s, a)

`truncated` marks transitions at which an episode is cut by a time limit: the state that was reached
keeps its value, so truncation does not appear in the equations (Pardo et al. 2018, arXiv:1712.00378).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class MDP:
    """One finite MDP.

    Args:
        transitions: [S, A, S] probability that the observation after (s, a) is s'. At a terminating
            transition this is the final observation, whose value a correct learner never uses.
        rewards: [S, A] reward for (s, a).
        terminated: [S, A] bool, (s, a) ends the episode for good.
        truncated: [S, A] bool, (s, a) is cut by a time limit.
        start: [S] distribution of the first state.
        names: one name a state.
    """

    transitions: np.ndarray
    rewards: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    start: np.ndarray
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        n_states, n_actions = self.rewards.shape
        if self.transitions.shape != (n_states, n_actions, n_states):
            raise ValueError(
                f"transitions: expected shape {(n_states, n_actions, n_states)} to match rewards, "
                f"got {self.transitions.shape}"
            )
        if not np.allclose(self.transitions.sum(axis=-1), 1.0):
            raise ValueError("transitions: every row P(. | s, a) must sum to 1")
        if not np.isclose(self.start.sum(), 1.0):
            raise ValueError(f"start: must sum to 1, sums to {self.start.sum():g}")

    @property
    def n_states(self) -> int:
        """Number of states S."""
        return self.rewards.shape[0]

    @property
    def n_actions(self) -> int:
        """Number of actions A."""
        return self.rewards.shape[1]

    @property
    def behind_limits(self) -> np.ndarray:
        """[S] bool, the states that a time limit cuts off an episode in front of."""
        return (self.truncated[:, :, None] * self.transitions).any(axis=(0, 1))

    def continuation(self, gamma: float) -> np.ndarray:
        """[S, A, S] weight of V(s') in the Bellman equation: gamma * (1 - terminated) * P."""
        return gamma * (1.0 - self.terminated)[:, :, None] * self.transitions


def policy_evaluation(
    rewards: np.ndarray, continuation: np.ndarray, policy: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Exact value of a policy, by one linear solve: V = (I - C_pi)^-1 R_pi.

    Args:
        rewards: [S, A].
        continuation: [S, A, S] weight of V(s') after (s, a), discount and masks included.
        policy: [S, A] probabilities.

    Returns:
        V [S] and Q [S, A].

    References: Sutton & Barto 2018, equation 4.4 as a linear system.
    """
    continuation_pi = np.einsum("sa,sat->st", policy, continuation)
    rewards_pi = np.einsum("sa,sa->s", policy, rewards)
    values = np.linalg.solve(np.eye(len(rewards)) - continuation_pi, rewards_pi)
    return values, rewards + continuation @ values


def greedy(q_values: np.ndarray, tolerance: float = 1e-9) -> np.ndarray:
    """[S, A] policy that shares its probability among the actions that maximise Q."""
    best = q_values >= q_values.max(axis=-1, keepdims=True) - tolerance
    return best / best.sum(axis=-1, keepdims=True)


def optimal_control(rewards: np.ndarray, continuation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Exact optimal values by policy iteration.

    Args:
        rewards: [S, A].
        continuation: [S, A, S] weight of V(s') after (s, a).

    Returns:
        V* [S] and Q* [S, A].

    References: Howard 1960; Sutton & Barto 2018, section 4.3.
    """
    policy = np.full(rewards.shape, 1.0 / rewards.shape[1])
    for _ in range(10 * len(rewards)):
        values, q_values = policy_evaluation(rewards, continuation, policy)
        improved = greedy(q_values)
        if np.array_equal(improved, policy):
            break
        policy = improved
    return values, q_values


def sweeps(rewards: np.ndarray, continuation: np.ndarray, count: int) -> np.ndarray:
    """[S, A] action values after `count` sweeps of value iteration from V = 0.

    A learner whose information has travelled `count` steps so far believes this.
    """
    q_values = np.zeros_like(rewards)
    for _ in range(count):
        q_values = rewards + continuation @ q_values.max(axis=-1)
    return q_values
