"""Small finite MDPs as contracts on dynamic programming see them: vocabulary, inputs, exact values.

Canonical inputs are `transitions[s, a, t] = P(t|s, a)`, rows of which sum to 1, and `rewards[s, a, t]`
per transition; functions that take expected rewards `[S, A]` are given their mean under P. Rewards
of impossible transitions are not 0: nothing correct looks at them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from property_tests.framework.models import Fitted, Run
from property_tests.framework.records import Array, Case, Convention, Domain, Mismatch, Property
from property_tests.rollouts import require
from property_tests.transitions import NUMBERS
from rlcheck.errors import BindingError
from rlcheck.functions.binding import Facts, Parameter
from rlcheck.functions.calling import Malformed
from rlcheck.functions.layouts import Layout

STOPPING = 1e-3
"""The coarsest change per sweep at which a correct iterative function may stop."""

ASKED = 1e-6
"""What functions that name their stopping threshold are given."""

GAMMAS = (0.5, 0.9, 0.8, 0.0)
LAYOUTS = (Layout.AS_WRITTEN,)
REWARD_AXES = Convention(
    "reward_axes", ("[S, A, S]", "[S, A]"), "rewards per transition, or expected ones"
)
TRANSITION_AXES = Convention(
    "transition_axes", ("[S, A, S]", "[A, S, S]"), "whether states or actions come first"
)
CONVENTIONS = (REWARD_AXES, TRANSITION_AXES)


def _transitions(facts: Facts) -> Array:
    first = facts["transition_axes"] == "[A, S, S]"
    return np.swapaxes(facts["transitions"], 0, 1) if first else facts["transitions"]


def _rewards(facts: Facts) -> Array:
    if facts["reward_axes"] == "[S, A]":
        return expected_rewards(facts["transitions"], facts["rewards"])
    first = facts["transition_axes"] == "[A, S, S]"
    return np.swapaxes(facts["rewards"], 0, 1) if first else facts["rewards"]


def _sweeps(facts: Facts) -> int:
    """Sweeps after which gamma^k is below rounding."""
    gamma = facts["gamma"]
    return math.ceil(math.log(1e-12) / math.log(gamma)) if 0.0 < gamma < 1.0 else 2


TRANSITIONS = Parameter(
    "transitions",
    "SAS",
    "P(t|s, a)",
    make=_transitions,
    aliases=(
        "p", "transition_probs", "transition_probabilities", "transition_matrix", "probs",
        "transition", "dynamics", "t", "p_sas", "transition_model", "trans", "probabilities",
    ),
)  # fmt: skip
REWARDS = Parameter(
    "rewards",
    "SAS",
    "R(s, a, t), or R(s, a) for functions that take expected rewards",
    make=_rewards,
    aliases=("r", "reward", "reward_matrix", "reward_function", "rew", "reward_model", "r_sa"),
)
POLICY = Parameter(
    "policy",
    "SA",
    "pi(a|s)",
    aliases=("pi", "policy_probs", "action_probabilities", "probs_policy"),
)
GAMMA = Parameter("gamma", "", "discount", aliases=("discount", "discount_factor"), hyper=True)
OPTIONAL = (
    Parameter(
        "tolerance",
        "",
        "change at which to stop",
        make=lambda facts: ASKED,
        aliases=("theta", "tol", "epsilon", "eps", "threshold", "atol", "stop_threshold"),
    ),
    Parameter(
        "max_iterations",
        "",
        "largest number of sweeps",
        make=_sweeps,
        aliases=(
            "max_iter", "max_iters", "n_iterations", "num_iterations", "iterations", "n_iters",
            "n_iter", "max_sweeps", "n_sweeps", "num_sweeps", "sweeps", "num_iters", "max_steps",
        ),
    ),
    Parameter(
        "n_states",
        "",
        "S",
        make=lambda facts: len(facts["transitions"]),
        aliases=("num_states", "ns", "n_s", "state_count"),
    ),
    Parameter(
        "n_actions",
        "",
        "A",
        make=lambda facts: facts["transitions"].shape[1],
        aliases=("num_actions", "na", "n_a", "action_count"),
    ),
)  # fmt: skip


def mdp_domain(*needed: str) -> Callable[[frozenset[str], Facts], frozenset[str]]:
    """The model, and whatever else is `needed`, determines the answer."""

    def domain(names: frozenset[str], conventions: Facts) -> frozenset[str]:
        require(names, "transitions", "rewards", *needed)
        return frozenset()

    return domain


_NEXT = st.integers(0, 3)
_ACTION = st.tuples(
    _NEXT, _NEXT, st.sampled_from((1.0, 0.5, 0.25)), NUMBERS, st.sampled_from((0.0, 1.0, -0.5))
)
"""Two next states, the weight of the first, a reward and what each further next state adds to it."""


def mdps(where: Domain, *, policy: bool) -> st.SearchStrategy[Case]:
    """A list of up to four states, each with the same one to three actions.

    Raises:
        BindingError: gamma is fixed at a value at which values may be infinite.
    """
    fixed = dict(where.fixed).get("gamma", 0.0)
    if not 0.0 <= fixed < 1.0:
        raise BindingError(
            f"gamma must lie in [0, 1) for MDPs that never end, it is {fixed}; give another one"
        )

    def states(actions: int, least: int) -> st.SearchStrategy[list[Any]]:
        weights = st.tuples(*[st.integers(0, 2)] * actions)
        # One state in three is the end of the task: it leads to itself and earns nothing.
        absorbing = st.sampled_from((False, True, False))
        state = st.tuples(st.tuples(*[_ACTION] * actions), weights, absorbing)
        return st.lists(state, min_size=least, max_size=4)

    # Where there is one state, or one action, few mistakes show.
    some, several = st.integers(1, 3), st.integers(2, 3)
    listed = st.one_of(
        some.flatmap(lambda actions: states(actions, 1)),
        several.flatmap(lambda actions: states(actions, 2)),
        several.flatmap(lambda actions: states(actions, 3)),
    )
    drawn = st.tuples(listed, where.hyper("gamma", GAMMAS))
    return drawn.map(lambda pair: _mdp(pair[0], pair[1], policy))


def _mdp(states: list[Any], gamma: float, policy: bool) -> dict[str, Any]:
    size, actions = len(states), len(states[0][0])
    transitions = np.zeros((size, actions, size))
    rewards = np.zeros((size, actions, size))
    for s, (rows, _, absorbing) in enumerate(states):
        if absorbing:
            transitions[s, :, s] = 1.0
            continue
        for a, (one, other, weight, reward, slope) in enumerate(rows):
            transitions[s, a, one % size] += weight
            transitions[s, a, other % size] += 1.0 - weight
            rewards[s, a] = reward + slope * np.arange(size)
    case: dict[str, Any] = {"transitions": transitions, "rewards": rewards}
    if policy:
        weights = np.array([w for _, w, _ in states], dtype=float)
        weights[weights.sum(axis=1) == 0] = 1.0
        case["policy"] = weights / weights.sum(axis=1, keepdims=True)
    return case | {"gamma": gamma}


def tolerance(case: Case, epsilon: float) -> float:
    """How far values may be off: those of an iteration that stopped, and rounding.

    Sweeps that stop at a change of theta leave a Bellman residual of at most theta and so an error
    of theta / (1 - gamma), in the answer and in the one that it is compared with. A solve loses
    another 1 / (1 - gamma) of its digits.
    """
    rest = max(1.0 - float(case["gamma"]), 1e-9)
    largest = 1.0 + float(np.abs(case["rewards"]).max())
    return 2.0 * STOPPING / rest + 64.0 * epsilon * largest / rest**2


def expected_rewards(transitions: Array, rewards: Array) -> Array:
    """R(s, a) = sum_t P(t|s, a) R(s, a, t)."""
    return np.sum(transitions * rewards, axis=2)


def action_values(transitions: Array, rewards: Array, gamma: float, values: Array) -> Array:
    """Q(s, a) = R(s, a) + gamma * sum_t P(t|s, a) V(t), from expected rewards."""
    return rewards + gamma * transitions @ values


def policy_values(transitions: Array, rewards: Array, policy: Array, gamma: float) -> Array:
    """V = (I - gamma P_pi)^-1 R_pi, from expected rewards; any number of leading axes of `policy`."""
    moves = np.einsum("...sa,sat->...st", policy, transitions)
    earned = np.sum(policy * rewards, axis=-1)
    identity = np.eye(len(rewards))
    return np.linalg.solve(identity - gamma * moves, earned[..., None])[..., 0]


def every_policy(states: int, actions: int) -> Array:
    """All deterministic policies [A^S, S, A]."""
    chosen = np.array(list(itertools.product(range(actions), repeat=states)))
    return np.eye(actions)[chosen]


def _relabelled(case: Case) -> dict[str, Any]:
    """The same MDP with its states numbered backwards."""
    turned = {name: case[name][::-1, :, ::-1] for name in ("transitions", "rewards")}
    return {**case, **turned, **({"policy": case["policy"][::-1]} if "policy" in case else {})}


def _names_of_states(run: Run, case: Case) -> Mismatch | None:
    message = "numbering the states the other way round should turn the values round"
    return run.compare(_relabelled(case), run(case)[::-1], message)


def _names_of_actions(run: Run, case: Case) -> Mismatch | None:
    turned = {
        name: case[name][:, ::-1] for name in ("transitions", "rewards", "policy") if name in case
    }
    message = "numbering the actions the other way round should change nothing"
    return run.compare({**case, **turned}, run(case), message)


def _constant_reward(run: Run, case: Case) -> Mismatch | None:
    flat = {**case, "rewards": np.full_like(case["rewards"], -2.0)}
    expected = np.full(len(case["rewards"]), -2.0 / (1.0 - case["gamma"]))
    return run.compare(flat, expected, "a reward of c at every step is worth c / (1 - gamma)")


def _impossible(run: Run, case: Case) -> Mismatch | None:
    changed = np.where(case["transitions"] > 0.0, case["rewards"], case["rewards"] + 7.0)
    message = "rewards of impossible transitions changed the values"
    return run.compare({**case, "rewards": changed}, run(case), message)


def _raised(run: Run, case: Case) -> Mismatch | None:
    rewards = case["rewards"].copy()
    rewards[0] += 1.0
    before, after = run(case), run({**case, "rewards": rewards})
    least = np.zeros(len(before))
    # A sweep loses gamma of a difference: it can only lie between 0 and 1 / (1 - gamma).
    expected = before + np.clip(after - before, least, 1.0 / (1.0 - case["gamma"]))
    message = "one more reward in state 0 should raise values, by 1 / (1 - gamma) at most"
    return run.compare({**case, "rewards": rewards}, expected, message, got=after)


def _doubled(run: Run, case: Case) -> Mismatch | None:
    twice = {**case, "rewards": 2.0 * case["rewards"]}
    # Halved, so that an error of stopping counts as often as in the values themselves.
    message = "rewards twice as large should make the values twice as large"
    found = run.compare(twice, run(case), message, got=run(twice) / 2.0)
    return found and found._replace(message=message + " (halved here)")


def _other_form(fitted: Fitted) -> tuple[Fitted, ...]:
    """The subject, given rewards in the form that it was not found to take."""
    if fitted.function is None:
        return ()
    own = fitted.conventions["reward_axes"]
    (other,) = (option for option in REWARD_AXES.options if option != own)
    return (replace(fitted, conventions={**fitted.conventions, "reward_axes": other}),)


def _either_form(run: Run, case: Case) -> Mismatch | None:
    states, actions, _ = case["transitions"].shape
    form = run.fitted.conventions["reward_axes"]
    # With axes of one length rewards [S, A] fit by accident where [S, A, S] are expected.
    if 1 in (states, actions) or (form == "[S, A]" and states == actions):
        return None
    if form == "[S, A, S]":
        # Equal for all next states: what reads them as expected rewards is right then.
        mean = expected_rewards(case["transitions"], case["rewards"])
        case = {**case, "rewards": np.repeat(mean[..., None], states, axis=2)}
    try:
        got = run(case)
    except Malformed:  # it takes the other form only
        return None
    message = (
        f"given rewards {form}, which it takes too, its values should be those of the definition"
    )
    return run.compare(case, run.definition(case), message, got=got)


def properties() -> tuple[Property, ...]:
    """What the values of every finite MDP fulfil, whatever policy they are of."""
    return (
        Property(
            "constant-reward-is-a-geometric-sum",
            "A reward of c at every step is worth c / (1 - gamma) everywhere.",
            "Whatever the dynamics: too few sweeps, gamma in the wrong place and a maximum that "
            "starts at 0 show at once, negative c included.",
            _constant_reward,
        ),
        Property(
            "states-have-no-order",
            "Numbering the states the other way round turns the values round.",
            "An iteration that stops by the last state, or reads P transposed, depends on numbers "
            "that mean nothing.",
            _names_of_states,
        ),
        Property(
            "actions-have-no-order",
            "Numbering the actions the other way round changes no value.",
            "P, R and the policy must be read with the same action.",
            _names_of_actions,
        ),
        Property(
            "impossible-transitions-do-not-count",
            "Rewards of transitions with probability 0 change nothing.",
            "R(s, a, t) is weighted with P(t|s, a) before it is summed over t.",
            _impossible,
        ),
        Property(
            "monotone-contraction",
            "Higher rewards never lower a value, and one more reward is worth 1 / (1 - gamma) at "
            "most.",
            "The Bellman operator is monotone and a gamma-contraction.",
            _raised,
        ),
        Property(
            "scales-with-rewards",
            "Rewards twice as large make the values twice as large.",
            "Clipping or normalising rewards solves another task.",
            _doubled,
        ),
        Property(
            "either-form-of-rewards",
            "Rewards [S, A, S] and their means [S, A] give the same values, where both are taken.",
            "A function that accepts both has a branch for each, and most callers use one of them. An "
            "exception for the other form is no fault.",
            _either_form,
            other_calls=_other_form,
        ),
    )
