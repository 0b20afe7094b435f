"""Questions that are left out, because an agent may answer them either way and be right.

Maximum-entropy agents: what an entropy bonus inside the value can buy.

A soft learner with temperature alpha believes V(s) = alpha log sum_a exp(Q(s, a) / alpha), so every
step that an episode lasts is worth up to alpha log 2 more than its reward (Haarnoja et al. 2018,
arXiv:1812.05905, equation 3). With the continuous form of the environments, Q is linear in the action
u in [-1, 1] and the sum becomes an integral with a closed form.

Where the temperature is unknown, a question counts only if no plausible temperature flips its answer.
"""

from __future__ import annotations

import numpy as np

from ladders.exam import Exam
from ladders.mdp import MDP, optimal_control

PLAUSIBLE = (0.02, 0.05, 0.1, 0.2, 0.3)


def soft_gaps(mdp: MDP, gamma: float, temperature: float, continuous: bool) -> np.ndarray:
    """[S] Q(1) - Q(0) under the soft Bellman optimality equation."""
    values = np.zeros(mdp.n_states)
    flow = mdp.continuation(gamma)
    for _ in range(2_000):
        q_values = mdp.rewards + flow @ values
        updated = _soft_maximum(q_values, temperature, continuous)
        if np.abs(updated - values).max() < 1e-10:
            break
        values = updated
    return q_values[:, 1] - q_values[:, 0]


def _soft_maximum(q_values: np.ndarray, temperature: float, continuous: bool) -> np.ndarray:
    top = q_values.max(axis=1)
    if not continuous:
        return top + temperature * np.log(np.exp((q_values - top[:, None]) / temperature).sum(1))
    # integral over u in [-1, 1] of exp(Q(u) / alpha) = 2 (e^m - e^l) / (m - l), with m and l the
    # scaled values at the ends of the interval
    spread = (top - q_values.min(axis=1)) / temperature
    mean = np.where(spread < 1e-8, 1.0, -np.expm1(-spread) / np.maximum(spread, 1e-8))
    return top + temperature * np.log(2.0 * mean)


def indifferent_under_entropy(exam: Exam, continuous: bool) -> np.ndarray:
    """[D] bool, the questions whose answer some plausible temperature flips."""
    right = np.sign(exam.beliefs[0].gaps[exam.decisions])
    flipped = np.zeros(len(exam.decisions), dtype=bool)
    for temperature in PLAUSIBLE:
        gaps = soft_gaps(exam.mdp, exam.gamma, temperature, continuous)[exam.decisions]
        flipped |= gaps * right < 0.05
    return flipped


def indifferent_to_discount(exam: Exam) -> np.ndarray:
    """[D] bool, the questions whose answer a usual discount other than the exam's flips.

    For a subject that takes no discount and whose own nobody has stated.
    """
    right = np.sign(exam.beliefs[0].gaps[exam.decisions])
    flipped = np.zeros(len(exam.decisions), dtype=bool)
    for gamma in (0.95, 0.98, 0.99, 1.0):
        _, q_values = optimal_control(exam.mdp.rewards, exam.mdp.continuation(gamma))
        gaps = (q_values[:, 1] - q_values[:, 0])[exam.decisions]
        flipped |= gaps * right < 0.05
    return flipped
