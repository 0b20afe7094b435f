"""The reward model's loss: negative log-likelihood of preferences under Bradley and Terry.

    d = r_chosen - r_rejected - margin,   L = -mean(log sigmoid(d))

Faulty versions stand in `reward_model_loss_faults.py`.

References: Bradley and Terry 1952; Ouyang et al. 2022, arXiv:2203.02155, eq. 1; margin: Touvron et
al. 2023, arXiv:2307.09288, eq. 2.
"""

from __future__ import annotations

import math

import numpy as np
from hypothesis import strategies as st

from property_tests import losses, pair_losses
from property_tests.framework.complex_step import (
    gradient,
    log_sigmoid,
    sigmoid,
    with_complex_gradients,
)
from property_tests.framework.gradients import NO_GRADIENT, build_loss
from property_tests.framework.models import Run
from property_tests.framework.records import (
    Array,
    Case,
    Domain,
    FunctionContract,
    Mismatch,
    Property,
)
from property_tests.pair_losses import compare_gradients, reduced, share
from property_tests.reward_model_loss_faults import FAULTS
from rlcheck.functions.binding import Facts, Parameter

WRT = ("chosen_rewards", "rejected_rewards")
SCORES = (0.0, 1.0, -1.0, 0.3, -2.5, 4.0, -7.0, 12.0)
MARGINS = (0.0, 1.0, 0.5, 2.0)
NO_MARGIN = "it takes no margin"


def oracle(
    chosen_rewards: Array, rejected_rewards: Array, margin: Array, reduction: str = "mean"
) -> tuple[Array, ...]:
    """The loss and its gradients with respect to both rewards."""

    def value(chosen_rewards: Array, rejected_rewards: Array) -> Array:
        return reduced(-log_sigmoid(chosen_rewards - rejected_rewards - margin), reduction)

    rewards = {"chosen_rewards": chosen_rewards, "rejected_rewards": rejected_rewards}
    return value(**rewards), *(gradient(value, rewards, name) for name in WRT)


def domain(names: frozenset[str], conventions: Facts) -> frozenset[str]:
    """`margin` where the function takes one."""
    losses.require(names, *WRT)
    return frozenset({"margin"} & names)


def pairs(where: Domain, scores: tuple[float, ...] = SCORES) -> st.SearchStrategy[Case]:
    """Batches of pairs of scores; margins of 0 where the function takes none."""
    columns = {"chosen_rewards": scores, "rejected_rewards": scores}
    return losses.rows({**columns, "margin": MARGINS if "margin" in where else (0.0,)})(where)


def large_margins(where: Domain) -> st.SearchStrategy[Case]:
    """Scores of +-75 on both sides."""
    return pairs(where, (0.0, 75.0, -75.0))


def equal_scores(run: Run, case: Case) -> Mismatch | None:
    """log 2."""
    same = {**case, "rejected_rewards": case["chosen_rewards"], "margin": 0.0 * case["margin"]}
    due = reduced(np.full(len(case["margin"]), math.log(2.0)), run.fitted.conventions["reduction"])
    return run.compare(same, np.asarray(due), "equal scores should give log 2 = 0.693147 a pair")


def exact_gradient(run: Run, case: Case) -> Mismatch | None:
    """-sigmoid(-d) on the chosen side."""
    difference = case["chosen_rewards"] - case["rejected_rewards"] - case["margin"]
    slope = share(-sigmoid(-difference), run.fitted.conventions["reduction"])
    return compare_gradients(run, case, slope, -slope, "the gradient should be -+ sigmoid(-d)")


def shifted(run: Run, case: Case) -> Mismatch | None:
    """A constant for a prompt cancels."""
    shift = 1.25 * (1.0 + np.arange(len(case["margin"])))
    moved = {**case, **{name: case[name] + shift for name in WRT}}
    return run.compare(moved, run(case), "the same number added to both scores changed the loss")


