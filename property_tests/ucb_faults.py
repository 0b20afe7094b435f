"""The definition of upper confidence bounds, and the ways of getting it wrong."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from property_tests.exploration import Array, Choice, Model, greedy
from property_tests.exploration_properties import misbehaviours
from property_tests.framework.records import FaultyVersion

_BOOK = "http://incompleteideas.net/book/the-book-2nd.html"
_AUER = "https://doi.org/10.1023/A:1013689704352"


def scores(q_values: Array, counts: Array, step: float, c: float, factor: float) -> Array:
    """Q + c sqrt(factor log(t) / N), infinite where N = 0."""
    with np.errstate(all="ignore"):
        bonus = c * np.sqrt(factor * np.log(step) / np.asarray(counts, dtype=float))
    return np.where(np.asarray(counts) == 0, np.inf, q_values + bonus)


def definition(q_values: Array, counts: Array, step: int, c: float, factor: float = 1.0) -> Choice:
    """A largest score; untried actions tie at infinity."""
    return greedy(scores(q_values, counts, step, c, factor))


Bonus = Callable[[Array, Array, float, float, float], Array]


def _scored(score: Bonus, *, untried: float | None = np.inf) -> Model:
    """The largest of another score (q, n, t, c, factor); None takes it where N = 0 as well."""

    def faulty(q_values: Array, counts: Array, step: int, c: float, factor: float = 1.0) -> Choice:
        n = np.asarray(counts, dtype=float)
        with np.errstate(all="ignore"):
            found = np.asarray(score(np.asarray(q_values), n, step, c, factor), dtype=float)
        if untried is not None:
            found = np.where(n == 0, untried, found)
        return greedy(np.nan_to_num(found, nan=-np.inf, posinf=np.inf, neginf=-1e300))

    return faulty


def _root(n: Array, t: float, factor: float) -> Array:
    return np.sqrt(factor * np.log(t) / n)


def _fault(name, model, title, explanation, fix, *references, variants=()):
    where = "the expression of the bonus, or the case N = 0"
    return FaultyVersion(
        name, model, title, explanation, fix, where, references or (_BOOK, _AUER), variants=variants
    )


FAULTS: tuple[FaultyVersion, ...] = (
    _fault(
        "untried-not-first",
        _scored(lambda q, n, t, c, f: q + c * _root(n + 1, t, f), untried=None),
        "an action that was never tried does not come first",
        "One is added to its count, so its bonus is finite, and a good action is never found out.",
        "Take untried actions first, or give them an infinite bonus.",
        variants=(
            _scored(lambda q, n, t, c, f: q + c * _root(np.maximum(n, 1), t, f), untried=None),
            _scored(
                lambda q, n, t, c, f: q + np.where(n > 0, c * _root(np.maximum(n, 1), t, f), 0.0),
                untried=None,
            ),
            _scored(lambda q, n, t, c, f: q + c * _root(n, t, f), untried=0.0),
        ),
    ),
    _fault(
        "untried-never",
        _scored(lambda q, n, t, c, f: q + c * _root(n, t, f), untried=-1e300),
        "an action that was never tried is never taken",
        "0 / 0, or a bound of zero, puts it last for ever.",
        "Take untried actions first.",
    ),
    _fault(
        "bonus-missing",
        _scored(lambda q, n, t, c, f: q),
        "there is no bonus: it is greedy",
        "c is multiplied with 0, by an integer division or a logarithm of 1.",
        "Add c sqrt(log(t) / N).",
        variants=(_scored(lambda q, n, t, c, f: q, untried=None),),
    ),
    _fault(
        "bonus-subtracted",
        _scored(lambda q, n, t, c, f: q - c * _root(n, t, f)),
        "the bonus is subtracted",
        "A lower bound avoids what is uncertain: an action with one bad reward is never tried again.",
        "Add the bonus.",
        variants=(_scored(lambda q, n, t, c, f: q - c * _root(n, t, f), untried=-1e300),),
    ),
    _fault(
        "values-ignored",
        _scored(lambda q, n, t, c, f: c * _root(n, t, f)),
        "the values do not count",
        "All actions are tried equally often for ever.",
        "Add the values to the bonus.",
    ),
    _fault(
        "root-missing",
        _scored(lambda q, n, t, c, f: q + c * f * np.log(t) / n),
        "the square root is missing",
        "The bonus falls too fast: exploration stops too early.",
        "Take the square root of log(t) / N.",
    ),
    _fault(
        "root-of-logarithm-only",
        _scored(lambda q, n, t, c, f: q + c * np.sqrt(f * np.log(t)) / n),
        "the count is outside the square root",
        "The bonus falls with N instead of its root: exploration stops too early.",
        "Take the square root of the whole quotient.",
        variants=(_scored(lambda q, n, t, c, f: q + c * f * np.log(t) / np.sqrt(n)),),
    ),
    _fault(
        "logarithm-missing",
        _scored(lambda q, n, t, c, f: q + c * np.sqrt(f * t / n)),
        "the logarithm is missing",
        "The bonus grows with the root of time: the best action is never settled on.",
        "Use log(t).",
        variants=(_scored(lambda q, n, t, c, f: q + c * np.sqrt(f / n)),),
    ),
    _fault(
        "logarithm-of-base-ten",
        _scored(lambda q, n, t, c, f: q + c * np.sqrt(f * np.log10(t) / n)),
        "the logarithm has base 10 or 2",
        "The bonus is off by a constant: c means something else.",
        "Use the natural logarithm.",
        variants=(_scored(lambda q, n, t, c, f: q + c * np.sqrt(f * np.log2(t) / n)),),
    ),
    _fault(
        "logarithm-of-counts",
        _scored(lambda q, n, t, c, f: q + c * np.sqrt(f * np.log(n) / n)),
        "the logarithm is that of the action's own count",
        "An action that is left alone never gets a larger bonus.",
        "Use the logarithm of the total number of choices.",
        variants=(_scored(lambda q, n, t, c, f: q + c * np.sqrt(f * np.log(n + 1) / n)),),
    ),
    _fault(
        "quotient-inverted",
        _scored(lambda q, n, t, c, f: q + c * np.sqrt(n / np.log(t))),
        "the bonus grows with the count",
        "What was tried most is tried more.",
        "Divide log(t) by N.",
        variants=(_scored(lambda q, n, t, c, f: q + c * np.sqrt(np.log(t) * n)),),
    ),
    _fault(
        "count-of-all",
        _scored(lambda q, n, t, c, f: q + c * np.sqrt(f * np.log(t) / n.sum())),
        "the bonus is the same for all actions",
        "It divides by the total count: the choice is greedy.",
        "Divide by the action's own count.",
    ),
    _fault(
        "c-inside-the-root",
        _scored(lambda q, n, t, c, f: q + np.sqrt(c * f * np.log(t) / n)),
        "c stands inside the square root",
        "Its effect is that of its root.",
        "Multiply the root by c.",
        variants=(_scored(lambda q, n, t, c, f: q + c**2 * _root(n, t, f)),),
    ),
    _fault(
        "c-ignored",
        _scored(lambda q, n, t, c, f: q + _root(n, t, f)),
        "c has no effect",
        "Exploration cannot be turned up or down.",
        "Multiply the bonus by c.",
    ),
    _fault(
        "argmin",
        _scored(lambda q, n, t, c, f: -q - c * _root(n, t, f)),
        "it takes the smallest score",
        "The action that is surely bad is taken.",
        "Take the largest score.",
        variants=(_scored(lambda q, n, t, c, f: -q + c * _root(n, t, f)),),
    ),
    *misbehaviours(definition, stochastic=False),
)
