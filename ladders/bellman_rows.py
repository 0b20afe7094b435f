"""Rows of Q-learning, read off the gradient that reaches the network's output.

A squared error pulls at Q(s, a) in proportion to what it is off by,

    dL/dQ(s, a) = k (Q(s, a) - y),     y = rho r + gamma m v

(k > 0 common to all rows, rho the unit of the rewards, m the mask of ends, v a value of the next
state), and pulls at no other action. All but k, rho and gamma is known, so least squares gives the
three, and says by its remainder whether y has this form at all: for the right mask and value, or for
those of a mistake.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from ladders.mdp import MDP
from rlcheck.adapters.passes import Pass

SATURATED = 0.999
"""Rows at the largest gradient are cut by a Huber loss, if there are several."""


class Rows(NamedTuple):
    """Rows of replayed transitions, [N] or [N, A].

    `update` numbers the gradient step; `target` and `online` are the values of the next states by another
    network than the one that learns and by this one, NaN where there is no such pass.
    """

    update: np.ndarray
    state: np.ndarray
    action: np.ndarray
    q: np.ndarray
    gradient: np.ndarray
    following: np.ndarray
    target: np.ndarray
    online: np.ndarray


class Fit(NamedTuple):
    """Least squares of one form of target: the discount, the unit of rewards, the relative remainder."""

    gamma: float
    rho: float
    remainder: float


def bellman_rows(updates: Iterable[list[Pass]], mdp: MDP, most: int) -> Rows | None:
    """The rows of the last updates that pull at one action each; None where there are none."""
    columns: list[tuple[Any, ...]] = []
    for number, passes in enumerate(updates):
        for learner in passes:
            found = _row_columns(learner, passes, mdp)
            if found is not None:
                columns.append((np.full(len(found[0]), number), *found))
                break  # the second of two critics learns from the same rows
    counts = np.cumsum([len(column[0]) for column in columns[::-1]])
    last = columns[-max(1, int(np.sum(counts <= most))) :] if columns else []
    return Rows(*(np.concatenate(parts) for parts in zip(*last, strict=True))) if last else None


def _row_columns(learner: Pass, passes: list[Pass], mdp: MDP) -> tuple[Any, ...] | None:
    """The columns of one update, if it is one of Q-learning whose next states are seen."""
    gradient = learner.gradient
    if gradient is None or not (np.count_nonzero(gradient, axis=1) <= 1).all():
        return None
    pulled = gradient.any(axis=1)
    if pulled.mean() < 0.5:
        return None
    action = np.abs(gradient).argmax(axis=1)
    others = [
        one
        for one in passes
        if one is not learner and one.gradient is None and len(one.states) == len(learner.states)
    ]
    followers = [one for one in others if _follows(mdp, learner.states, action, one.states)]
    stale = [one for one in others if np.array_equal(one.states, learner.states)]
    beyond = followers or stale
    if not beyond:
        return None
    nothing = np.full_like(learner.outputs, np.nan)
    targets = [one for one in beyond if one.network != learner.network]
    onlines = [one for one in beyond if one.network == learner.network]
    if len({one.network for one in targets}) > 1:
        return None  # two target networks: another form
    row = np.arange(len(action))
    columns = (
        learner.states,
        action,
        learner.outputs[row, action],
        gradient[row, action],
        beyond[0].states,
        targets[-1].outputs if targets else nothing,
        onlines[-1].outputs if onlines else nothing,
    )
    return tuple(column[pulled] for column in columns)


def _follows(mdp: MDP, states: np.ndarray, actions: np.ndarray, following: np.ndarray) -> bool:
    """Whether each row can lead there; where an episode ends it may be the next one's first state."""
    reached = mdp.transitions[states, actions, following] > 0
    ended = (mdp.terminated | mdp.truncated)[states, actions]
    return bool((reached | (ended & (mdp.start[following] > 0))).all())


def fit_target(rows: Rows, rewards: np.ndarray, beyond: np.ndarray) -> Fit | None:
    """k, rho and gamma by least squares; None where the rows cannot tell them apart.

    Args:
        rows: the rows.
        rewards: [N] r.
        beyond: [N] m v.
    """
    largest = np.abs(rows.gradient).max()
    saturated = np.abs(rows.gradient) >= SATURATED * largest
    kept = ~saturated if saturated.sum() > 1 else np.ones(len(saturated), dtype=bool)
    known = np.stack([rows.q, rewards, beyond], axis=1)[kept].astype(float)
    gradient = rows.gradient[kept].astype(float)
    if len(gradient) < 10 or not np.isfinite(known).all():
        return None
    solution, _, rank, _ = np.linalg.lstsq(known, gradient, rcond=1e-6)
    if rank < 3 or solution[0] <= 0:
        return None
    remainder = np.linalg.norm(gradient - known @ solution) / np.linalg.norm(gradient)
    return Fit(
        float(-solution[2] / solution[0]), float(-solution[1] / solution[0]), float(remainder)
    )
