"""Properties of the GRPO loss."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from property_tests import llm_cases
from property_tests.framework.generic import sensitivity
from property_tests.framework.gradients import (
    NO_GRADIENT,
    compare_gradient,
    gradient,
    gradient_agreement,
)
from property_tests.framework.models import Run
from property_tests.framework.options import every_option
from property_tests.framework.records import Array, Case, Mismatch, Property
from property_tests.grpo_cases import distributions, extreme, worked
from property_tests.grpo_terms import OFF

NO_KL = "it takes no `ref_log_probs`: there is no penalty"
NO_CLIP = "clip_form is not ppo: CISPO and SAPO weigh tokens in another way"
NO_RATIOS = "clip_form is CISPO, whose value holds the log-probability itself"
NO_SLOPE = (
    "clip_form is CISPO with an absolute bound, or on sequences: its slope is not 1 on-policy"
)
NO_ADVANTAGES = "it takes rewards: advantages cannot be chosen for it"


def _without_kl(run: Run, case: Case) -> dict[str, Any] | None:
    """The case without a penalty; None where the function always adds one."""
    where = run.fitted.domain
    if "kl" in where and not where.varies("kl_coef"):
        return None
    return {**case, "kl_coef": 0.0} if "kl" in where else dict(case)


def _advantages(case: Case) -> Array:
    given = case["advantage"]
    spread = given[:, None] if given.ndim == 1 else given
    return np.where(case["mask"], spread + np.zeros(case["mask"].shape), 0.0)


def _weights(run: Run, case: Case) -> Array:
    """What each token counts for, by the declared aggregation."""
    mask = case["mask"].astype(float)
    counts = np.maximum(mask.sum(axis=1, keepdims=True), 1.0)
    return {
        "seq-mean": mask / counts / len(mask),
        "token-mean": mask / mask.sum(),
        "constant": mask / case["denominator"],
        "constant-per-sequence": mask / case["denominator"] / len(mask),
    }[run.fitted.conventions["aggregation"]]


def _ratios(run: Run, case: Case) -> Array:
    """[B, T], of the declared level."""
    moved = np.where(case["mask"], case["log_probs"] - case["old_log_probs"], 0.0)
    level, counts = run.fitted.conventions["ratio"], case["mask"].sum(axis=1, keepdims=True)
    if level != "token":
        moved = moved.sum(axis=1, keepdims=True) / (counts if level == "sequence-mean" else 1.0)
    return np.exp(moved) + np.zeros(case["mask"].shape)


def _policy_gradient(run: Run, case: Case, ratios: Array) -> Array:
    """-w r A at each token, shared out over the sequence where the ratio is the sequence's."""
    slopes = -_weights(run, case) * ratios * _advantages(case)
    level = run.fitted.conventions["ratio"]
    if level == "token":
        return slopes
    whole = slopes.sum(axis=1, keepdims=True) * case["mask"]
    return whole / case["mask"].sum(axis=1, keepdims=True) if level == "sequence-mean" else whole


def _on_policy(case: Case) -> dict[str, Any]:
    return {**case, "log_probs": case["old_log_probs"]}


def on_policy_value(run: Run, case: Case) -> Mismatch | None:
    """-sum w A."""
    plain = _without_kl(run, case)
    if plain is None:
        return None
    same = _on_policy(plain)
    expected = -(_weights(run, case) * _advantages(case)).sum()
    message = "where both policies are the same, the loss is minus the aggregated advantage"
    return run.compare(same, np.asarray(expected), message)


def on_policy_gradient(run: Run, case: Case) -> Mismatch | None:
    """The policy gradient."""
    plain = _without_kl(run, case)
    if plain is None:
        return None
    same = _on_policy(plain)
    expected = _policy_gradient(run, same, np.ones(case["mask"].shape))
    message = "where both policies are the same, the gradient is the policy gradient"
    return compare_gradient(run, same, expected, message)


def _clip_regions(run: Run, case: Case) -> tuple[Array, Array]:
    """Where the ratio is clipped away, and where it has moved against the advantage."""
    ratios, values = _ratios(run, case), _advantages(case)
    over, under = ratios > 1.0 + case["clip_high"], ratios < 1.0 - case["clip_epsilon"]
    clipped = ((values > 0) & over) | ((values < 0) & under)
    against = ((values > 0) & under) | ((values < 0) & over)
    if run.fitted.conventions["dual_clip"] != OFF:
        against &= (values > 0) | (ratios < float(run.fitted.conventions["dual_clip"]))
    if (
        run.fitted.conventions["ratio"] != "token"
    ):  # one number decides for a whole row, if one A does
        alike = (np.ptp(np.where(case["mask"], values, values[:, :1]), axis=1) == 0)[:, None]
        clipped, against = clipped & alike, against & alike
    return clipped & case["mask"], against & case["mask"]


