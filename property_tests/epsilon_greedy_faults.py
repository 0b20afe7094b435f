"""The definition of the epsilon-greedy rule, and the ways of getting it wrong."""

from __future__ import annotations

from math import erf, sqrt

import numpy as np

from property_tests.exploration import Array, Choice, Model, choice, greedy
from property_tests.exploration_properties import misbehaviours
from property_tests.framework.records import FaultyVersion

_BOOK = "http://incompleteideas.net/book/the-book-2nd.html"
_INVERTED = "https://github.com/thu-ml/tianshou/commit/d5960cf371c5"


def mixed(q_values: Array, explore: Array, epsilon: float) -> Choice:
    """`explore` [A] or [A + 1] with probability epsilon, else a best action."""
    found = greedy(q_values, 1.0 - epsilon)
    least = np.zeros(len(q_values) + 1)
    least[: len(explore)] = epsilon * np.asarray(explore)
    return Choice(least, found.tied)


def definition(q_values: Array, epsilon: float) -> Choice:
    """epsilon / A on every action, the rest on the best."""
    return mixed(q_values, _uniform(len(q_values)), epsilon)


def _uniform(actions: int) -> Array:
    return np.full(actions, 1.0 / actions)


def _at_rate(rate) -> Model:
    def faulty(q_values: Array, epsilon: float) -> Choice:
        return definition(q_values, float(rate(epsilon)))

    return faulty


def _without(place: int) -> Model:
    def faulty(q_values: Array, epsilon: float) -> Choice:
        explore = np.ones(len(q_values))
        explore[place] = 0.0
        return mixed(q_values, explore / explore.sum(), epsilon)

    return faulty


def _one_too_many(q_values: Array, epsilon: float) -> Choice:
    return mixed(q_values, _uniform(len(q_values) + 1), epsilon)


def _first_best(q_values: Array) -> Array:
    return np.eye(len(q_values))[int(np.argmax(q_values))]


def _best_excluded(q_values: Array, epsilon: float) -> Choice:
    """Ties count as one best action, the first."""
    others = 1.0 - _first_best(q_values)
    return choice(epsilon * others / others.sum() + (1.0 - epsilon) * _first_best(q_values))


def _all_best_excluded(q_values: Array, epsilon: float) -> Choice:
    others = (q_values < q_values.max()).astype(float)
    if not others.any():
        return definition(q_values, epsilon)
    return mixed(q_values, others / others.sum(), epsilon)


def _best_of(change) -> Model:
    """The greedy action of other values."""

    def faulty(q_values: Array, epsilon: float) -> Choice:
        return definition(change(np.asarray(q_values)), epsilon)

    return faulty


def _softmax(q_values: Array, epsilon: float) -> Choice:
    weights = np.exp(q_values - q_values.max())
    least = epsilon / len(q_values) + (1.0 - epsilon) * weights / weights.sum()
    return choice(least)


def _explores_by_value(q_values: Array, epsilon: float) -> Choice:
    weights = np.exp(q_values - q_values.max())
    return mixed(q_values, weights / weights.sum(), epsilon)


def _worst_when_exploring(q_values: Array, epsilon: float) -> Choice:
    return mixed(q_values, np.eye(len(q_values))[int(np.argmin(q_values))], epsilon)


def _fault(name, model, title, explanation, fix, *references, where="", variants=()):
    where = where or "the comparison with epsilon, or one of its two branches"
    return FaultyVersion(
        name, model, title, explanation, fix, where, references or (_BOOK,), variants=variants
    )


