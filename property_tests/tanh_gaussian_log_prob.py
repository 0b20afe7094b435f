"""Log-probability of squashed actions a = tanh(u), with u drawn from a Gaussian.

    log p(a|s) = log N(u; mean, std) - sum_d log(1 - a_d^2),   u = atanh(a)

A function takes the squashed `actions`, or the sample before the tanh as `pre_tanh`, or
both. Many add a small number to 1 - a^2; this is a declared convention, `epsilon`.
Faulty versions stand in `tanh_gaussian_faults.py`.

References: Haarnoja et al. 2018, arXiv:1812.05905, appendix C.
"""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from property_tests import gaussian_policies as policies
from property_tests import policy_rows
from property_tests.framework.models import Run
from property_tests.framework.records import (
    Array,
    Case,
    Convention,
    Domain,
    FunctionContract,
    Mismatch,
    Property,
)
from property_tests.framework.row_gradients import (
    build_rows,
    gradient_agreement,
    gradient_outputs,
    graph_cut,
)
from property_tests.losses import convention_parameter
from property_tests.tanh_gaussian_faults import faults
from rlcheck.functions.binding import Facts, Parameter


def _squashed(facts: Facts) -> Array:
    return np.tanh(facts["pre_tanh"])


PRE_TANH = Parameter(
    "pre_tanh",
    "BD",
    "the sample before the tanh",
    aliases=(
        "raw_actions",
        "raw_action",
        "pre_tanh_actions",
        "pre_tanh_action",
        "pre_tanh_value",
        "pre_tanh_values",
        "pretanh",
        "pre_actions",
        "pre_action",
        "pre_squash",
        "gaussian_actions",
        "gaussian_action",
        "unsquashed",
        "unsquashed_actions",
        "u",
        "z",
        "x_t",
    ),
)
ACTIONS = Parameter(
    "actions",
    "BD",
    "the squashed action, in (-1, 1)",
    make=_squashed,
    aliases=(
        "action",
        "act",
        "acts",
        "a",
        "squashed_actions",
        "squashed_action",
        "squashed",
        "tanh_actions",
        "tanh_action",
        "y",
        "y_t",
        "x",
        "value",
        "values",
        "samples",
    ),
)
EPSILON = Convention(
    "epsilon",
    (0.0, 1e-6, 1e-8, 1e-7, 1e-5),
    "added to 1 - a^2 before its logarithm is taken",
)


def oracle(
    mean: Array, log_std: Array, pre_tanh: Array, epsilon: float = 0.0
) -> tuple[Array, Array, Array]:
    """The sum, and its gradients with respect to mean and log_std, term by term."""
    log_probs = np.zeros(len(mean))
    by_mean, by_log_std = np.zeros_like(mean), np.zeros_like(mean)
    for i, d in np.ndindex(mean.shape):
        std, u = np.exp(log_std[i, d]), pre_tanh[i, d]
        distance = u - mean[i, d]
        log_probs[i] -= distance**2 / (2 * std**2) + np.log(std) + np.log(2 * np.pi) / 2
        log_probs[i] -= np.log(1.0 / np.cosh(u) ** 2 + epsilon)
        by_mean[i, d] = distance / std**2
        by_log_std[i, d] = distance**2 / std**2 - 1
    return log_probs, by_mean, by_log_std


def tolerance(case: Case, epsilon: float) -> float:
    """That of the Gaussian, where u is read off an action that was rounded: 1 - a^2 loses digits."""
    steepest = float(np.cosh(case["pre_tanh"]).max() ** 2)
    return steepest * policies.rounding(case["mean"], case["log_std"], case["pre_tanh"], epsilon)


def saturated(where: Domain) -> st.SearchStrategy[Case]:
    """Samples so far out that their tanh rounds to 1 or -1."""
    return st.tuples(
        policies.cases("pre_tanh", 2.0)(where), st.sampled_from((20.0, -20.0, 30.0))
    ).map(lambda drawn: {**drawn[0], "pre_tanh": drawn[0]["pre_tanh"] * 0.0 + drawn[1]})


def finite_at_saturation(run: Run, case: Case) -> Mismatch | None:
    """A number, whatever its value, where rounding has lost u; gradients too."""
    outputs = run.outputs(case)
    names = [output.name for output in run.contract.outputs]
    for name, got in zip(names, outputs, strict=False):
        if not np.isfinite(got).all():
            index = tuple(int(i) for i in np.argwhere(~np.isfinite(got))[0])
            message = f"{name} of an action that rounds to +-1 should be finite, it is {got[index]}"
            return Mismatch(message, case, kind="not-finite", suspects=_blamed(run))
    return None


def _blamed(run: Run) -> tuple[str, ...]:
    near = {"mean": np.zeros((1, 1)), "log_std": np.zeros((1, 1)), "pre_tanh": np.full((1, 1), 0.5)}
    agrees = run.compare(near, run.definition(near), "") is None
    return ("infinite-at-saturation",) if agrees else ()


def mirrored(run: Run, case: Case) -> Mismatch | None:
    """Mean and sample of the opposite sign: the same density."""
    other = {**case, "mean": -case["mean"], "pre_tanh": -case["pre_tanh"]}
    return run.compare(
        other, run(case), "mean and action of the opposite sign should give the same"
    )


PROPERTIES = (
    policies.additivity(),
    policies.integration("pre_tanh", lambda u: 1.0 / np.cosh(u) ** 2),
    Property(
        "finite-at-saturation",
        "An action that rounds to 1 or -1 has a finite log-probability.",
        "tanh(u) is exactly 1 from u = 9 on in float32: log(1 - a^2) is then -inf and atanh(a) "
        "infinite, and one such sample turns all parameters into NaN.",
        finite_at_saturation,
        cases=saturated,
        references=("https://github.com/ray-project/ray/issues/14878",),
    ),
    Property(
        "mirror-image-is-as-likely",
        "Mean and action of the opposite sign have the same log-probability.",
        "tanh is odd: a correction that is not even, such as log(1 - a), is wrong.",
        mirrored,
    ),
    policy_rows.row_independence(),
    gradient_agreement(
        "mean",
        "The gradients are (u - mean) / std^2 for the mean and z^2 - 1 for log_std.",
        "The correction for the tanh does not depend on the policy; a gradient that is cut, or "
        "passes through the action, trains something else.",
    ),
)
GRADIENTS = ("mean", "log_std")

SPEC = FunctionContract(
    name="tanh-gaussian-log-prob",
    title="Log-probability of squashed actions",
    explanation=__doc__ or "",
    parameters=(
        policies.MEAN,
        *policies.SCALES,
        PRE_TANH,
        ACTIONS,
        convention_parameter("epsilon", "eps"),
    ),
    outputs=gradient_outputs("log_probs", "BD", GRADIENTS),
    oracle=oracle,
    domain=policies.domain("actions", "pre_tanh"),
    cases=policies.cases("pre_tanh", 2.0),
    properties=PROPERTIES,
    faults=faults(graph_cut(oracle)),
    conventions=(EPSILON,),
    layouts=policy_rows.LAYOUTS,
    tolerance=tolerance,
    words=("tanh_gaussian", "tanh_normal", "squashed_gaussian", "squashed_normal", "tanh_log_prob"),
)
CONTRACT = build_rows(SPEC, GRADIENTS)
