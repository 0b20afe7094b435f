"""Right and wrong advantages of groups, as functions of their rewards.

GRPO (Shao et al. 2024, section 4.1.1): A_i = (r_i - mean of its group) / (std of its group + eps).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

EPS = 1e-4
Advantages = Callable[[np.ndarray], np.ndarray]
"""[P, G] rewards, one row a prompt, in the order of sampling -> [P, G] advantages."""


def _scaled(rewards: np.ndarray, ddof: int) -> np.ndarray:
    spread = rewards.std(axis=1, ddof=ddof, keepdims=True)
    return (rewards - rewards.mean(axis=1, keepdims=True)) / (spread + EPS)


def _left_out(rewards: np.ndarray) -> np.ndarray:
    count = rewards.shape[1]
    return (rewards - rewards.mean(axis=1, keepdims=True)) * count / (count - 1)


def _whole(rewards: np.ndarray, ddof: int = 1) -> np.ndarray:
    return (rewards - rewards.mean()) / (rewards.std(ddof=ddof) + EPS)


def _batch_scale(rewards: np.ndarray) -> np.ndarray:
    return (rewards - rewards.mean(axis=1, keepdims=True)) / (rewards.std(ddof=1) + EPS)


def _regrouped(rewards: np.ndarray) -> np.ndarray:
    """Groups formed across prompts: the flat rewards are viewed as [G, P] and taken by column."""
    across = rewards.reshape(rewards.shape[::-1]).T
    return _scaled(across, 1).T.reshape(rewards.shape)


VARIANTS: Mapping[str, Advantages] = {
    "scaled by the group": lambda rewards: _scaled(rewards, 1),
    "scaled by the group (ddof 0)": lambda rewards: _scaled(rewards, 0),
    "centred": lambda rewards: rewards - rewards.mean(axis=1, keepdims=True),
    "scaled by the batch": _batch_scale,
    "leave-one-out": _left_out,
    "leave-one-out, scaled by the batch": lambda rewards: _whole(_left_out(rewards)),
}
"""Published choices, the usual one first."""

FAULTS: Mapping[str, Advantages] = {
    "groups-ignored": _whole,
    "groups-regrouped": _regrouped,
    "rewards-not-centred": lambda rewards: rewards,
    "advantages-negated": lambda rewards: -_scaled(rewards, 1),
    "scaled-without-centring": lambda rewards: (
        rewards / (rewards.std(axis=1, ddof=1, keepdims=True) + EPS)
    ),
    "scaled-by-variance": lambda rewards: (
        (rewards - rewards.mean(axis=1, keepdims=True))
        / (rewards.var(axis=1, ddof=1, keepdims=True) + EPS)
    ),
}

EVERY: Mapping[str, Advantages] = {**VARIANTS, **FAULTS}
