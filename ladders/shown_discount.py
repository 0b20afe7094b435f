"""The discount that an agent's own values show, whatever it does.

Along a walk on which no action matters and nothing is paid, V(s) = gamma V(s'). So the ratio of
neighbouring values is the discount that the critic was taught with: on any scale of rewards, and for any
policy. It tells a wrong discount from a policy that settled before late rewards were known.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ladders.mdp import MDP

SMALLEST, FEWEST, SPREAD = 0.5, 10, 0.02
"""Values that are compared, how many ratios are needed, and the largest median deviation of them."""
RANGE = 0.3
"""What those of one run must differ by, as a share of the largest: a constant shows no discount of 1."""
FAR = 0.03
"""A belief with another discount than the one shown by more than this is out of the question."""


def walks(mdp: MDP) -> np.ndarray:
    """[N, 2] pairs of neighbouring states on empty walks: both actions lead on to the second one."""
    sure = (mdp.transitions == 1.0).any(axis=2).all(axis=1)
    following = mdp.transitions.argmax(axis=2)
    forced = sure & (following[:, 0] == following[:, 1])
    empty = (mdp.rewards == 0).all(axis=1) & ~(mdp.terminated | mdp.truncated).any(axis=1)
    states = np.nonzero(forced & empty)[0]
    return np.stack([states, following[states, 0]], axis=1)


def shown_discount(mdp: MDP, values: Sequence[np.ndarray]) -> float | None:
    """The discount that these values [S] agree on, one array a run; None where they show none."""
    pairs = walks(mdp)
    known = np.concatenate([_telling(one[pairs]) for one in values])
    if len(known) < FEWEST:
        return None
    ratios = known[:, 0] / known[:, 1]
    middle = float(np.median(ratios))
    spread = float(np.median(np.abs(ratios - middle)))
    return middle if spread <= SPREAD else None


def _telling(known: np.ndarray) -> np.ndarray:
    """[N, 2] the pairs of values of one run that say something about the discount."""
    known = known[np.isfinite(known).all(axis=1)]
    known = known[np.abs(known[:, 1]) >= SMALLEST]
    flat = len(known) == 0 or np.ptp(known) < RANGE * np.abs(known).max()
    return known[:0] if flat else known
