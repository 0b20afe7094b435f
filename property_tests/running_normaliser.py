"""Running normalisers: (x - mean) / std, with the moments of everything seen so far.

    mean = sum_i x_i / N,     var = sum_i (x_i - mean)^2 / N,     z = (x - mean) / sqrt(var)

for each feature, over all rows of all batches, whatever their sizes and order. A factory `make()`,
or one that takes a shape, gives an object with

    update(batch)    learn from rows [N, D]
    normalise(x)     normalised rows; changes nothing; or attributes `mean` and `var`

Correct variants are within the comparison: N - 1 for N in the variance, small constants beside the
variance or the deviation (up to 0.01), clipping at 3 or beyond, single precision, and a start from
a small fraction of an observation (count 1e-4 with mean 0 and variance 1), which is measured.

References: Chan, Golub and LeVeque 1979; Welford 1962.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from property_tests.framework.records import Array, Case, Domain, Mismatch, Property
from property_tests.normaliser_faults import FAULTS, Moments
from property_tests.normaliser_subject import Form, NormaliserFactory, normaliser_factory
from property_tests.scenario_contract import build
from property_tests.scenarios import Observation, Player, Prepared, Scenario
from rlcheck.contracts import Options
from rlcheck.functions.arrays import Kind

CLIP = 3.0
"""Beyond this, normalised numbers may be clipped."""

CONSTANT = 0.011
"""Largest small number beside the variance or the standard deviation."""

SLACK = 2e-4
"""Of normalised numbers: single precision of data up to a few tens times their deviation."""


def cases(domain: Domain) -> st.SearchStrategy[Case]:
    """A few rows with two features, in a few batches that lie apart."""
    number = st.sampled_from((0.0, 1.0, -1.0, 3.0, -4.0, 8.0, 20.0))
    batch = st.lists(st.tuples(number, number), min_size=1, max_size=5)
    return st.lists(batch, min_size=1, max_size=4).map(_case)


def _case(batches: list[list[tuple[float, float]]]) -> Case:
    rows = np.array([row for batch in batches for row in batch], dtype=float)
    numbers = np.repeat(np.arange(len(batches)), [len(batch) for batch in batches])
    return {"batch": numbers, "first": rows[:, 0], "second": 2.0 * rows[:, 1] + 5.0}


def batches_of(case: Case) -> list[Array]:
    """The rows [N, 2] of each batch."""
    rows = np.stack([case["first"], case["second"]], axis=1)
    return [rows[case["batch"] == k] for k in np.unique(case["batch"])]


def prepare(raw: Any, options: Options) -> Prepared:
    """The factory in a form that runs, and what its objects start from."""
    made, prior = normaliser_factory(raw, options)
    notes: tuple[str, ...] = ()
    if prior:
        notes = (f"it starts from {prior:.2g} of an observation with mean 0 and variance 1",)
    return Prepared((made, prior), frozenset(), notes)


def play(subject: tuple[NormaliserFactory, float], facts: Case) -> Observation:
    """What it makes of points around the mean after every batch, and again after evaluations.

    shown [U, 3, D]   after each update: the mean so far and one deviation to either side
    again [3, D]      the last of them, after other data was normalised
    reused [3, D]     the same where the caller has reused its arrays
    """
    make, prior = subject
    batches = batches_of(facts)
    shown, changed = [], False
    normaliser = make()
    for k, batch in enumerate(batches):
        normaliser.update(batch)
        found, wrote = normaliser.normalise(points(batches[: k + 1]))
        shown.append(found)
        changed |= wrote
    normaliser.normalise(points(batches) * 3.0 + 40.0)
    again, _ = normaliser.normalise(points(batches))
    fed = make()
    for batch in batches:
        fed.update(batch, reused=True)
    return {
        "shown": np.array(shown),
        "again": again,
        "reused": fed.normalise(points(batches))[0],
        "changed": np.array(changed),
        "prior": np.array(prior),
    }


def points(batches: list[Array]) -> Array:
    """[3, D] the mean of all rows, and one standard deviation to either side."""
    rows = np.concatenate(batches)
    mean, deviation = rows.mean(axis=0), rows.std(axis=0)
    return np.stack([mean, mean + deviation, mean - deviation])


def predict(model: type[Moments], facts: Case) -> Observation:
    """What a normaliser with this semantics shows."""
    form = Form(Kind.NUMPY, None, False, False)
    return play((NormaliserFactory(model, None, {}, {}, form), 0.0), facts)


def accepted(batches: list[Array], prior: float) -> tuple[Array, Array, Array]:
    """(factor that variants may shrink z by, tolerance of z, features that are constant), [D] each."""
    rows = np.concatenate(batches)
    n, mean, variance = len(rows), rows.mean(axis=0), rows.var(axis=0)
    constant = variance < 1e-12
    variance = np.where(constant, 1.0, variance)
    # A start from `prior` observations at 0 moves the mean by prior * mean / N and so on.
    grown = variance + prior * (1.0 + mean**2 + variance) / n + CONSTANT
    shrink = np.sqrt((n - 1) / n * variance / grown) / (1.0 + CONSTANT / np.sqrt(variance))
    return shrink, SLACK + 1.5 * prior * np.abs(mean) / (n * np.sqrt(variance)), constant


def departs(
    case: Case, got: Array, expected: Array, batches: list[Array], prior: float, message: str
) -> Mismatch | None:
    """Where normalised points [3, D] are others than these, correct variants allowed for."""
    shrink, slack, constant = accepted(batches, prior)
    own, its = np.clip(got, -CLIP, CLIP), np.clip(expected, -CLIP, CLIP)
    low, high = np.minimum(its * shrink, its), np.maximum(its * shrink, its)
    with np.errstate(invalid="ignore"):
        # Rounding, and a start from elsewhere, grow with the number itself.
        room = slack * (1.0 + np.abs(its))
        same = (own >= low - room) & (own <= high + room)
    same |= np.isnan(own) & np.isnan(its)
    same[:, constant] = True
    if len(np.concatenate(batches)) < 2 or same.all():
        return None
    at = tuple(int(i) for i in np.unravel_index(int(np.argmin(same)), same.shape))
    place = ("the mean", "the mean + one deviation", "the mean - one deviation")[at[0]]
    text = (
        f"{message}: {place} of feature {at[1]} should become {expected[at]:.4g}, "
        f"it became {got[at]:.4g}"
    )
    return Mismatch(text, case, expected[:, at[1]], got[:, at[1]], (at[0],))


def differs(case: Case, observed: Observation, predicted: Observation) -> Mismatch | None:
    """The first update after which it normalises otherwise."""
    batches, prior = batches_of(case), float(observed["prior"])
    for k in range(len(batches)):
        found = departs(
            case,
            observed["shown"][k],
            predicted["shown"][k],
            batches[: k + 1],
            prior,
            f"after {k + 1} batch{'es' * (k > 0)}",
        )
        if found is not None:
            return found
    return departs(
        case, observed["again"], predicted["again"], batches, prior, "after evaluating other data"
    )


def first_batch(run: Player, case: Case) -> Mismatch | None:
    """After one batch the moments are those of the batch."""
    shown, right, batches = run(case), run.definition(case), batches_of(case)[:1]
    prior = float(shown["prior"])
    return departs(case, shown["shown"][0], right["shown"][0], batches, prior, "after 1 batch")


def _last(run: Player, case: Case, one: Array, other: Array, message: str) -> Mismatch | None:
    same = np.isclose(one, other, rtol=1e-3, atol=1e-3) | (np.isnan(one) & np.isnan(other))
    # A constant feature is rounding over rounding.
    same[:, accepted(batches_of(case), 0.0)[2]] = True
    if same.all() or len(case["batch"]) < 2:
        return None
    at = tuple(int(i) for i in np.unravel_index(int(np.argmin(same)), same.shape))
    text = f"{message}: {one[at]:.4g} became {other[at]:.4g} in feature {at[1]}"
    return Mismatch(text, case, one[:, at[1]], other[:, at[1]], (at[0],))


def order(run: Player, case: Case) -> Mismatch | None:
    """The same batches in another order give the same moments."""
    turned = {name: values[::-1] for name, values in case.items()}
    turned["batch"] = case["batch"].max() - turned["batch"]
    message = "the batches in the opposite order give other moments"
    return _last(run, case, run(case)["shown"][-1], run(turned)["shown"][-1], message)


def one_batch(run: Player, case: Case) -> Mismatch | None:
    """All rows in one batch give what several batches give."""
    whole = {**case, "batch": np.zeros_like(case["batch"])}
    message = "all rows in one batch give other moments than several batches"
    return _last(run, case, run(whole)["shown"][-1], run(case)["shown"][-1], message)


def frozen(run: Player, case: Case) -> Mismatch | None:
    """Normalising other data changes nothing."""
    shown = run(case)
    message = "after other data was normalised, the same points are normalised otherwise"
    found = _last(run, case, shown["shown"][-1], shown["again"], message)
    return found and found._replace(suspects=("learns-from-what-it-normalises",))


def argument_kept(run: Player, case: Case) -> Mismatch | None:
    """`normalise` leaves its argument alone."""
    if not run(case)["changed"]:
        return None
    message = "the array that was given to `normalise` holds other numbers afterwards"
    return Mismatch(message, case, suspects=("input-overwritten",))


def own_copy(run: Player, case: Case) -> Mismatch | None:
    """What the caller does with its batch later changes nothing."""
    shown = run(case)
    if shown["changed"]:
        return None
    if not np.allclose(shown["again"], shown["shown"][-1], atol=1e-3, equal_nan=True):
        return None
    message = "when the caller reuses its batches, points are normalised otherwise"
    found = _last(run, case, shown["shown"][-1], shown["reused"], message)
    return found and found._replace(suspects=("references-kept",))


def constant_feature(run: Player, case: Case) -> Mismatch | None:
    """A feature that never changes gives finite numbers."""
    got = run(case)["shown"][-1]
    if np.isfinite(got).all():
        return None
    message = "a feature that never changed gives numbers that are not finite"
    expected = run.definition(case)["shown"][-1]
    feature = int(np.argmin(np.isfinite(got).all(axis=0)))
    return Mismatch(
        message, case, expected[:, feature], got[:, feature], (0,), suspects=("no-epsilon",)
    )


def constant_cases(domain: Domain) -> st.SearchStrategy[Case]:
    """The first feature never changes."""
    return st.sampled_from((0.0, 3.0)).map(
        lambda value: _case([[(value, 0.0), (value, 1.0)], [(value, 4.0)]])
    )


SCENARIO = Scenario(
    name="running-normaliser",
    title="Running normaliser",
    explanation=__doc__ or "",
    cases=cases,
    prepare=prepare,
    play=play,
    definition=Moments,
    predict=predict,
    differs=differs,
    properties=(
        Property(
            "one-batch-has-its-moments",
            "After one batch, mean and variance are those of the batch.",
            "Feature by feature: the mean becomes 0, one deviation from it 1.",
            first_batch,
        ),
        Property(
            "order-does-not-matter",
            "Batches in another order give the same moments.",
            "Moments of a set know no order; averages with a fixed rate do.",
            order,
        ),
        Property(
            "batches-merge",
            "Several batches give what all their rows in one batch give.",
            "Merging needs the sizes of the batches and the difference of their means.",
            one_batch,
        ),
        Property(
            "frozen-at-evaluation",
            "Normalising changes no moments.",
            "Evaluation that moves them changes the agent that is evaluated.",
            frozen,
        ),
        Property(
            "argument-unchanged",
            "`normalise` leaves its argument as it was.",
            "The observation that goes into a buffer is often the same array.",
            argument_kept,
        ),
        Property(
            "keeps-no-reference",
            "Batches that the caller overwrites later still count as they were.",
            "Vector environments return the same array at every step.",
            own_copy,
        ),
        Property(
            "constant-features-are-finite",
            "A feature that never changes gives finite numbers.",
            "Its deviation is 0; a small number has to stand beside it.",
            constant_feature,
            cases=constant_cases,
        ),
    ),
    faults=FAULTS,
    words=("normaliser", "normalizer", "runningmeanstd", "running_mean_std"),
    size=50,
)
CONTRACT = build(SCENARIO)