def clipped_tokens(run: Run, case: Case) -> Mismatch | None:
    """No gradient beyond the clip."""
    plain = _without_kl(run, case)
    if plain is None or run.fitted.conventions["ratio"] != "token":
        return None
    where, _ = _clip_regions(run, plain)
    message = "a token beyond the clip in the direction of its advantage has no gradient"
    return compare_gradient(run, plain, np.zeros(where.shape), message, where=where)


def pessimistic_tokens(run: Run, case: Case) -> Mismatch | None:
    """The full gradient on the way back."""
    plain = _without_kl(run, case)
    if plain is None or run.fitted.conventions["ratio"] != "token":
        return None
    _, where = _clip_regions(run, plain)
    expected = _policy_gradient(run, plain, _ratios(run, plain))
    message = "a token that has moved against its advantage keeps its full gradient"
    return compare_gradient(run, plain, expected, message, where=where)


def worked_example(run: Run, case: Case) -> Mismatch | None:
    """One token: every aggregation and every level of the ratio give the same."""
    if "kl" in run.fitted.domain and not run.fitted.domain.varies("kl_coef"):
        return None
    by_hand = {(1.5, 1.0): -1.2, (0.5, 1.0): -0.5, (1.5, -1.0): 1.5, (0.5, -1.0): 0.8}
    ratio = round(math.exp(float(case["log_probs"][0, 0] + 1.0)), 6)
    due = by_hand[ratio, float(case["advantage"].flat[0])]
    if run.fitted.conventions["aggregation"].startswith("constant"):
        due /= dict(run.fitted.domain.fixed).get("denominator", 1.0)
        case = {**case, "denominator": dict(run.fitted.domain.fixed).get("denominator", 1.0)}
    return run.compare(case, np.array(due), "a worked example comes out differently")


def no_advantage(run: Run, case: Case) -> Mismatch | None:
    """Nothing to learn."""
    plain = _without_kl(run, case)
    if plain is None:
        return None
    nothing = {**plain, "advantage": 0.0 * case["advantage"]}
    return run.compare(nothing, np.zeros(()), "advantages of 0 should give a loss of 0")


def scaled(run: Run, case: Case) -> Mismatch | None:
    """Linear in the size of the advantages."""
    plain = _without_kl(run, case)
    if plain is None:
        return None
    larger = {**plain, "advantage": 2.0 * case["advantage"]}
    message = "advantages twice as large should give twice the loss"
    return run.compare(larger, 2.0 * run(plain), message)


def shifted(run: Run, case: Case) -> Mismatch | None:
    """Only ratios count."""
    shift = 0.25 * (1.0 + np.arange(case["mask"].size)).reshape(case["mask"].shape)
    names = ("log_probs", "old_log_probs", "ref_log_probs")
    moved = {**case, **{name: case[name] - np.where(case["mask"], shift, 0.0) for name in names}}
    message = (
        "the same number added to a token's log-probabilities of all policies changed the loss"
    )
    return run.compare(moved, run(case), message)


def in_parts(run: Run, case: Case) -> Mismatch | None:
    """The loss of a batch from those of its rows."""
    plain = _without_kl(run, case)
    if plain is None:
        return None
    counts, rows = case["mask"].sum(axis=1), len(case["mask"])
    shares = {
        "seq-mean": np.full(rows, 1.0 / rows),
        "token-mean": counts / counts.sum(),
        "constant": np.ones(rows),
        "constant-per-sequence": np.full(rows, 1.0 / rows),
    }[run.fitted.conventions["aggregation"]]
    alone = [float(run(llm_cases.only_row(plain, b))) for b in range(rows)]
    message = "the loss of a batch should be the weighted sum of those of its sequences"
    return run.compare(plain, np.asarray(float(shares @ alone)), message)


