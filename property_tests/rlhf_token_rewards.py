"""Rewards of every token of a batch of answers: a score for the whole, a KL penalty for each.

    r_bt = -kl_coef * k_bt        + score_b at one place, where the mask is true; 0 elsewhere
    k_bt = log pi(y_bt) - log pi_ref(y_bt)        (k1; or k3 or k2, where a library offers them)

The score stands at the last token that counts, or at the place after it (the first of the padding,
as in the code of Ziegler et al. and TRL's PPO; the last place where there is none after it). Faulty
versions stand in `rlhf_token_rewards_faults.py`.

References: Ziegler et al. 2019, arXiv:1909.08593, eq. 2; Ouyang et al. 2022, arXiv:2203.02155, eq. 2;
place of the score: Huang et al. 2024, arXiv:2403.17031, detail 10.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from property_tests import llm_cases
from property_tests.framework.build import build
from property_tests.framework.generic import sensitivity
from property_tests.framework.models import Run
from property_tests.framework.records import (
    Array,
    Case,
    Convention,
    FunctionContract,
    Mismatch,
    Property,
)
from property_tests.losses import require
from property_tests.rlhf_token_rewards_faults import faults
from rlcheck.contracts import Bound, Contract, Options
from rlcheck.functions.binding import Facts, Parameter
from rlcheck.functions.calling import Output
from rlcheck.functions.layouts import Layout

LOG_RATIOS = (0.0, 0.5, -0.5, 1.5, -1.5, 0.1, -2.0)
COEFFICIENTS = (0.1, 0.5, 0.02, 1.0)
SCORES = (1.0, -1.0, 0.5, 3.0, 0.0, -2.5)
LAST, AFTER = "last-token", "one-after"
RIGHT_ONLY_NOTE = (
    "the last token is found by counting the mask: right for padding on the right only; with "
    "padding on the left, or places left out in between, the score lands elsewhere"
)


def place_of_score(kept: Array, score_at: str) -> int:
    """Column of the score in one row; the last one where no token counts."""
    last = int(np.flatnonzero(kept)[-1]) if kept.any() else len(kept) - 1
    return last if score_at == LAST else min(last + 1, len(kept) - 1)


def oracle(
    scores: Array,
    log_probs: Array,
    ref_log_probs: Array,
    mask: Array,
    kl_coef: float,
    score_at: str = LAST,
    estimator: str = "k1",
) -> Array:
    """The rewards, place by place."""
    rewards = np.zeros(mask.shape)
    for b, t in np.argwhere(mask):
        d = log_probs[b, t] - ref_log_probs[b, t]
        rewards[b, t] = -kl_coef * {"k1": d, "k2": d * d / 2.0, "k3": np.exp(-d) - 1 + d}[estimator]
    for b, kept in enumerate(mask):
        rewards[b, place_of_score(kept, score_at)] += scores[b]
    return rewards


def domain(names: frozenset[str], conventions: Facts) -> frozenset[str]:
    """Scores and both log-probabilities must be named; a mask may be."""
    require(names, "scores", "log_probs", "ref_log_probs")
    can = llm_cases.capabilities(names, conventions)
    return can - {"holes"} if conventions["padding"] == "right" else can


def from_ratios(drawn: dict[str, Array]) -> dict[str, Array]:
    """Log-probabilities from their difference."""
    ratios = drawn.pop("log_ratios")
    return {"log_probs": drawn["ref_log_probs"] + ratios, **drawn}


def tolerance(case: Case, epsilon: float) -> float:
    """Rounding of a difference, its product with the coefficient, and the score."""
    largest = llm_cases.largest_kept(case, "log_probs", "ref_log_probs", "scores")
    return 64.0 * epsilon * (1.0 + case["kl_coef"]) * (1.0 + largest) * np.exp(2.0)


def total(run: Run, case: Case) -> Mismatch | None:
    """All rewards of an answer sum to score - kl_coef * KL."""
    d = np.where(case["mask"], case["log_probs"] - case["ref_log_probs"], 0.0)
    estimator = run.fitted.conventions["estimator"]
    kl = {"k1": d, "k2": d * d / 2.0, "k3": np.exp(-d) - 1.0 + d}[estimator].sum(axis=1)
    expected, got = case["scores"] - case["kl_coef"] * kl, run(case)
    off = np.abs(got.sum(axis=1) - expected) > run.tolerance(case) * case["mask"].shape[1]
    if not off.any():
        return None
    b = int(np.argmax(off))
    message = (
        f"the rewards of answer {b} should sum to score - kl_coef * KL = {expected[b]:.6g}, they "
        f"sum to {got[b].sum():.6g}"
    )
    return run.compare(case, run.definition(case), message, got=got) or Mismatch(message, case)


def score_alone(run: Run, case: Case) -> Mismatch | None:
    """Equal policies: the score at its place, and 0 everywhere else."""
    same = {**case, "log_probs": case["ref_log_probs"]}
    expected = np.zeros(case["mask"].shape)
    for b, kept in enumerate(case["mask"]):
        expected[b, place_of_score(kept, run.fitted.conventions["score_at"])] = case["scores"][b]
    message = "with equal policies there is the score, once, and nothing else"
    return run.compare(same, expected, message)


def penalty_alone(run: Run, case: Case) -> Mismatch | None:
    """No score: every token pays for its own difference."""
    nothing = {**case, "scores": np.zeros_like(case["scores"])}
    message = "without a score every token that counts has its own penalty, and no other has one"
    return run.compare(nothing, run.definition(nothing), message)


def score_counts_once(run: Run, case: Case) -> Mismatch | None:
    """A score of 1 more adds 1 to the sum, whatever the coefficient or the length."""
    more = {**case, "scores": case["scores"] + 1.0}
    got = (run(more) - run(case)).sum(axis=1)
    if (np.abs(got - 1.0) <= run.tolerance(case) * case["mask"].shape[1]).all():
        return None
    b = int(np.argmax(np.abs(got - 1.0)))
    message = f"a score of 1 more should add 1 to the rewards of answer {b}, it adds {got[b]:.6g}"
    return Mismatch(message, more, run.definition(more), run(more), (b, 0))


def more_columns(run: Run, case: Case) -> Mismatch | None:
    """Further masked columns change nothing, once there is a place after the last token."""
    after = run.fitted.conventions["score_at"] == AFTER
    start = llm_cases.padded(case, right=1) if after else case
    return llm_cases.padding_columns().holds(run, start)


PROPERTIES = (
    Property(
        "total-is-score-minus-penalty",
        "The rewards of an answer sum to score - kl_coef * KL.",
        "That is the objective of RLHF: the score of the answer, and a price for every nat away "
        "from the reference.",
        total,
        references=("https://github.com/pytorch/rl/commit/96c30032231c",),
    ),
    Property(
        "equal-policies-leave-the-score",
        "With equal policies there is the score at its place, once, and nothing else.",
        "On padding, on every token, or on the first, the score is credited to what did not earn "
        "it, or is masked away.",
        score_alone,
        references=("https://github.com/EleutherAI/gpt-neox/pull/1285",),
    ),
    Property(
        "every-token-pays-for-itself",
        "Without a score every token has its own penalty, and padding none.",
        "A penalty that is shared, shifted or paid at the end is credited to the wrong tokens.",
        penalty_alone,
    ),
    Property(
        "score-counts-in-full",
        "A score of 1 more adds 1 to the rewards of its answer.",
        "Whatever the coefficient, the length of the answer or the other answers.",
        score_counts_once,
    ),
    llm_cases.padding_content(),
    replace(llm_cases.padding_columns(), holds=more_columns),
    llm_cases.rows_apart(),
    sensitivity(
        "kl_coef",
        0.1,
        0.5,
        "A coefficient that is hard-coded or ignored leaves the policy unbound, or bound to the "
        "reference, whatever is configured.",
    ),
)

SPEC = FunctionContract(
    name="rlhf-token-rewards",
    title="Token rewards from a score and a KL penalty",
    explanation=__doc__ or "",
    parameters=(
        Parameter(
            "scores",
            "B",
            "of the reward model, one an answer",
            aliases=("score", "rewards", "reward", "r", "rm_scores", "reward_scores", "rm_score"),
        ),
        llm_cases.LOG_PROBS,
        llm_cases.REF_LOG_PROBS,
        llm_cases.MASK,
        llm_cases.PADDING_MASK,
        Parameter(
            "last_index",
            "B",
            "column of the last token that counts",
            make=lambda facts: np.array([place_of_score(kept, LAST) for kept in facts["mask"]]),
            aliases=(
                "sequence_lengths",
                "valid_score_idxs",
                "eos_indices",
                "last_indices",
                "last_token_index",
                "end_indices",
            ),
        ),
        Parameter(
            "kl_coef",
            "",
            "price of a nat",
            aliases=(
                "kl_coeff",
                "kl_coefficient",
                "kl_ctl",
                "kl_ratio",
                "kl_beta",
                "beta",
                "init_kl_coef",
                "kl_weight",
                "kl_penalty_coef",
            ),
            hyper=True,
        ),
        Parameter(
            "estimator",
            make=lambda facts: facts["estimator"],
            aliases=("kl_estimator", "kl_type"),
        ),
        Parameter("score_at", make=lambda facts: facts["score_at"]),
    ),
    outputs=(Output("rewards", "BT"),),
    oracle=oracle,
    domain=domain,
    cases=llm_cases.token_batches(
        {"log_ratios": LOG_RATIOS, "ref_log_probs": (-1.0, -0.5, -2.5)},
        from_ratios,
        per_row={"scores": SCORES},
        hypers={"kl_coef": COEFFICIENTS},
    ),
    properties=PROPERTIES,
    faults=faults(oracle),
    conventions=(
        Convention("score_at", (LAST, AFTER), "where the score stands"),
        Convention("estimator", ("k1", "k3", "k2"), "of the divergence"),
        Convention(
            "padding",
            ("any", "right"),
            "right: the last token is found by counting, which holds for padding on the right",
            only=lambda names: bool({"mask", "padding_mask"} & names),
        ),
    ),
    layouts=(Layout.AS_WRITTEN, Layout.SINGLE),
    batch_decides=True,
    tolerance=tolerance,
    words=("token_reward", "compute_reward", "kl_reward", "penalized_reward", "penalised_reward"),
)


def _noted(contract: Contract) -> Contract:
    def bind(raw: Any, options: Options) -> Bound:
        bound = contract.bind(raw, options)
        counted = bound.dialect.get("padding") == "right"
        return replace(bound, notes=(*bound.notes, *[RIGHT_ONLY_NOTE] * counted))

    return replace(contract, bind=bind)


CONTRACT = _noted(llm_cases.noted(build(SPEC)))
