"""Entropy of a categorical policy softmax(logits), in nats.

    H(s) = -sum_a pi(a|s) log pi(a|s),   over permitted a where there is a mask
    dH / d logit_a = -pi(a|s) (log pi(a|s) + H(s))

Faulty versions stand in `entropy_faults.py`.

References: Williams and Peng 1991; Shannon 1948, section 6; masks: Huang and Ontanon
2022, arXiv:2006.14171.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from property_tests import categorical_policies as policies
from property_tests import policy_rows
from property_tests.entropy_faults import faults
from property_tests.framework.models import Run
from property_tests.framework.records import (
    Array,
    Case,
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

GUARD = replace(policies.GUARD, options=(0.0, 1e-8, 1e-10, 1e-6, 1e-5))
"""The error of a guard is at most its size times the number of actions: more of them do no harm."""


def oracle(logits: Array, actions: Array, mask: Array, guard: float = 0.0) -> tuple[Array, Array]:
    """The sum over all actions, whichever was taken, and its gradient with respect to the logits."""
    entropy, gradient = np.zeros(len(logits)), np.zeros_like(logits)
    for i in range(len(logits)):
        weights = np.where(mask[i], np.exp(logits[i] - max(logits[i][mask[i]])), 0.0)
        p = weights / weights.sum()
        for a in np.flatnonzero(p):
            entropy[i] -= p[a] * np.log(p[a] + guard)
        # dH/dp_a, less its mean under the policy, through the softmax.
        slope = np.where(
            p > 0, -np.log(np.where(p > 0, p, 1.0) + guard) - p / (p + guard + (p == 0)), 0
        )
        gradient[i] = p * (slope - p @ slope)
    return entropy, gradient


def _with_logits(case: Case, logits: Array) -> Case:
    return {**case, "logits": logits}


def uniform(run: Run, case: Case) -> Mismatch | None:
    """Equal logits: the logarithm of the number of permitted actions."""
    same = _with_logits(case, np.zeros_like(case["logits"]))
    expected = np.log(case["mask"].sum(axis=1))
    found = run.compare(
        same, expected, "equal logits should give the logarithm of the number of actions"
    )
    guard = run.fitted.conventions["guard"]
    return None if guard and run.compare(same, run.definition(same), "") is None else found


def bounded(run: Run, case: Case) -> Mismatch | None:
    """Between 0 and the logarithm of the number of permitted actions."""
    got = run(case)
    # A guard inside the logarithm lowers it by at most so much.
    slack = run.fitted.conventions["guard"] * case["logits"].shape[1]
    inside = np.clip(got, -slack, np.log(case["mask"].sum(axis=1)))
    message = "an entropy lies between 0 and the logarithm of the number of permitted actions"
    return run.compare(case, inside, message, got=got)


def almost_certain(run: Run, case: Case) -> Mismatch | None:
    """p log p tends to 0 with p."""
    # The smallest probability is then still a number, e^-84 in float32 and e^-600 in float64.
    scale = 14.0 if run.fitted.precision != "float64" else 100.0
    apart = _with_logits(case, case["logits"] * scale)
    message = "logits far apart should give the entropy of an almost certain choice"
    return run.compare(apart, run.definition(apart), message)


def finite_gradient(run: Run, case: Case) -> Mismatch | None:
    """The gradient is a number also where an action is forbidden."""
    outputs = run.outputs(case)
    if len(outputs) < 2 or np.isfinite(outputs[1]).all() or not np.isfinite(outputs[0]).all():
        return None
    message = "the entropy is right and its gradient is not a number where an action is forbidden"
    return Mismatch(message, case, kind="not-finite", suspects=("zero-times-infinity",))


PROPERTIES = (
    Property(
        "uniform-is-the-logarithm-of-the-count",
        "Equal logits give the logarithm of the number of permitted actions.",
        "The largest entropy there is: log A, and log of the permitted count under a mask.",
        uniform,
        needs={"logits": policies.NO_LOGITS},
    ),
    Property(
        "between-zero-and-its-maximum",
        "An entropy lies between 0 and the logarithm of the number of permitted actions.",
        "A negative entropy has the wrong sign, so that the bonus drives the policy to collapse; "
        "one above log A counts actions that cannot be taken, or logits for probabilities.",
        bounded,
    ),
    policies.shift_invariance(),
    policies.large_logits_are_finite(),
    Property(
        "small-where-an-action-is-almost-certain",
        "Logits far apart give the entropy of an almost certain choice.",
        "p log p tends to 0 with p. What grows instead counts log-probabilities without their "
        "weights, or loses digits.",
        almost_certain,
        needs={"logits": policies.NO_LOGITS},
    ),
    Property(
        "finite-gradient-under-a-mask",
        "The gradient is finite where actions are forbidden.",
        "`where` hides a NaN in the value, not in the gradient: both of its branches are "
        "differentiated.",
        finite_gradient,
        needs={"mask": policies.NO_MASK},
    ),
    policy_rows.row_independence(),
    gradient_agreement(
        "logits",
        "The gradient of a state's entropy is -pi(a) (log pi(a) + H).",
        "A detached probability or a stopped branch leaves the logged entropy as it was, and the "
        "bonus has no effect or another one.",
    ),
)

SPEC = FunctionContract(
    name="entropy",
    title="Entropy of a categorical policy",
    explanation=__doc__ or "",
    parameters=policies.PARAMETERS,
    outputs=gradient_outputs("entropy", "BA", ("logits",)),
    oracle=oracle,
    domain=policies.domain(actions=False),
    cases=policies.cases,
    properties=PROPERTIES,
    faults=faults(graph_cut(oracle)),
    conventions=(GUARD,),
    layouts=policy_rows.LAYOUTS,
    batch_decides=True,
    tolerance=policies.tolerance,
    words=("entropy",),
)
CONTRACT = build_rows(SPEC, ("logits",))
