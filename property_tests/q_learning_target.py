"""Q-learning targets: the best action follows.

    y = r + gamma * (1 - terminated) * max_a Q(s', a)

References: Watkins and Dayan 1992; Mnih et al. 2015, eq. 1.
"""

from __future__ import annotations

import numpy as np

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
from rlcheck.functions.binding import Parameter
from rlcheck.functions.calling import Output

NEXT_Q_VALUES = Parameter(
    "next_q_values",
    "BA",
    "Q(s', a) of the network that evaluates",
    aliases=("next_q", "q_next", "next_qs", "target_q", "q_target", "next_action_values", "q_t"),
)


def oracle(
    rewards: Array, next_q_values: Array, terminated: Array, truncated: Array, gamma: float
) -> Array:
    """The target of each row, with the largest of its action values."""
    best = np.array([max(row) for row in next_q_values])
    return transitions.targets(rewards, best, terminated, gamma)


def value(next_q_values: Array) -> Array:
    """What follows."""
    return next_q_values.max(axis=1)


def monotone(run: Run, case: Case) -> Mismatch | None:
    """Raising every action value by 1 raises the target by gamma where the episode goes on."""
    raised = {**case, "next_q_values": case["next_q_values"] + 1.0}
    expected = run(case) + case["gamma"] * ~case["terminated"]
    return run.compare(raised, expected, "action values one higher should raise it by gamma")


def best_only(run: Run, case: Case) -> Mismatch | None:
    """Lowering every action but the best changes nothing."""
    q = case["next_q_values"]
    lower = np.where(q == q.max(axis=1, keepdims=True), q, q - 2.0)
    return run.compare(
        {**case, "next_q_values": lower}, run(case), "an action that is not the best counts"
    )


def _wrong(name, model, title, explanation, *references) -> FaultyVersion:
    return FaultyVersion(
        name,
        transitions.with_value(oracle, model),
        title,
        explanation,
        "Take the maximum over the action axis of each row.",
        "the reduction of the next action values",
        references,
    )


SPEC = FunctionContract(
    name="q-learning-target",
    title="Q-learning target",
    explanation=__doc__ or "",
    parameters=(
        transitions.REWARDS,
        NEXT_Q_VALUES,
        *transitions.FLAGS,
        transitions.GAMMA,
    ),
    outputs=(Output("targets", "B"),),
    oracle=oracle,
    domain=transitions.transition_domain("next_q_values"),
    cases=transitions.transitions(transitions.action_values("next_q_values")),
    properties=(
        *transitions.properties(),
        Property(
            "shifts-with-its-action-values",
            "Action values one higher raise the target by gamma.",
            "The Bellman optimality operator is monotone and a gamma-contraction.",
            monotone,
        ),
        Property(
            "only-the-best-action-counts",
            "Lowering an action that is not the best changes nothing.",
            "A mean, a soft maximum or the maximum of another row lets other actions in.",
            best_only,
        ),
    ),
    faults=(
        *transitions.faults(oracle, value),
        _wrong(
            "mean-instead-of-max",
            lambda next_q_values: next_q_values.mean(axis=1),
            "the mean over actions stands for the maximum",
            "The value of a uniformly random policy is learned.",
        ),
        _wrong(
            "min-instead-of-max",
            lambda next_q_values: next_q_values.min(axis=1),
            "the minimum over actions stands for the maximum",
            "The value of the worst policy is learned.",
        ),
        _wrong(
            "sum-instead-of-max",
            lambda next_q_values: next_q_values.sum(axis=1),
            "the sum over actions stands for the maximum",
            "Values grow with the number of actions.",
        ),
        _wrong(
            "max-over-batch",
            lambda next_q_values: np.full(len(next_q_values), next_q_values.max()),
            "the maximum runs over the whole batch",
            "Every row gets the highest value of any row.",
            "https://github.com/google/dopamine/commit/9793d17d6d03",
        ),
        _wrong(
            "first-action",
            lambda next_q_values: next_q_values[:, 0],
            "the first action stands for the best",
            "An index instead of a maximum.",
            "https://github.com/google/dopamine/commit/63046161a538",
        ),
        _wrong(
            "index-instead-of-value",
            lambda next_q_values: next_q_values.argmax(axis=1).astype(float),
            "the index of the best action stands for its value",
            "`max` of torch returns values and indices, and the wrong one is taken.",
        ),
        _wrong(
            "absolute-maximum",
            lambda next_q_values: np.abs(next_q_values).max(axis=1),
            "the maximum is taken of absolute values",
            "Bad actions look as good as good ones.",
        ),
        _wrong(
            "max-clipped-at-zero",
            lambda next_q_values: next_q_values.max(axis=1).clip(min=0.0),
            "the value of the next state is never below 0",
            "Padding or an activation keeps negative values out.",
            "https://github.com/ray-project/ray/issues/4693",
        ),
    ),
    layouts=transitions.LAYOUTS,
    words=("q_learning_target",),
)
CONTRACT = build(SPEC)
