"""The dueling combination: action values from a state value and centred advantages.

    Q(s, a) = V(s) + A(s, a) - mean_b A(s, b)        or, as first proposed, - max_b A(s, b)

Advantages are determined up to a constant per state; centring takes it out, so that V is V.

References: Wang et al. 2016, arXiv:1511.06581, eqs. 8 and 9.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from property_tests.framework.build import build
from property_tests.framework.models import Run
from property_tests.framework.records import (
    Array,
    Case,
    Convention,
    Domain,
    FaultyVersion,
    FunctionContract,
    Mismatch,
    Model,
    Property,
)
from property_tests.losses import convention_parameter
from property_tests.rollouts import require
from property_tests.transitions import NUMBERS
from rlcheck.functions.binding import Facts, Parameter
from rlcheck.functions.calling import Output
from rlcheck.functions.layouts import Layout

_PAPER = "https://arxiv.org/abs/1511.06581"
_GATHER = "https://github.com/google/dopamine/commit/9793d17d6d03"
_BROADCAST = (
    "https://github.com/PacktPublishing/Tensorflow-2-Reinforcement-Learning-Cookbook/issues/33"
)


def _state_values(facts: Facts) -> Array:
    flat = facts["values_shape"] == "[B]"
    return facts["state_values"][:, 0] if flat else facts["state_values"]


STATE_VALUES = Parameter(
    "state_values",
    "B1",
    "V(s), one column",
    make=_state_values,
    aliases=("state_value", "values", "value", "v", "vals", "val", "v_s", "value_stream"),
)
ACTION_ADVANTAGES = Parameter(
    "action_advantages",
    "BA",
    "A(s, a), up to a constant per state",
    aliases=(
        "advantages", "advantage", "adv", "advs", "a", "action_advantage", "adv_values",
        "advantage_stream",
    ),
)  # fmt: skip


def oracle(state_values: Array, action_advantages: Array, centre: str) -> Array:
    """Action values [B, A], row by row and action by action."""
    rows, actions = action_advantages.shape
    q_values = np.zeros((rows, actions))
    for b in range(rows):
        row = list(action_advantages[b])
        middle = max(row) if centre == "max" else sum(row) / actions
        for a in range(actions):
            q_values[b, a] = state_values[b, 0] + row[a] - middle
    return q_values


def domain(names: frozenset[str], conventions: Facts) -> frozenset[str]:
    """Both streams determine the answer."""
    require(names, "state_values", "action_advantages")
    return frozenset()


def cases(where: Domain) -> st.SearchStrategy[Case]:
    """A list of rows with round numbers."""

    def rows(actions: int) -> st.SearchStrategy[list[Any]]:
        row = st.tuples(NUMBERS, st.tuples(*[NUMBERS] * actions))
        return st.lists(row, min_size=1, max_size=5)

    return st.integers(2, 4).flatmap(rows).map(_stacked)


def _stacked(rows: list[Any]) -> Case:
    return {
        "state_values": np.array([[value] for value, _ in rows]),
        "action_advantages": np.array([advantages for _, advantages in rows]),
    }


def value_recovered(run: Run, case: Case) -> Mismatch | None:
    """mean_a Q(s, a) = V(s), or the maximum."""
    got = run(case)
    reduce = np.max if run.facts(case)["centre"] == "max" else np.mean
    off = reduce(got, axis=1, keepdims=True) - case["state_values"]
    message = f"the {reduce.__name__.removeprefix('a')} of a state's action values should be V"
    return run.compare(case, got - off, message, got=got)


def constant_cancels(run: Run, case: Case) -> Mismatch | None:
    """The same constant on all advantages of a state changes nothing."""
    shift = 2.0 + np.arange(len(case["state_values"]))[:, None]
    shifted = {**case, "action_advantages": case["action_advantages"] + shift}
    return run.compare(shifted, run(case), "a constant on a state's advantages changed its Q")


def differences_kept(run: Run, case: Case) -> Mismatch | None:
    """Q(s, a) - Q(s, b) = A(s, a) - A(s, b)."""
    got, advantages = run(case), case["action_advantages"]
    expected = got[:, :1] + advantages - advantages[:, :1]
    message = "action values should differ as the advantages do"
    return run.compare(case, expected, message, got=got)


def value_shifts(run: Run, case: Case) -> Mismatch | None:
    """V one higher makes every Q one higher."""
    shift = 1.0 + np.arange(len(case["state_values"]))[:, None]
    raised = {**case, "state_values": case["state_values"] + shift}
    return run.compare(raised, run(case) + shift, "Q should rise by as much as V does")


def rows_apart(run: Run, case: Case) -> Mismatch | None:
    """A row depends on itself only."""
    first = np.arange(len(case["state_values"]))[:, None] == 0
    if first.all():
        return None
    changed = {
        "state_values": case["state_values"] + np.where(first, 0.0, 3.0),
        "action_advantages": case["action_advantages"] * np.where(first, 1.0, -2.0),
    }
    where = np.broadcast_to(first, case["action_advantages"].shape)
    message = "other rows of the batch changed the action values of this one"
    return run.compare({**case, **changed}, run(case), message, where=where)


def _wrong(combine: Callable[[Any, Any, Any], Array]) -> Model:
    """A faulty combination: (V [B, 1], A [B, A], centre over an axis) -> Q."""

    @functools.wraps(oracle)
    def model(**inputs: Any) -> Array:
        x = SimpleNamespace(**inputs)
        reduce = np.max if x.centre == "max" else np.mean
        q_values = combine(x.state_values, x.action_advantages, reduce)
        return np.broadcast_to(q_values, x.action_advantages.shape)

    return model


def _rows(reduce: Any, a: Array) -> Array:
    return reduce(a, axis=1, keepdims=True)


def _others(a: Array) -> Array:
    """Mean over the other actions."""
    return (a.sum(axis=1, keepdims=True) - a) / (a.shape[1] - 1)


def _fault(name, models, title, explanation, fix, *references) -> FaultyVersion:
    where = "the line that joins the two streams of the network"
    first, *rest = (_wrong(model) for model in models)
    return FaultyVersion(
        name, first, title, explanation, fix, where, references or (_PAPER,), variants=tuple(rest)
    )


FAULTS = (
    _fault(
        "not-centred",
        (lambda v, a, m: v + a,),
        "the advantages are not centred",
        "V and A are determined only up to a constant between them: neither means anything, and "
        "they drift apart in training.",
        "Subtract the mean of the advantages over the actions.",
    ),
    _fault(
        "centred-over-the-batch",
        (lambda v, a, m: v + a - m(a, axis=0, keepdims=True),),
        "the advantages are centred over the batch",
        "The mean is taken over axis 0: the values of a state depend on the others in the batch.",
        "Take the mean over the last axis, and keep it as an axis of size 1.",
        _GATHER,
        _PAPER,
    ),
    _fault(
        "centred-over-everything",
        (lambda v, a, m: v + a - m(a), lambda v, a, m: v + a - a[:1].mean()),
        "one mean over the whole batch is subtracted",
        "`mean()` without an axis: the values of a state depend on the others in the batch.",
        "Take the mean over the last axis, and keep it as an axis of size 1.",
        "https://github.com/google/dopamine/commit/9793d17d6d03",
        _PAPER,
    ),
    _fault(
        "sum-for-mean",
        (lambda v, a, m: v + a - a.sum(axis=1, keepdims=True),),
        "the sum of the advantages is subtracted, not their mean",
        "The mean of Q is no longer V, and it moves with the number of actions.",
        "Divide by the number of actions.",
    ),
    _fault(
        "centre-added",
        (lambda v, a, m: v + a + _rows(m, a),),
        "the mean is added instead of subtracted",
        "A constant on the advantages counts twice instead of not at all.",
        "Subtract the mean.",
    ),
    _fault(
        "advantages-subtracted",
        (
            lambda v, a, m: v - (a - _rows(m, a)),
            lambda v, a, m: _rows(m, a) - a + v - 2 * _rows(m, a),
        ),
        "the advantages enter with the wrong sign",
        "The best action looks worst.",
        "Add A - mean A.",
    ),
    _fault(
        "value-missing",
        (lambda v, a, m: a - _rows(m, a), lambda v, a, m: a + 0.0 * v),
        "V is missing",
        "Q holds advantages, or the mean is taken of V + A so that V cancels: every state is worth 0.",
        "Add V.",
    ),
    _fault(
        "value-sign-flipped",
        (lambda v, a, m: a - _rows(m, a) - v,),
        "V is subtracted",
        "Good states look bad.",
        "Add V.",
    ),
    _fault(
        "advantages-missing",
        (lambda v, a, m: v + 0.0 * a,),
        "the advantages have no effect",
        "All actions of a state are worth the same.",
        "Add A - mean A.",
    ),
    _fault(
        "value-centred-too",
        (lambda v, a, m: v - v.mean() + a - _rows(m, a),),
        "V is centred over the batch",
        "The mean of V over the batch is subtracted with that of the advantages.",
        "Centre the advantages only, over their own row.",
    ),
    _fault(
        "value-of-the-batch",
        (lambda v, a, m: v.mean() + a - _rows(m, a), lambda v, a, m: v[:1] + a - _rows(m, a)),
        "all states share one value",
        "V is averaged over the batch, or that of the first row is used.",
        "Keep V as [B, 1].",
        _BROADCAST,
    ),
    _fault(
        "value-of-another-row",
        (
            lambda v, a, m: v[::-1] + a - _rows(m, a),
            lambda v, a, m: np.roll(v, 1, 0) + a - _rows(m, a),
        ),
        "V belongs to another row",
        "The two streams are joined in different orders.",
        "Feed both streams from the same features.",
    ),
    _fault(
        "minimum-for-maximum",
        (lambda v, a, m: v + a - a.min(axis=1, keepdims=True),),
        "the smallest advantage is subtracted",
        "V is the value of the worst action.",
        "Subtract the mean, or the maximum.",
    ),
    _fault(
        "median-for-mean",
        (lambda v, a, m: v + a - np.median(a, axis=1, keepdims=True),),
        "the median is subtracted",
        "The mean of Q is not V.",
        "Subtract the mean.",
    ),
    _fault(
        "mean-of-the-others",
        (
            lambda v, a, m: v + a - _others(a),
            lambda v, a, m: v + a - a.sum(axis=1, keepdims=True) / (a.shape[1] - 1),
        ),
        "the mean has the wrong denominator",
        "The action itself is left out, or the sum is divided by A - 1: differences between actions "
        "are stretched, or V is not the mean of Q.",
        "Divide the sum over all actions by their number.",
    ),
    _fault(
        "standardised",
        (
            lambda v, a, m: v + (a - _rows(m, a)) / (a.std(axis=1, keepdims=True) + 1e-8),
            lambda v, a, m: v + (a - a.mean()) / (a.std() + 1e-8),
        ),
        "the advantages are divided by their deviation",
        "Differences between actions lose their scale: Q is no value any more.",
        "Centre only.",
    ),
    _fault(
        "multiplied",
        (lambda v, a, m: v * (a - _rows(m, a)), lambda v, a, m: v * a),
        "V is multiplied with the advantages",
        "The two streams are joined by a product.",
        "Add V.",
    ),
)

PROPERTIES = (
    Property(
        "value-is-recovered",
        "The mean (or, where declared, the maximum) of a state's action values is V.",
        "That makes the value stream a value. Centring over the batch, or not at all, breaks it.",
        value_recovered,
        references=(_PAPER,),
    ),
    Property(
        "constant-on-advantages-cancels",
        "The same constant on all advantages of a state changes nothing.",
        "The advantages of a network are determined up to such a constant; it must not reach Q.",
        constant_cancels,
    ),
    Property(
        "differences-are-those-of-the-advantages",
        "Action values of a state differ as its advantages do.",
        "So the greedy action is the one with the largest advantage.",
        differences_kept,
    ),
    Property(
        "shifts-with-the-value",
        "V higher by some amount makes every Q of the state higher by it.",
        "V counts once, with its sign, in its own row.",
        value_shifts,
    ),
    Property(
        "rows-are-independent",
        "The action values of one state do not depend on the others in the batch.",
        "A mean over the wrong axis makes what an agent does depend on what else is in the batch: "
        "training, with many rows, differs from acting, with one.",
        rows_apart,
    ),
)

SPEC = FunctionContract(
    name="dueling-q",
    title="Dueling combination",
    explanation=__doc__ or "",
    parameters=(STATE_VALUES, ACTION_ADVANTAGES, convention_parameter("centre", "mode")),
    outputs=(Output("q_values", "BA"),),
    oracle=oracle,
    domain=domain,
    cases=cases,
    properties=PROPERTIES,
    faults=FAULTS,
    conventions=(
        Convention("centre", ("mean", "max"), "what is subtracted from the advantages"),
        Convention("values_shape", ("[B, 1]", "[B]"), "how the state values are handed over"),
    ),
    # A mean without an axis is right for a single row, and a fault in the batches of training.
    layouts=(Layout.AS_WRITTEN,),
    words=("dueling", "duelling"),
)
CONTRACT = build(SPEC)
