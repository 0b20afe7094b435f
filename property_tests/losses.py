"""What the contracts on losses share: vocabulary, rows to try, properties of every loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from property_tests.framework.gradients import DIFFERENCE_ERROR
from property_tests.framework.models import Fitted, Run
from property_tests.framework.records import Array, Case, Convention, Domain, Mismatch, Property
from rlcheck.errors import BindingError
from rlcheck.functions.binding import Facts, Parameter
from rlcheck.functions.calling import Malformed
from rlcheck.functions.layouts import Layout

LAYOUTS = (Layout.AS_WRITTEN, Layout.COLUMN)

LOG_PROBS = Parameter(
    "log_probs",
    "B",
    "log pi(a|s) of the actions taken",
    aliases=(
        "log_prob", "logprobs", "logprob", "logp", "logps", "new_log_probs", "new_log_prob",
        "new_logprobs", "new_logprob", "new_logp", "newlogprob", "curr_log_probs", "log_pi",
    ),
)  # fmt: skip
OLD_LOG_PROBS = Parameter(
    "old_log_probs",
    "B",
    "the same under the policy that acted",
    aliases=(
        "old_log_prob", "old_logprobs", "old_logprob", "old_logp", "old_logps", "logp_old",
        "log_probs_old", "logprobs_old", "old_log_pi", "behaviour_log_probs", "behavior_log_probs",
    ),
)  # fmt: skip
ADVANTAGES = Parameter(
    "advantages", "B", "A(s, a)", aliases=("advantage", "advs", "adv", "weights", "returns")
)
CLIP_ALIASES = ("clip_eps", "clip_range", "clip_coef", "clip_ratio", "epsilon", "eps_clip", "clip")
ADVANTAGE_CHOICES = (1.0, -1.0, 2.0, -0.5, -3.0, 0.25, 0.0)


def convention_parameter(name: str, *aliases: str) -> Parameter:
    """A function may name a convention as a parameter: it is then given the one being tried."""
    return Parameter(name, make=lambda facts: facts[name], aliases=aliases)


AGGREGATION = Convention("aggregation", ("mean", "sum"), "over the rows of the batch")
AGGREGATION_PARAMETER = convention_parameter("aggregation", "reduction")


def aggregate(terms: Array, aggregation: str) -> Any:
    """One number of the terms of all rows."""
    return terms.sum() if aggregation == "sum" else terms.mean()


def share(terms: Array, aggregation: str) -> Array:
    """What each row contributes to the aggregate, or each row's gradient to that of the batch."""
    return terms if aggregation == "sum" else terms / len(terms)


def requires(*needed: str) -> Callable[[frozenset[str], Facts], frozenset[str]]:
    """A `domain` for functions that must name all of these."""

    def domain(names: frozenset[str], conventions: Facts) -> frozenset[str]:
        require(names, *needed)
        return frozenset()

    return domain


def require(names: frozenset[str], *needed: str) -> None:
    """Refuse a function that leaves out a parameter without which nothing is determined."""
    missing = [name for name in needed if name not in names]
    if missing:
        raise BindingError(
            f"the function does not take `{missing[0]}`, without which the answer is not "
            f"determined; say with --bind {missing[0]}=PARAMETER which parameter means it"
        )


def rows(
    columns: Mapping[str, Sequence[float]],
    make: Callable[[dict[str, Array]], dict[str, Array]] = lambda case: case,
    hypers: Mapping[str, Sequence[float]] | None = None,
    *,
    fewest: int = 1,
) -> Callable[[Domain], st.SearchStrategy[Case]]:
    """Batches of a few rows, simplest first.

    Args:
        columns: name -> numbers that it may hold, simplest first.
        make: these columns -> canonical inputs.
        hypers: hyper-parameter -> values to try.
        fewest: smallest number of rows.
    """
    row = st.tuples(*(st.sampled_from(choices) for choices in columns.values()))

    def cases(domain: Domain) -> st.SearchStrategy[Case]:
        chosen = {name: domain.hyper(name, values) for name, values in (hypers or {}).items()}
        batches = st.lists(row, min_size=fewest, max_size=6)
        return st.tuples(batches, st.fixed_dictionaries(chosen)).map(
            lambda drawn: {**make(_by_column(drawn[0], list(columns))), **drawn[1]}
        )

    return cases


