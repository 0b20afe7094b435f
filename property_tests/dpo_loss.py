"""Direct preference optimisation: the policy as its own reward model, on pairs of answers.

    h = log pi(y_c)/pi_ref(y_c) - log pi(y_r)/pi_ref(y_r),   m = beta h,   e = label smoothing
    sigmoid  -(1 - e) log sigmoid(m) - e log sigmoid(-m)
    ipo      (h - 1 / (2 beta))^2
    hinge    max(0, 1 - m)
    robust   (-(1 - e) log sigmoid(m) + e log sigmoid(-m)) / (1 - 2 e)

and further published losses of the two log-ratios, in `pair_losses.py`. Log-probabilities are those
of whole answers, `[B]`; how their tokens are summed is `sequence-log-probs`. Faulty versions stand
in `dpo_loss_faults.py`.

References: Rafailov et al. 2023, arXiv:2305.18290, eq. 7; label smoothing: Mitchell 2023.
"""

from __future__ import annotations

import math

import numpy as np
from hypothesis import strategies as st

from property_tests import losses, pair_losses
from property_tests.dpo_loss_faults import FAULTS
from property_tests.framework.complex_step import gradient, sigmoid, with_complex_gradients
from property_tests.framework.generic import sensitivity
from property_tests.framework.gradients import NO_GRADIENT, build_loss
from property_tests.framework.models import Run
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
from property_tests.pair_losses import PAIR_LOSSES, compare_gradients, reduced, share, spellings
from rlcheck.errors import BindingError
from rlcheck.functions.binding import Facts, Parameter

WRT = ("policy_chosen_logps", "policy_rejected_logps")
BETAS = (0.1, 0.5, 0.3)
SMOOTHINGS = (0.0, 0.1, 0.3)
LOG_RATIOS = (0.0, 0.3, -0.4, 2.1, -1.9, 7.0, -6.0, 25.0)
"""Of no two the difference is 1 / beta, where the hinge has its kink."""
SMOOTHED = ("sigmoid", "robust")
MARGIN_ONLY = ("sigmoid", "ipo", "hinge", "robust")
SCALED = tuple(kind for kind in PAIR_LOSSES if kind not in ("ipo", "sppo-hard"))
NOT_MARGIN = "the declared loss treats the two answers apart: it is no function of their difference"
NOT_LOGISTIC = "holds for the sigmoid loss only"
NO_REFERENCE = "it takes no reference log-probabilities"

POLICIES = ("policy_", "pi_", "model_", "", "new_", "theta_", "actor_")
REFERENCES = (
    "ref_",
    "reference_",
    "pi_ref_",
    "ref_policy_",
    "reference_policy_",
    "ref_model_",
    "sft_",
)
CHOSEN = ("chosen", "w", "yw", "y_w", "win", "winner", "preferred", "pos", "positive", "c")
REJECTED = ("rejected", "l", "yl", "y_l", "lose", "loser", "dispreferred", "neg", "negative", "r")


def _log_probs(
    name: str, meaning: str, owners: tuple[str, ...], sides: tuple[str, ...]
) -> Parameter:
    aliases = tuple(alias for alias in spellings(owners, sides) if alias != name)
    return Parameter(name, "B", meaning, aliases=aliases)


def oracle(
    policy_chosen_logps: Array,
    policy_rejected_logps: Array,
    ref_chosen_logps: Array,
    ref_rejected_logps: Array,
    beta: float,
    label_smoothing: float,
    loss: str = "sigmoid",
    reduction: str = "mean",
) -> tuple[Array, ...]:
    """The loss and its gradients with respect to the policy's log-probabilities."""

    def value(policy_chosen_logps: Array, policy_rejected_logps: Array) -> Array:
        chosen = policy_chosen_logps - ref_chosen_logps
        rejected = policy_rejected_logps - ref_rejected_logps
        return reduced(PAIR_LOSSES[loss](chosen, rejected, beta, label_smoothing), reduction)

    policy = dict(zip(WRT, (policy_chosen_logps, policy_rejected_logps), strict=True))
    slopes = (gradient(value, policy, name) for name in WRT)
    return value(**policy), *slopes


