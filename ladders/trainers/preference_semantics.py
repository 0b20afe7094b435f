"""Right and wrong losses on preferences, as functions of the log-probabilities of tokens.

With policy scores s = sum_t w_t log pi(y_t | x, y_<t) and reference scores s' likewise, every loss has
the form

    h = s - k s' of either answer,   loss = mean over pairs of f(h_chosen, h_rejected)

(DPO: Rafailov et al. 2023, eq. 7, w = 1 on the answer, k = 1, f = -log sigmoid(beta m) of the margin
m = h_chosen - h_rejected). A mistake changes one of these. Its gradient with respect to any parameter is
sum_t (d loss / d log pi_t) times the gradient of log pi_t, so a semantics predicts the loss *and* the
whole gradient of the network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

MarginLink = Callable[[float, float], tuple[float, float]]
"""(margin, beta) -> (loss, its derivative with respect to the margin)."""

Link = Callable[[float, float, float], tuple[float, float, float]]
"""(log-ratio of the chosen answer, of the rejected one, beta) -> (loss, its derivatives by both)."""

CORRECT = "correct"
SIDES = ("chosen", "rejected")


class Scored(NamedTuple):
    """Log-probabilities of one sequence: of the policy, of the reference, and the policy's unshifted.

    Arrays [n] over the second to the last of its n tokens, and over one token of padding behind them.
    """

    policy: np.ndarray
    reference: np.ndarray
    unshifted: np.ndarray


class ScoredPair(NamedTuple):
    """Two answers to a prompt of `prompt` tokens."""

    prompt: int
    chosen: Scored
    rejected: Scored


def sigmoid_link(margin: float, beta: float) -> tuple[float, float]:
    """DPO: -log sigmoid(beta m)."""
    z = beta * margin
    return float(np.logaddexp(0.0, -z)), float(-beta * (1.0 - np.tanh(z / 2.0)) / 2.0)


def hinge_link(margin: float, beta: float) -> tuple[float, float]:
    """SLiC: max(0, 1 - beta m)."""
    return max(0.0, 1.0 - beta * margin), -beta if beta * margin < 1.0 else 0.0


def ipo_link(margin: float, beta: float) -> tuple[float, float]:
    """IPO: (m - 1 / (2 beta))^2 (Azar et al. 2023, eq. 17)."""
    off = margin - 1.0 / (2.0 * beta)
    return off**2, 2.0 * off


def of_margin(link: MarginLink) -> Link:
    """A loss of the difference alone."""

    def both(chosen: float, rejected: float, beta: float) -> tuple[float, float, float]:
        value, slope = link(chosen - rejected, beta)
        return value, slope, -slope

    return both


DPO = of_margin(sigmoid_link)


@dataclass(frozen=True)
class Semantics:
    """One way to turn token log-probabilities into a loss.

    Args:
        name: `correct` or a fault.
        variant: of the published losses: link and how tokens are added up.
        link: f.
        average: whether scores are means over the answer's tokens instead of sums.
        skip_first, skip_last: how many tokens at either end of the answer are left out; -1 at the end
            counts the first token of padding, where there is one.
        whole: sides on which the prompt counts as well.
        padded: whether means divide by the length of the longest sequence of the batch.
        reference: k; None takes the policy's own log-probabilities as the reference's.
        beta: what becomes of beta.
        swapped: whether chosen and rejected have changed places.
        frozen: the side that gets no gradient.
        shifted: whether logits are read at the position before the token.
        summed: whether pairs are added up instead of averaged.
        scale: factor of the whole loss.
    """

    name: str
    variant: str
    link: Link = DPO
    average: bool = False
    skip_first: int = 0
    skip_last: int = 0
    whole: tuple[str, ...] = ()
    padded: bool = False
    reference: float | None = 1.0
    beta: Callable[[float], float] = lambda beta: beta
    swapped: bool = False
    frozen: str = ""
    shifted: bool = True
    summed: bool = False
    scale: float = 1.0

    @property
    def key(self) -> str:
        """Identity within evidence."""
        return f"{self.name} | {self.variant}"


VARIANTS = (
    Semantics(CORRECT, "sigmoid"),
    Semantics(CORRECT, "sigmoid over lengths", average=True),
    Semantics(CORRECT, "ipo over lengths", link=of_margin(ipo_link), average=True),
    Semantics(CORRECT, "ipo", link=of_margin(ipo_link)),
    Semantics(CORRECT, "hinge", link=of_margin(hinge_link)),
)
"""Losses that are published choices, the usual one first."""

CHANGES: dict[str, dict] = {
    "pair-swapped": {"swapped": True},
    "reference-ignored": {"reference": 0.0},
    "reference-is-policy": {"reference": None},
    "reference-sign-flipped": {"reference": -1.0},
    "beta-missing": {"beta": lambda beta: 1.0},
    "beta-squared": {"beta": lambda beta: beta**2},
    "beta-inverted": {"beta": lambda beta: 1.0 / beta},
    "end-of-sequence-masked": {"skip_last": 1},
    "first-token-masked": {"skip_first": 1},
    "mask-late": {"skip_first": 1, "skip_last": -1},
    "logits-not-shifted": {"shifted": False},
    "batch-summed": {"summed": True},
    "loss-halved": {"scale": 0.5},
    "loss-negated": {"scale": -1.0},
    "rejected-without-gradient": {"frozen": "rejected"},
    "chosen-without-gradient": {"frozen": "chosen"},
    "prompt-in-average": {"average": True, "whole": SIDES},
    "prompt-in-rejected": {"whole": ("rejected",)},
    "padded-length-denominator": {"average": True, "padded": True},
}
"""Fault -> what it changes of a correct semantics."""


def all_semantics(declared: Sequence[Semantics] = ()) -> Iterator[Semantics]:
    """The published losses and those that a trainer declares, then every fault in every one of them."""
    right = (*VARIANTS, *declared)
    yield from right
    for name, change in CHANGES.items():
        for variant in right:
            # Of sums, a fault of means says nothing.
            if not change.get("average") or variant.average:
                yield replace(variant, name=name, **change)


def predict(
    semantics: Semantics, pairs: Sequence[ScoredPair], beta: float
) -> tuple[float, list[np.ndarray]]:
    """The loss of a batch, and its derivative by every token's log-probability.

    Args:
        semantics: which loss.
        pairs: the batch.
        beta: as configured.

    Returns:
        loss, and [n] weights of every sequence: chosen and rejected of the first pair, ...
    """
    longest = max(len(s.policy) for pair in pairs for s in (pair.chosen, pair.rejected))
    total, weights = 0.0, []
    share = semantics.scale * (1.0 if semantics.summed else 1.0 / len(pairs))
    for pair in pairs:
        sides = []
        for side, scored in zip(SIDES, (pair.chosen, pair.rejected), strict=True):
            begin = 0 if side in semantics.whole else pair.prompt - 1 + semantics.skip_first
            weight = _token_weights(semantics, begin, len(scored.policy), longest)
            policy = scored.policy if semantics.shifted else scored.unshifted
            k = semantics.reference
            reference = weight @ policy if k is None else k * (weight @ scored.reference)
            sides.append((weight, weight @ policy - reference))
        order = -1 if semantics.swapped else 1
        first, second = (score for _, score in sides[::order])
        loss, *slopes = semantics.link(first, second, semantics.beta(beta))
        total += share * loss
        for side, slope, (weight, _) in zip(SIDES, slopes[::order], sides, strict=True):
            weights.append((0.0 if semantics.frozen == side else share * slope) * weight)
    return total, weights


def _token_weights(semantics: Semantics, begin: int, length: int, longest: int) -> np.ndarray:
    """[n] weight of each token in its sequence's score; the last one is padding, if any."""
    weight = np.zeros(length)
    weight[begin : length - 1 - semantics.skip_last] = 1.0
    if length == longest:
        weight[-1] = 0.0
    if semantics.average:
        weight /= longest if semantics.padded else max(weight.sum(), 1.0)
    return weight
