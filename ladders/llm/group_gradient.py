"""The expected gradient of group-relative policy gradients, by enumerating every group.

On a bandit with policy pi = softmax(theta), a group of G draws gives the update

    g = 1/G sum_i A_i (onehot(a_i) - pi)

Its expectation is the true gradient for a leave-one-out baseline, (G - 1)/G of it for the mean of the
group, and for rewards of 0 and 1 with standard deviation c(p, G) times the gradient of the success
probability p.

References: Kool et al. 2019, "Buy 4 REINFORCE samples"; Davis and Recht 2025, arXiv:2510.13651.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from math import comb, prod, sqrt

import numpy as np

GroupUpdate = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(actions [G], rewards [G]) -> [A] the update of the logits, that is minus the loss's gradient."""


def expected_update(
    probabilities: np.ndarray, rewards: np.ndarray, group_size: int, update: GroupUpdate
) -> np.ndarray:
    """[A] the mean of the update over all A^G groups.

    Args:
        probabilities: [A] pi.
        rewards: [A] of each action.
        group_size: G.
        update: what the subject does with one group.
    """
    total = np.zeros_like(probabilities)
    for group in product(range(len(probabilities)), repeat=group_size):
        actions = np.array(group)
        total += prod(probabilities[actions]) * update(actions, rewards[actions])
    return total


def true_gradient(probabilities: np.ndarray, rewards: np.ndarray) -> np.ndarray:
    """[A] the gradient of E_pi[r] with respect to the logits: pi_a (r_a - E_pi[r])."""
    return probabilities * (rewards - probabilities @ rewards)


def reference_update(
    probabilities: np.ndarray, advantages: Callable[..., np.ndarray]
) -> GroupUpdate:
    """The update that the definition gives, for advantages [G] from rewards [G]."""

    def update(actions: np.ndarray, rewards: np.ndarray) -> np.ndarray:
        scores = np.eye(len(probabilities))[actions] - probabilities
        return advantages(rewards) @ scores / len(actions)

    return update


def binary_factor(p: float, group_size: int, *, ddof: int) -> float:
    """c(p, G): E[g] = c * grad p, for rewards of 0 and 1 normalised by the group's deviation.

        c = 1 / (G p (1 - p)) sum_{k=1}^{G-1} C(G, k) p^k (1-p)^{G-k} sqrt(k (G - k))     (ddof 0)

    and sqrt((G - 1) / G) times that with ddof 1. For G = 2 and ddof 0 it is 1, whatever p.
    """
    total = sum(
        comb(group_size, k) * p**k * (1 - p) ** (group_size - k) * sqrt(k * (group_size - k))
        for k in range(1, group_size)
    )
    factor = total / (group_size * p * (1 - p))
    return factor * sqrt((group_size - ddof) / group_size)
