"""What n steps from a state and an action bring, where nothing that is decided later matters.

The exam's corridors leave no choice, so the discounted sum of n rewards and the state that they lead to
are known for most of its states:

    R_n = sum_{k<n} gamma^k r_k,    cut short where the episode ends
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ladders.mdp import MDP

MOST_STEPS = 10


class Window(NamedTuple):
    """[S, A] of every state and action.

    Args:
        known: whether the window is the same whatever is done and drawn; always, for one step.
        steps: its length, less than n where the episode ends before.
        rewards, sums: discounted and plain sum of its rewards.
        reached: the state at its end; for one step there may be others.
        ends, cut: whether it ends in a terminal state, or by a time limit.
    """

    known: np.ndarray
    steps: np.ndarray
    rewards: np.ndarray
    sums: np.ndarray
    reached: np.ndarray
    ends: np.ndarray
    cut: np.ndarray


def windows(mdp: MDP, gamma: float) -> list[Window]:
    """The windows of 1, 2, ... MOST_STEPS steps."""
    certain = mdp.transitions.max(axis=-1) == 1.0
    idle = certain.all(axis=1) & _alike(mdp)
    following = mdp.transitions.argmax(axis=-1)
    one = Window(
        np.ones_like(certain), np.ones_like(following), mdp.rewards, mdp.rewards,
        following, mdp.terminated, mdp.truncated,
    )  # fmt: skip
    found = [one]
    for length in range(1, MOST_STEPS):
        last = found[-1]
        on, at = ~(last.ends | last.cut), last.reached
        reward = on * mdp.rewards[at, 0]
        found.append(
            Window(
                last.known & certain & (~on | idle[at]),
                last.steps + on,
                last.rewards + gamma**length * reward,
                last.sums + reward,
                np.where(on, following[at, 0], at),
                last.ends | (on & mdp.terminated[at, 0]),
                last.cut | (on & mdp.truncated[at, 0]),
            )
        )
    return found


def _alike(mdp: MDP) -> np.ndarray:
    """[S] whether all actions do the same."""
    tables = (mdp.rewards, mdp.terminated, mdp.truncated, mdp.transitions)
    same = [(t == t[:, :1]).reshape(mdp.n_states, -1).all(axis=1) for t in tables]
    return np.logical_and.reduce(same)


def before(mdp: MDP) -> np.ndarray:
    """[S] the reward of the step that led to each state; NaN for first states, or where it varies."""
    reward = np.full(mdp.n_states, np.nan)
    leads = mdp.transitions * ~(mdp.terminated | mdp.truncated)[:, :, None] > 0
    for state in np.flatnonzero(mdp.start == 0):
        earned = np.unique(mdp.rewards[leads[:, :, state]])
        if len(earned) == 1:
            reward[state] = earned[0]
    return reward


def after(mdp: MDP) -> tuple[np.ndarray, np.ndarray]:
    """[S] the reward of the step from each state and 1 where it ends; NaN where that is a choice."""
    alike = _alike(mdp)
    return (
        np.where(alike, mdp.rewards[:, 0], np.nan),
        np.where(alike, mdp.terminated[:, 0].astype(float), np.nan),
    )
