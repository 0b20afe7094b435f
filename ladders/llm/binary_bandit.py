"""A bandit that pays 0 or 1, and where group-relative policy gradients with a price per nat come to rest.

With success probability p of the policy, p0 of the reference, and both spread alike within successes and
within failures, everything is a function of p. Group advantages give on average c(p) times the gradient
of p (`group_gradient`), so training comes to rest where

    c(p) = beta (logit p - logit p0)              a price of KL(pi || pi_ref)
    c(p) = beta (p - p0) / (p (1 - p))            a price of KL(pi_ref || pi), which k3 in a loss is

With c = 1 the first is pi* of `token_tree`.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log, sqrt

from ladders.llm.group_gradient import binary_factor

Factor = Callable[[float], float]
"""p -> c(p)."""


def logit(p: float) -> float:
    """log p / (1 - p)."""
    return log(p / (1.0 - p))


def factors(group_size: int) -> dict[str, Factor]:
    """c of the published advantages, by the names of `ladders.trainers.group_semantics`."""
    centred = (group_size - 1) / group_size

    def spread(p: float) -> float:
        return sqrt(p * (1.0 - p))

    return {
        "scaled by the group": lambda p: binary_factor(p, group_size, ddof=1),
        "scaled by the group (ddof 0)": lambda p: binary_factor(p, group_size, ddof=0),
        "centred": lambda p: centred,
        "scaled by the batch": lambda p: centred / spread(p),
        "leave-one-out": lambda p: 1.0,
        "leave-one-out, scaled by the batch": lambda p: 1.0 / spread(p),
    }


def resting_point(p0: float, beta: float, factor: Factor, *, forward: bool) -> float:
    """The p at which reward and price balance, by bisection.

    Args:
        p0: success probability of the reference.
        beta: price of a nat.
        factor: c.
        forward: whether the price is of KL(pi_ref || pi).
    """

    def gain(p: float) -> float:
        price = (p - p0) / (p * (1.0 - p)) if forward else logit(p) - logit(p0)
        return factor(p) - beta * price

    low, high = p0, 1.0 - 1e-12
    for _ in range(100):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if gain(middle) > 0 else (low, middle)
    return low
