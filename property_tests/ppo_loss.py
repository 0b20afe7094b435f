"""The clipped surrogate of proximal policy optimisation, as a loss to be minimised.

    ratio_i = exp(log pi(a_i|s_i) - log pi_old(a_i|s_i))
    L = -mean_i(min(ratio_i * A_i, clip(ratio_i, 1 - eps, 1 + eps) * A_i))

With dual clip c > 1 the surrogate of a negative advantage is max(that, c * A_i). Faulty versions
stand in `ppo_loss_faults.py`.

References: Schulman et al. 2017, arXiv:1707.06347, eq. 7; dual clip: Ye et al. 2020,
arXiv:1912.09729, eq. 5.
"""

from __future__ import annotations

import math

import numpy as np
from hypothesis import strategies as st

from property_tests import losses
from property_tests.framework.generic import sensitivity
from property_tests.framework.gradients import (
    LOSS,
    NO_GRADIENT,
    build_loss,
    compare_gradient,
    gradient_agreement,
    with_gradients,
)
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
from property_tests.ppo_loss_faults import FAULTS
from rlcheck.functions.binding import Facts, Parameter

CLIPS = (0.2, 0.1, 0.3)
OFF = "off"
DUAL_CLIPS = (OFF, 3.0, 2.0, 5.0)
LOG_RATIOS = (0.0, 0.5, -0.5, 0.05, -0.05, 0.15, -0.15, 1.5, -1.5, 2.0)
"""Further than two steps of a numerical gradient from log(1 +- eps) and from log(dual_clip)."""
DUAL_CLIP = Parameter(
    "dual_clip",
    meaning="second clip, of negative advantages",
    # A function with a second clip is given one even where its absence is being tried.
    make=lambda facts: 3.0 if facts["dual_clip"] == OFF else facts["dual_clip"],
    aliases=("dual_clip_coef", "clip_ratio_c"),
)


def oracle(
    log_probs: Array,
    old_log_probs: Array,
    advantages: Array,
    clip_epsilon: float,
    aggregation: str = "mean",
    dual_clip: float | str = OFF,
) -> tuple[Array, Array]:
    """The loss and its gradient with respect to the log-probabilities, row by row."""
    loss, gradient = 0.0, np.zeros_like(log_probs)
    divisor = len(log_probs) if aggregation == "mean" else 1
    for i, advantage in enumerate(advantages):
        ratio = math.exp(log_probs[i] - old_log_probs[i])
        clipped = min(max(ratio, 1.0 - clip_epsilon), 1.0 + clip_epsilon)
        surrogate = min(ratio * advantage, clipped * advantage)
        slope = ratio * advantage if surrogate == ratio * advantage else 0.0
        if dual_clip != OFF and advantage < 0.0 and surrogate < float(dual_clip) * advantage:
            surrogate, slope = float(dual_clip) * advantage, 0.0
        loss -= surrogate / divisor
        gradient[i] = -slope / divisor
    return np.array(loss), gradient


def domain(names: frozenset[str], conventions: Facts) -> frozenset[str]:
    """Everything must be named; `dual-clip` where the function takes one."""
    losses.require(names, "log_probs", "old_log_probs", "advantages")
    return frozenset({"dual-clip"} & {name.replace("_", "-") for name in names})


def from_ratios(drawn: dict[str, Array]) -> dict[str, Array]:
    """Log-probabilities from the logarithm of their ratio."""
    log_ratios = drawn.pop("log_ratios")
    return {"log_probs": drawn["old_log_probs"] + log_ratios, **drawn}


def on_policy(run: Run, case: Case) -> Mismatch | None:
    """With ratio 1 the loss is -mean(A)."""
    same = {**case, "log_probs": case["old_log_probs"]}
    expected = -losses.aggregate(case["advantages"], run.fitted.conventions["aggregation"])
    message = "where both policies are the same, the loss is minus the mean advantage"
    return run.compare(same, np.asarray(expected), message)


def on_policy_gradient(run: Run, case: Case) -> Mismatch | None:
    """With ratio 1 the gradient is the policy gradient."""
    same = {**case, "log_probs": case["old_log_probs"]}
    expected = -losses.share(case["advantages"], run.fitted.conventions["aggregation"])
    message = "where both policies are the same, the gradient is the policy gradient, -A / N"
    return compare_gradient(run, same, expected, message)


def _ratio(case: Case) -> Array:
    return np.exp(case["log_probs"] - case["old_log_probs"])


def clipped_rows(run: Run, case: Case) -> Mismatch | None:
    """Too far in the direction of the advantage: no gradient."""
    ratio, advantages, clip = _ratio(case), case["advantages"], case["clip_epsilon"]
    beyond = ((advantages > 0) & (ratio > 1 + clip)) | ((advantages < 0) & (ratio < 1 - clip))
    message = (
        "a row that has moved beyond the clip in the direction of its advantage has no gradient"
    )
    return compare_gradient(run, case, np.zeros_like(ratio), message, where=beyond)


