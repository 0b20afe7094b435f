"""The pairs that trainers on preferences are given, and how near their losses must come to theory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rlcheck.adapters.trl.preference import Pair

LENGTHS = ((3, 2, 5), (1, 6, 1), (4, 1, 3), (2, 3, 3), (5, 1, 1), (1, 2, 7), (3, 4, 2), (2, 5, 4))
"""Tokens of prompt, chosen and rejected answer of each pair: ragged, so that padding is everywhere."""
BATCHES = ((0, 1, 2, 3), (4, 5, 6, 7), (1, 5))
LOSS_TOLERANCE, GRADIENT_TOLERANCE = 2e-4, 2e-3
"""Relative, for trainers in float32; theory is in float64."""
NOISE_SEED, NOISE = 7, 0.05


def pairs(seed: int, lengths: Sequence[tuple[int, int, int]] = LENGTHS) -> list[Pair]:
    """Random words; the two answers to a prompt begin alike in every second pair."""
    random = np.random.default_rng(seed)

    def words(count: int) -> tuple[str, ...]:
        return tuple(f"w{number}" for number in random.integers(0, 24, count))

    found = []
    for number, (prompt, chosen, rejected) in enumerate(lengths):
        pair = Pair(words(prompt), words(chosen), words(rejected))
        if number % 2:
            pair = pair._replace(rejected=(pair.chosen[0], *pair.rejected[1:]))
        found.append(pair)
    return found


def close(seen: float, expected: float) -> bool:
    """Equal as far as single precision can tell."""
    return abs(seen - expected) <= LOSS_TOLERANCE * (1.0 + abs(expected))