def empty_row(run: Run, case: Case) -> Mismatch | None:
    """A row without tokens counts as a sequence, or not at all."""
    own, rows = run(case), len(case["mask"])
    more = llm_cases.emptied(case)
    got = run(more)
    # 0 / 0 is noted when the function is bound; and the ratio of no tokens is 1, a constant whose
    # gradient reaches nobody.
    if run.fitted.conventions["ratio"] != "token" or not np.isfinite(got).all():
        return None
    counted = own * rows / (rows + 1.0)
    message = "a further sequence that is masked altogether changed the loss"
    left_out = run.compare(more, own, message, got=got)
    if left_out is None or run.compare(more, counted, "", got=got) is None:
        return None
    return left_out


def no_divergence(run: Run, case: Case) -> Mismatch | None:
    """No penalty at the reference."""
    same = {**case, "ref_log_probs": case["log_probs"]}
    plain = {**same, "kl_coef": 0.0}
    return run.compare(same, run(plain), "at the reference the penalty should be 0")


def penalty_added(run: Run, case: Case) -> Mismatch | None:
    """L(c) - L(0) = c * aggregate(kl)."""
    d = np.where(case["mask"], case["log_probs"] - case["ref_log_probs"], 0.0)
    spoken = run.fitted.conventions
    values = {"k1": d, "k2": 0.5 * d**2, "k3": np.exp(-d) - 1.0 + d}[spoken["kl"]]
    weights = _weights(run, case)
    if spoken["kl_over"] == "summed":
        weights = case["mask"] / len(case["mask"])
    due = run({**case, "kl_coef": 0.0}) + case["kl_coef"] * (values * weights).sum()
    return run.compare(case, np.asarray(due), f"the penalty should be kl_coef * {spoken['kl']}")


def kl_gradient(run: Run, case: Case) -> Mismatch | None:
    """Its expectation over all tokens is the gradient of a divergence, worked out by hand."""
    one, none = gradient(run, case), gradient(run, {**case, "kl_coef": 0.0})
    if one is None or none is None:
        return None
    p, q = np.exp(case["log_probs"][:, 0]), np.exp(case["ref_log_probs"][:, 0])
    kind, factor = run.fitted.conventions["kl"], case["kl_coef"]
    weight = _weights(run, case)[:, 0]
    if run.fitted.conventions["kl_over"] == "summed":
        weight = np.full(len(p), 1.0 / len(p))
    slopes = (one - none)[:, 0] / (factor * weight)
    got = p * (slopes - p @ slopes)  # through softmax
    difference = np.log(p / q)
    expected = {
        "k1": np.zeros_like(p),
        "k2": p * (difference - p @ difference),
        "k3": p - q,
    }[kind]
    of = {"k1": "0", "k2": "that of KL(pi || ref)", "k3": "that of KL(ref || pi)"}[kind]
    message = f"the expected gradient of {kind} is {of}"
    return run.compare(case, expected, message, got=got)


def extremes(run: Run, case: Case) -> Mismatch | None:
    """Finite at log-ratios of +-100, +-60 in single precision."""
    limit = 100.0 if run.fitted.precision == "float64" else 60.0
    if np.abs(case["log_probs"] - case["old_log_probs"]).max() > limit + 1.0:
        return None
    outputs = run.outputs(case)
    for what, value in zip(("loss", "gradient"), outputs, strict=False):
        if not np.isfinite(value).all():
            size = float((case["log_probs"] - case["old_log_probs"])[0, 0])
            return Mismatch(f"a log-ratio of {size:g} gives a {what} that is not finite", case)
    return None


