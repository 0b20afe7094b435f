"""Epsilon-greedy: a best action, or with probability epsilon any action.

    pi(a) = epsilon / A + (1 - epsilon) [a is best]

The parameters are `q_values` [A], `epsilon` and, where randomness comes in, `rng` (a generator of
NumPy, torch or `random`, or a JAX key); functions that draw from global streams are seeded instead.
Several states at once, `q_values` [B, A], give [B] actions. Ties may go to any best action.

References: Sutton and Barto 2018, section 2.2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from property_tests import exploration
from property_tests.epsilon_greedy_faults import FAULTS, definition
from property_tests.exploration import ACTIONS, Q_VALUES, RNG, differs, predict
from property_tests.exploration_properties import (
    as_subject,
    calls_vary,
    common,
    value_rows,
    with_draws,
)
from property_tests.framework.records import Case, Domain, Mismatch, Property
from property_tests.scenario_contract import build
from property_tests.scenarios import ALPHA, Observation, Player, Prepared, Scenario
from rlcheck.contracts import Options
from rlcheck.functions.binding import Parameter

EPSILONS = (0.5, 0.0, 1.0, 0.25, 0.1)
EPSILON = Parameter(
    "epsilon",
    "",
    "probability of a random action",
    aliases=("eps", "exploration_rate", "explore_rate", "exploration_probability", "eps_threshold"),
    hyper=True,
)


def cases(domain: Domain) -> st.SearchStrategy[Case]:
    """Action values of a few states, ties among them, and an epsilon."""
    epsilon = domain.hyper("epsilon", EPSILONS)
    usual = st.fixed_dictionaries({"q_values": value_rows(domain), "epsilon": epsilon})
    best = st.sampled_from([np.array([[0.0, 0.0, 0.0, 0.0, 1.0]]), np.array([[1.0, 0.0, 0.0]])])
    rates = domain.hyper("epsilon", (0.5, 0.2))
    return with_draws(usual, st.fixed_dictionaries({"q_values": best, "epsilon": rates}))


def prepare(raw: Any, options: Options) -> Prepared:
    """The function, bound by its parameter names."""
    rows = np.array([[0.0, 2.0, 1.0], [3.0, 1.0, 1.0]])
    probes = [{"q_values": rows, "epsilon": epsilon} for epsilon in (0.5, 0.0, 1.0)]
    return exploration.prepare(
        raw, options, "epsilon-greedy", (Q_VALUES, EPSILON, RNG, ACTIONS), probes
    )


def play(rule: exploration.Rule, facts: Case) -> Observation:
    """How often each action comes."""
    return exploration.play(rule, facts, int(facts["draws"]))


def at(epsilon: float) -> Callable[[Player, Case], Mismatch | None]:
    """What the definition says at one end of the range."""

    def holds(run: Player, case: Case) -> Mismatch | None:
        return (
            differs(case, run(case), run.definition(case)) if case["epsilon"] == epsilon else None
        )

    return holds


VARIES = {"varies epsilon": "`epsilon` is fixed, so it cannot be set to this end"}

SCENARIO = Scenario(
    name="epsilon-greedy",
    title="Epsilon-greedy actions",
    explanation=__doc__ or "",
    cases=cases,
    prepare=prepare,
    play=play,
    definition=definition,
    predict=predict,
    differs=differs,
    properties=(
        *common(),
        Property(
            "epsilon-zero-is-greedy",
            "With epsilon 0 every action is a best one.",
            "Evaluation runs with epsilon 0: what is not greedy then hides what was learned.",
            at(0.0),
            needs=VARIES,
        ),
        Property(
            "epsilon-one-is-uniform",
            "With epsilon 1 every action is equally likely.",
            "The random action is one of all A, the best one included.",
            at(1.0),
            needs=VARIES,
        ),
        calls_vary("epsilon", 1.0),
    ),
    faults=FAULTS,
    as_subject=as_subject("epsilon"),
    words=("epsilon_greedy", "eps_greedy", "egreedy", "e_greedy"),
    size=30,
    shrinks=80,
    error_rate=ALPHA,
)
CONTRACT = build(SCENARIO)
