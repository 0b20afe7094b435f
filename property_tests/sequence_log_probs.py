"""Log-probability of every sequence of a batch, from those of its tokens.

    sum:   s_b = sum_t m_bt log pi(y_bt)
    mean:  s_b = sum_t m_bt log pi(y_bt) / sum_t m_bt

with m the mask. Preference losses sum (DPO) or average (length-normalised IPO, SimPO, ORPO). Faulty
versions stand in `sequence_log_probs_faults.py`.

References: Rafailov et al. 2023, arXiv:2305.18290, section 4; length-normalised: Meng et al. 2024,
arXiv:2405.14734, eq. 4.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from property_tests import llm_cases
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
from property_tests.losses import convention_parameter, require
from property_tests.sequence_log_probs_faults import faults
from property_tests.token_gradients import NO_GRADIENT, build_tokens, weights
from rlcheck.functions.binding import Facts, Parameter
from rlcheck.functions.calling import Output
from rlcheck.functions.layouts import Layout

LOG_PROB_CHOICES = (-1.0, -0.5, -2.0, -0.25, -4.0, -12.0, 0.0)
DENOMINATOR_EPSILON = 1e-6
"""What libraries add to a count of tokens so that an empty one does no harm."""


def oracle(log_probs: Array, mask: Array, reduction: str = "sum") -> tuple[Array, Array]:
    """The sum or mean of each row, and the gradient of their weighted sum."""
    values, gradient = np.zeros(len(mask)), np.zeros(mask.shape)
    weight = weights(values.shape)
    for b, kept in enumerate(mask):
        count = int(kept.sum()) if reduction == "mean" else 1
        for t in np.flatnonzero(kept):
            values[b] += log_probs[b, t] / count
            gradient[b, t] = weight[b] / count
    return values, gradient


def domain(names: frozenset[str], conventions: Facts) -> frozenset[str]:
    """The log-probabilities must be named; a mask may be."""
    require(names, "log_probs")
    return llm_cases.capabilities(names, conventions)


def tolerance(case: Case, epsilon: float) -> float:
    """Rounding of a sum of T terms, and the small number in a denominator."""
    largest = llm_cases.largest_kept(case, "log_probs")
    steps = case["mask"].shape[1]
    return 16.0 * epsilon * steps * (1.0 + largest) + 2.0 * DENOMINATOR_EPSILON * (1.0 + largest)


def by_token(run: Run, case: Case) -> Mismatch | None:
    """One nat more at the first token that counts: one more in the sum, 1 / n in the mean."""
    changed = case["log_probs"].copy()
    shares = np.ones(len(changed))
    for b, kept in enumerate(case["mask"]):
        changed[b, np.flatnonzero(kept)[0]] += 1.0
        if run.fitted.conventions["reduction"] == "mean":
            shares[b] = 1.0 / kept.sum()
    message = "one nat more at the first token that counts should count like any other"
    return run.compare({**case, "log_probs": changed}, run(case) + shares, message)


def last_token(run: Run, case: Case) -> Mismatch | None:
    """The same at the last token that counts: the end of the sequence is part of it."""
    changed = case["log_probs"].copy()
    shares = np.ones(len(changed))
    for b, kept in enumerate(case["mask"]):
        changed[b, np.flatnonzero(kept)[-1]] += 1.0
        if run.fitted.conventions["reduction"] == "mean":
            shares[b] = 1.0 / kept.sum()
    message = "one nat more at the last token that counts should count like any other"
    return run.compare({**case, "log_probs": changed}, run(case) + shares, message)


def constant(run: Run, case: Case) -> Mismatch | None:
    """Equal log-probabilities: n times, or just that number."""
    same = {**case, "log_probs": np.full(case["mask"].shape, -2.0)}
    counts = case["mask"].sum(axis=1)
    mean = run.fitted.conventions["reduction"] == "mean"
    expected = np.full(len(counts), -2.0) if mean else -2.0 * counts
    message = "with equal log-probabilities a mean is that number, a sum as often as tokens count"
    return run.compare(same, expected, message)


def empty_row(run: Run, case: Case) -> Mismatch | None:
    """A row without a token changes no other, and sums to 0."""
    more = llm_cases.emptied(case)
    got = run(more)
    message = "a sequence without a token that counts changed the answer of another"
    found = run.compare(case, run(case), message, got=got[:-1])
    if found is not None or run.fitted.conventions["reduction"] == "mean":
        return found
    expected = np.append(got[:-1], 0.0)
    message = "the sum over a sequence without a token that counts is 0"
    return run.compare(more, expected, message, got=got)


PROPERTIES = (
    Property(
        "first-token-counts",
        "One nat more at the first token that counts adds its share.",
        "The first token of an answer is predicted by the last of the prompt. A second shift, on "
        "top of the one between logits and labels, drops it.",
        by_token,
        references=("https://github.com/huggingface/trl/commit/18f187db1625",),
    ),
    Property(
        "last-token-counts",
        "One nat more at the last token that counts adds its share.",
        "The last token is the end of the sequence: without it a model never learns to stop.",
        last_token,
        references=("https://github.com/huggingface/trl/commit/7f2ccbe3a24d",),
    ),
    Property(
        "equal-tokens-give-their-count",
        "With equal log-probabilities a mean is that number, a sum as often as tokens count.",
        "A divisor from the width of the batch, or another count than that of the mask, shows "
        "here.",
        constant,
    ),
    Property(
        "empty-sequences-do-no-harm",
        "A sequence without a token that counts sums to 0 and changes no other.",
        "Truncated or filtered answers leave such rows in a batch.",
        empty_row,
        needs={"mask": llm_cases.NO_MASK, "batch": llm_cases.NO_BATCH},
    ),
    llm_cases.padding_content(),
    llm_cases.padding_columns(),
    llm_cases.rows_apart(),
    replace(gradient_agreement(), needs={"output gradient": NO_GRADIENT}),
    every_option("A mean in the place of a sum changes the size of every margin."),
)

SPEC = FunctionContract(
    name="sequence-log-probs",
    title="Log-probabilities of sequences",
    explanation=__doc__ or "",
    parameters=(
        replace(
            llm_cases.LOG_PROBS,
            aliases=(*llm_cases.LOG_PROBS.aliases, "values", "x", "tensor"),
        ),
        llm_cases.MASK,
        llm_cases.PADDING_MASK,
        convention_parameter("reduction", "reduce", "agg", "aggregation"),
        Parameter(
            "average",
            make=lambda facts: facts["reduction"] == "mean",
            aliases=(
                "average_log_prob",
                "average_log_probs",
                "length_normalize",
                "length_normalized",
                "normalize",
                "normalise",
            ),
        ),
    ),
    outputs=(Output("sequence_log_probs", "B"), Output("gradient", "BT")),
    oracle=oracle,
    domain=domain,
    cases=llm_cases.token_batches({"log_probs": LOG_PROB_CHOICES}),
    properties=PROPERTIES,
    faults=faults(oracle),
    conventions=(Convention("reduction", ("sum", "mean"), "over the tokens that count"),),
    layouts=(Layout.AS_WRITTEN, Layout.SINGLE),
    batch_decides=True,
    tolerance=tolerance,
    words=("sequence_log_prob", "sequence_logp", "batch_logp", "seq_logp"),
)
CONTRACT = llm_cases.noted(build_tokens(SPEC, "log_probs"))
