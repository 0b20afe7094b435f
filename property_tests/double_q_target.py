"""Double Q-learning targets: one network selects the action, the other evaluates it.

    y = r + gamma * (1 - terminated) * Q_target(s', argmax_a Q_online(s', a))

References: van Hasselt et al. 2016, arXiv:1509.06461, eq. 4.
"""

from __future__ import annotations

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
from rlcheck.functions.binding import Parameter
from rlcheck.functions.calling import Output


def _picked(values: Array, actions: Array) -> Array:
    return values[np.arange(len(values)), actions]


def oracle(
    rewards: Array,
    next_q_online: Array,
    next_q_target: Array,
    terminated: Array,
    truncated: Array,
    gamma: float,
) -> Array:
    """The target of each row."""
    following = np.array(
        [
            theirs[int(np.argmax(own))]
            for own, theirs in zip(next_q_online, next_q_target, strict=True)
        ]
    )
    return transitions.targets(rewards, following, terminated, gamma)


def value(next_q_online: Array, next_q_target: Array) -> Array:
    """What follows."""
    return _picked(next_q_target, next_q_online.argmax(axis=1))


def rows(actions: int) -> dict[str, st.SearchStrategy[tuple[float, ...]]]:
    """Two networks; the selecting one without ties, since libraries break them differently."""
    distinct = st.permutations(range(actions)).map(lambda order: tuple(float(k) for k in order))
    return {
        "next_q_online": distinct,
        "next_q_target": st.tuples(*[transitions.NUMBERS] * actions),
    }


def below_q_learning(run: Run, case: Case) -> Mismatch | None:
    """y <= r + gamma * (1 - terminated) * max_a Q_target(s', a)."""
    most = transitions.targets(
        case["rewards"], case["next_q_target"].max(axis=1), case["terminated"], case["gamma"]
    )
    got = run(case)
    message = "the target lies above the Q-learning target of the target network"
    return run.compare(case, most, message, got=got, where=got > most)


def selection_only(run: Run, case: Case) -> Mismatch | None:
    """An increasing map of the online values changes nothing."""
    stretched = {**case, "next_q_online": 3.0 * case["next_q_online"] - 5.0}
    message = "the online network selects only: stretching its values should change nothing"
    return run.compare(stretched, run(case), message)


def _rows_of_actions(next_q_online: Array, next_q_target: Array) -> Array:
    """Rows of the batch, the actions taken for their numbers."""
    return next_q_target[next_q_online.argmax(axis=1) % len(next_q_target)]


def _columns_of_actions(next_q_online: Array, next_q_target: Array) -> Array:
    """[N, N]: for each row the actions that any row has selected."""
    return next_q_target[:, next_q_online.argmax(axis=1)]


def _wrong(name, model, title, explanation, *references, variants=()) -> FaultyVersion:
    return FaultyVersion(
        name,
        transitions.with_value(oracle, model),
        title,
        explanation,
        "Take the argmax of the online network and look it up in the target network.",
        "the two lines that select and evaluate",
        references,
        variants=tuple(transitions.with_value(oracle, variant) for variant in variants),
    )


SPEC = FunctionContract(
    name="double-q-target",
    title="Double Q-learning target",
    explanation=__doc__ or "",
    parameters=(
        transitions.REWARDS,
        Parameter(
            "next_q_online",
            "BA",
            "Q(s', a) of the network being learned",
            aliases=(
                "next_q_values_online",
                "online_next_q",
                "next_online_q",
                "q_online",
                "q_t_selector",
            ),
        ),
        Parameter(
            "next_q_target",
            "BA",
            "Q(s', a) of the target network",
            aliases=(
                "next_q_values_target",
                "target_next_q",
                "next_target_q",
                "q_target",
                "q_t_value",
            ),
        ),
        *transitions.FLAGS,
        transitions.GAMMA,
    ),
    outputs=(Output("targets", "B"),),
    oracle=oracle,
    domain=transitions.transition_domain("next_q_online", "next_q_target"),
    cases=transitions.transitions(rows),
    properties=(
        *transitions.properties(),
        Property(
            "never-above-q-learning",
            "The target is at most the Q-learning target of the target network.",
            "Selecting with another network is there to take the overestimation away.",
            below_q_learning,
        ),
        Property(
            "online-network-only-selects",
            "Stretching the online values without changing their order changes nothing.",
            "Evaluated by the network that selected, the target is the plain one, and "
            "overestimation is back.",
            selection_only,
        ),
    ),
    faults=(
        *transitions.faults(oracle, value),
        _wrong(
            "networks-swapped",
            lambda next_q_online, next_q_target: _picked(
                next_q_online, next_q_target.argmax(axis=1)
            ),
            "the target network selects and the online network evaluates",
            "The two roles are exchanged: the bootstrap moves with every update.",
            "https://github.com/AgileRL/AgileRL/commit/b4c0e4b94e8c",
        ),
        _wrong(
            "plain-target-maximum",
            lambda next_q_target: next_q_target.max(axis=1),
            "the target network selects and evaluates",
            "This is the plain Q-learning target.",
        ),
        _wrong(
            "online-maximum",
            lambda next_q_online: next_q_online.max(axis=1),
            "the online network selects and evaluates",
            "There is no target network in the target.",
            "https://github.com/takuseno/d3rlpy/commit/143aa8ed0963",
        ),
        _wrong(
            "minimum-of-both",
            lambda next_q_online, next_q_target: np.minimum(next_q_online, next_q_target).max(
                axis=1
            ),
            "the minimum of both networks is taken, as for twin critics",
            "Clipped double Q-learning is another algorithm, with two critics trained alike.",
        ),
        _wrong(
            "mean-of-both",
            lambda next_q_online, next_q_target: (0.5 * (next_q_online + next_q_target)).max(
                axis=1
            ),
            "both networks are averaged",
            "Selection and evaluation are no longer apart.",
        ),
        _wrong(
            "worst-action-selected",
            lambda next_q_online, next_q_target: _picked(
                next_q_target, next_q_online.argmin(axis=1)
            ),
            "the worst action is selected",
            "argmin stands for argmax.",
        ),
        _wrong(
            "actions-index-rows",
            lambda next_q_online, next_q_target: _rows_of_actions(next_q_online, next_q_target).max(
                axis=1
            ),
            "the selected actions are taken for row numbers, or for those of the whole batch",
            "`q[actions]` picks rows, and `q[:, actions]` the actions of all rows in every row; a "
            "reduction over what comes out hides the shape.",
            "https://github.com/AgileRL/AgileRL/commit/b4c0e4b94e8c",
            variants=(
                lambda next_q_online, next_q_target: _rows_of_actions(next_q_online, next_q_target)[
                    :, 0
                ],
                lambda next_q_online, next_q_target: _columns_of_actions(
                    next_q_online, next_q_target
                ).max(axis=1),
                lambda next_q_online, next_q_target: _columns_of_actions(
                    next_q_online, next_q_target
                ).mean(axis=1),
                lambda next_q_online, next_q_target: _columns_of_actions(
                    next_q_online, next_q_target
                )[:, 0],
            ),
        ),
    ),
    layouts=transitions.LAYOUTS,
    words=("double_q", "double_dqn", "ddqn"),
)
CONTRACT = build(SPEC)
