"""Estimates of KL(pi || pi_ref), token by token, from tokens that pi sampled.

    d = log pi(y) - log pi_ref(y)
    k1 = d              unbiased, may be negative
    k2 = d^2 / 2        biased, its gradient is unbiased
    k3 = exp(-d) - 1 + d    unbiased, never negative

The gradient with respect to log pi is 1, d and 1 - exp(-d). Two libraries give an estimate another
gradient on purpose: that of k2 whatever the value (`k3+` of verl), or one with the score-function
term, k * d log pi + dk (weights exp(log pi - stop(log pi))). Faulty versions stand in
`kl_estimate_faults.py`.

References: Schulman 2020, "Approximating KL divergence", http://joschu.net/blog/kl-approx.html; the
gradients as losses: Tang and Munos 2025, arXiv:2506.09477.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from property_tests import llm_cases
from property_tests.framework.gradients import gradient_agreement
from property_tests.framework.models import Fitted, Run
from property_tests.framework.options import every_option
from property_tests.framework.records import (
    Array,
    Case,
    Convention,
    Domain,
    FunctionContract,
    Mismatch,
    Property,
)
from property_tests.kl_estimate_faults import faults
from property_tests.losses import convention_parameter, require
from property_tests.token_gradients import NO_GRADIENT, build_tokens, weights
from rlcheck.contracts import Bound, Contract, Options
from rlcheck.functions.binding import Facts, Parameter
from rlcheck.functions.calling import Output
from rlcheck.functions.layouts import Layout

LOG_RATIOS = (0.0, 0.5, -0.5, 1.5, -1.5, 0.1, -0.1, 2.25, -2.25, 1e-3)
"""Within every clamp in use: the tightest keeps estimates within +-10."""
VERL_NAMES = {"k1": "kl", "k2": "mse", "k3": "low_var_kl"}


def oracle(
    log_probs: Array,
    ref_log_probs: Array,
    mask: Array,
    estimator: str = "k3",
    slope: str = "own",
) -> tuple[Array, Array]:
    """The estimate at every token that counts, and the gradient of their weighted sum."""
    values, gradient = np.zeros(mask.shape), np.zeros(mask.shape)
    weight = weights(mask.shape)
    for b, t in np.argwhere(mask):
        d = log_probs[b, t] - ref_log_probs[b, t]
        value = {"k1": d, "k2": d * d / 2.0, "k3": np.exp(-d) - 1.0 + d}[estimator]
        own = {"k1": 1.0, "k2": d, "k3": 1.0 - np.exp(-d)}[estimator]
        values[b, t] = value
        gradient[b, t] = (
            weight[b, t]
            * {
                "own": own,
                "none": 0.0,
                "k2": d,
                "with-score": own + value,
            }[slope]
        )
    return values, gradient


def domain(names: frozenset[str], conventions: Facts) -> frozenset[str]:
    """Both log-probabilities must be named; a mask may be."""
    require(names, "log_probs", "ref_log_probs")
    return llm_cases.capabilities(names, conventions)


def from_ratios(drawn: dict[str, Array]) -> dict[str, Array]:
    """Log-probabilities from their difference."""
    ratios = drawn.pop("log_ratios")
    return {"log_probs": drawn["ref_log_probs"] + ratios, **drawn}


def tolerance(case: Case, epsilon: float) -> float:
    """Rounding of the difference of two log-probabilities, grown by the exponential."""
    largest = llm_cases.largest_kept(case, "log_probs", "ref_log_probs")
    apart = np.abs(case["log_probs"] - case["ref_log_probs"])[case["mask"]].max(initial=0.0)
    return float(16.0 * epsilon * (1.0 + largest) * (1.0 + apart) * math.exp(min(apart, 50.0)))


def same_policy(run: Run, case: Case) -> Mismatch | None:
    """0 where both policies are the same."""
    same = {**case, "ref_log_probs": case["log_probs"]}
    expected = np.zeros(case["mask"].shape)
    message = "where both policies are the same, the estimate is 0"
    return run.compare(same, expected, message, where=case["mask"])


def distributions(where: Domain) -> st.SearchStrategy[Case]:
    """Two distributions over as many tokens as there are columns, every token once."""

    def case(drawn: tuple[tuple[float, ...], tuple[float, ...]]) -> Case:
        logits = [np.array(z) for z in drawn]
        log_probs, ref_log_probs = (z - np.log(np.exp(z).sum()) for z in logits)
        return {
            "log_probs": log_probs[None],
            "ref_log_probs": ref_log_probs[None],
            "mask": np.ones((1, len(log_probs)), bool),
        }

    row = st.tuples(*[st.sampled_from((0.0, 1.0, -1.0, 0.5))] * 3)
    return st.tuples(row, row).map(case)


def unbiased(run: Run, case: Case) -> Mismatch | None:
    """Averaged over the tokens of pi, an unbiased estimate is KL(pi || pi_ref)."""
    if run.fitted.conventions["estimator"] == "k2":
        return None
    probability = np.exp(case["log_probs"])
    divergence = (probability * (case["log_probs"] - case["ref_log_probs"])).sum()
    got = (probability * run(case)).sum()
    if abs(got - divergence) <= run.tolerance(case):
        return None
    other = (np.exp(case["ref_log_probs"]) * (case["ref_log_probs"] - case["log_probs"])).sum()
    message = (
        f"averaged over all tokens under the policy the estimate should be KL(policy || reference) "
        f"= {divergence:.4g}, it is {got:.4g} (the reverse would be {other:.4g})"
    )
    return Mismatch(message, case, run.definition(case), run(case), (0, 0))


def never_negative(run: Run, case: Case) -> Mismatch | None:
    """k2 and k3 are at least 0."""
    if run.fitted.conventions["estimator"] == "k1":
        return None
    got = run(case)
    message = "this estimate of a divergence can never be negative"
    return run.compare(case, np.maximum(got, 0.0), message, got=got)


def only_differences(run: Run, case: Case) -> Mismatch | None:
    """Both log-probabilities lower by the same: the same estimate."""
    lower = {**case, **{n: case[n] - 2.0 for n in ("log_probs", "ref_log_probs")}}
    message = "both log-probabilities lower by the same should give the same estimate"
    return run.compare(lower, run(case), message)


def large_ratios(where: Domain) -> st.SearchStrategy[Case]:
    """A token that one policy finds all but impossible."""

    def case(ratio: float) -> Case:
        low, high = np.array([[-60.0, -1.0]]), np.array([[-60.0 + abs(ratio), -1.0]])
        first, second = (high, low) if ratio > 0 else (low, high)
        return {"log_probs": first, "ref_log_probs": second, "mask": np.ones((1, 2), bool)}

    return st.sampled_from([15.0, -15.0, 50.0, -50.0]).map(case)


def finite(run: Run, case: Case) -> Mismatch | None:
    """Finite, whatever is clamped: the reference may find a token all but impossible."""
    for got in run.outputs(case):
        if not np.isfinite(got).all():
            message = "a log-ratio of 50 or less should give a finite estimate and gradient"
            return Mismatch(message, case, run.definition(case), got, (0, 0))
    return None


PROPERTIES = (
    Property(
        "same-policy-gives-zero",
        "Where both policies are the same, the estimate is 0.",
        "Any estimator of a divergence from itself.",
        same_policy,
    ),
    Property(
        "unbiased-under-the-policy",
        "Averaged over the tokens of the policy, k1 and k3 are KL(policy || reference).",
        "By exact enumeration of a small vocabulary. The reverse direction, a sign or a factor "
        "shows here without any oracle.",
        unbiased,
        cases=distributions,
        references=("http://joschu.net/blog/kl-approx.html",),
    ),
    Property(
        "squared-estimates-are-never-negative",
        "k2 and k3 are at least 0.",
        "A negative penalty pays the policy for moving away.",
        never_negative,
    ),
    Property(
        "only-differences-count",
        "Both log-probabilities lower by the same give the same estimate.",
        "A divergence at a token depends on the ratio of the two probabilities.",
        only_differences,
    ),
    Property(
        "large-ratios-stay-finite",
        "Log-ratios up to 50 give finite estimates and gradients.",
        "A token that one of the policies finds all but impossible must not turn the loss into "
        "NaN. Values are not compared: libraries clamp there.",
        finite,
        cases=large_ratios,
    ),
    llm_cases.padding_content(),
    llm_cases.padding_columns(),
    llm_cases.rows_apart(),
    replace(gradient_agreement(), needs={"output gradient": NO_GRADIENT}),
    every_option("The estimators differ in value and in gradient."),
)

SPEC = FunctionContract(
    name="kl-estimate",
    title="Estimate of the KL divergence from a reference",
    explanation=__doc__ or "",
    parameters=(
        llm_cases.LOG_PROBS,
        llm_cases.REF_LOG_PROBS,
        llm_cases.MASK,
        llm_cases.PADDING_MASK,
        Parameter(
            "estimator",
            make=lambda facts: facts["estimator"],
            aliases=("kl_estimator", "kl_type", "kind", "kl_kind", "estimator_type"),
        ),
        Parameter(
            "kl_penalty",
            meaning="the estimator under the names that verl gives it",
            make=lambda facts: VERL_NAMES[facts["estimator"]],
        ),
        convention_parameter("slope"),
    ),
    outputs=(Output("kl", "BT"), Output("gradient", "BT")),
    oracle=oracle,
    domain=domain,
    cases=llm_cases.token_batches(
        {"log_ratios": LOG_RATIOS, "ref_log_probs": (-1.0, -0.5, -2.5, -6.0)},
        from_ratios,
        empty_rows=True,
    ),
    properties=PROPERTIES,
    faults=faults(oracle),
    conventions=(
        Convention("estimator", ("k3", "k1", "k2"), "of the divergence"),
        Convention(
            "slope",
            ("own", "none", "k2", "with-score"),
            "gradient with respect to the policy's log-probabilities",
        ),
    ),
    layouts=(Layout.AS_WRITTEN, Layout.SINGLE),
    batch_decides=True,
    tolerance=tolerance,
    words=("kl_estimate", "approx_kl", "kl_penalty", "calculate_kl", "estimate_kl", "kl_div"),
)

K1_NOTE = (
    "k1 is unbiased as a penalty in the reward; as a loss its expected gradient on-policy is 0, and "
    "the reference has no effect at all"
)
DETACHED_NOTE = (
    "no gradient reaches the policy's log-probabilities: right for a penalty in the reward, without "
    "any effect as a term of a loss"
)
CLAMPED_NOTE = (
    "NaN gradient: at an extreme log-ratio the exponential overflows before the estimate is "
    "clamped, and 0 * infinity is NaN; clamp the log-ratio before exp()"
)


def _nan_gradient(fitted: Fitted) -> bool:
    """Whether a clamp after the exponential leaves NaN where it should leave 0."""
    if "output gradient" not in fitted.domain:
        return False
    for ratio in (1000.0, -1000.0):
        case: dict[str, Any] = {
            "log_probs": np.array([[-1.0]]),
            "ref_log_probs": np.array([[-1.0 - ratio]]),
            "mask": np.ones((1, 1), bool),
        }
        value, gradient = Run(fitted).outputs(case)[:2]
        if np.isfinite(value).all() and np.isnan(gradient).any():
            return True
    return False


def _noted(contract: Contract) -> Contract:
    def bind(raw: Any, options: Options) -> Bound:
        bound = contract.bind(raw, options)
        spoken, fitted = bound.dialect, bound.subject
        notes = [K1_NOTE] * (spoken["estimator"] == "k1" and spoken["slope"] == "own")
        notes += [DETACHED_NOTE] * (spoken["slope"] == "none") + [CLAMPED_NOTE] * _nan_gradient(
            fitted
        )
        return replace(bound, notes=(*bound.notes, *notes))

    return replace(contract, bind=bind)


CONTRACT = _noted(llm_cases.noted(build_tokens(SPEC, "log_probs")))