def swapped(run: Run, case: Case) -> Mismatch | None:
    """l(d) - l(-d) = -d."""
    plain = {**case, "margin": 0.0 * case["margin"]}
    exchanged = {**plain, WRT[0]: case[WRT[1]], WRT[1]: case[WRT[0]]}
    difference = case[WRT[0]] - case[WRT[1]]
    due = run(plain) + reduced(difference, run.fitted.conventions["reduction"])
    message = "chosen and rejected exchanged should change the loss by the difference of the scores"
    return run.compare(exchanged, due, message)


def margin_shifts(run: Run, case: Case) -> Mismatch | None:
    """A margin is a lead that the chosen answer must have."""
    without = {**case, "margin": 0.0 * case["margin"]}
    without["chosen_rewards"] = case["chosen_rewards"] - case["margin"]
    message = "a margin should count as if the chosen score were smaller by as much"
    return run.compare(case, run(without), message)


PROPERTIES = (
    Property(
        "equal-scores-give-log-two",
        "Equal scores give a loss of log 2.",
        "The model then calls both answers equally likely to win: -log(1/2). An untrained reward "
        "model starts there.",
        equal_scores,
    ),
    Property(
        "gradient-is-the-known-one",
        "The gradient is -sigmoid(-d) on the chosen side and sigmoid(-d) on the rejected one.",
        "Pairs that are ranked wrongly weigh most.",
        exact_gradient,
        needs={pair_losses.GRADIENT: NO_GRADIENT},
    ),
    pair_losses.gradients_cancel({}),
    Property(
        "only-the-difference-counts",
        "The same number added to both scores of a pair changes nothing.",
        "Preferences say nothing about the level of the scores.",
        shifted,
    ),
    Property(
        "swapping-changes-the-loss-by-the-difference",
        "l(d) - l(-d) = -d.",
        "Holds for log sigmoid alone; a sigmoid without its logarithm, a hinge or another base "
        "breaks it.",
        swapped,
    ),
    Property(
        "margin-is-a-lead",
        "A margin counts as if the chosen score were smaller by as much.",
        "L = -log sigmoid(r_chosen - r_rejected - margin): a margin that is added, multiplied or "
        "ignored trains another ranking.",
        margin_shifts,
        needs={"margin": NO_MARGIN},
    ),
    pair_losses.order_of_pairs(),
    pair_losses.batch_size(),
    losses.column_agreement("rows-crossed"),
    pair_losses.stable(large_margins, "sigmoid-underflows"),
    pair_losses.gradient_agreement(),
)

CHOSEN = ("chosen", "w", "win", "pos", "preferred", "j", "c")
REJECTED = ("rejected", "l", "lose", "neg", "dispreferred", "k", "r")
ENDINGS = ("rewards", "reward", "scores", "score", "logits", "values", "r", "end_scores")


def _scores(name: str, meaning: str, sides: tuple[str, ...]) -> Parameter:
    names = [f"{side}_{end}" for end in ENDINGS for side in sides]
    names += [f"{end}_{side}" for end in ENDINGS for side in sides] + [sides[0]]
    return Parameter(name, "B", meaning, aliases=tuple(n for n in names if n != name))


SPEC = FunctionContract(
    name="reward-model-loss",
    title="Reward-model loss",
    explanation=__doc__ or "",
    parameters=(
        _scores(
            "chosen_rewards",
            "scores of the preferred answers",
            CHOSEN,
        ),
        _scores(
            "rejected_rewards",
            "scores of the others",
            REJECTED,
        ),
        Parameter("margin", "B", "lead that the chosen answer must have", aliases=("margins",)),
        pair_losses.REDUCTION_PARAMETER,
    ),
    outputs=pair_losses.OUTPUTS,
    oracle=oracle,
    domain=domain,
    cases=pairs,
    properties=PROPERTIES,
    faults=with_complex_gradients(FAULTS, *WRT),
    conventions=(pair_losses.REDUCTION,),
    read=pair_losses.read,
    layouts=losses.LAYOUTS,
    tolerance=pair_losses.pair_tolerance,
    words=(
        "reward_model_loss",
        "rm_loss",
        "bradley_terry",
        "pairwise_loss",
        "ranking_loss",
        "bt_loss",
    ),
    lazily=True,
)
CONTRACT = build_loss(SPEC, *WRT)
