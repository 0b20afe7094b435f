"""What a learner comes to believe about an MDP: its action values, and what they make it do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ladders.mdp import optimal_control

CORRECT = "correct"
NOT_LEARNED = "not-learned-yet"


@dataclass(frozen=True)
class Belief:
    """What a learner with one semantics comes to believe.

    Args:
        fault: name of the fault, `correct` or `not-learned-yet`.
        variant: which operator of that fault.
        q_values: [S, A] its action values.
        values: [S] its state values, NaN where this semantics does not determine them.
        gaps: [S] how much it prefers action 1 to action 0; 0 where it does not care.
    """

    fault: str
    variant: str
    q_values: np.ndarray
    values: np.ndarray
    gaps: np.ndarray


def optimal(fault: str, variant: str, rewards: np.ndarray, continuation: np.ndarray) -> Belief:
    """The belief of one who acts best by these rewards [S, A] and this continuation [S, A, S]."""
    values, q_values = optimal_control(rewards, continuation)
    return Belief(fault, variant, q_values, values, q_values[:, 1] - q_values[:, 0])
