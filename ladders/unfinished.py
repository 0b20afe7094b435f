"""Learners of right code that are not done: hypotheses of their own, so never called faulty."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from ladders.beliefs import NOT_LEARNED, Belief, optimal
from ladders.mdp import MDP, sweeps

SWEEPS, SHRUNK, UNKNOWN = "sweeps", "of every later value", "unknown at a time limit"
"""How the variants end: `2 sweeps`, `80% of every later value`, `100%, bad unknown at a time limit`."""
PASSING = (SHRUNK, UNKNOWN)
"""Those that more training must end."""
SHARES = (0.9, 0.8, 0.65, 0.5)


def passing(belief: Belief) -> bool:
    """Whether more training must end what a learner with this belief gets wrong, or part of it."""
    return belief.variant.endswith(PASSING)


def not_learned_yet(mdp: MDP, gamma: float, longest: int) -> Iterator[Belief]:
    """A correct learner that is not done.

    Information has travelled fewer steps than the exam asks for (a lagging target network); or every
    estimate is still on its way from zero, so that each step adds a factor below one (small step sizes);
    or a critic does not know yet what the states behind a time limit are worth, while everything else is
    learned from the rewards of whole episodes (lambda near 1). The second looks like a discount that is
    too small, the third like a time limit taken for an end; they differ only in that they go away.
    """
    for count in range(longest):
        q_values = sweeps(mdp.rewards, mdp.continuation(gamma), count)
        gaps = q_values[:, 1] - q_values[:, 0]
        yield Belief(NOT_LEARNED, f"{count} {SWEEPS}", q_values, q_values.max(axis=1), gaps)
    for share in (0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.35, 0.2):
        belief = optimal(
            NOT_LEARNED, f"{share:.0%} {SHRUNK}", mdp.rewards, share * mdp.continuation(gamma)
        )
        yield belief
    behind = np.nonzero(mdp.behind_limits)[0]
    for known in itertools.product((False, True), repeat=len(behind)):
        unknown = behind[~np.array(known)]
        if len(unknown):
            flow = mdp.continuation(gamma)
            flow[:, :, unknown] *= ~mdp.truncated[:, :, None]
            names = " and ".join(mdp.names[state] for state in unknown)
            for share in (1.0, *SHARES):
                lagging = f"{share:.0%}, {names} {UNKNOWN}"
                yield optimal(NOT_LEARNED, lagging, mdp.rewards, share * flow)
