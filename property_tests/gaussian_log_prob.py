"""Log-probability of continuous actions under a diagonal Gaussian policy.

    log p(a|s) = -sum_d [ (a_d - mean_d)^2 / (2 std_d^2) + log std_d + log(2 pi) / 2 ]

The scale may be taken as `log_std`, `std`, `variance` or `log_variance`. A small number beside it, up
to 1e-6, is a declared convention. Faulty versions stand in `gaussian_faults.py`.

References: Williams 1992, https://doi.org/10.1007/BF00992696, section 6; Sutton and
Barto 2018, eq. 13.18.
"""

from __future__ import annotations

import numpy as np

from property_tests import gaussian_policies as policies
from property_tests import policy_rows
from property_tests.framework.records import Array, Case, Convention, FunctionContract
from property_tests.framework.row_gradients import (
    build_rows,
    gradient_agreement,
    gradient_outputs,
    graph_cut,
)
from property_tests.gaussian_faults import faults
from property_tests.losses import convention_parameter
from rlcheck.functions.binding import Parameter

ACTIONS = Parameter(
    "actions",
    "BD",
    "the action taken",
    aliases=(
        "action",
        "act",
        "acts",
        "a",
        "x",
        "value",
        "values",
        "sample",
        "samples",
        "raw_actions",
        "raw_action",
        "pre_tanh",
    ),
)


GUARDS = (
    Convention("guard", (0.0, 1e-8, 1e-6), "a small number against a division by 0"),
    Convention(
        "guard_in",
        ("quotient", "scale"),
        "added to the standard deviation that divides, or also to the one in the logarithm",
    ),
)


def oracle(
    mean: Array, log_std: Array, actions: Array, guard: float = 0.0, guard_in: str = "quotient"
) -> tuple[Array, Array, Array]:
    """The sum, and its gradients with respect to mean and log_std, term by term."""
    log_probs = np.zeros(len(mean))
    by_mean, by_log_std = np.zeros_like(mean), np.zeros_like(mean)
    for i, d in np.ndindex(mean.shape):
        std = np.exp(log_std[i, d])
        width = std + guard
        scale = width if guard_in == "scale" else std
        distance = actions[i, d] - mean[i, d]
        log_probs[i] -= distance**2 / (2 * width**2) + np.log(scale) + np.log(2 * np.pi) / 2
        by_mean[i, d] = distance / width**2
        by_log_std[i, d] = distance**2 * std / width**3 - std / scale
    return log_probs, by_mean, by_log_std


def tolerance(case: Case, epsilon: float) -> float:
    """As `gaussian_policies.rounding`."""
    return policies.rounding(case["mean"], case["log_std"], case["actions"], epsilon)


GRADIENTS = ("mean", "log_std")

SPEC = FunctionContract(
    name="gaussian-log-prob",
    title="Log-probability of continuous actions",
    explanation=__doc__ or "",
    parameters=(
        policies.MEAN,
        *policies.SCALES,
        ACTIONS,
        convention_parameter("guard", "eps", "epsilon"),
        convention_parameter("guard_in"),
    ),
    outputs=gradient_outputs("log_probs", "BD", GRADIENTS),
    oracle=oracle,
    domain=policies.domain("actions"),
    cases=policies.cases("actions", 4.0),
    properties=(
        policies.additivity(),
        policies.integration("actions", np.ones_like),
        policy_rows.row_independence(),
        gradient_agreement(
            "mean",
            "The gradients are (a - mean) / std^2 for the mean and z^2 - 1 for log_std.",
            "The policy gradient is made of them. A scale that is detached never learns; one that "
            "hangs on the mean moves it.",
        ),
    ),
    faults=faults("actions", np.zeros_like, graph_cut(oracle)),
    conventions=GUARDS,
    layouts=policy_rows.LAYOUTS,
    tolerance=tolerance,
    words=("gaussian_log_prob", "normal_log_prob", "gaussian_logp", "gaussian_likelihood"),
)
CONTRACT = build_rows(SPEC, GRADIENTS)
