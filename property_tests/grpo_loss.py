"""The loss of group-relative policy optimisation on token sequences, to be minimised.

    r = exp(log pi - log pi_old)       of a token, or of a sequence: mean (GSPO) or sum of its tokens
    L = aggregate(-min(r A, clip(r, 1 - eps, 1 + eps_high) A) + kl_coef kl)
    k1 = d,  k2 = d^2 / 2,  k3 = exp(-d) - 1 + d,      d = log pi - log pi_ref

    aggregation  seq-mean, token-mean, constant (sum / denominator), constant-per-sequence (that / B)

With clip_form, CISPO (-sg(clip r) A log pi, with its bounds) or SAPO (-4 / tau sigmoid(tau (r - 1)) A)
stands in place of the minimum. A function that takes `rewards` in place of `advantages` normalises them
over one group. Faulty versions stand in `grpo_loss_faults.py`, inputs in `grpo_cases.py`, properties in
`grpo_properties.py`.

References: Shao et al. 2024, arXiv:2402.03300, eq. 3; two bounds and token-mean: Yu et al. 2025,
arXiv:2503.14476; constant: Liu et al. 2025, arXiv:2503.20783; sequence ratio: Zheng et al. 2025,
arXiv:2507.18071.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from property_tests import llm_cases, losses
from property_tests.framework.complex_step import with_complex_gradients
from property_tests.framework.gradients import DIFFERENCE_ERROR, build_loss
from property_tests.framework.records import Array, Case, Convention, FunctionContract
from property_tests.grpo_cases import batches
from property_tests.grpo_forms import CLIP_FORM, NOTE, settle
from property_tests.grpo_loss_faults import FAULTS
from property_tests.grpo_properties import PROPERTIES
from property_tests.grpo_terms import OFF
from property_tests.kl_estimate import K1_NOTE
from property_tests.sequence_log_probs import DENOMINATOR_EPSILON
from rlcheck.contracts import Bound, Contract, Options
from rlcheck.errors import BindingError
from rlcheck.functions.binding import Facts, Parameter, bind_signature
from rlcheck.functions.calling import Output
from rlcheck.functions.layouts import Layout


def oracle(
    log_probs: Array,
    old_log_probs: Array,
    ref_log_probs: Array,
    mask: Array,
    advantage: Array,
    clip_epsilon: float,
    clip_high: float,
    kl_coef: float,
    denominator: float,
    ratio: str = "token",
    aggregation: str = "seq-mean",
    kl: str = "k3",
    kl_over: str = "tokens",
    dual_clip: float | str = OFF,
    clip_form: str = "ppo",
    tau_pos: float = 1.0,
    tau_neg: float = 1.05,
) -> tuple[Array, Array]:
    """The loss and its gradient with respect to `log_probs`, token by token."""
    loss, gradient = 0.0, np.zeros(mask.shape)
    for b, t in np.argwhere(mask):
        tokens = np.flatnonzero(mask[b])
        weight = {
            "seq-mean": 1.0 / (len(mask) * len(tokens)),
            "token-mean": 1.0 / mask.sum(),
            "constant": 1.0 / denominator,
            "constant-per-sequence": 1.0 / (denominator * len(mask)),
        }[aggregation]
        reach = np.array([t]) if ratio == "token" else tokens
        part = 1.0 / len(tokens) if ratio == "sequence-mean" else 1.0
        moved = math.exp(part * sum(log_probs[b, s] - old_log_probs[b, s] for s in reach))
        value = advantage[b] if advantage.ndim == 1 else advantage[b, t]
        near = min(max(moved, 1.0 - clip_epsilon), 1.0 + clip_high)
        if clip_form.startswith("cispo"):
            bound = {
                "cispo": near,
                "cispo-upper": min(moved, 1.0 + clip_high),
                "cispo-absolute": min(moved, clip_high),
            }[clip_form]
            loss -= weight * bound * value * log_probs[b, t]
            gradient[b, t] -= weight * bound * value
        else:
            surrogate = min(moved * value, near * value)
            slope = moved * value if surrogate == moved * value else 0.0
            if clip_form == "sapo":
                tau = tau_pos if value > 0.0 else tau_neg
                gate = 1.0 / (1.0 + math.exp(-tau * (moved - 1.0)))
                surrogate, slope = (
                    4.0 / tau * gate * value,
                    4.0 * gate * (1.0 - gate) * moved * value,
                )
            elif dual_clip != OFF and value < 0.0 and surrogate < float(dual_clip) * value:
                surrogate, slope = float(dual_clip) * value, 0.0
            loss -= weight * surrogate
            gradient[b, reach] -= weight * slope * part
        d = log_probs[b, t] - ref_log_probs[b, t]
        penalty, push = {
            "k1": lambda d: (d, 1.0),
            "k2": lambda d: (0.5 * d**2, d),
            "k3": lambda d: (math.exp(-d) - 1.0 + d, 1.0 - math.exp(-d)),
        }[kl](d)
        over = 1.0 / len(mask) if kl_over == "summed" else weight
        loss += kl_coef * over * penalty
        gradient[b, t] += kl_coef * over * push
    return np.array(loss), gradient


def _given(names: frozenset[str]) -> bool:
    return "advantages" in names


def _from_rewards(names: frozenset[str]) -> bool:
    return "rewards" in names and "advantages" not in names


def _penalised(names: frozenset[str]) -> bool:
    return "ref_log_probs" in names


def domain(names: frozenset[str], conventions: Facts) -> frozenset[str]:
    """What the function is told, and in which form its advantages come."""
    losses.require(names, "log_probs", "old_log_probs")
    found = set(llm_cases.capabilities(names, conventions))
    if _from_rewards(names):
        found |= {"rewards", conventions["baseline"]}
    elif _given(names):
        found |= {"advantages"} | (
            {"token advantages"} if conventions["advantage_of"] == "token" else set()
        )
    else:
        raise BindingError(
            "the function takes neither `advantages` nor `rewards`, without which the answer is not "
            "determined; say with --bind advantages=PARAMETER which parameter means them"
        )
    form = conventions["clip_form"]
    if form == "ppo":
        found.add("clip of PPO")
    if form in ("ppo", "sapo"):
        found.add("ratios only")
    if form in ("ppo", "sapo") or (form != "cispo-absolute" and conventions["ratio"] == "token"):
        found.add("slope 1")
    if _penalised(names):
        found.add("kl")
    if "clip_high" in names:
        found.add("two bounds")
    return frozenset(found)


def tolerance(case: Case, eps: float) -> float:
    """Rounding of exponentials and sums, guards in divisors, and numerical gradients."""
    moved = np.where(case["mask"], case["log_probs"] - case["old_log_probs"], 0.0)
    apart = np.where(case["mask"], case["log_probs"] - case["ref_log_probs"], 0.0)
    advantage = llm_cases.largest_kept(case, "advantage")
    size = advantage * math.exp(max(moved.max(initial=0.0), moved.sum(axis=1).max(initial=0.0)))
    size += case["kl_coef"] * math.exp(np.abs(apart).max(initial=0.0))
    size *= max(1.0, case["mask"].sum() / case["denominator"])
    largest = llm_cases.largest_kept(case, "log_probs", "old_log_probs")
    guard = 2.0 * DENOMINATOR_EPSILON + (1e-3 if "rewards" in case else 0.0)
    rounding = 16.0 * eps * case["mask"].size * (1.0 + largest)
    return float((DIFFERENCE_ERROR + guard + rounding) * (1.0 + size))


def notes(names: frozenset[str]) -> tuple[str, ...]:
    """What is taken for granted."""
    if _penalised(names) and "kl_coef" not in names:
        return ("it takes no `kl_coef`: compared with 1; state its own with --set kl_coef=VALUE",)
    return ()


def _denominator(facts: Facts) -> Any:
    """None where the batch's own divisor is declared, as for functions in which it is optional."""
    return facts["denominator"] if facts["aggregation"].startswith("constant") else None