def domain(names: frozenset[str], conventions: Facts) -> frozenset[str]:
    """`reference` and `label smoothing` where the function takes them; what the loss is, besides."""
    losses.require(names, *WRT)
    kind, found = conventions["loss"], set()
    both = {"ref_chosen_logps", "ref_rejected_logps"}
    if len(both & names) == 1:
        missing = next(iter(both - names))
        raise BindingError(
            f"the function takes one reference log-probability and not `{missing}`; say with "
            f"--bind {missing}=PARAMETER which parameter means it"
        )
    if both <= names:
        found.add("reference")
    if "label_smoothing" in names and kind in SMOOTHED:
        found.add("label smoothing")
    if kind in MARGIN_ONLY:
        found.add("margin")
    if kind in SCALED:
        found.add("scaled margin")
    if kind == "sigmoid":
        found.add("logistic")
    return frozenset(found)


def _with_reference(drawn: dict[str, Array]) -> dict[str, Array]:
    chosen, rejected = drawn["ref_chosen_logps"], drawn["ref_rejected_logps"]
    policy = chosen + drawn["chosen"], rejected + drawn["rejected"]
    return dict(zip(WRT, policy, strict=True)) | {
        "ref_chosen_logps": chosen,
        "ref_rejected_logps": rejected,
    }


def _without_reference(drawn: dict[str, Array]) -> dict[str, Array]:
    zeros = np.zeros_like(drawn["chosen"])
    return _with_reference({**drawn, "ref_chosen_logps": zeros, "ref_rejected_logps": zeros})


def pairs(where: Domain, log_ratios: tuple[float, ...] = LOG_RATIOS) -> st.SearchStrategy[Case]:
    """Batches of pairs; without a reference its log-probabilities are 0."""
    references = (-1.0, -12.5, -3.25, -7.75)
    build = losses.rows(
        {
            "chosen": log_ratios,
            "rejected": log_ratios,
            "ref_chosen_logps": references,
            "ref_rejected_logps": references,
        },
        _with_reference if "reference" in where else _without_reference,
        {"beta": BETAS, "label_smoothing": SMOOTHINGS if "label smoothing" in where else (0.0,)},
    )
    return build(where)


def large_margins(where: Domain) -> st.SearchStrategy[Case]:
    """Log-ratios of +-150 / beta in both directions."""
    wide = pairs(where, (0.0, 1.0, -1.0))

    def case(drawn: Case) -> Case:
        moved = dict(drawn)
        for name in WRT:
            reference = drawn[name.replace("policy", "ref")]
            moved[name] = reference + 75.0 / drawn["beta"] * (drawn[name] - reference)
        return moved

    return wide.map(case)


def equal_policies(run: Run, case: Case) -> Mismatch | None:
    """The value at policy = reference, worked out by hand."""
    same = {**case, **{name: case[name.replace("policy", "ref")] for name in WRT}}
    kind, beta = run.fitted.conventions["loss"], case["beta"]
    by_hand = {
        "sigmoid": math.log(2.0),
        "robust": math.log(2.0),
        "hinge": 1.0,
        "ipo": 0.25 / beta**2,
        "sppo-hard": 0.5 / beta**2,
        "nca-pair": 2.0 * math.log(2.0),
        "apo-zero": 1.0,
        "apo-down": 1.0,
    }[kind]
    expected = reduced(np.full(len(case[WRT[0]]), by_hand), run.fitted.conventions["reduction"])
    message = f"where policy and reference are equal, the {kind} loss of a pair is {by_hand:.6g}"
    return run.compare(same, np.asarray(expected), message)


def _margins(case: Case) -> tuple[Array, Array]:
    chosen = case[WRT[0]] - case["ref_chosen_logps"]
    difference = chosen - (case[WRT[1]] - case["ref_rejected_logps"])
    return difference, case["beta"] * difference


def exact_gradient(run: Run, case: Case) -> Mismatch | None:
    """The slope in h, worked out by hand; plus on the chosen side, minus on the rejected one."""
    difference, margin = _margins(case)
    beta, smooth, kind = case["beta"], case["label_smoothing"], run.fitted.conventions["loss"]
    slope = {
        "sigmoid": lambda: -beta * (sigmoid(-margin) - smooth),
        "robust": lambda: -beta * (sigmoid(-margin) + smooth / (1.0 - 2.0 * smooth)),
        "hinge": lambda: -beta * (margin < 1.0),
        "ipo": lambda: 2.0 * (difference - 0.5 / beta),
    }[kind]()
    slope = share(slope, run.fitted.conventions["reduction"])
    return compare_gradients(run, case, slope, -slope, f"the {kind} loss has another gradient")


