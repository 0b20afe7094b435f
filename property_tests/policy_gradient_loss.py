"""The policy-gradient loss: a surrogate whose gradient is the policy gradient, to be minimised.

    L = -mean_i(A_i * log pi(a_i|s_i)),   dL / d log pi(a_i|s_i) = -A_i / N

Faulty versions stand in `policy_gradient_loss_faults.py`.

References: Williams 1992, https://doi.org/10.1007/BF00992696; Sutton and Barto 2018, eq. 13.11.
"""

from __future__ import annotations

import numpy as np

from property_tests import losses
from property_tests.framework.gradients import (
    LOSS,
    NO_GRADIENT,
    build_loss,
    compare_gradient,
    gradient_agreement,
    with_gradients,
)
from property_tests.framework.models import Run
from property_tests.framework.records import Array, Case, FunctionContract, Mismatch, Property
from property_tests.policy_gradient_loss_faults import FAULTS


def oracle(log_probs: Array, advantages: Array, aggregation: str = "mean") -> tuple[Array, Array]:
    """The loss and its gradient with respect to the log-probabilities."""
    loss, gradient = 0.0, np.zeros_like(log_probs)
    divisor = len(log_probs) if aggregation == "mean" else 1
    for i in range(len(log_probs)):
        loss -= advantages[i] * log_probs[i] / divisor
        gradient[i] = -advantages[i] / divisor
    return np.array(loss), gradient


def row_gradient(run: Run, case: Case) -> Mismatch | None:
    """-A / N."""
    expected = -losses.share(case["advantages"], run.fitted.conventions["aggregation"])
    return compare_gradient(run, case, expected, "the gradient of a row should be -A / N")


def scaled(run: Run, case: Case) -> Mismatch | None:
    """Linear in the advantages."""
    changed = {**case, "advantages": -2.0 * case["advantages"]}
    message = "advantages of -2 times the size should give -2 times the loss"
    return run.compare(changed, -2.0 * run(case), message)


def zero_advantage(run: Run, case: Case) -> Mismatch | None:
    """No advantage, no loss."""
    nothing = {**case, "advantages": 0.0 * case["advantages"]}
    return run.compare(nothing, np.zeros(()), "advantages of 0 should give a loss of 0")


PROPERTIES = (
    Property(
        "gradient-is-minus-advantage",
        "The gradient with respect to a row's log-probability is -A / N (-A for a sum).",
        "Gradient descent then makes actions with a positive advantage likelier, each row in "
        "proportion to its own advantage.",
        row_gradient,
        needs={"output gradient": NO_GRADIENT},
    ),
    Property(
        "linear-in-the-advantages",
        "Advantages of -2 times the size give -2 times the loss.",
        "Absolute values, clipping or normalisation inside the loss break it.",
        scaled,
    ),
    Property(
        "no-advantage-no-loss",
        "Advantages of 0 give a loss of 0.",
        "Where nothing was better or worse than expected there is nothing to learn.",
        zero_advantage,
    ),
    losses.order_independence(),
    losses.batch_size(),
    losses.column_agreement("rows-crossed"),
    gradient_agreement(),
)

SPEC = FunctionContract(
    name="policy-gradient-loss",
    title="Policy-gradient loss",
    explanation=__doc__ or "",
    parameters=(losses.LOG_PROBS, losses.ADVANTAGES, losses.AGGREGATION_PARAMETER),
    outputs=LOSS,
    oracle=oracle,
    domain=losses.requires("log_probs", "advantages"),
    cases=losses.rows(
        {
            "log_probs": (-1.0, -0.5, -2.0, -0.1, -4.0, 0.3),
            "advantages": losses.ADVANTAGE_CHOICES,
        }
    ),
    properties=PROPERTIES,
    faults=with_gradients(FAULTS, "log_probs"),
    conventions=(losses.AGGREGATION,),
    layouts=losses.LAYOUTS,
    tolerance=losses.loss_tolerance,
    words=("policy_gradient_loss", "pg_loss", "reinforce_loss", "policy_loss", "actor_loss"),
)
CONTRACT = build_loss(SPEC, "log_probs")
