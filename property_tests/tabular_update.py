"""One update of an action-value table: Q-learning, SARSA or expected SARSA.

    Q(s, a) <- Q(s, a) + learning_rate * (r + gamma * (1 - terminated) * v - Q(s, a))

with v = Q(s', a') where the function takes `next_action` (SARSA), the mean of Q(s', .) where it
takes `next_action_probabilities` (expected SARSA), and the maximum otherwise (Q-learning). The new
table is returned, or the one handed in is changed; what else is returned then does not count.

References: Watkins and Dayan 1992; Sutton and Barto 2018, eqs. 6.7 to 6.9.
"""

from __future__ import annotations

import functools
import inspect
from types import SimpleNamespace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from property_tests import tabular_faults, transitions
from property_tests.framework.build import build
from property_tests.framework.generic import sensitivity
from property_tests.framework.models import Run
from property_tests.framework.records import (
    Array,
    Case,
    Convention,
    Domain,
    FunctionContract,
    Mismatch,
    Property,
)
from property_tests.losses import convention_parameter
from property_tests.rollouts import GAMMAS, NO_TERMINATION, NO_TRUNCATION, require
from rlcheck.contracts import Options
from rlcheck.functions import arrays
from rlcheck.functions.binding import Facts, Parameter, bind_signature
from rlcheck.functions.calling import Output
from rlcheck.functions.layouts import Layout

RATES = (0.5, 0.1, 1.0, 0.25)
PARAMETERS = (
    Parameter(
        "q_table",
        "SA",
        "Q(s, a)",
        aliases=("q", "q_values", "table", "qtable", "action_values", "q_vals"),
    ),
    Parameter(
        "state",
        "",
        "s, an index",
        aliases=("s", "obs", "observation", "current_state", "s_t"),
    ),
    Parameter("action", "", "a, an index", aliases=("a", "act", "a_t")),
    Parameter("reward", "", "r", aliases=("r", "rew", "rewards", "r_t")),
    Parameter(
        "next_state",
        "",
        "s', an index",
        aliases=(
            "new_state", "next_s", "s_next", "next_obs", "next_observation", "sp", "s2",
            "s_prime", "ns", "state_next", "new_obs", "state2", "s1", "s_tp1", "nextstate",
        ),
    ),
    Parameter(
        "next_action",
        "",
        "a', chosen in s' by the policy that acts",
        aliases=(
            "new_action", "next_a", "a_next", "ap", "a2", "a_prime", "na", "action_next",
            "action2", "a1", "a_tp1", "nextaction",
        ),
    ),
    Parameter(
        "next_action_probabilities",
        "A",
        "pi(.|s')",
        aliases=("next_action_probs", "next_probs", "next_policy", "policy_probs", "probs", "pi"),
    ),
    Parameter(
        "terminated",
        "",
        "the step ended the episode",
        aliases=("terminal", "is_terminal", "termination", "terminate"),
    ),
    Parameter(
        "truncated",
        "",
        "the step was the last one for an outside reason",
        aliases=("truncation", "timeout", "time_limit", "trunc"),
    ),
    Parameter(
        "done",
        "",
        "either flag",
        make=lambda facts: bool(facts["terminated"] or facts["truncated"]),
        aliases=("dones", "is_done", "ended", "finished", "d"),
    ),
    Parameter(
        "learning_rate", "", "step size", aliases=("alpha", "lr", "step_size", "eta"), hyper=True
    ),
    Parameter("gamma", "", "discount", aliases=("discount", "discount_factor"), hyper=True),
    convention_parameter("update"),
)  # fmt: skip


def oracle(
    q_table: Array,
    state: int,
    action: int,
    reward: float,
    next_state: int,
    next_action: int | None,
    next_action_probabilities: Array,
    terminated: bool,
    truncated: bool,
    learning_rate: float,
    gamma: float,
    update: str,
) -> tuple[Array, Array]:
    """The new table, and what the one handed in holds afterwards, [S, A] each."""
    target = reward
    if not terminated:
        row = q_table[next_state]
        if next_action is not None:
            follows = row[next_action]
        elif np.any(next_action_probabilities):
            follows = sum(p * q for p, q in zip(next_action_probabilities, row, strict=True))
        else:
            follows = max(row)
        target = reward + gamma * follows
    new = np.array(q_table, dtype=float)
    new[state, action] = q_table[state, action] + learning_rate * (target - q_table[state, action])
    return new, new if update == "in place" else q_table


def domain(names: frozenset[str], conventions: Facts) -> frozenset[str]:
    """Which of the three updates the names ask for, and which ends they can tell."""
    require(names, "q_table", "state", "action", "reward", "next_state")
    rules = {"next_action": "sarsa", "next_action_probabilities": "expected-sarsa"}
    # Nothing but a model of this contract takes both: it is tried with all three.
    can = {rule for name, rule in rules.items() if name in names}
    can = can | {"q-learning"} if len(can) != 1 else can
    if {"terminated", "done"} & names:
        can |= {"termination"}
    if "terminated" in names or {"done", "truncated"} <= names:
        can |= {"truncation"}
    if "terminated" in names:
        can |= {"both-flags"}
    return frozenset(can)