def _moved(case: Case, size: float, *names: str) -> dict[str, Array]:
    shift = size * (1.0 + np.arange(len(case[WRT[0]])))
    return {**case, **{name: case[name] + shift for name in names}}


def answers_shifted(run: Run, case: Case) -> Mismatch | None:
    """A constant for an answer, added under both models, cancels."""
    for name in WRT:
        moved = _moved(case, 1.5, name, name.replace("policy", "ref"))
        message = "the same number added to policy and reference of one answer changed the loss"
        found = run.compare(moved, run(case), message)
        if found is not None:
            return found
    return None


def prompts_shifted(run: Run, case: Case) -> Mismatch | None:
    """A constant for a pair, added to both answers, cancels."""
    moved = _moved(case, -1.25, *WRT)
    message = "the same number added to both answers of a pair changed the loss"
    return run.compare(moved, run(case), message)


def swapped(run: Run, case: Case) -> Mismatch | None:
    """l(m) - l(-m) = -(1 - 2 e) m."""
    exchanged = {
        **case,
        WRT[0]: case[WRT[1]],
        WRT[1]: case[WRT[0]],
        "ref_chosen_logps": case["ref_rejected_logps"],
        "ref_rejected_logps": case["ref_chosen_logps"],
    }
    factor = 1.0 - 2.0 * case["label_smoothing"]
    due = reduced(-factor * _margins(case)[1], run.fitted.conventions["reduction"])
    message = "chosen and rejected exchanged should change the loss by the margin"
    return run.compare(exchanged, run(case) - due, message)


def beta_scales(run: Run, case: Case) -> Mismatch | None:
    """Twice the beta and half the log-ratios leave the loss as it was."""
    halved = {**case, "beta": 2.0 * case["beta"]}
    for name in WRT:
        reference = case[name.replace("policy", "ref")]
        halved[name] = reference + 0.5 * (case[name] - reference)
    message = "twice the beta with half the log-ratios should leave the loss as it was"
    return run.compare(halved, run(case), message)


def optimum(run: Run, case: Case) -> Mismatch | None:
    """At pi* = pi_ref exp(r / beta), with labels of probability sigmoid(r_a - r_b)."""
    if case["label_smoothing"] or len(run.outputs(case)) < 3:
        return None
    one = {name: v[:1] if np.ndim(v) else v for name, v in case.items()}
    other = {
        **one,
        WRT[0]: one[WRT[1]],
        WRT[1]: one[WRT[0]],
        "ref_chosen_logps": one["ref_rejected_logps"],
        "ref_rejected_logps": one["ref_chosen_logps"],
    }
    likely = float(sigmoid(_margins(one)[1])[0])
    slopes = likely * run.outputs(one)[1] + (1.0 - likely) * run.outputs(other)[2]
    message = "at the optimum, pi* in proportion to pi_ref exp(r / beta), the mean gradient is 0"
    return run.compare(one, np.zeros(1), message, got=slopes)


