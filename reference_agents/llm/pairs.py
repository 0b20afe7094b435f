"""Pairs of responses of which one was preferred."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from reference_agents.llm.responses import Responses


class Pairs(NamedTuple):
    """Preferences: row i of `chosen` was preferred to row i of `rejected`, for the same prompt."""

    chosen: Responses
    rejected: Responses

    def rows(self, index: Tensor) -> Pairs:
        """The pairs with these numbers."""
        return Pairs(*(Responses(*(part[index] for part in side)) for side in self))