def _by_column(batch: Sequence[Sequence[float]], names: Sequence[str]) -> dict[str, Array]:
    return {name: np.array([row[i] for row in batch]) for i, name in enumerate(names)}


def loss_tolerance(case: Case, epsilon: float) -> float:
    """Rounding of a sum of a few products a row, and the error of a numerical gradient."""
    arrays = [np.asarray(value) for value in case.values() if np.ndim(value)]
    count = max(len(array) for array in arrays)
    largest = max(float(np.abs(array).max()) for array in arrays)
    growth = (
        np.exp(np.abs(case["log_probs"] - case["old_log_probs"]).max(initial=0.0))
        if ("old_log_probs" in case)
        else 1.0
    )
    return float(DIFFERENCE_ERROR + 64.0 * epsilon * count * (1.0 + largest) ** 2 * growth)


def _batch(case: Case) -> list[str]:
    return [name for name, value in case.items() if np.ndim(value)]


def _order(run: Run, case: Case) -> Mismatch | None:
    turned = {**case, **{name: case[name][::-1] for name in _batch(case)}}
    return run.compare(turned, run(case), "the order of the rows changed the loss")


def order_independence() -> Property:
    """Rows are a set."""
    return Property(
        "order-of-rows-does-not-matter",
        "The same rows in another order give the same loss.",
        "Rows are samples. A loss that depends on their order pairs the numbers of one sample with "
        "those of another.",
        _order,
    )


def _twice(run: Run, case: Case) -> Mismatch | None:
    twice = {**case, **{name: np.concatenate([case[name]] * 2) for name in _batch(case)}}
    factor = 2.0 if run.fitted.conventions.get("aggregation") == "sum" else 1.0
    message = f"every row twice should make the loss {factor:g} times as large"
    return run.compare(twice, factor * run(case), message)


def batch_size() -> Property:
    """The loss does not depend on the size of the batch but as its aggregation says."""
    return Property(
        "batch-size-scales-as-declared",
        "Every row twice leaves a mean as it is and doubles a sum.",
        "A denominator that is hard-coded, squared, or taken from another axis changes the "
        "effective learning rate with the size of the minibatch.",
        _twice,
    )


def _as_columns(fitted: Fitted) -> Fitted | None:
    function = fitted.function
    if function is None or function.plan.layout is not Layout.AS_WRITTEN:
        return None
    plan = replace(function.plan, layout=Layout.COLUMN)
    return replace(fitted, function=replace(function, plan=plan))


def random_answers(run: Run, case: Case) -> bool:
    """Whether the subject answers the same question in two ways."""
    return not np.array_equal(run(case), run.anew(case).outputs[0], equal_nan=True)


def column_agreement(fault: str) -> Property:
    """(N, 1) inputs give what (N,) inputs give.

    Args:
        fault: what it is called where they do not.
    """

    def holds(run: Run, case: Case) -> Mismatch | None:
        columns = _as_columns(run.fitted)
        if columns is None or random_answers(run, case):
            return None
        try:
            got = Run(columns)(case)
        except Malformed:
            return None  # it refuses such inputs, or shows by its shape that they are not for it
        message = "inputs of shape (N, 1) give another loss than the same numbers of shape (N,)"
        found = run.compare(case, run(case), message, got=got)
        return None if found is None else found._replace(suspects=(fault,))

    return Property(
        "columns-give-the-same",
        "Inputs of shape (N, 1) give the loss of the same numbers of shape (N,).",
        "Where one operand is flattened and the other is not, (N,) and (N, 1) broadcast to (N, N): "
        "every row is paired with every other, and nothing crashes.",
        holds,
        references=(
            "https://github.com/PacktPublishing/Tensorflow-2-Reinforcement-Learning-Cookbook/issues/33",
        ),
    )
