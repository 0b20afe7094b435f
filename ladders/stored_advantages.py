"""Which recursion the stored advantages of a rollout obey, read off their own numbers.

Generalised advantage estimation (Schulman et al. 2016) says, for every step that does not end an episode,

    A_t + V_t - r_t = gamma V_{t+1} + gamma lambda A_{t+1}

and for a step that terminates one, A_t + V_t - r_t = 0. The two coefficients are fitted to the steps
inside episodes, and the terms that stand on the others are found by trying them; where all is exact,
these are the discount, the decay and the masks that the code really used. The same is tried with the
columns that mistakes put in place of r, V_{t+1} and A.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ladders.discounts import SAME

EXACT = 1e-4
ENOUGH = 4
"""Rows of a kind from which something is said about it."""


@dataclass(frozen=True)
class Rollout:
    """Stored steps in order.

    Args:
        rewards, values, advantages: [T] as stored.
        first, terminated, truncated: [T] bool, from the environment's own record.
        gamma: the discount that should be used.
        next_values: [T - 1] what stands for V_{t+1}.
        joined: [T - 1] bool, whether row t + 1 follows in the same rollout.
    """

    rewards: np.ndarray
    values: np.ndarray
    advantages: np.ndarray
    first: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    gamma: float
    next_values: np.ndarray
    joined: np.ndarray

    @property
    def left(self) -> np.ndarray:
        """[T - 1] A_t + V_t - r_t."""
        return (self.advantages + self.values - self.rewards)[:-1]

    @property
    def right(self) -> np.ndarray:
        """[T - 1, 2] V_{t+1} and A_{t+1}."""
        return np.stack([self.next_values, self.advantages[1:]], axis=1)

    @property
    def scale(self) -> float:
        """Size of the numbers compared, at least 1."""
        return 1.0 + float(np.abs(self.left).max(initial=0.0))


Terms = tuple[bool, bool]
"""Whether gamma V_{t+1} and gamma lambda A_{t+1} stand on the steps of one kind."""


@dataclass(frozen=True)
class Recursion:
    """What was read off.

    Args:
        fault: of the form that fits, "" for the definition's own.
        rollout: with the columns of that form.
        gamma, decay: coefficients of V_{t+1} and A_{t+1} inside episodes.
        at_ends, at_starts, before_last: terms on the steps that terminate, that come first, and that
            come before the last of an episode; None where there are too few, or of another form.
        kinds: [3, T - 1] bool, those steps.
    """

    fault: str
    rollout: Rollout
    gamma: float
    decay: float
    at_ends: Terms
    at_starts: Terms | None
    before_last: Terms | None
    kinds: np.ndarray


def read(rollout: Rollout) -> Recursion | None:
    """The recursion, or None where the advantages follow none of these forms."""
    # Steps that come first or last at once, and ends in front of a one-step episode, belong to two kinds.
    ends = rollout.terminated | rollout.truncated
    early = ~ends[:-1] & ends[1:]
    first = rollout.first[:-1]
    # What mistakes put in place of a row's own may stand in the row before, or in the row after.
    between = rollout.joined & np.append(False, rollout.joined[:-1])
    inner = ~ends[:-1] & ~first & ~early & between
    kinds = between & np.stack(
        [
            rollout.terminated[:-1] & ~first & ~ends[1:],
            first & ~ends[:-1] & ~early,
            early & ~first,
        ]
    )
    for fault, form in _forms(rollout):
        coefficients = _fit(form, inner)
        if coefficients is None:
            continue
        at_ends, at_starts, before_last = (_terms(form, rows, coefficients) for rows in kinds)
        if at_ends is not None:
            gamma, decay = (float(c) for c in coefficients)
            return Recursion(fault, form, gamma, decay, at_ends, at_starts, before_last, kinds)
    return None


def _forms(rollout: Rollout) -> Iterator[tuple[str, Rollout]]:
    """The definition, and the columns that mistakes put in place of its own."""
    rewards = rollout.rewards
    yield "", rollout
    late = np.append(0.0, rewards[:-1])
    yield "reward-late", replace(rollout, rewards=late)
    yield "reward-late", replace(rollout, rewards=np.where(rollout.first, 0.0, late))
    yield "reward-early", replace(rollout, rewards=np.append(rewards[1:], 0.0))
    yield "reward-mean-subtracted", replace(rollout, rewards=rewards - rewards.mean())
    yield "next-observation-stale", replace(rollout, next_values=rollout.values[:-1])
    yield "advantage-sign-flipped", replace(rollout, advantages=-rollout.advantages)


def _fit(rollout: Rollout, rows: np.ndarray) -> np.ndarray | None:
    """Both coefficients by least squares; None where they are not exact or not determined."""
    if rows.sum() < ENOUGH:
        return None
    left, right = rollout.left[rows], rollout.right[rows]
    coefficients, _, rank, singular = np.linalg.lstsq(right, left, rcond=None)
    residual = float(np.abs(left - right @ coefficients).max())
    determined = rank == 2 and max(residual, 1e-6) < SAME / 2 * float(singular[-1])
    return coefficients if determined and residual < EXACT * rollout.scale else None


def _terms(rollout: Rollout, rows: np.ndarray, coefficients: np.ndarray) -> Terms | None:
    if rows.sum() < ENOUGH:
        return None
    for terms in ((True, True), (False, False), (True, False), (False, True)):
        told = rollout.right[rows] @ (coefficients * np.array(terms))
        if np.abs(rollout.left[rows] - told).max() < EXACT * rollout.scale:
            return terms
    return None
