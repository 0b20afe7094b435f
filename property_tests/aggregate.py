"""One number of the losses of all tokens of a batch of sequences.

    seq-mean:               mean over sequences of the mean over their tokens
    token-mean:             mean over all tokens that count
    constant:               sum over all tokens that count / denominator
    constant-per-sequence:  the same, divided by the number of sequences too

A token of a long sequence weighs less than one of a short sequence under seq-mean, and the same under
the others. A function without `denominator` is one with denominator 1: a plain sum, or a mean over
sequences of their sums; `--set denominator=N` states another. Faulty versions stand in
`aggregate_faults.py`.

References: Shao et al. 2024, arXiv:2402.03300, eq. 3 (seq-mean); Yu et al. 2025, arXiv:2503.14476,
eq. 8 (token-mean); Liu et al. 2025, arXiv:2503.20783, section 3 (constant).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from property_tests import llm_cases
from property_tests.aggregate_faults import faults
from property_tests.framework.generic import sensitivity
from property_tests.framework.gradients import gradient_agreement
from property_tests.framework.models import Run
from property_tests.framework.options import every_option
from property_tests.framework.records import (
    Array,
    Case,
    Convention,
    FunctionContract,
    Mismatch,
    Property,
)
from property_tests.losses import require
from property_tests.sequence_log_probs import DENOMINATOR_EPSILON
from property_tests.token_gradients import NO_GRADIENT, build_tokens
from rlcheck.functions.binding import Facts, Parameter
from rlcheck.functions.calling import Output
from rlcheck.functions.layouts import Layout

CHOICES = (1.0, -1.0, 2.0, -0.5, 0.25, -3.0, 0.0)
DENOMINATORS = (4.0, 7.0, 32.0, 0.5)
VERL_NAMES = {
    "seq-mean": "seq-mean-token-mean",
    "token-mean": "token-mean",
    "constant": "token-sum",
    "constant-per-sequence": "seq-mean-token-sum",
}


def oracle(
    values: Array, mask: Array, denominator: float, aggregation: str = "seq-mean"
) -> tuple[Array, Array]:
    """The number and the weight of every token in it."""
    weight = np.zeros(mask.shape)
    for b, t in np.argwhere(mask):
        weight[b, t] = (
            1.0
            / {
                "seq-mean": len(mask) * int(mask[b].sum()),
                "token-mean": int(mask.sum()),
                "constant": denominator,
                "constant-per-sequence": len(mask) * denominator,
            }[aggregation]
        )
    return np.array(sum(weight[b, t] * values[b, t] for b, t in np.argwhere(mask))), weight


def domain(names: frozenset[str], conventions: Facts) -> frozenset[str]:
    """The values must be named; a mask may be."""
    require(names, "values")
    uses = {"divided"} if conventions["aggregation"].startswith("constant") else set()
    # A function of several modes has a use for a denominator in some of them only.
    if "denominator" in names and not {"aggregation", "loss_agg_mode"} & names:
        uses.add("one-mode")
    return llm_cases.capabilities(names, conventions) | uses


def tolerance(case: Case, epsilon: float) -> float:
    """Rounding of a sum over all tokens, and the small number in a denominator."""
    largest = llm_cases.largest_kept(case, "values")
    grown = (1.0 + largest) * max(1.0, 1.0 / case["denominator"])
    return (16.0 * epsilon * case["mask"].size + 2.0 * DENOMINATOR_EPSILON) * grown


def constant(run: Run, case: Case) -> Mismatch | None:
    """A mean of equal numbers is that number."""
    if run.fitted.conventions["aggregation"].startswith("constant"):
        return None
    same = {**case, "values": np.full(case["mask"].shape, 1.5)}
    return run.compare(same, np.array(1.5), "the mean of equal numbers is that number")


def every_token(run: Run, case: Case) -> Mismatch | None:
    """One more at one token: its weight more."""
    own, weight = run(case), run.contract.oracle(**run.facts(case))[1]
    for b, kept in enumerate(case["mask"]):
        for t in (np.flatnonzero(kept)[0], np.flatnonzero(kept)[-1]):
            values = case["values"].copy()
            values[b, t] += 1.0
            expected = np.asarray(own + weight[b, t])
            message = f"one more at token {t} of sequence {b} did not count as it should"
            found = run.compare({**case, "values": values}, expected, message)
            if found is not None:
                return found
    return None


def twice(run: Run, case: Case) -> Mismatch | None:
    """Every sequence twice leaves means as they are and doubles a sum."""
    names = ["mask", *llm_cases.token_names(case)]
    more = {**case, **{name: np.concatenate([case[name]] * 2) for name in names}}
    factor = 2.0 if run.fitted.conventions["aggregation"] == "constant" else 1.0
    message = f"every sequence twice should make the number {factor:g} times as large"
    return run.compare(more, np.asarray(factor * run(case)), message)


def empty_row(run: Run, case: Case) -> Mismatch | None:
    """A sequence without tokens is left out, or counts as one with a loss of 0."""
    more, own = llm_cases.emptied(case), run(case)
    got, rows = run(more), len(case["mask"])
    if run.fitted.conventions["aggregation"] in ("seq-mean", "constant-per-sequence"):
        counted = np.asarray(own * rows / (rows + 1))
        if run.compare(more, counted, "", got=got) is None or np.isnan(got):
            return None
    message = "a sequence without a token that counts should be left out, or count as 0"
    return run.compare(more, own, message, got=got)


def denominator_used(run: Run, case: Case) -> Mismatch | None:
    """A denominator that is taken is used."""
    if run.fitted.conventions["aggregation"].startswith("constant"):
        return None  # that it matters is another property
    ones = {**case, "values": np.ones(case["mask"].shape)}
    answers = [run({**ones, "denominator": value}) for value in (0.5, 4.0)]
    if abs(answers[1] - answers[0]) > run.tolerance(ones):
        return None  # it is used, if wrongly
    message = "the function takes a denominator, and its answers are a mean without it"
    return Mismatch(message, case, suspects=("denominator-ignored",))


PROPERTIES = (
    Property(
        "mean-of-equal-numbers",
        "The mean of equal numbers is that number.",
        "A divisor that is not the number of tokens that count shows at once.",
        constant,
    ),
    Property(
        "tokens-weigh-as-declared",
        "One more at one token adds its weight.",
        "1 / (B n_b) under seq-mean, 1 / N under token-mean, 1 / C under a constant. A wrong weight "
        "makes short or long answers count more than was meant: models grow verbose or terse.",
        every_token,
        references=("https://arxiv.org/abs/2503.20783",),
    ),
    Property(
        "batch-size-scales-as-declared",
        "Every sequence twice leaves means as they are and doubles a sum.",
        "A denominator that is hard-coded, squared, or taken from another axis changes the learning "
        "rate with the size of the batch.",
        twice,
        needs={"batch": llm_cases.NO_BATCH},
    ),
    Property(
        "empty-sequences-do-no-harm",
        "A sequence without a token that counts is left out, or counts as a loss of 0.",
        "Truncated or filtered answers leave such rows in a batch.",
        empty_row,
        needs={"mask": llm_cases.NO_MASK, "batch": llm_cases.NO_BATCH},
    ),
    Property(
        "denominator-is-used",
        "A `denominator` that the function takes has an effect.",
        "A global denominator that is ignored leaves every micro-batch normalised by itself.",
        denominator_used,
        needs={"one-mode": "it takes no denominator, or has several modes"},
        varies=("denominator",),
        references=("https://github.com/volcengine/verl/commit/b49178f0f3ac",),
    ),
    llm_cases.padding_content(),
    llm_cases.padding_columns(),
    llm_cases.order_of_rows(),
    replace(
        sensitivity(
            "denominator",
            4.0,
            32.0,
            "A denominator that is accepted and ignored is taken for the global one: under "
            "gradient accumulation every micro-batch is normalised by itself.",
        ),
        needs={"divided": "it takes a mean: no denominator is used"},
    ),
    replace(gradient_agreement(), needs={"output gradient": NO_GRADIENT}),
    every_option("A mode that nobody tried has a divisor of its own."),
)


def _divisor(facts: Facts) -> Any:
    """None for a function of several modes in one that is a mean by itself."""
    modes = {"aggregation", "loss_agg_mode"} & set(facts.get("bound", ()))
    constant = facts["aggregation"].startswith("constant")
    return facts["denominator"] if constant or not modes else None


SPEC = FunctionContract(
    name="aggregate",
    title="Aggregation of token losses",
    explanation=__doc__ or "",
    parameters=(
        Parameter(
            "values",
            "BT",
            "a loss for every token",
            aliases=(
                "losses",
                "loss",
                "loss_mat",
                "token_losses",
                "per_token_loss",
                "per_token_losses",
                "pg_loss",
                "pg_losses",
                "value",
                "tensor",
                "x",
            ),
        ),
        llm_cases.MASK,
        llm_cases.PADDING_MASK,
        Parameter(
            "denominator",
            "",
            "constant or global divisor",
            aliases=(
                "denom",
                "divisor",
                "normalizer",
                "normaliser",
                "max_completion_length",
                "max_length",
                "max_tokens",
                "loss_scale_factor",
                "num_items_in_batch",
                "global_tokens",
                "batch_num_tokens",
                "total_tokens",
            ),
            make=_divisor,
            hyper=True,
            default=1.0,
        ),
        Parameter(
            "aggregation",
            make=lambda facts: facts["aggregation"],
            aliases=("reduction", "mode", "agg_mode", "loss_type"),
        ),
        Parameter(
            "loss_agg_mode",
            meaning="the convention under the names that verl gives it",
            make=lambda facts: VERL_NAMES[facts["aggregation"]],
        ),
    ),
    outputs=(Output("loss"), Output("gradient", "BT")),
    oracle=oracle,
    domain=domain,
    cases=llm_cases.token_batches({"values": CHOICES}, hypers={"denominator": DENOMINATORS}),
    properties=PROPERTIES,
    faults=faults(oracle),
    conventions=(
        Convention(
            "aggregation",
            ("seq-mean", "token-mean", "constant", "constant-per-sequence"),
            "over tokens and sequences",
        ),
    ),
    layouts=(Layout.AS_WRITTEN,),
    tolerance=tolerance,
    words=("aggregate", "agg_loss", "masked_mean", "masked_sum"),
)
CONTRACT = llm_cases.noted(build_tokens(SPEC, "values"))
