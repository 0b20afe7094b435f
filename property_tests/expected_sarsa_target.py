"""Expected SARSA targets: the mean over the policy's next action follows.

    y = r + gamma * (1 - terminated) * sum_a pi(a|s') Q(s', a)

References: van Seijen et al. 2009; Sutton and Barto 2018, eq. 6.9.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from property_tests import transitions
from property_tests.framework.build import build
from property_tests.framework.models import Run
from property_tests.framework.records import (
    Array,
    Case,
    FaultyVersion,
    FunctionContract,
    Mismatch,
    Property,
)
from property_tests.q_learning_target import NEXT_Q_VALUES
from rlcheck.functions.binding import Parameter
from rlcheck.functions.calling import Output


def oracle(
    rewards: Array,
    next_q_values: Array,
    next_action_probabilities: Array,
    terminated: Array,
    truncated: Array,
    gamma: float,
) -> Array:
    """The target of each row."""
    following = value(next_q_values, next_action_probabilities)
    return transitions.targets(rewards, following, terminated, gamma)


def value(next_q_values: Array, next_action_probabilities: Array) -> Array:
    """What follows."""
    return (next_q_values * next_action_probabilities).sum(axis=1)


def rows(actions: int) -> dict[str, st.SearchStrategy[Any]]:
    """Action values and a distribution in eighths, greedy ones included."""
    cuts = st.lists(st.integers(0, 8), min_size=actions - 1, max_size=actions - 1).map(sorted)
    shares = cuts.map(lambda inner: tuple(np.diff([0, *inner, 8]) / 8.0))
    return {
        "next_q_values": st.tuples(*[transitions.NUMBERS] * actions),
        "next_action_probabilities": shares,
    }


def greedy_limit(run: Run, case: Case) -> Mismatch | None:
    """Under the greedy policy the target is that of Q-learning."""
    q = case["next_q_values"]
    greedy = np.eye(q.shape[1])[q.argmax(axis=1)]
    case = {**case, "next_action_probabilities": greedy}
    best = transitions.targets(case["rewards"], q.max(axis=1), case["terminated"], case["gamma"])
    return run.compare(case, best, "under the greedy policy this is the Q-learning target")


def _wrong(name, model, title, explanation, *references) -> FaultyVersion:
    return FaultyVersion(
        name,
        transitions.with_value(oracle, model),
        title,
        explanation,
        "Weigh the next action values with the policy's probabilities, and sum over actions.",
        "the reduction over actions",
        references,
    )


SPEC = FunctionContract(
    name="expected-sarsa-target",
    title="Expected SARSA target",
    explanation=__doc__ or "",
    parameters=(
        transitions.REWARDS,
        NEXT_Q_VALUES,
        Parameter(
            "next_action_probabilities",
            "BA",
            "pi(a|s')",
            aliases=("next_probs", "next_action_probs", "next_policy", "next_pi", "probs"),
        ),
        *transitions.FLAGS,
        transitions.GAMMA,
    ),
    outputs=(Output("targets", "B"),),
    oracle=oracle,
    domain=transitions.transition_domain("next_q_values", "next_action_probabilities"),
    cases=transitions.transitions(rows),
    properties=(
        *transitions.properties(),
        Property(
            "greedy-limit-is-q-learning",
            "Under the greedy policy the target is that of Q-learning.",
            "Q-learning is expected SARSA under the policy that always takes the best action.",
            greedy_limit,
        ),
    ),
    faults=(
        *transitions.faults(oracle, value),
        _wrong(
            "max-instead-of-expectation",
            lambda next_q_values: next_q_values.max(axis=1),
            "the best action stands for the expectation",
            "This is Q-learning: another policy is evaluated.",
        ),
        _wrong(
            "probabilities-ignored",
            lambda next_q_values: next_q_values.mean(axis=1),
            "all actions count alike",
            "The value of a uniformly random policy is learned.",
        ),
        _wrong(
            "mean-instead-of-sum",
            lambda next_q_values, next_action_probabilities: (
                next_q_values * next_action_probabilities
            ).mean(axis=1),
            "the weighted values are averaged instead of summed",
            "The expectation is divided by the number of actions.",
        ),
        _wrong(
            "most-probable-action",
            lambda next_q_values, next_action_probabilities: next_q_values[
                np.arange(len(next_q_values)), next_action_probabilities.argmax(axis=1)
            ],
            "only the most probable action counts",
            "The mode of the policy stands for its mean.",
        ),
        _wrong(
            "probabilities-of-next-row",
            lambda next_q_values, next_action_probabilities: value(
                next_q_values, np.roll(next_action_probabilities, -1, axis=0)
            ),
            "the probabilities belong to another row",
            "Probabilities are one row off against the action values.",
        ),
    ),
    layouts=transitions.LAYOUTS,
    words=("expected_sarsa",),
)
CONTRACT = build(SPEC)
