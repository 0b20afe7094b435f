"""Rows of Q-learning, read off the gradient that reaches the network's output.

A squared error pulls at Q(s, a) in proportion to what it is off by,

    dL/dQ(s, a) = k (Q(s, a) - y),     y = rho r + gamma m v

(k > 0 common to all rows, rho the unit of the rewards, m the mask of ends, v a value of the next
state), and pulls at no other action. All but k, rho and gamma is known, so least squares gives the
three, and says by its remainder whether y has this form at all: for the right mask and value, or for
those of a mistake.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ladders.bellman_windows import Window, windows
from ladders.mdp import MDP
from rlcheck.adapters.passes import Pass

SATURATED = 0.999
"""Rows at the largest gradient are cut by a Huber loss, if there are several."""


class Rows(NamedTuple):
    """Rows of replayed transitions, [N] or [N, A].

    `update` numbers the gradient step, `window` is the n of n steps; `target` and `online` are the values
    of the states that followed, by another network than the one that learns and by this one, NaN where
    there is no such pass.
    """

    update: np.ndarray
    window: np.ndarray
    state: np.ndarray
    action: np.ndarray
    q: np.ndarray
    gradient: np.ndarray
    following: np.ndarray
    target: np.ndarray
    online: np.ndarray


class Fit(NamedTuple):
    """Least squares of one form of target: the discount, the unit of rewards, the relative remainder.

    `share` is that of the rows that it could be held against.
    """

    gamma: float
    rho: float
    remainder: float
    share: float


def bellman_rows(updates: Iterable[list[Pass]], mdp: MDP, most: int) -> Rows | None:
    """The rows of the last updates that pull at one action each; None where there are none."""
    known = windows(mdp, 1.0)  # where they lead does not depend on the discount
    columns: list[tuple[Any, ...]] = []
    for number, passes in enumerate(updates):
        for learner in passes:
            found = _row_columns(learner, passes, mdp, known)
            if found is not None:
                columns.append((np.full(len(found[0]), number), *found))
                break  # the second of two critics learns from the same rows
    counts = np.cumsum([len(column[0]) for column in columns[::-1]])
    last = columns[-max(1, int(np.sum(counts <= most))) :] if columns else []
    return Rows(*(np.concatenate(parts) for parts in zip(*last, strict=True))) if last else None


def _row_columns(
    learner: Pass, passes: list[Pass], mdp: MDP, known: Sequence[Window]
) -> tuple[Any, ...] | None:
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
    beyond, length, sure = _beyond(learner.states, action, others, mdp, known)
    if not beyond:
        return None
    nothing = np.full_like(learner.outputs, np.nan)
    targets = [one for one in beyond if one.network != learner.network]
    onlines = [one for one in beyond if one.network == learner.network]
    if len({one.network for one in targets}) > 1:
        return None  # two target networks: another form
    row = np.arange(len(action))
    columns = (
        np.full(len(action), length),
        learner.states,
        action,
        learner.outputs[row, action],
        gradient[row, action],
        beyond[0].states,
        targets[-1].outputs if targets else nothing,
        onlines[-1].outputs if onlines else nothing,
    )
    return tuple(column[pulled & sure] for column in columns)


def _beyond(
    states: np.ndarray,
    actions: np.ndarray,
    others: list[Pass],
    mdp: MDP,
    known: Sequence[Window],
) -> tuple[list[Pass], int, np.ndarray]:
    """The passes of the states that followed, after how many steps, and the rows where that is known."""
    for length, window in enumerate(known, start=1):
        sure = window.known[states, actions]
        # Where an episode ends what followed may be the first state of the next one.
        ended = (window.ends | window.cut)[states, actions]
        if sure.sum() < len(states) / 2:
            break
        found = []
        for one in others:
            reached = window.reached[states, actions] == one.states
            if length == 1:
                reached = mdp.transitions[states, actions, one.states] > 0
            if (reached | ~sure | (ended & (mdp.start[one.states] > 0))).all():
                found.append(one)
        if found:
            return found, length, sure
    stale = [one for one in others if np.array_equal(one.states, states)]
    return stale, 1, np.ones(len(states), dtype=bool)


def fit_target(rows: Rows, rewards: np.ndarray, beyond: np.ndarray) -> Fit | None:
    """k, rho and gamma by least squares; None where the rows cannot tell them apart.

    Args:
        rows: the rows.
        rewards: [N] r; NaN in rows that are to be left out.
        beyond: [N] m v.
    """
    largest = np.abs(rows.gradient).max()
    saturated = np.abs(rows.gradient) >= SATURATED * largest
    kept = np.isfinite(rewards) & np.isfinite(beyond)
    if saturated.sum() > 1:
        kept &= ~saturated
    known = np.stack([rows.q, rewards, beyond], axis=1)[kept].astype(float)
    gradient = rows.gradient[kept].astype(float)
    if len(gradient) < max(10, len(kept) / 4):
        return None
    solution, _, rank, _ = np.linalg.lstsq(known, gradient, rcond=1e-6)
    if rank < 3 or solution[0] <= 0:
        return None
    remainder = np.linalg.norm(gradient - known @ solution) / np.linalg.norm(gradient)
    gamma, rho = -solution[2] / solution[0], -solution[1] / solution[0]
    return Fit(float(gamma), float(rho), float(remainder), float(kept.mean()))