LOWER = ("low", "lower", "min")
UPPER = ("high", "higher", "upper", "max")
OWN_NAME = ("clip", "high")
STEMS = (
    "clip_eps",
    "clip_epsilon",
    "epsilon",
    "eps",
    "clip_ratio",
    "clip",
    "clip_range",
    "eps_clip",
    "cliprange",
    "ratio_clip",
)
SPEC = FunctionContract(
    name="grpo-loss",
    title="GRPO loss",
    explanation=__doc__ or "",
    parameters=(
        llm_cases.LOG_PROBS,
        llm_cases.OLD_LOG_PROBS,
        Parameter(
            "advantages",
            "BT",
            "A, of the answer ([B]) or of the token",
            make=lambda facts: facts["advantage"],
            aliases=("advantage", "advs", "adv", "a_hat", "group_advantages"),
        ),
        llm_cases.MASK,
        llm_cases.PADDING_MASK,
        llm_cases.REF_LOG_PROBS,
        Parameter(
            "rewards", "B", "of the answers of one group", aliases=("scores", "group_rewards")
        ),
        Parameter(
            "clip_epsilon",
            meaning="half-width of the clip, below 1 where there are two",
            aliases=(
                *losses.CLIP_ALIASES,
                "eps",
                "cliprange",
                "clip_param",
                *(f"{stem}_{side}" for stem in STEMS for side in LOWER),
            ),
            hyper=True,
        ),
        Parameter(
            "clip_high",
            meaning="half-width above 1",
            aliases=tuple(
                f"{stem}_{side}" for stem in STEMS for side in UPPER if (stem, side) != OWN_NAME
            ),
        ),
        Parameter(
            "kl_coef",
            meaning="weight of the penalty",
            aliases=(
                "beta",
                "kl_coeff",
                "kl_weight",
                "kl_beta",
                "beta_kl",
                "kl_loss_coef",
                "kl_penalty_coef",
            ),
            hyper=True,
            default=1.0,
        ),
        Parameter(
            "denominator",
            meaning="constant divisor",
            make=_denominator,
            aliases=(
                "denom",
                "divisor",
                "normalizer",
                "max_completion_length",
                "max_response_length",
                "max_length",
                "max_len",
                "max_tokens",
                "max_new_tokens",
                "loss_scale_factor",
                "num_items_in_batch",
                "global_tokens",
                "constant",
            ),
            hyper=True,
            default=1.0,
        ),
        Parameter(
            "tau_pos",
            meaning="temperature of SAPO for positive advantages",
            aliases=("temperature_pos", "sapo_temperature_pos", "tau_positive", "sapo_tau_pos"),
            hyper=True,
            default=1.0,
        ),
        Parameter(
            "tau_neg",
            meaning="temperature of SAPO for all others",
            aliases=("temperature_neg", "sapo_temperature_neg", "tau_negative", "sapo_tau_neg"),
            hyper=True,
            default=1.05,
        ),
        Parameter(
            "dual_clip_bound", make=lambda facts: 3.0, aliases=("clip_ratio_c", "dual_clip_c")
        ),
        losses.convention_parameter("ratio", "ratio_level"),
        losses.convention_parameter("aggregation"),
        losses.convention_parameter("kl", "kl_estimator", "kl_type"),
        losses.convention_parameter("kl_over"),
        losses.convention_parameter("dual_clip"),
        losses.convention_parameter("clip_form"),
    ),
    outputs=(Output("loss"), Output("gradient", "BT")),
    oracle=oracle,
    domain=domain,
    cases=batches,
    properties=PROPERTIES,
    faults=with_complex_gradients(FAULTS, "log_probs"),
    conventions=(
        Convention("ratio", ("token", "sequence-mean", "sequence-product"), "of pi to pi_old"),
        Convention(
            "aggregation",
            ("seq-mean", "token-mean", "constant", "constant-per-sequence"),
            "over tokens and sequences",
        ),
        Convention("kl", ("k3", "k1", "k2"), "estimate of the divergence", only=_penalised),
        Convention(
            "kl_over", ("tokens", "summed"), "averaged like the loss, or summed", only=_penalised
        ),
        Convention("dual_clip", (OFF, 3.0), "second clip, of negative advantages"),
        CLIP_FORM,
        Convention("advantage_of", ("answer", "token"), "[B] or [B, T]", only=_given),
        Convention("baseline", ("ddof 1", "ddof 0", "centred"), "of rewards", only=_from_rewards),
    ),
    layouts=(Layout.AS_WRITTEN,),
    tolerance=tolerance,
    notes=notes,
    words=("grpo_loss", "gspo", "dapo", "dr_grpo", "grpo_objective", "grpo_policy_loss"),
    lazily=True,
    settle=settle,
)


def _noted(contract: Contract) -> Contract:
    """With what is known of k1 as a loss, and of what stands in place of the clip."""

    def bind(raw: Any, options: Options) -> Bound:
        bound = contract.bind(raw, _with_clip(raw, options))
        said = [K1_NOTE] if "kl" in bound.subject.domain and bound.dialect["kl"] == "k1" else []
        form = NOTE.get(bound.dialect["clip_form"])
        return replace(bound, notes=(*bound.notes, *said, *([form] if form else [])))

    return replace(contract, bind=bind)


def _with_clip(raw: Any, options: Options) -> Options:
    """Functions of SAPO have no clip, so none has to be stated for them."""
    signature = bind_signature(
        raw,
        SPEC.parameters,
        contract=SPEC.name,
        bind=options.bind,
        constants=dict(options.constants),
    )
    named = signature.names | signature.fixed.keys()
    soft = {"tau_pos", "tau_neg"} & signature.names and "clip_epsilon" not in named
    return (
        replace(options, constants={**options.constants, "clip_epsilon": 0.2}) if soft else options
    )


CONTRACT = _noted(llm_cases.noted(build_loss(SPEC, "log_probs")))
