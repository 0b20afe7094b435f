"""Right and wrong losses of reward models, as functions of the score at every position.

With s the score that a model reads at the last token of an answer, margins m and a coefficient c,

    loss = mean over pairs of  -log sigmoid(s_chosen - s_rejected - m) + c (s_chosen + s_rejected)^2

(Bradley-Terry: Ouyang et al. 2022, eq. 1; margins: Touvron et al. 2023, arXiv:2307.09288, eq. 2;
centring: Eisenstein et al. 2023, arXiv:2312.09244, eq. 2). A mistake reads another position or changes a
term. The gradient by every parameter is sum_t (d loss / d score_t) times the gradient of score_t.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ladders.trainers.preference_semantics import (
    CORRECT,
    SIDES,
    MarginLink,
    hinge_link,
    sigmoid_link,
)


class Scored(NamedTuple):
    """Scores [W] at every position of a sequence of `length` tokens in a batch W columns wide."""

    scores: np.ndarray
    length: int


class ScoredPair(NamedTuple):
    """Two answers to a prompt, and by how much the chosen one should lead."""

    chosen: Scored
    rejected: Scored
    margin: float


Read = Callable[[int, int], np.ndarray]
"""(length, width) -> [W] weight of every position in the score of a sequence."""


def _at(position: Callable[[int, int], int]) -> Read:
    def weights(length: int, width: int) -> np.ndarray:
        return np.eye(width)[position(length, width)]

    return weights


def _mean(length: int, width: int) -> np.ndarray:
    return (np.arange(width) < length) / length


LAST = _at(lambda length, width: length - 1)


def probability_link(margin: float, beta: float) -> tuple[float, float]:
    """-sigmoid(m): the logarithm is missing."""
    chance = 0.5 * (1.0 + np.tanh(margin / 2.0))
    return float(-chance), float(-chance * (1.0 - chance))


@dataclass(frozen=True)
class Semantics:
    """One way to turn scores into a loss.

    Args:
        name: `correct` or a fault.
        variant: of the published losses.
        link: f of the margin.
        read: where the score is read.
        sign: 1, or -1 with the pair swapped.
        margin: factor of the margins in the data.
        centre: factor of the coefficient.
        differences: whether differences are centred instead of sums.
        interleaved: whether the batch [chosen; rejected] is split into every second row.
        frozen: the side that gets no gradient.
        summed: whether pairs are added up instead of averaged.
        scale: factor of the whole loss.
    """

    name: str
    variant: str
    link: MarginLink = sigmoid_link
    read: Read = LAST
    sign: float = 1.0
    margin: float = 1.0
    centre: float = 1.0
    differences: bool = False
    interleaved: bool = False
    frozen: str = ""
    summed: bool = False
    scale: float = 1.0

    @property
    def key(self) -> str:
        """Identity within evidence."""
        return f"{self.name} | {self.variant}"


VARIANTS = (
    Semantics(CORRECT, "Bradley-Terry"),
    Semantics(CORRECT, "Bradley-Terry, mean over tokens", read=_mean),
    Semantics(CORRECT, "hinge", link=hinge_link),
)
CHANGES: tuple[tuple[str, str, dict], ...] = (
    ("pair-swapped", "", {"sign": -1.0}),
    ("end-of-sequence-not-scored", "", {"read": _at(lambda length, width: length - 2)}),
    ("padding-scored", "last column", {"read": _at(lambda length, width: width - 1)}),
    ("padding-scored", "next column", {"read": _at(lambda length, width: min(length, width - 1))}),
    ("first-token-scored", "", {"read": _at(lambda length, width: 0)}),
    ("margin-ignored", "", {"margin": 0.0}),
    ("margin-sign-flipped", "", {"margin": -1.0}),
    ("centring-ignored", "", {"centre": 0.0}),
    ("centring-sign-flipped", "", {"centre": -1.0}),
    ("differences-centred", "", {"differences": True}),
    ("logarithm-missing", "", {"link": probability_link}),
    ("rows-mixed", "", {"interleaved": True}),
    ("batch-summed", "", {"summed": True}),
    ("loss-halved", "", {"scale": 0.5}),
    ("loss-negated", "", {"scale": -1.0}),
    ("rejected-without-gradient", "", {"frozen": "rejected"}),
    ("chosen-without-gradient", "", {"frozen": "chosen"}),
)
"""Fault, its form where it has several, and what it changes of a correct semantics."""


def all_semantics() -> Iterator[Semantics]:
    """The published losses, then every fault in every one of them."""
    yield from VARIANTS
    for name, form, change in CHANGES:
        for variant in VARIANTS:
            # A fault of where the score is read is the same in a mean, and one of the link in a hinge.
            if change.keys() & {"read", "link"} and variant is not VARIANTS[0]:
                continue
            words = f"{variant.variant}, {form}" if form else variant.variant
            yield replace(variant, name=name, **{**change, "variant": words})


def predict(
    semantics: Semantics, pairs: Sequence[ScoredPair], coefficient: float
) -> tuple[float, list[np.ndarray]]:
    """The loss of a batch, and its derivative by the score at every position.

    Args:
        semantics: which loss.
        pairs: the batch, all of one width.
        coefficient: of centring, as configured.

    Returns:
        loss, and [W] weights of every sequence: chosen and rejected of the first pair, ...
    """
    share = semantics.scale * (1.0 if semantics.summed else 1.0 / len(pairs))
    read = [[semantics.read(s.length, len(s.scores)) for s in pair[:2]] for pair in pairs]
    scores = [
        [float(weight @ s.scores) for weight, s in zip(weights, pair[:2], strict=True)]
        for weights, pair in zip(read, pairs, strict=True)
    ]
    slopes = np.zeros((len(pairs), 2))
    total = 0.0
    for pair, (first, second) in zip(pairs, _compared(semantics, len(pairs)), strict=True):
        chosen, rejected = scores[first[0]][first[1]], scores[second[0]][second[1]]
        value, slope = semantics.link(
            semantics.sign * (chosen - rejected) - semantics.margin * pair.margin, 1.0
        )
        size = semantics.centre * coefficient
        other = -1.0 if semantics.differences else 1.0
        off = chosen + other * rejected
        total += share * (value + size * off**2)
        slopes[first] += share * (semantics.sign * slope + 2.0 * size * off)
        slopes[second] += share * (-semantics.sign * slope + 2.0 * size * other * off)
    if semantics.frozen:
        slopes[:, SIDES.index(semantics.frozen)] = 0.0
    weights = [
        slope * weight
        for row, sides in zip(slopes, read, strict=True)
        for slope, weight in zip(row, sides, strict=True)
    ]
    return total, weights


def _compared(semantics: Semantics, count: int) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Which (pair, side) is compared with which, for every term of the loss."""
    rows = [(pair, side) for side in range(2) for pair in range(count)]
    if semantics.interleaved:
        return list(zip(rows[::2], rows[1::2], strict=True))
    return list(zip(rows[:count], rows[count:], strict=True))