def pessimistic_rows(run: Run, case: Case) -> Mismatch | None:
    """Too far against the advantage: the full gradient."""
    ratio, advantages, clip = _ratio(case), case["advantages"], case["clip_epsilon"]
    dual_clip = run.fitted.conventions["dual_clip"]
    limit = math.inf if dual_clip == OFF else float(dual_clip)
    wrong = ((advantages > 0) & (ratio < 1 - clip)) | (
        (advantages < 0) & (ratio > 1 + clip) & (ratio < limit)
    )
    expected = -losses.share(ratio * advantages, run.fitted.conventions["aggregation"])
    message = "a row that has moved against its advantage keeps its full gradient"
    return compare_gradient(run, case, expected, message, where=wrong)


def worked_examples(where: Domain) -> st.SearchStrategy[Case]:
    """Ratios of 1.5 and 0.5 with advantages of both signs, one row each."""

    def case(drawn: tuple[float, float]) -> Case:
        ratio, advantage = drawn
        return {
            "log_probs": np.array([math.log(ratio) - 1.0]),
            "old_log_probs": np.array([-1.0]),
            "advantages": np.array([advantage]),
            "clip_epsilon": 0.2,
        }

    return st.tuples(st.sampled_from([1.5, 0.5]), st.sampled_from([1.0, -1.0])).map(case)


def worked_example(run: Run, case: Case) -> Mismatch | None:
    """Numbers worked out by hand."""
    by_hand = {(1.5, 1.0): -1.2, (0.5, 1.0): -0.5, (1.5, -1.0): 1.5, (0.5, -1.0): 0.8}
    key = round(float(_ratio(case)[0]), 6), float(case["advantages"][0])
    return run.compare(case, np.array(by_hand[key]), "a worked example comes out differently")


def dual_clip_matters(run: Run, case: Case) -> Mismatch | None:
    """A dual clip that is taken is used."""
    if run.fitted.conventions["dual_clip"] != OFF:
        return None
    message = "the function takes `dual_clip`, and its answers are those without one"
    return Mismatch(message, case)


PROPERTIES = (
    Property(
        "worked-examples",
        "Both signs of the advantage, on both sides of the clip, come out as worked out by hand.",
        "eps = 0.2: ratio 1.5 with A = 1 gives -1.2 (clipped), 0.5 with A = 1 gives -0.5, 1.5 with "
        "A = -1 gives 1.5 (never clipped), 0.5 with A = -1 gives 0.8 (clipped).",
        worked_example,
        cases=worked_examples,
        varies=("clip_epsilon",),
    ),
    Property(
        "on-policy-value",
        "Where both policies are the same, the loss is minus the mean advantage.",
        "The ratio is 1 on the first minibatch of every update: L = -mean(A).",
        on_policy,
    ),
    Property(
        "on-policy-gradient",
        "Where both policies are the same, the gradient is the policy gradient.",
        "The first step of every update is a step of the plain policy gradient, -A / N for a row.",
        on_policy_gradient,
        needs={"output gradient": NO_GRADIENT},
    ),
    Property(
        "clipped-rows-have-no-gradient",
        "A row that has moved beyond the clip in the direction of its advantage has no gradient.",
        "That is what keeps the policy near the one that acted: A > 0 with ratio > 1 + eps, A < 0 "
        "with ratio < 1 - eps.",
        clipped_rows,
        needs={"output gradient": NO_GRADIENT},
    ),
    Property(
        "pessimistic-rows-keep-their-gradient",
        "A row that has moved against its advantage keeps its full gradient.",
        "The minimum is a lower bound: A > 0 with ratio < 1 - eps, or A < 0 with ratio > 1 + eps, "
        "can be corrected. Clipped there too, a mistake can never be undone.",
        pessimistic_rows,
        needs={"output gradient": NO_GRADIENT},
    ),
    losses.order_independence(),
    losses.batch_size(),
    losses.column_agreement("rows-crossed"),
    sensitivity(
        "clip_epsilon",
        0.2,
        0.1,
        "A clip that is hard-coded or ignored trains without complaint, whatever is configured.",
    ),
    Property(
        "dual-clip-matters",
        "A `dual_clip` that the function takes has an effect.",
        "An option that is accepted and ignored is worse than none.",
        dual_clip_matters,
        needs={"dual-clip": "it takes no `dual_clip`"},
    ),
    gradient_agreement(),
)

SPEC = FunctionContract(
    name="ppo-loss",
    title="PPO clipped surrogate loss",
    explanation=__doc__ or "",
    parameters=(
        losses.LOG_PROBS,
        losses.OLD_LOG_PROBS,
        losses.ADVANTAGES,
        Parameter("clip_epsilon", meaning="half-width", aliases=losses.CLIP_ALIASES, hyper=True),
        losses.AGGREGATION_PARAMETER,
        DUAL_CLIP,
    ),
    outputs=LOSS,
    oracle=oracle,
    domain=domain,
    cases=losses.rows(
        {
            "log_ratios": LOG_RATIOS,
            "old_log_probs": (-1.0, -0.5, -2.5, 0.25),
            "advantages": losses.ADVANTAGE_CHOICES,
        },
        from_ratios,
        {"clip_epsilon": CLIPS},
    ),
    properties=PROPERTIES,
    faults=with_gradients(FAULTS, "log_probs"),
    conventions=(
        losses.AGGREGATION,
        Convention("dual_clip", DUAL_CLIPS, "second clip, of negative advantages"),
    ),
    layouts=losses.LAYOUTS,
    tolerance=losses.loss_tolerance,
    words=("ppo", "clipped_surrogate", "surrogate_loss"),
)
CONTRACT = build_loss(SPEC, "log_probs")
