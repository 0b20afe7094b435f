"""Prioritised replay: rows drawn in proportion to a power of their priority.

    P(i) = p_i^alpha / sum_j p_j^alpha,     w_i = (N P(i))^-beta / max_j w_j

A factory `make(capacity, alpha, beta)` gives a buffer with

    add(obs, action, reward, next_obs, terminated, truncated)
    sample(n)   transitions, indices and weights, nested or flat, by name or not
    update_priorities(indices, priorities)

`beta` may be a parameter of `sample` instead. New rows get the largest priority so far. The buffer
is filled, all priorities are set, rows are drawn singly, in pairs and threes, one more is added.
Draws may be independent, stratified or without replacement; a small constant that is added to
priorities, up to about 0.01, is within the tolerance.

References: Schaul et al. 2016, arXiv:1511.05952, eq. 1 and section 3.4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from property_tests.framework.records import Array, Case, Convention, Domain, Mismatch, Property
from property_tests.prioritised_faults import FAULTS, LinearScan
from property_tests.prioritised_subject import play, prioritised_factory
from property_tests.replay_subject import Tracer
from property_tests.scenario_contract import build
from property_tests.scenarios import ALPHA, Observation, Player, Prepared, Scenario, surprise
from rlcheck.contracts import Options

SLACK = 0.02
"""Of weights, relative: single precision, and small constants added to priorities."""

TESTS = 500
PRIORITIES = (2.0, 128.0, 2.0, 16.0)
TELLING = ([0.75, 128.0, 2.0, 2.0], [2.0, 2.0, 128.0, 16.0, 2.0], [16.0, 128.0, 16.0])
"""Priorities below 1 too, which a clip at 1 leaves alone, and with a least one far above 1."""

STAGES = {
    "fresh": "before any update",
    "single": "after `update_priorities`",
    "pair": "after `update_priorities`, in batches of 2",
    "later": "after one more row was added, the last here",
}
PAPER = ("https://arxiv.org/abs/1511.05952",)


def cases(domain: Domain) -> st.SearchStrategy[Case]:
    """How many rows are held, whether older ones were lost before, priorities and exponents."""
    several = st.lists(st.sampled_from(PRIORITIES), min_size=1, max_size=5)
    return st.tuples(
        st.one_of(several, st.sampled_from(TELLING)),
        st.sampled_from((0, 1, 3)),
        st.sampled_from((0, 2)),
        st.sampled_from((1.0, 0.5, 0.75, 0.0)),
        st.sampled_from((0.5, 1.0, 0.25, 0.0)),
    ).map(lambda drawn: _case(*drawn))


def _case(
    priorities: list[float], lost: int, spare: int, alpha: float, beta: float
) -> dict[str, Any]:
    """Rows were lost, or places are spare, never both; the row to leave next is not the largest."""
    held = np.array([min(priorities), *priorities[1:]])
    return {
        "capacity": len(held) + (spare if not lost else 0),
        "adds": len(held) + lost,
        "alpha": alpha,
        "beta": beta,
        "priorities": held,
    }


def prepare(raw: Any, options: Options) -> Prepared:
    """The factory with its own names; a first use shows whether it runs."""
    return Prepared(prioritised_factory(raw, options))


def predict(model: Callable[..., LinearScan], facts: Case) -> Observation:
    """The exact probabilities and weights of a model at each stage."""
    adds, priorities = int(facts["adds"]), np.asarray(facts["priorities"])
    buffer = model(
        int(facts["capacity"]), float(facts["alpha"]), float(facts["beta"]), facts["weights_over"]
    )
    none = np.zeros(adds + 1, bool)
    steps = Tracer({"terminated": none, "truncated": none})
    for k in range(1, adds + 1):
        buffer.add(**steps.step(k))
    fresh, fresh_weights = _state(buffer)
    # The last first, as `play` does: the order of the batch is not that of the buffer.
    buffer.update_priorities(_by_age(buffer)[::-1], priorities[::-1].copy())
    updated, weights = _state(buffer)
    repeated = _weights_of(buffer, lambda i, j: [i, i, j])
    buffer.add(**steps.step(adds + 1))
    return {
        "fresh": fresh,
        "fresh_weights": fresh_weights,
        "single": updated,
        "pair": updated,
        "weights": weights,
        "repeated_weights": repeated,
        "later": _state(buffer)[0],
    }


def _by_age(buffer: LinearScan) -> Array:
    """Places of the rows, oldest first."""
    return np.argsort([row["reward"] for row in buffer.rows])


def _state(buffer: LinearScan) -> tuple[Array, Array]:
    """Probabilities, and the weight of row i in a batch of rows i and j, by age."""
    # Where one row is held, batches are of one.
    pairs = _weights_of(buffer, lambda i, j: [i, j][: len(buffer.rows)])
    return buffer.probabilities()[_by_age(buffer)], pairs[..., 0]


def _weights_of(buffer: LinearScan, batch: Callable[[int, int], list[int]]) -> Array:
    """The weights of such a batch of two rows, for all rows by age."""
    places = _by_age(buffer)
    with np.errstate(all="ignore"):
        return np.array([[buffer.weights(np.array(batch(i, j))) for j in places] for i in places])


# -- comparisons --------------------------------------------------------------------------------


def frequencies(
    case: Case, stage: str, observed: Observation, predicted: Observation
) -> Mismatch | None:
    """Whether rows came as often as they should, up to chance."""
    counts, probabilities = observed[stage], np.append(predicted[stage], 0.0)
    if stage == "pair" and observed["without_replacement"]:
        return None
    certain = np.clip(np.round(probabilities, 12), 0.0, 1.0)
    excess = surprise(counts, certain)
    if excess.max() <= np.log(2.0 * TESTS * len(counts) / ALPHA):
        return None
    row, n = int(np.argmax(excess)), int(counts.sum())
    if row == len(counts) - 1:
        message = f"{STAGES[stage]}: {int(counts[row])} of {n} draws are rows that are not held"
        return Mismatch(message, case)
    message = (
        f"{STAGES[stage]}: of the rows held, oldest first, row {row} came {int(counts[row])} "
        f"times in {n}, where {n * probabilities[row]:.3g} are expected"
    )
    return Mismatch(message, case, probabilities[:-1], counts[:-1] / n, (row,))


def weights_differ(
    case: Case, name: str, observed: Observation, predicted: Observation
) -> Mismatch | None:
    """Whether some pair of rows had other weights than it should."""
    expected = predicted[name]
    for got in (observed[f"{name}_low"], observed[f"{name}_high"]):
        with np.errstate(invalid="ignore"):
            same = np.abs(got - expected) <= SLACK * np.abs(expected)
        same |= np.isnan(got)
        if not same.all():
            i, j = (int(place) for place in np.unravel_index(int(np.argmin(same)), same.shape))
            stage = STAGES["fresh" if name == "fresh_weights" else "single"]
            message = (
                f"{stage}: in a batch of rows {i} and {j} (oldest is 0) the weight of row {i} should "
                f"be {expected[i, j]:.4g}, it is {got[i, j]:.4g}"
            )
            return Mismatch(message, case, expected[i, [j]], got[i, [j]], (0,))
    return None


def order_differs(case: Case, observed: Observation, predicted: Observation) -> Mismatch | None:
    """Whether a batch with one row twice had other weights than it should."""
    expected, got = predicted["repeated_weights"], observed["repeated_weights"]
    with np.errstate(invalid="ignore"):
        same = np.isnan(got) | (np.abs(got - expected) <= SLACK * np.abs(expected))
    if same.all():
        return None
    i, j, _ = (int(place) for place in np.unravel_index(int(np.argmin(same)), same.shape))
    shown, right = (", ".join(f"{w:.4g}" for w in each[i, j]) for each in (got, expected))
    message = (
        f"{STAGES['single']}: in a batch of rows {i}, {i} and {j} (oldest is 0) the weights should "
        f"be {right}, they are {shown}"
    )
    return Mismatch(message, case, expected[i, j], got[i, j], None)


def differs(case: Case, observed: Observation, predicted: Observation) -> Mismatch | None:
    """The first stage at which draws or weights are others."""
    for stage in STAGES:
        found = frequencies(case, stage, observed, predicted)
        if found is not None:
            return found
    return weights_differ(case, "fresh_weights", observed, predicted) or _batch_weights(
        case, observed, predicted
    )


def _batch_weights(case: Case, observed: Observation, predicted: Observation) -> Mismatch | None:
    return weights_differ(case, "weights", observed, predicted) or order_differs(
        case, observed, predicted
    )


def _stages(*stages: str) -> Callable[[Player, Case], Mismatch | None]:
    def holds(run: Player, case: Case) -> Mismatch | None:
        shown, expected = run(case), run.definition(case)
        return next(filter(None, (frequencies(case, s, shown, expected) for s in stages)), None)

    return holds


def _weights(run: Player, case: Case) -> Mismatch | None:
    return _batch_weights(case, run(case), run.definition(case))


def _fresh_weights(run: Player, case: Case) -> Mismatch | None:
    return weights_differ(case, "fresh_weights", run(case), run.definition(case))


def at_most_one(run: Player, case: Case) -> Mismatch | None:
    """No weight exceeds 1."""
    highest = float(np.nanmax(run(case)["weights_high"], initial=0.0))
    if highest <= 1.0 + SLACK:
        return None
    return Mismatch(f"a weight is {highest:.4g}, above 1", case)


def held_only(run: Player, case: Case) -> Mismatch | None:
    """Nothing but the rows held is sampled."""
    shown = run(case)
    for stage, when in STAGES.items():
        if shown[stage][-1]:
            message = f"{when}: {int(shown[stage][-1])} draws are rows that are not held"
            return Mismatch(message, case)
    return None


SCENARIO = Scenario(
    name="prioritised-replay",
    title="Prioritised replay buffer",
    explanation=__doc__ or "",
    cases=cases,
    prepare=prepare,
    play=play,
    definition=LinearScan,
    predict=predict,
    differs=differs,
    properties=(
        Property(
            "samples-what-is-held",
            "Every row sampled is one of the last `capacity` added.",
            "Empty leaves of a tree, or rows that were overwritten, are not data.",
            held_only,
        ),
        Property(
            "new-rows-are-equally-likely",
            "Before any update all rows are equally likely, and all weights are 1.",
            "All of them have the same priority.",
            lambda run, case: _stages("fresh")(run, case) or _fresh_weights(run, case),
            references=PAPER,
        ),
        Property(
            "follows-the-priorities",
            "Rows are drawn in proportion to priority^alpha.",
            "Chernoff's bound on the frequency of every row, singly and in batches of two.",
            _stages("single", "pair"),
            references=PAPER,
        ),
        Property(
            "new-rows-get-the-largest-priority",
            "A row that is added later has the largest priority so far.",
            "So that everything is replayed at least once, soon.",
            _stages("later"),
            references=PAPER,
        ),
        Property(
            "weights-at-most-one",
            "No weight exceeds 1.",
            "Weights only scale updates down, for stability.",
            at_most_one,
            references=PAPER,
        ),
        Property(
            "weights-undo-the-draw",
            "Weights are (N P)^-beta over their maximum, row by row.",
            "Compared for every pair of rows that came together; N cancels.",
            _weights,
            references=PAPER,
        ),
    ),
    faults=FAULTS,
    conventions=(
        Convention("weights_over", ("batch", "buffer"), "where the largest weight is taken from"),
    ),
    words=("prioriti", "per_buffer"),
    size=14,
    shrinks=40,
    error_rate=ALPHA,
)
CONTRACT = build(SCENARIO)
