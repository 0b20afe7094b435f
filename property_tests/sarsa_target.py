"""SARSA targets: the action really taken next follows.

    y = r + gamma * (1 - terminated) * Q(s', a')

References: Sutton and Barto 2018, eq. 6.7.
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
    next_actions: Array,
    terminated: Array,
    truncated: Array,
    gamma: float,
) -> Array:
    """The target of each row."""
    return transitions.targets(rewards, value(next_q_values, next_actions), terminated, gamma)


def value(next_q_values: Array, next_actions: Array) -> Array:
    """What follows."""
    return np.array([row[a] for row, a in zip(next_q_values, next_actions, strict=True)])


def rows(actions: int) -> dict[str, st.SearchStrategy[Any]]:
    """Action values and an action."""
    return {
        "next_q_values": st.tuples(*[transitions.NUMBERS] * actions),
        "next_actions": st.integers(0, actions - 1),
    }


def taken_only(run: Run, case: Case) -> Mismatch | None:
    """Changing the values of the actions not taken changes nothing."""
    q = case["next_q_values"]
    taken = np.arange(q.shape[1]) == case["next_actions"][:, None]
    changed = {**case, "next_q_values": np.where(taken, q, q + 3.0)}
    return run.compare(changed, run(case), "an action that was not taken counts")


def _wrong(name, model, title, explanation, *references) -> FaultyVersion:
    return FaultyVersion(
        name,
        transitions.with_value(oracle, model),
        title,
        explanation,
        "Look up Q(s', a') at the action taken, row by row.",
        "the line that indexes the next action values",
        references,
    )


SPEC = FunctionContract(
    name="sarsa-target",
    title="SARSA target",
    explanation=__doc__ or "",
    parameters=(
        transitions.REWARDS,
        NEXT_Q_VALUES,
        Parameter("next_actions", "B", "a', an index", aliases=("next_action", "a_next", "a_t")),
        *transitions.FLAGS,
        transitions.GAMMA,
    ),
    outputs=(Output("targets", "B"),),
    oracle=oracle,
    domain=transitions.transition_domain("next_q_values", "next_actions"),
    cases=transitions.transitions(rows),
    properties=(
        *transitions.properties(),
        Property(
            "only-the-action-taken-counts",
            "Values of actions that were not taken change nothing.",
            "SARSA evaluates the policy that acts, exploration included.",
            taken_only,
        ),
    ),
    faults=(
        *transitions.faults(oracle, value),
        _wrong(
            "max-instead-of-taken",
            lambda next_q_values: next_q_values.max(axis=1),
            "the best action stands for the one taken",
            "This is Q-learning: another policy is evaluated.",
        ),
        _wrong(
            "mean-instead-of-taken",
            lambda next_q_values: next_q_values.mean(axis=1),
            "the mean over actions stands for the action taken",
            "The value of a uniformly random policy is learned.",
        ),
        _wrong(
            "action-of-next-row",
            lambda next_q_values, next_actions: value(next_q_values, np.roll(next_actions, -1)),
            "the action belongs to another row",
            "Actions are one row off against the action values.",
        ),
        _wrong(
            "action-of-first-row",
            lambda next_q_values, next_actions: next_q_values[:, next_actions[0]],
            "the action of the first row is used for all",
            "An index is broadcast over the batch.",
            "https://github.com/google/dopamine/commit/63046161a538",
        ),
    ),
    layouts=transitions.LAYOUTS,
)
CONTRACT = build(SPEC)
