"""Mistakes of TD(lambda) returns that are written as a recursion on returns, not on advantages.

    G_t = r_t + gamma * (1 - terminated_t) * ((1 - lam) * V(s_{t+1}) + lam * G_{t+1})

with V(s_{t+1}) in the place of G_{t+1} at a cut. A mask that is forgotten here carries a whole return
over the end of the episode; in the recursion on advantages it carries a correction only.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from property_tests.framework.records import Array, Model


def _recursion(
    rewards: Array,
    next_values: Array,
    value_weight: Array,
    carry_weight: Array,
    cut: Array,
    carry: Array,
) -> Array:
    """G_t = r_t + value_weight_t * V(s_{t+1}) + carry_weight_t * (V(s_{t+1}) if cut_t else G_{t+1})."""
    returns = np.zeros(rewards.shape)
    for t in reversed(range(len(rewards))):
        carried = np.where(cut[t], next_values[t], carry)
        carry = rewards[t] + value_weight[t] * next_values[t] + carry_weight[t] * carried
        returns[t] = carry
    return returns


def _carry_not_masked(
    rewards: Any, next_values: Any, terminated: Any, truncated: Any, gamma: Any, lam: Any
) -> Array:
    alive, whole = 1.0 - terminated, np.full(rewards.shape, gamma * lam)
    first = alive[-1] * next_values[-1]
    only_cut = truncated & ~terminated
    return _recursion(rewards, next_values, gamma * (1 - lam) * alive, whole, only_cut, first)


def _carry_not_masked_from_the_value(
    rewards: Any, next_values: Any, terminated: Any, truncated: Any, gamma: Any, lam: Any
) -> Array:
    alive, whole = 1.0 - terminated, np.full(rewards.shape, gamma * lam)
    never = np.zeros(rewards.shape, bool)
    return _recursion(
        rewards, next_values, gamma * (1 - lam) * alive, whole, never, next_values[-1]
    )


def _value_not_masked(
    rewards: Any, next_values: Any, terminated: Any, truncated: Any, gamma: Any, lam: Any
) -> Array:
    alive, whole = 1.0 - terminated, np.full(rewards.shape, gamma * (1 - lam))
    return _recursion(rewards, next_values, whole, gamma * lam * alive, truncated, next_values[-1])


def _truncation_ignored(
    rewards: Any, next_values: Any, terminated: Any, truncated: Any, gamma: Any, lam: Any
) -> Array:
    alive = gamma * (1.0 - terminated)
    never = np.zeros(rewards.shape, bool)
    return _recursion(rewards, next_values, (1 - lam) * alive, lam * alive, never, next_values[-1])


def _starts_from_nothing(
    rewards: Any, next_values: Any, terminated: Any, truncated: Any, gamma: Any, lam: Any
) -> Array:
    alive = gamma * (1.0 - terminated)
    inside = truncated.copy()
    inside[-1] = False
    nothing = np.zeros_like(next_values[-1])
    return _recursion(rewards, next_values, (1 - lam) * alive, lam * alive, inside, nothing)


def _carry_undiscounted(
    rewards: Any, next_values: Any, terminated: Any, truncated: Any, gamma: Any, lam: Any
) -> Array:
    alive = 1.0 - terminated
    return _recursion(
        rewards, next_values, gamma * (1 - lam) * alive, lam * alive, truncated, next_values[-1]
    )


VARIANTS: dict[str, tuple[Model, ...]] = {
    "mask-only-on-bootstrap": (_carry_not_masked, _carry_not_masked_from_the_value),
    "terminal-bootstrap": (_value_not_masked,),
    "truncation-ignored": (_truncation_ignored,),
    "last-bootstrap-missing": (_starts_from_nothing,),
    "gamma-missing-in-trace": (_carry_undiscounted,),
}
"""Fault -> its models in this form."""
