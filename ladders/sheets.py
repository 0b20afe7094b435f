"""What one run answered, and what its actions show of the kind of agent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ladders.exam import Exam

VALUES, POLICY = "values", "policy"
OFTEN, UNEVEN = 20, 3.0


@dataclass(frozen=True)
class Sheet:
    """What one run answered.

    Args:
        seed, steps: of the run.
        answers: [D] action at every decision state, -1 where there is none.
        values: [S] the agent's own state values, NaN where not exposed.
        late: [S, 2] how often each action was executed in the last fifth of training.
        acts_by: VALUES, POLICY, or "" where it is not known. What an agent that acts greedily on
            Q-values would do in a state that it did not visit lately is known from its answer.
        early: [S, 2] how often each action was executed before the last fifth, None where not known.
    """

    seed: int
    steps: int
    answers: np.ndarray
    values: np.ndarray
    late: np.ndarray
    acts_by: str = ""
    early: np.ndarray | None = None

    @staticmethod
    def from_evidence(
        evidence: Mapping[str, Any], seed: int, steps: int, acts_by: str = ""
    ) -> Sheet:
        """Read a stored sheet."""
        late = np.array(evidence["late"], dtype=float)
        values = evidence.get("values")
        known = np.full(len(late), np.nan) if values is None else np.array(values, dtype=float)
        early = np.array(evidence["counts"], dtype=float) - late
        answers = np.array(evidence["answers"])
        return Sheet(seed, steps, answers, known, late, acts_by, early)

    @property
    def value_based(self) -> bool:
        """Whether the agent acts greedily on Q-values."""
        return self.acts_by == VALUES


def wrong_answers(exam: Exam, sheets: Sequence[Sheet]) -> np.ndarray:
    """[runs, D] bool, which answers were wrong; a missing one is not."""
    answers = np.array([sheet.answers for sheet in sheets])
    return (answers >= 0) & (answers != exam.right)


def acts_by(exam: Exam, sheets: Sequence[Sheet]) -> str:
    """What the agent acts by; where that is not known, a policy may show by how it explores.

    Epsilon-greedy takes the rarer action equally seldom in every state. A policy takes it the more
    seldom, the surer it is, so the shares differ by more than chance: chi^2 over its degrees of freedom.
    """
    if sheets[0].acts_by:
        return sheets[0].acts_by
    spread = [_spread_of_exploration(sheet.late[exam.decisions]) for sheet in sheets]
    return POLICY if np.median(spread) > UNEVEN else ""


def _spread_of_exploration(late: np.ndarray) -> float:
    """[D, 2] counts -> chi^2 of the rarer action's share over the states, by its degrees of freedom."""
    visits = late.sum(axis=1)
    rarer, visits = late.min(axis=1)[visits >= OFTEN], visits[visits >= OFTEN]
    share = rarer.sum() / max(visits.sum(), 1.0)
    if len(visits) < 2 or share == 0.0:
        return 0.0
    squares = (rarer - visits * share) ** 2 / (visits * share * (1 - share))
    return float(squares.sum() / (len(visits) - 1))