FAULTS: tuple[FaultyVersion, ...] = (
    _fault(
        "epsilon-inverted",
        _at_rate(lambda e: 1.0 - e),
        "it explores with probability 1 - epsilon",
        "The comparison is the wrong way round: it starts greedy and ends random, and evaluation "
        "with epsilon 0 is random.",
        "Explore when a uniform draw is below epsilon.",
        _INVERTED,
    ),
    _fault(
        "never-explores",
        _at_rate(lambda e: 0.0),
        "it is greedy whatever epsilon is",
        "The agent repeats what looked best first.",
        "Explore when a uniform draw is below epsilon.",
        _INVERTED,
    ),
    _fault(
        "always-random",
        _at_rate(lambda e: 1.0),
        "it is random whatever epsilon is",
        "Nothing that is learned shows in what it does.",
        "Return a best action when a uniform draw is not below epsilon.",
        _INVERTED,
    ),
    _fault(
        "explores-too-rarely",
        _at_rate(lambda e: e**2),
        "it explores less often than epsilon says",
        "Epsilon is applied twice, halved, or cut off.",
        "Compare one uniform draw with epsilon itself.",
        variants=(
            _at_rate(lambda e: e / 2.0),
            _at_rate(lambda e: float(e >= 1.0)),
            _at_rate(lambda e: e**3),
        ),
    ),
    _fault(
        "explores-too-often",
        _at_rate(lambda e: min(1.0, 2.0 * e)),
        "it explores more often than epsilon says",
        "Several draws, or a draw of too small a range, are compared with epsilon.",
        "Compare one uniform draw in [0, 1) with epsilon itself.",
        variants=(_at_rate(lambda e: 1.0 - (1.0 - e) ** 2), _at_rate(lambda e: sqrt(e))),
    ),
    _fault(
        "draw-not-uniform",
        _at_rate(lambda e: 0.5 * (1.0 + erf(e / sqrt(2.0)))),
        "a normal draw is compared with epsilon",
        "A standard normal number is below 0 every second time: half of all actions are random "
        "with epsilon 0.",
        "Draw uniformly in [0, 1): `random()`, `rand`, not `randn`.",
        where="`randn` for `rand`",
    ),
    _fault(
        "argmin",
        _best_of(lambda q: -q),
        "it takes the worst action for the best",
        "The sign of the values, or argmin for argmax.",
        "Take an action with the largest value.",
        where="the greedy branch",
    ),
    _fault(
        "absolute-values",
        _best_of(np.abs),
        "the greedy action is that of the largest absolute value",
        "A very bad action is taken for the best one.",
        "Take an action with the largest value.",
        where="the greedy branch",
    ),
    _fault(
        "best-never-explored",
        _best_excluded,
        "the random action is never the best one",
        "Exploration draws from the other actions: at epsilon 1 the best action is never taken, and "
        "the policy is not the epsilon-greedy one that targets and analyses assume.",
        "Draw the random action from all A.",
        variants=(_all_best_excluded,),
    ),
    _fault(
        "last-action-never-explored",
        _without(-1),
        "the random action is never the last one",
        "The upper bound of the random integer is one too small.",
        "Draw from 0 to A - 1; know whether your generator includes its upper bound.",
        "https://github.com/pytorch/rl/commit/781a5b29dad8",
        where="`randint(0, A - 1)` with an excluded upper bound",
    ),
    _fault(
        "first-action-never-explored",
        _without(0),
        "the random action is never the first one",
        "The lower bound of the random integer is 1.",
        "Draw from 0 to A - 1.",
        where="`randint(1, A)`",
    ),
    _fault(
        "one-action-too-many",
        _one_too_many,
        "the random action may be A, which does not exist",
        "The upper bound of the random integer is included where it should not be.",
        "Draw from 0 to A - 1; know whether your generator includes its upper bound.",
        where="`random.randint(0, A)`",
    ),
    _fault(
        "samples-by-value",
        _softmax,
        "the greedy branch samples in proportion to exp(Q)",
        "Worse actions are taken even with epsilon 0.",
        "Take an action with the largest value.",
        where="the greedy branch",
    ),
    _fault(
        "explores-by-value",
        _explores_by_value,
        "the random action is not uniform but follows the values",
        "Actions with low values, which may be wrong, are hardly tried.",
        "Draw the random action uniformly.",
        where="the random branch",
        variants=(_worst_when_exploring,),
    ),
    *misbehaviours(definition),
)