def cases(where: Domain) -> st.SearchStrategy[Case]:
    """A table of a few rows and one transition; a step may lead back to its own state."""
    flags = [(False, False)]
    flags += [(True, False)] * ("termination" in where)
    flags += [(False, True)] * ("truncation" in where)
    flags += [(True, True)] * ("both-flags" in where)
    rules = [r for r in ("q-learning", "sarsa", "expected-sarsa") if r in where]

    def tables(actions: int) -> st.SearchStrategy[Any]:
        row = st.tuples(*[transitions.NUMBERS] * actions)
        weights = st.tuples(*[st.integers(0, 3)] * actions)
        return st.tuples(st.lists(row, min_size=1, max_size=4), weights)

    index = st.integers(0, 3)
    return st.tuples(
        st.integers(1, 3).flatmap(tables),
        st.tuples(index, index, index, index),
        transitions.NUMBERS,
        st.sampled_from([*flags, (False, False)]),
        st.sampled_from(rules),
        st.fixed_dictionaries(
            {
                "learning_rate": where.hyper("learning_rate", RATES),
                "gamma": where.hyper("gamma", GAMMAS),
            }
        ),
    ).map(_case)


def _case(drawn: Any) -> Case:
    (rows, weights), (state, action, next_state, next_action), reward, ends, rule, hypers = drawn
    table = np.array(rows)
    states, actions = table.shape
    mass = np.array(weights, dtype=float) if any(weights) else np.ones(actions)
    probabilities = mass / mass.sum() if rule == "expected-sarsa" else np.zeros(actions)
    return {
        "q_table": table,
        "state": state % states,
        "action": action % actions,
        "reward": reward,
        "next_state": next_state % states,
        "next_action": next_action % actions if rule == "sarsa" else None,
        "next_action_probabilities": probabilities,
        "terminated": ends[0],
        "truncated": ends[1],
        **hypers,
    }


def wrap(raw: Any, options: Options) -> Any:
    """The function, returning (answer, the table handed in as it is after the call).

    The answer is what it returned where that is a table, else the table handed in.
    """
    signature = bind_signature(
        raw,
        PARAMETERS,
        contract="tabular-update",
        bind=options.bind,
        constants=dict(options.constants),
    )
    own = next((n for n, word in signature.arguments.items() if word.name == "q_table"), None)
    if own is None:
        return raw
    parameters = inspect.signature(raw)

    @functools.wraps(raw)
    def updated(*args: Any, **kwargs: Any) -> Any:
        table = parameters.bind(*args, **kwargs).arguments[own]
        returned = raw(*args, **kwargs)
        parts = arrays.elements(returned, ("new_table",))
        tables = [part for part in parts[:2] if _shape(part) == _shape(table)]
        return tuple(tables) if len(tables) == 2 else ([*tables, table][0], table)

    return updated


def _shape(value: Any) -> tuple[int, ...]:
    try:
        return arrays.to_numpy(value).shape
    except (ValueError, TypeError, RuntimeError):  # nothing, or something that is no table
        return ()


def tolerance(case: Case, epsilon: float) -> float:
    """Rounding error of a handful of operations."""
    largest = 1.0 + float(np.abs(case["q_table"]).max()) + abs(float(case["reward"]))
    return 32.0 * epsilon * largest


def _entry(case: Case) -> Array:
    """Where the entry of the step is."""
    where = np.zeros(case["q_table"].shape, bool)
    where[case["state"], case["action"]] = True
    return where


def _full_target(case: Case) -> float:
    x = SimpleNamespace(**case)
    return x.reward if x.terminated else x.reward + x.gamma * tabular_faults.following(x)


def one_entry(run: Run, case: Case) -> Mismatch | None:
    """All other entries stay as they are."""
    message = "an entry that the step has nothing to do with was changed"
    return run.compare(case, case["q_table"], message, where=~_entry(case))


def terminal_step(run: Run, case: Case) -> Mismatch | None:
    """Q(s, a) moves towards the reward where the step terminated."""
    if not case["terminated"]:
        return None
    table = case["q_table"]
    expected = table + case["learning_rate"] * (case["reward"] - table)
    message = "nothing follows a terminal step: its target is the reward"
    return run.compare(case, expected, message, where=_entry(case))


def truncated_step(run: Run, case: Case) -> Mismatch | None:
    """The flag changes nothing."""
    if case["terminated"] or not case["truncated"]:
        return None
    table = case["q_table"]
    expected = table + case["learning_rate"] * (_full_target(case) - table)
    message = "a time limit takes nothing away: the target is that of the step without the flag"
    return run.compare(case, expected, message, where=_entry(case))


