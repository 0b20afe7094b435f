"""Targets of soft actor-critic: the smaller of the twins, plus the entropy of the next action.

    y = r + gamma * (1 - terminated) * (min(Q1, Q2)(s', a') - alpha * log pi(a'|s'))

References: Haarnoja et al. 2018, arXiv:1812.05905, eq. 3; Fujimoto et al. 2018, arXiv:1802.09477.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from property_tests import transitions
from property_tests.framework.build import build
from property_tests.framework.generic import sensitivity
from property_tests.framework.models import Run
from property_tests.framework.records import (
    Array,
    Case,
    FaultyVersion,
    FunctionContract,
    Mismatch,
    Property,
)
from property_tests.transitions import targets, with_target, with_value
from rlcheck.functions.binding import Parameter
from rlcheck.functions.calling import Output


def oracle(
    rewards: Array,
    next_q1: Array,
    next_q2: Array,
    next_log_probs: Array,
    terminated: Array,
    truncated: Array,
    gamma: float,
    alpha: float,
) -> Array:
    """The target of each row."""
    following = value(next_q1, next_q2, next_log_probs, alpha)
    return targets(rewards, following, terminated, gamma)


def value(next_q1: Array, next_q2: Array, next_log_probs: Array, alpha: float) -> Array:
    """What follows."""
    return np.minimum(next_q1, next_q2) - alpha * next_log_probs


def rows(actions: int) -> dict[str, st.SearchStrategy[Any]]:
    """Two critics and a log-probability."""
    names = ("next_q1", "next_q2", "next_log_probs")
    return {name: transitions.NUMBERS for name in names}


def twins_alike(run: Run, case: Case) -> Mismatch | None:
    """Exchanging the twins changes nothing."""
    swapped = {**case, "next_q1": case["next_q2"], "next_q2": case["next_q1"]}
    return run.compare(swapped, run(case), "exchanging the two critics should change nothing")


def alpha_zero(run: Run, case: Case) -> Mismatch | None:
    """Without temperature this is the clipped double-Q target."""
    case = {**case, "alpha": 0.0}
    least = np.minimum(case["next_q1"], case["next_q2"])
    plain = targets(case["rewards"], least, case["terminated"], case["gamma"])
    return run.compare(case, plain, "with alpha = 0 the target is r + gamma * min(Q1, Q2)")


def _wrong(name, model, title, explanation, *references) -> FaultyVersion:
    fix = "Write `min(q1, q2) - alpha * log_prob` inside gamma * (1 - terminated)."
    where = "the line of the target"
    return FaultyVersion(name, model, title, explanation, fix, where, references)


def _outside(v: Array, x: Any) -> Array:
    least = np.minimum(x.next_q1, x.next_q2)
    return targets(x.rewards, least, x.terminated, x.gamma) - x.alpha * x.next_log_probs


SPEC = FunctionContract(
    name="soft-q-target",
    title="Soft Q target",
    explanation=__doc__ or "",
    parameters=(
        transitions.REWARDS,
        Parameter("next_q1", "B", "Q1(s', a')", aliases=("q1_next", "next_q_1", "target_q1", "q1")),
        Parameter("next_q2", "B", "Q2(s', a')", aliases=("q2_next", "next_q_2", "target_q2", "q2")),
        Parameter(
            "next_log_probs",
            "B",
            "log pi(a'|s')",
            aliases=("next_log_prob", "next_log_pi", "next_logp", "log_prob", "log_probs", "logp"),
        ),
        *transitions.FLAGS,
        transitions.GAMMA,
        Parameter("alpha", "", "temperature", aliases=("temperature", "ent_coef"), hyper=True),
    ),
    outputs=(Output("targets", "B"),),
    oracle=oracle,
    domain=transitions.transition_domain("next_q1", "next_q2", "next_log_probs"),
    cases=transitions.transitions(rows, {"alpha": (0.5, 0.2, 1.0, 0.0)}),
    properties=(
        *transitions.properties(),
        Property(
            "twins-are-alike",
            "Exchanging the two critics changes nothing.",
            "The pessimistic minimum is symmetric.",
            twins_alike,
        ),
        Property(
            "alpha-zero-is-clipped-double-q",
            "With alpha = 0 the target is r + gamma * min(Q1, Q2).",
            "Shows mistakes in the twins apart from those in the entropy.",
            alpha_zero,
            varies=("alpha",),
        ),
        sensitivity("alpha", 0.5, 0.2, "A temperature without effect leaves no entropy bonus."),
    ),
    faults=(
        *transitions.faults(oracle, value),
        _wrong(
            "entropy-outside-mask",
            with_target(oracle, value, _outside),
            "the entropy is added outside gamma * (1 - terminated)",
            "Terminal steps get an entropy bonus for an action that is never taken, undiscounted.",
            "https://github.com/DLR-RM/stable-baselines3/commit/08e7519381e8",
        ),
        _wrong(
            "entropy-missing",
            with_value(oracle, lambda next_q1, next_q2: np.minimum(next_q1, next_q2)),
            "the entropy of the next action is missing",
            "The critic does not know that the policy is paid for entropy.",
            "https://github.com/rail-berkeley/rlkit/issues/43",
        ),
        _wrong(
            "entropy-sign-flipped",
            with_value(
                oracle,
                lambda next_q1, next_q2, next_log_probs, alpha: (
                    np.minimum(next_q1, next_q2) + alpha * next_log_probs
                ),
            ),
            "the sign of the entropy is flipped",
            "Certainty is rewarded: exploration dies early.",
        ),
        _wrong(
            "temperature-missing",
            with_value(
                oracle,
                lambda next_q1, next_q2, next_log_probs: (
                    np.minimum(next_q1, next_q2) - next_log_probs
                ),
            ),
            "the entropy is not weighed with alpha",
            "The bonus has the weight 1 whatever the temperature is.",
        ),
        _wrong(
            "twin-minimum-missing",
            with_value(
                oracle, lambda next_q1, next_log_probs, alpha: next_q1 - alpha * next_log_probs
            ),
            "the minimum of the twins is not taken",
            "Only the first critic counts, and overestimation is back.",
            "https://github.com/ray-project/ray/issues/7354",
        ),
        _wrong(
            "twin-maximum",
            with_value(
                oracle,
                lambda next_q1, next_q2, next_log_probs, alpha: (
                    np.maximum(next_q1, next_q2) - alpha * next_log_probs
                ),
            ),
            "the maximum of the twins is taken",
            "Overestimation is doubled instead of taken away.",
        ),
        _wrong(
            "twin-mean",
            with_value(
                oracle,
                lambda next_q1, next_q2, next_log_probs, alpha: (
                    0.5 * (next_q1 + next_q2) - alpha * next_log_probs
                ),
            ),
            "the twins are averaged",
            "The pessimism that the minimum brings is lost.",
        ),
        _wrong(
            "minimum-over-batch",
            with_value(
                oracle,
                lambda next_q1, next_q2, next_log_probs, alpha: (
                    np.minimum(next_q1, next_q2).min() - alpha * next_log_probs
                ),
            ),
            "the minimum runs over the whole batch",
            "Every row gets the lowest value of any row.",
        ),
    ),
    layouts=(*transitions.LAYOUTS,),
    words=("soft_q", "sac_target"),
)
CONTRACT = build(SPEC)