_GRADIENT = {"output gradient": NO_GRADIENT}
_FREE = {"advantages": NO_ADVANTAGES}
_KL = {"kl": NO_KL}
_CLIP = {"clip of PPO": NO_CLIP}
PROPERTIES = (
    Property(
        "worked-examples",
        "Both signs of the advantage, on both sides of the clip, come out as worked out by hand.",
        "eps = 0.2, one token: ratio 1.5 with A = 1 gives -1.2 (clipped), 0.5 with A = 1 gives -0.5, "
        "1.5 with A = -1 gives 1.5 (never clipped), 0.5 with A = -1 gives 0.8 (clipped).",
        worked_example,
        cases=worked,
        needs={**_FREE, **_CLIP},
        varies=("clip_epsilon",),
    ),
    Property(
        "on-policy-value",
        "Where both policies are the same, the loss is minus the aggregated advantage.",
        "The ratio is 1 on the first step after sampling. With seq-mean and advantages that sum to "
        "0, the loss is 0 there, and its gradient is not.",
        on_policy_value,
        needs=_CLIP,
    ),
    Property(
        "on-policy-gradient",
        "Where both policies are the same, the gradient is the policy gradient.",
        "-w A for a token of weight w; for a ratio of the sequence, shared out over its tokens.",
        on_policy_gradient,
        needs={**_GRADIENT, "slope 1": NO_SLOPE},
    ),
    Property(
        "clipped-tokens-have-no-gradient",
        "A token beyond the clip in the direction of its advantage has no gradient.",
        "A > 0 with ratio > 1 + eps_high, A < 0 with ratio < 1 - eps_low.",
        clipped_tokens,
        needs={**_GRADIENT, **_CLIP},
    ),
    Property(
        "pessimistic-tokens-keep-their-gradient",
        "A token that has moved against its advantage keeps its full gradient.",
        "A > 0 with ratio < 1 - eps, or A < 0 with ratio > 1 + eps, can be corrected.",
        pessimistic_tokens,
        needs={**_GRADIENT, **_CLIP},
    ),
    Property(
        "no-advantage-no-loss",
        "Advantages of 0 give a policy loss of 0.",
        "A group in which all answers are equally good teaches nothing.",
        no_advantage,
        needs=_FREE,
    ),
    Property(
        "linear-in-the-advantages",
        "Advantages twice as large give twice the policy loss.",
        "Clipping or normalisation of the advantages inside the loss breaks it.",
        scaled,
        needs=_FREE,
    ),
    Property(
        "only-ratios-count",
        "The same number added to a token's log-probabilities under all policies changes nothing.",
        "The loss depends on ratios of probabilities, to the old policy and to the reference.",
        shifted,
        needs={"ratios only": NO_RATIOS},
    ),
    llm_cases.padding_content(),
    llm_cases.padding_columns(),
    llm_cases.order_of_rows(),
    Property(
        "parts-add-up",
        "The loss of a batch is the weighted sum of the losses of its sequences.",
        "With weights of the declared aggregation: that is what makes accumulation over "
        "micro-batches possible, and what a mean of the wrong things breaks.",
        in_parts,
        needs=_FREE,
        references=("https://github.com/PrimeIntellect-ai/prime-rl/commit/1d9ca9255116",),
    ),
    Property(
        "empty-sequence-is-harmless",
        "A further sequence that is masked altogether changes the number of sequences at most.",
        "Filtered and truncated answers are masked: they may count as a loss of 0, or not at all. A "
        "division by their length of 0, which makes the whole loss NaN, is a note.",
        empty_row,
        needs={**_FREE, "mask": llm_cases.NO_MASK},
        references=("https://github.com/huggingface/trl/commit/7c1fa85ad5d1",),
    ),
    Property(
        "no-penalty-at-the-reference",
        "Where the policy is the reference, the penalty is 0.",
        "Every estimate of a divergence is 0 between equal policies.",
        no_divergence,
        needs=_KL,
        varies=("kl_coef",),
    ),
    Property(
        "penalty-is-added-as-declared",
        "L(kl_coef) - L(0) = kl_coef * aggregate(kl).",
        "Same mask and same divisor as the policy loss (or summed over tokens, where declared), and "
        "a plus: the penalty is minimised.",
        penalty_added,
        needs=_KL,
        varies=("kl_coef",),
        references=("https://github.com/volcengine/verl/commit/a65c9157bc0b",),
    ),
    Property(
        "penalty-has-the-gradient-of-a-divergence",
        "The expected gradient of the penalty, over all tokens, is that of a divergence.",
        "By enumeration of a small vocabulary: k2 gives that of KL(pi || ref), k3 that of "
        "KL(ref || pi), and k1 gives 0. A detached or reversed estimate gives neither.",
        kl_gradient,
        cases=distributions,
        needs={**_KL, **_FREE, **_GRADIENT},
        varies=("kl_coef",),
        references=("https://github.com/OpenRLHF/OpenRLHF/pull/1309",),
    ),
    Property(
        "extreme-log-ratios-stay-finite",
        "A log-ratio of +-100 gives a finite loss and gradient.",
        "In float32 exp(89) overflows; there +-60 is tried. Clamp log-ratios before the exponential.",
        extremes,
        cases=extreme,
        needs=_FREE,
        varies=("clip_epsilon",),
    ),
    sensitivity("clip_epsilon", 0.2, 0.1, "A clip that is hard-coded trains without complaint."),
    gradient_agreement(),
    every_option(
        "Ratio, aggregation and estimator each have branches that a default never enters."
    ),
)