def full_rate(run: Run, case: Case) -> Mismatch | None:
    """With learning_rate = 1 the entry is the target."""
    case = {**case, "learning_rate": 1.0}
    expected = np.where(_entry(case), _full_target(case), case["q_table"])
    return run.compare(case, expected, "with learning_rate = 1 the entry becomes the target")


def no_rate(run: Run, case: Case) -> Mismatch | None:
    """With learning_rate = 0 nothing changes."""
    case = {**case, "learning_rate": 0.0}
    return run.compare(case, case["q_table"], "with learning_rate = 0 the table stays as it is")


def no_error(run: Run, case: Case) -> Mismatch | None:
    """Where the entry is its own target, nothing changes."""
    current = case["q_table"][case["state"], case["action"]]
    calm = {**case, "reward": case["reward"] + float(current) - _full_target(case)}
    message = "the entry is its own target already: nothing should change"
    return run.compare(calm, case["q_table"], message)


def other_states(run: Run, case: Case) -> Mismatch | None:
    """Rows of states that the step does not touch do not count."""
    apart = np.ones(len(case["q_table"]), bool)
    apart[[case["state"], case["next_state"]]] = False
    if not apart.any():
        return None
    table = case["q_table"] + 9.0 * apart[:, None]
    message = "values of a state that the step does not touch changed the update"
    return run.compare({**case, "q_table": table}, run(case), message, where=_entry(case))


def same_table(run: Run, case: Case) -> Mismatch | None:
    """A copy leaves the argument alone; in place argument and answer are one."""
    answer, argument = run.outputs(case)[:2]
    in_place = run.facts(case)["update"] == "in place"
    expected = answer if in_place else case["q_table"]
    message = (
        "the table handed in and the one returned differ"
        if in_place
        else "a new table is returned, and the one handed in was changed as well"
    )
    found = run.compare(case, expected, message, got=argument)
    return found and found._replace(suspects=("inputs-changed",))


PROPERTIES = (
    Property(
        "touches-one-entry",
        "No entry but that of the step changes.",
        "A whole row that moves credits actions that were not taken; exchanged indices credit "
        "another state.",
        one_entry,
    ),
    Property(
        "terminal-has-no-bootstrap",
        "The target of a terminal step is its reward.",
        "What the table holds for a terminal state is whatever it was initialised with.",
        terminal_step,
        needs={"termination": NO_TERMINATION},
    ),
    Property(
        "truncation-bootstraps",
        "A time limit does not end the task: the bootstrap stays.",
        "Treated as terminal, the limit teaches that late states are worthless, by a clock that "
        "the agent does not see.",
        truncated_step,
        needs={"truncation": NO_TRUNCATION},
        references=("https://arxiv.org/abs/1712.00378",),
    ),
    Property(
        "full-rate-is-the-target",
        "With learning_rate = 1 the entry becomes the target.",
        "Shows mistakes in the target apart from those in the step towards it.",
        full_rate,
        varies=("learning_rate",),
    ),
    Property(
        "no-rate-keeps-the-table",
        "With learning_rate = 0 nothing changes.",
        "Old value and target are weighted with 1 - learning_rate and learning_rate.",
        no_rate,
        varies=("learning_rate",),
    ),
    Property(
        "no-error-no-change",
        "An entry that is its own target stays.",
        "The fixed point of the update is the solution of the Bellman equation.",
        no_error,
    ),
    Property(
        "other-states-do-not-count",
        "Only rows of the state and of the next state are read.",
        "A maximum over the whole table lets every state's values in.",
        other_states,
    ),
    Property(
        "one-table",
        "A copy leaves the table handed in alone; in place the two are one.",
        "Where both change, or only the wrong one, caller and function learn different tables.",
        same_table,
    ),
    sensitivity("learning_rate", 0.5, 0.1, "A rate without effect overwrites, or never learns."),
    sensitivity("gamma", 0.9, 0.5, "A discount without effect trains another objective."),
)

SPEC = FunctionContract(
    name="tabular-update",
    title="Update of an action-value table",
    explanation=__doc__ or "",
    parameters=PARAMETERS,
    outputs=(Output("new_table", "SA"), Output("table_after", "SA")),
    oracle=oracle,
    domain=domain,
    cases=cases,
    properties=PROPERTIES,
    faults=tabular_faults.faults(oracle),
    conventions=(
        Convention("update", ("copy", "in place"), "whether the table handed in is changed"),
    ),
    layouts=(Layout.AS_WRITTEN,),
    tolerance=tolerance,
    pure=False,
    words=("q_learning_update", "sarsa_update", "tabular_update", "update_q", "q_update"),
    wrap=wrap,
)
CONTRACT = build(SPEC)
