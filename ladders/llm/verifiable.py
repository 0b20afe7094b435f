"""Tasks whose answers a few lines of code can check, for a small sequence model.

Digits are the tokens 0 to base - 1. Prompts and answers have fixed lengths, so no end token is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np


@dataclass(frozen=True)
class VerifiableTask:
    """Prompts, and the one right answer to each."""

    name: str
    prompts: np.ndarray  # [N, P] int
    length: int
    vocabulary: int
    answer: Callable[[np.ndarray], np.ndarray]
    """Prompts [B, P] -> right answers [B, T]."""

    def right_tokens(self, prompts: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """[B, T] bool, which tokens of the answers [B, T] are right."""
        return np.equal(tokens, self.answer(prompts))

    def solved(self, prompts: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """[B] bool, which answers are right from the first token to the last."""
        return np.asarray(self.right_tokens(prompts, tokens).all(axis=1))


def sort_digits(*, digits: int = 4, base: int = 6) -> VerifiableTask:
    """Write the digits of the prompt in ascending order; all base^digits prompts."""
    prompts = np.array(list(product(range(base), repeat=digits)))
    return VerifiableTask(
        "sort digits", prompts, digits, base, lambda asked: np.sort(asked, axis=1)
    )


def modular_addition(*, modulus: int = 7) -> VerifiableTask:
    """The sum of two digits modulo a number; all modulus^2 prompts, one token of answer."""
    prompts = np.array(list(product(range(modulus), repeat=2)))
    return VerifiableTask(
        "modular addition",
        prompts,
        1,
        modulus,
        lambda asked: asked.sum(axis=1, keepdims=True) % modulus,
    )
