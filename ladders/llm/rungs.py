"""What a learner of responses must do, in order of cost.

A learner is made for a problem and a seed, and shows the probabilities of all its responses. Nothing else
is asked of it, so anything that can be trained and enumerated can stand here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from ladders.llm.token_tree import (
    TokenTree,
    divergence,
    objective,
    optimal_value,
    optimum,
    response_probabilities,
)


class ResponseLearner(Protocol):
    """Something that trains on a `TreeProblem`."""

    samples: int
    """Responses drawn or compared so far."""

    def learn(self, updates: int) -> None:
        """Take further updates."""

    def probabilities(self) -> np.ndarray:
        """[P, V^T] of all responses to every prompt, as the policy stands."""


@dataclass(frozen=True)
class TreeProblem:
    """A tree of responses, and the price of a nat away from its reference."""

    tree: TokenTree
    beta: float


MakeLearner = Callable[[TreeProblem, int], ResponseLearner]


class Standing(NamedTuple):
    """How far a learner is."""

    distance: float  # KL(pi || pi*), mean over prompts
    regret: float  # J(pi*) - J(pi), which is beta times the distance
    samples: int


class Rung(NamedTuple):
    """What one rung found."""

    passed: bool
    figure: float
    message: str


def standing(problem: TreeProblem, learner: ResponseLearner) -> Standing:
    """Distance to the optimum, and what it costs."""
    policy = learner.probabilities()
    distance = divergence(policy, optimum(problem.tree, problem.beta)).mean()
    best = optimal_value(problem.tree, problem.beta)
    regret = (best - objective(problem.tree, policy, problem.beta)).mean()
    return Standing(float(distance), float(regret), learner.samples)


def one_update(make: MakeLearner, problem: TreeProblem, seeds: Sequence[int]) -> Rung:
    """One update from the reference raises the exact objective, on average over seeds."""
    start = objective(
        problem.tree,
        response_probabilities(problem.tree.reference, problem.tree.length),
        problem.beta,
    ).mean()
    changes = []
    for seed in seeds:
        learner = make(problem, seed)
        learner.learn(1)
        changes.append(
            objective(problem.tree, learner.probabilities(), problem.beta).mean() - start
        )
    mean = float(np.mean(changes))
    rose = sum(change > 0 for change in changes)
    message = (
        f"the objective changed by {mean:+.3g} on average; it rose for {rose} of {len(seeds)} seeds"
    )
    return Rung(mean > 0 and 2 * rose > len(seeds), mean, message)


def overfits(
    make: MakeLearner, problem: TreeProblem, seed: int, *, updates: int, at_least: float = 0.9
) -> Rung:
    """Of one prompt, the response that alone earns something becomes almost certain.

    Made for a problem of one prompt with one rewarded response and a small beta; for preferences, where
    that response was preferred to every other.
    """
    learner = make(problem, seed)
    learner.learn(updates)
    chance = float(learner.probabilities()[0, int(problem.tree.rewards[0].argmax())])
    message = f"after {updates} updates the best response has probability {chance:.3f}"
    return Rung(chance >= at_least, chance, f"{message}; expected at least {at_least:g}")


def reaches_optimum(
    make: MakeLearner, problem: TreeProblem, seed: int, *, updates: int, within: float
) -> Rung:
    """KL(pi || pi*) falls below a bound."""
    learner = make(problem, seed)
    learner.learn(updates)
    reached = standing(problem, learner)
    message = (
        f"KL to the optimum is {reached.distance:.3g} after {reached.samples:,} responses; "
        f"expected at most {within:g}"
    )
    return Rung(reached.distance <= within, reached.distance, message)
