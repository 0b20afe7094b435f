"""Sudden jumps of the reward: in the course of play, and between rounds of optimising the return.

A reward that jumps while random play goes on depends on something that outlives episodes. A return that
jumps while policies are improved has found something: the way to do the task, or a hole in the reward.
Either is a remark; whether it is a mistake can be seen by looking at what happens there.
"""

from __future__ import annotations

import numpy as np

from ladders.environment_search import Episode

LEAST = 20
"""Episodes that a change of their mean reward is looked for in."""
SHUFFLES = 999
RARE = 0.002
SIZE = 1.5
"""Standard deviations of an episode's mean reward by which it has to change."""
LEAP = 5.0
"""Spreads of all returns so far by which the best return has to leap."""


def jump_in_play(means: np.ndarray, seed: int) -> tuple[int, float, float] | None:
    """The episode from which on mean rewards are others, with both levels; None without a jump.

    The largest standardised difference of means over all places to cut, against that of shuffled
    episodes.

    Args:
        means: [E] mean reward of each episode of random play, in order.
        seed: of the shuffles.
    """
    spread = float(means.std()) if len(means) else 0.0
    if len(means) < LEAST or spread < 1e-9 * max(float(np.abs(means).max()), 1e-9):
        return None
    rng = np.random.default_rng(seed)
    seen, place = _largest_cut(means)
    exceeded = sum(_largest_cut(rng.permutation(means))[0] >= seen for _ in range(SHUFFLES))
    before, after = float(means[:place].mean()), float(means[place:].mean())
    if (1 + exceeded) / (1 + SHUFFLES) > RARE or abs(after - before) < SIZE * spread:
        return None
    return place, before, after


def _largest_cut(means: np.ndarray) -> tuple[float, int]:
    """The largest standardised distance of the mean before a cut from that of all, and the cut."""
    count = len(means)
    cuts = np.arange(3, count - 2)
    sums = np.cumsum(means - means.mean())[cuts - 1]
    size = np.abs(sums) / np.sqrt(cuts * (count - cuts))
    best = int(np.argmax(size))
    return float(size[best]), int(cuts[best])


def leap_of_rounds(rounds: list[list[Episode]]) -> str:
    """A remark on the round whose best return leaps beyond all before; "" without one."""
    if not rounds:
        return ""
    known = np.array([episode.total for episode in rounds[0]])
    for number, episodes in enumerate(rounds[1:], start=2):
        best = max(episode.total for episode in episodes)
        spread = float(np.subtract(*np.quantile(known, (0.9, 0.1))))
        if best - known.max() > LEAP * max(spread, 1e-3 * np.abs(known).max(), 1e-9):
            return (
                f"in round {number} of optimising the return alone the best return leaps from "
                f"{known.max():.4g} to {best:.4g}: look at what that policy does, a leap is either the "
                "task understood or a hole in the reward"
            )
        known = np.append(known, [episode.total for episode in episodes])
    return ""
