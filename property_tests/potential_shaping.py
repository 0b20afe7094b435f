"""Potential-based reward shaping: extra reward that leaves every optimal policy as it was.

    F(s, s') = gamma * Phi(s') - Phi(s),   with Phi(s') = 0 where s' is terminal

A function that takes `rewards` returns the shaped reward, r + F. Faulty versions stand
in `potential_shaping_faults.py`.

References: Ng, Harada and Russell 1999, "Policy Invariance Under Reward
Transformations"; terminal potentials: Grzes 2017, "Reward Shaping in Episodic
Reinforcement Learning".
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from property_tests import transitions
from property_tests.framework.build import build
from property_tests.framework.generic import sensitivity
from property_tests.framework.models import Run
from property_tests.framework.records import (
    Array,
    Case,
    Domain,
    FunctionContract,
    Mismatch,
    Property,
)
from property_tests.losses import require
from property_tests.policy_rows import row_independence
from property_tests.potential_shaping_faults import FAULTS
from property_tests.rollouts import NO_TERMINATION, NO_TRUNCATION
from rlcheck.functions.binding import Facts, Parameter
from rlcheck.functions.calling import Output

POTENTIAL = Parameter(
    "potential",
    "B",
    "Phi(s)",
    aliases=(
        "potentials",
        "phi",
        "phi_s",
        "phis",
        "potential_s",
        "current_potential",
        "current_potentials",
        "old_potential",
        "prev_potential",
        "previous_potential",
    ),
)
NEXT_POTENTIAL = Parameter(
    "next_potential",
    "B",
    "Phi(s') of the state that was reached",
    aliases=(
        "next_potentials",
        "phi_next",
        "next_phi",
        "phi_s_next",
        "phi_sp",
        "phi_prime",
        "new_potential",
        "potential_next",
        "potentials_next",
    ),
)


def oracle(
    rewards: Array,
    potential: Array,
    next_potential: Array,
    terminated: Array,
    truncated: Array,
    gamma: float,
) -> Array:
    """The equation, row by row; a time limit changes nothing."""
    shaped = np.array(rewards, dtype=np.float64)
    for i in range(len(shaped)):
        shaped[i] += gamma * (0.0 if terminated[i] else next_potential[i]) - potential[i]
    return shaped


def domain(names: frozenset[str], conventions: Facts) -> frozenset[str]:
    """As of a one-step target, and `rewards` where these are shaped."""
    require(names, "potential", "next_potential")
    one_step = transitions.transition_domain()(names | {"rewards"}, conventions)
    return one_step | ({"rewards"} & names)


def cases(where: Domain) -> st.SearchStrategy[Case]:
    """Transitions with potentials; rewards of 0 where the function does not see them."""
    numbers = {name: transitions.NUMBERS for name in ("potential", "next_potential")}
    drawn = transitions.transitions(lambda actions: numbers)(where)
    return drawn if "rewards" in where else drawn.map(_unrewarded)


def _unrewarded(case: Case) -> Case:
    return {**case, "rewards": np.zeros_like(case["rewards"])}


def terminal_step(run: Run, case: Case) -> Mismatch | None:
    """A terminal step gives back the potential."""
    expected = case["rewards"] - case["potential"]
    message = "the potential after a terminal step is 0: what is left is -Phi(s)"
    return run.compare(case, expected, message, where=case["terminated"])


def truncated_step(run: Run, case: Case) -> Mismatch | None:
    """A time limit takes nothing away."""
    plain = {**case, "truncated": np.zeros_like(case["truncated"])}
    message = "a time limit ends no task: the next potential stays"
    return run.compare(case, run.definition(plain), message, where=case["truncated"])


def _along_a_path(case: Case) -> Case:
    """The rows as one path: each step reaches the state of the next, and only the last may end."""
    reached = np.append(case["potential"][1:], case["next_potential"][-1])
    last = np.arange(len(reached)) == len(reached) - 1
    return {
        **case,
        "next_potential": reached,
        "terminated": case["terminated"] & last,
        "truncated": case["truncated"] & last,
    }


def telescopes(run: Run, case: Case) -> Mismatch | None:
    """Along a path only its two ends count."""
    path = _along_a_path(case)
    discounts = case["gamma"] ** np.arange(len(path["potential"]))
    total = discounts @ (run(path) - path["rewards"])
    left = 0.0 if path["terminated"][-1] else path["next_potential"][-1]
    due = case["gamma"] * discounts[-1] * left - path["potential"][0]
    if abs(total - due) <= len(discounts) * run.tolerance(path):
        return None
    message = (
        "along a path the discounted shaping should add up to gamma^T * Phi(last) - Phi(first) = "
        f"{due:.6g}, it adds up to {total:.6g}"
    )
    return Mismatch(message, path)


def no_potential(run: Run, case: Case) -> Mismatch | None:
    """Without potentials nothing is shaped."""
    nothing = np.zeros_like(case["potential"])
    flat = {**case, "potential": nothing, "next_potential": nothing}
    return run.compare(
        flat, case["rewards"], "potentials of 0 should leave the rewards as they are"
    )


STATES, ACTIONS = 3, 2


def small_problems(where: Domain) -> st.SearchStrategy[dict[str, Any]]:
    """Deterministic problems of three states and two actions; a fourth state is terminal."""
    count = STATES * ACTIONS
    reached = st.lists(st.integers(0, STATES), min_size=count, max_size=count)
    rewards = st.lists(transitions.NUMBERS, min_size=count, max_size=count)
    potentials = st.lists(transitions.NUMBERS, min_size=STATES + 1, max_size=STATES + 1)
    ends = "termination" in where
    gamma = where.hyper("gamma", (0.9, 0.5))
    return st.tuples(reached, rewards, potentials, gamma).map(
        lambda drawn: _problem(*drawn, ends=ends)
    )


def _problem(
    reached: list[int], rewards: list[float], potentials: list[float], gamma: float, *, ends: bool
) -> dict[str, Any]:
    following = np.array(reached) if ends else np.array(reached) % STATES
    phi = np.array(potentials)
    return {
        "rewards": np.array(rewards),
        "potential": np.repeat(phi[:STATES], ACTIONS),
        "next_potential": phi[following],
        "terminated": following == STATES,
        "truncated": np.zeros(len(following), bool),
        "gamma": gamma,
        "next_state": following,
    }


def optimal_values(case: Case, rewards: Array) -> Array:
    """Q* [S, A] by value iteration, to rounding."""
    q = np.zeros((STATES, ACTIONS))
    for _ in range(400):
        values = np.append(q.max(axis=1), 0.0)
        q = (rewards + case["gamma"] * values[case["next_state"]]).reshape(STATES, ACTIONS)
    return q


def same_optimum(run: Run, case: Case) -> Mismatch | None:
    """Shaping moves Q* by -Phi(s), whatever the action."""
    if case["gamma"] > 0.95:
        return None  # values would not settle
    plain = case if "rewards" in run.fitted.domain else _unrewarded(case)
    shaped = case["rewards"] + run(plain) - plain["rewards"]
    phi = case["potential"].reshape(STATES, ACTIONS)
    moved = optimal_values(case, shaped) + phi
    expected = optimal_values(case, case["rewards"])
    slack = 40.0 * run.tolerance(case)
    wrong = np.abs(moved - expected) > slack
    if not wrong.any():
        return None
    s, a = (int(i) for i in np.argwhere(wrong)[0])
    before, after = expected.argmax(axis=1)[s], moved.argmax(axis=1)[s]
    change = (
        f": in state {s} action {after} becomes best where action {before} was"
        if before != after
        else f": that of action {a} in state {s} moves by {moved[s, a] - expected[s, a]:.6g} more"
    )
    return Mismatch(f"shaping should move every optimal value by -Phi(s){change}", case)


PROPERTIES = (
    Property(
        "terminal-potential-is-zero",
        "A terminal step gives back the potential: F = -Phi(s).",
        "A potential that is kept at the end is reward that nobody took back: the agent is paid for "
        "where it ends.",
        terminal_step,
        needs={"termination": NO_TERMINATION},
    ),
    Property(
        "truncation-keeps-the-potential",
        "A time limit ends no task: the next potential stays.",
        "Treated as terminal, the limit takes back the potential of a state in which the task goes "
        "on.",
        truncated_step,
        needs={"truncation": NO_TRUNCATION},
    ),
    Property(
        "telescopes-along-a-path",
        "Discounted and added up along a path, only the first and the last potential are left.",
        "That is why shaping cannot be collected by going round in circles.",
        telescopes,
        needs={"batch": "it takes one transition at a time"},
    ),
    Property(
        "optimal-policy-unchanged",
        "In small problems shaping moves every optimal value by -Phi(s), and no optimal action.",
        "Found by solving problems of three states with and without the shaping. What moves the "
        "actions of one state apart has changed the task.",
        same_optimum,
        cases=small_problems,
        needs={"batch": "it takes one transition at a time"},
    ),
    Property(
        "no-potential-no-shaping",
        "Potentials of 0 leave the rewards as they are.",
        "Anything else is a bonus of its own.",
        no_potential,
    ),
    row_independence(),
    sensitivity(
        "gamma",
        0.9,
        0.5,
        "With another discount than the agent's the shaping no longer telescopes, and changes the "
        "task.",
    ),
)

SPEC = FunctionContract(
    name="potential-shaping",
    title="Potential-based reward shaping",
    explanation=__doc__ or "",
    parameters=(
        POTENTIAL,
        NEXT_POTENTIAL,
        transitions.REWARDS,
        *transitions.FLAGS,
        transitions.GAMMA,
    ),
    outputs=(Output("shaping", "B"),),
    oracle=oracle,
    domain=domain,
    cases=cases,
    properties=PROPERTIES,
    faults=FAULTS,
    layouts=transitions.LAYOUTS,
    batch_decides=True,
    words=("potential_shaping", "shaping", "shaped_reward", "shape_reward", "potential_based"),
)
CONTRACT = build(SPEC)