_REFERENCE = {"reference": NO_REFERENCE}
PROPERTIES = (
    Property(
        "equal-policies-give-the-known-loss",
        "Where policy and reference are equal, the loss is log 2 (hinge 1, ipo 1 / (4 beta^2)).",
        "That is the loss that training starts from: another one shows that a reference, a factor "
        "or a sign is missing.",
        equal_policies,
        needs=_REFERENCE,
    ),
    Property(
        "gradient-is-the-known-one",
        "The gradient is -beta (sigmoid(-m) - e) on the chosen side, its negative on the other.",
        "Pairs that the implicit reward ranks wrongly weigh most. Robust, hinge and ipo have their "
        "own slopes, worked out by hand too.",
        exact_gradient,
        needs={pair_losses.GRADIENT: NO_GRADIENT, "margin": NOT_MARGIN},
    ),
    pair_losses.gradients_cancel({"margin": NOT_MARGIN}),
    Property(
        "only-log-ratios-count",
        "The same number added to policy and reference of one answer changes nothing.",
        "Each answer counts by log pi/pi_ref. Without one of the four terms, or with its sign "
        "turned, likely answers are rewarded for being likely.",
        answers_shifted,
        needs=_REFERENCE,
    ),
    Property(
        "only-the-difference-counts",
        "The same number added to both answers of a pair changes nothing.",
        "The partition function of the prompt cancels: the loss depends on the margin only.",
        prompts_shifted,
        needs={"margin": NOT_MARGIN},
    ),
    Property(
        "swapping-changes-the-loss-by-the-margin",
        "l(m) - l(-m) = -(1 - 2 e) m.",
        "Holds for log sigmoid alone; a sigmoid without its logarithm, or another base, breaks it.",
        swapped,
        needs={"logistic": NOT_LOGISTIC},
    ),
    Property(
        "beta-scales-the-margin",
        "Twice the beta and half the log-ratios leave the loss as it was.",
        "Beta multiplies the log-ratios, once. Applied twice, or to one term only, it is another "
        "temperature than the one configured.",
        beta_scales,
        needs={"scaled margin": "in the declared loss beta sets the target of the margin"},
        varies=("beta",),
    ),
    Property(
        "optimum-is-the-tilted-reference",
        "The expected gradient is 0 at pi* in proportion to pi_ref exp(r / beta).",
        "With labels drawn from sigmoid(r_a - r_b), that policy is the fixed point of DPO and the "
        "optimum of RLHF.",
        optimum,
        needs={"logistic": NOT_LOGISTIC, pair_losses.GRADIENT: NO_GRADIENT},
        references=("https://arxiv.org/abs/2305.18290",),
    ),
    pair_losses.order_of_pairs(),
    pair_losses.batch_size(),
    losses.column_agreement("rows-crossed"),
    sensitivity("beta", 0.1, 0.5, "A beta that is hard-coded or forgotten trains all the same."),
    pair_losses.stable(large_margins, "sigmoid-underflows"),
    pair_losses.gradient_agreement(),
    every_option("Each kind of loss has a margin, a sign and a smoothing of its own."),
)


def notes(names: frozenset[str]) -> tuple[str, ...]:
    """What a function without a reference is compared with."""
    if "ref_chosen_logps" in names:
        return ()
    return (f"{NO_REFERENCE}: compared with the loss under a uniform reference",)


SPEC = FunctionContract(
    name="dpo-loss",
    title="DPO loss",
    explanation=__doc__ or "",
    parameters=(
        _log_probs(WRT[0], "log pi of the chosen answers", POLICIES, CHOSEN),
        _log_probs(WRT[1], "log pi of the rejected answers", POLICIES, REJECTED),
        _log_probs("ref_chosen_logps", "log pi_ref of the chosen answers", REFERENCES, CHOSEN),
        _log_probs(
            "ref_rejected_logps", "log pi_ref of the rejected answers", REFERENCES, REJECTED
        ),
        Parameter(
            "beta", meaning="weight of the log-ratios", aliases=("tau", "kl_coef"), hyper=True
        ),
        Parameter(
            "label_smoothing",
            meaning="share of flipped labels",
            aliases=("smoothing", "label_smooth"),
        ),
        losses.convention_parameter("loss", "loss_type", "variant", "loss_name", "kind"),
        pair_losses.REDUCTION_PARAMETER,
        Parameter("reference_free", meaning="no reference", make=lambda facts: False),
    ),
    outputs=pair_losses.OUTPUTS,
    oracle=oracle,
    domain=domain,
    cases=pairs,
    properties=PROPERTIES,
    faults=with_complex_gradients(FAULTS, *WRT),
    conventions=(
        Convention("loss", tuple(PAIR_LOSSES), "of a pair"),
        pair_losses.REDUCTION,
    ),
    read=pair_losses.read,
    layouts=losses.LAYOUTS,
    tolerance=pair_losses.pair_tolerance,
    notes=notes,
    words=("dpo",),
    lazily=True,
)
CONTRACT = build_loss(SPEC, *WRT)
