"""A proxy reward that is right about most responses and very wrong about a few rare ones.

The optimum for the proxy, pi_beta = pi_ref exp(proxy / beta) / Z, is known for every beta, and with it
the curve of true reward over divergence: it rises while the rare responses are rare, then falls while the
proxy still rises. Training without a price on divergence walks down the far side.

References: Gao, Schulman and Hilton 2022, arXiv:2210.10760.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ladders.llm.token_tree import divergence, softmax


@dataclass(frozen=True)
class ProxyProblem:
    """One prompt and A responses; the last `exploits` of them fool the proxy."""

    reference: np.ndarray  # [A]
    proxy: np.ndarray  # [A]
    true: np.ndarray  # [A]


class Point(NamedTuple):
    """Where a policy stands."""

    kl: float
    proxy: float
    true: float


def proxy_problem(*, responses: int = 12, exploits: int = 2) -> ProxyProblem:
    """Rewards from 0 to 1, and exploits of probability 1/500 that earn 1.5 by proxy and -1 in truth."""
    honest = np.linspace(0.0, 1.0, responses - exploits)
    rare = 0.002
    reference = np.full(responses, (1.0 - rare * exploits) / (responses - exploits))
    reference[-exploits:] = rare
    return ProxyProblem(
        reference,
        np.concatenate([honest, np.full(exploits, 1.5)]),
        np.concatenate([honest, np.full(exploits, -1.0)]),
    )


def standing(problem: ProxyProblem, probabilities: np.ndarray) -> Point:
    """The divergence from the reference and both rewards of a policy [A]."""
    kl = float(divergence(probabilities, problem.reference))
    return Point(kl, float(probabilities @ problem.proxy), float(probabilities @ problem.true))


def exact_curve(problem: ProxyProblem, betas: np.ndarray) -> list[Point]:
    """The optima for the proxy at each price of a nat, in the order given."""
    policies = softmax(np.log(problem.reference) + problem.proxy / np.asarray(betas)[:, None])
    return [standing(problem, policy) for policy in policies]


def peak(problem: ProxyProblem) -> Point:
    """The optimum for the proxy whose true reward is highest."""
    return max(exact_curve(problem, np.geomspace(10.0, 0.02, 400)), key=lambda point: point.true)


def is_over_optimised(walk: list[Point], problem: ProxyProblem) -> bool:
    """Has training passed the peak: true reward falling, proxy rising, divergence beyond the peak's?"""
    best = max(walk, key=lambda point: point.true)
    last = walk[-1]
    fallen = last.true < best.true - 0.1 and last.proxy > best.proxy
    return fallen and last.kl > peak(problem).kl
