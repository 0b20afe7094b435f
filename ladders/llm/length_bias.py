"""Does a loss change the length of responses where length earns nothing?

The first token says right (reward 1) or wrong (reward 0); every later token is "more", with probability q
of the response's type, or "end", up to L tokens in all. No later token changes the reward, so the true
gradient with respect to both q is 0. Dividing each response's loss by its own length makes right answers
shorter and wrong ones longer; a mean over the tokens of a group still does, less; a constant divisor does
not.

References: Liu et al. 2025, arXiv:2503.20783, section 3.1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import NamedTuple

import numpy as np

TokenUpdate = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(rewards [G], mask [G, L]) -> [G, L] minus the loss's gradient in the tokens' log-probabilities,
on-policy."""


@dataclass(frozen=True)
class TypeThenLength:
    """The policy: probability of the right type, and of going on after each type."""

    right: float = 0.4
    go_on: float = 0.6
    longest: int = 4


class Drift(NamedTuple):
    """Expected change of the logit of going on, for each type."""

    after_right: float
    after_wrong: float


def expected_drift(policy: TypeThenLength, group_size: int, update: TokenUpdate) -> Drift:
    """The drift, over all groups of all responses.

    In the logit of q the score of "more" is 1 - q and that of "end" is -q.
    """
    drift = np.zeros(2)
    masks, scores, chances = _responses(policy)
    kinds = ((1.0, policy.right), (0.0, 1.0 - policy.right))
    cases = [
        (kind, row, chance * chances[row])
        for kind, (_, chance) in enumerate(kinds)
        for row in range(len(masks))
    ]
    for group in product(cases, repeat=group_size):
        rewards = np.array([kinds[kind][0] for kind, _, _ in group])
        rows = [row for _, row, _ in group]
        chance = prod(case[2] for case in group)
        moved = (update(rewards, masks[rows]) * scores[rows]).sum(axis=1)
        for (kind, _, _), change in zip(group, moved, strict=True):
            drift[kind] += chance * change
    return Drift(*drift.tolist())


def _responses(policy: TypeThenLength) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every continuation: mask [R, L], score of each token in the logit of q [R, L], chance [R]."""
    longest, more = policy.longest, policy.go_on
    masks, scores = np.ones((longest, longest), dtype=bool), np.full((longest, longest), 1.0 - more)
    chances = np.array(
        [more**k * (1.0 - more) for k in range(longest - 1)] + [more ** (longest - 1)]
    )
    scores[:, 0] = 0.0
    for k in range(longest - 1):  # k times "more", then "end"; the last row is cut instead
        masks[k, k + 2 :] = False
        scores[k, k + 1] = -more
    return masks, scores, chances


def policy_gradient_weights(aggregation: str, *, normalise: bool = False) -> TokenUpdate:
    """The update that the definition gives: A_i times the weight of each token.

    Args:
        aggregation: "seq-mean", "token-mean" or "constant" (the group times the longest length).
        normalise: divide the advantages by the group's standard deviation.
    """

    def update(rewards: np.ndarray, mask: np.ndarray) -> np.ndarray:
        advantages = rewards - rewards.mean()
        if normalise and rewards.std() > 0:
            advantages = advantages / rewards.std(ddof=1)
        weights = {
            "seq-mean": 1.0 / (len(mask) * mask.sum(axis=1, keepdims=True)),
            "token-mean": np.full((len(mask), 1), 1.0 / mask.sum()),
            "constant": np.full((len(mask), 1), 1.0 / mask.size),
        }[aggregation]
        return advantages[:, None] * weights * mask

    return update
