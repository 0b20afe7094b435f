"""TD(lambda) returns: the exponentially weighted mean of all n-step returns.

    G_t = (1 - lam) * sum_{n=1}^{N-1} lam^(n-1) * G_t^(n) + lam^(N-1) * G_t^(N)

where G_t^(n) sums n discounted rewards and bootstraps from the state reached, and N is the number of
steps up to the end of the episode or of the rollout. Equal to the generalised advantage + V(s_t).

References: Sutton and Barto 2018, eqs. 12.2 and 12.3; time limits: Pardo et al. 2018,
arXiv:1712.00378.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from property_tests import gae, gae_faults, lambda_returns_faults, rollouts
from property_tests.framework.build import build
from property_tests.framework.generic import sensitivity
from property_tests.framework.models import Run, evaluate
from property_tests.framework.records import (
    Array,
    Case,
    FaultyVersion,
    FunctionContract,
    Mismatch,
    Model,
    Property,
)
from property_tests.rollout_properties import (
    column_independence,
    credit,
    episode_independence,
    long_rollouts,
    scaling,
    truncation_cut,
)
from rlcheck.functions.binding import Facts
from rlcheck.functions.calling import Output


def oracle(
    rewards: Array,
    values: Array,
    next_values: Array,
    terminated: Array,
    truncated: Array,
    gamma: float,
    lam: float,
) -> Array:
    """Lambda-returns [T, B] as the weighted mean of the definition."""
    returns = np.zeros(rewards.shape)
    for t, b in np.ndindex(*rewards.shape):
        n_step = list(_n_step_returns(t, b, rewards, next_values, terminated, truncated, gamma))
        weights = [(1.0 - lam) * lam**n for n in range(len(n_step) - 1)] + [
            lam ** (len(n_step) - 1)
        ]
        returns[t, b] = sum(w * g for w, g in zip(weights, n_step, strict=True))
    return returns


def _n_step_returns(t, b, rewards, next_values, terminated, truncated, gamma):
    """G_t^(1), G_t^(2), ... up to the end of the episode or of the rollout."""
    total = 0.0
    for n, k in enumerate(range(t, len(rewards))):
        total += gamma**n * rewards[k, b]
        bootstrap = 0.0 if terminated[k, b] else next_values[k, b]
        yield total + gamma ** (n + 1) * bootstrap
        if terminated[k, b] or truncated[k, b]:
            return


def domain(names: frozenset[str], conventions: Facts) -> frozenset[str]:
    """As for advantages; V(s_t) is needed only where V(s_{t+1}) is read off it."""
    known = {"values"} if "next_values" in names else set()
    return gae.domain(names | known, conventions)


def lambda_zero(run: Run, case: Case) -> Mismatch | None:
    """G_t = r_t + gamma * V(s_{t+1})."""
    case = {**case, "lam": 0.0}
    bootstrap = np.where(case["terminated"], 0.0, case["next_values"])
    target = case["rewards"] + case["gamma"] * bootstrap
    return run.compare(case, target, "with lam = 0 a lambda-return is the one-step target")


def values_unused(run: Run, case: Case) -> Mismatch | None:
    """G_t does not depend on V of the first state of an episode."""
    changed = case["values"].copy()
    changed[0] += 3.0
    message = "V of the first step is no part of any return"
    return run.compare({**case, "values": changed}, run(case), message)


def terminal_step(run: Run, case: Case) -> Mismatch | None:
    """G_t = r_t where t terminates."""
    message = "nothing follows a terminal step: its return is the reward"
    return run.compare(case, case["rewards"], message, where=case["terminated"])


def truncated_step(run: Run, case: Case) -> Mismatch | None:
    """G_t = r_t + gamma * V(s_{t+1}) where t is cut."""
    expected = case["rewards"] + case["gamma"] * case["next_values"]
    message = "a truncated step keeps the value of the state that it reached, before the reset"
    return run.compare(case, expected, message, where=case["truncated"] & ~case["terminated"])


def _plus_values(model: Model) -> Model:
    """A wrong advantage as the return that it makes."""

    @functools.wraps(oracle)
    def returns(**inputs: Any) -> Array:
        return evaluate(model, inputs)[0] + inputs["values"]

    return returns


def _of_returns(text: str) -> str:
    """What is said of the advantage that a recursion carries, of the return."""
    return text.replace("carried advantage", "carried return").replace(
        "the advantage of the next row", "the return of the next row"
    )


_OF_ADVANTAGES_ONLY = {"sign-flipped", "returns-stale", "returns-from-rewards", "time-reversed"}


def _faults() -> tuple[FaultyVersion, ...]:
    """The faults of GAE, seen in the returns made from it, and those of returns alone."""
    shared = tuple(
        FaultyVersion(
            fault.name,
            _plus_values(fault.model),
            fault.title,
            _of_returns(fault.explanation),
            _of_returns(fault.fix),
            fault.where,
            fault.references,
            fault.aliases,
            (
                *(_plus_values(model) for model in fault.variants),
                *lambda_returns_faults.VARIANTS.get(fault.name, ()),
            ),
        )
        for fault in gae_faults.FAULTS
        if fault.name not in _OF_ADVANTAGES_ONLY
    )
    advantages = FaultyVersion(
        "value-subtracted",
        lambda rewards, values, next_values, terminated, truncated, gamma, lam: (
            oracle(rewards, values, next_values, terminated, truncated, gamma, lam) - values
        ),
        "advantages are returned instead of returns",
        "V(s_t) is subtracted: a critic trained on these targets learns about 0.",
        "Add the values, or do not subtract them.",
        "the last line of the function",
        ("https://github.com/vwxyzjn/cleanrl/commit/95fcdd750205",),
    )
    return (*shared, advantages)


SPEC = FunctionContract(
    name="lambda-returns",
    title="TD(lambda) returns",
    explanation=__doc__ or "",
    parameters=gae.SPEC.parameters,
    outputs=(Output("returns", "TB"),),
    oracle=oracle,
    domain=domain,
    cases=gae.SPEC.cases,
    properties=(
        Property(
            "lambda-zero-is-td-target",
            "With lam = 0 a return is the one-step target.",
            "G_t = r_t + gamma * (1 - terminated_t) * V(s_{t+1}).",
            lambda_zero,
            varies=("lam",),
        ),
        Property(
            "own-value-is-not-used",
            "The value of the first step is no part of any return.",
            "A target that contains the prediction it is the target of teaches the critic itself.",
            values_unused,
        ),
        Property(
            "terminal-is-the-reward",
            "Nothing follows a terminal step: its return is the reward.",
            "A value that leaks through the end of an episode makes values drift upwards.",
            terminal_step,
            needs={"termination": rollouts.NO_TERMINATION},
        ),
        Property(
            "truncation-keeps-the-final-value",
            "A truncated step bootstraps from the state that it reached.",
            "G_t = r_t + gamma * V(s_{t+1}) with V of the last observation before the reset.",
            truncated_step,
            needs={"truncation": rollouts.NO_TRUNCATION},
        ),
        truncation_cut(),
        episode_independence(),
        column_independence(),
        credit(lambda case: case["gamma"] * case["lam"]),
        scaling(),
        sensitivity("gamma", 0.9, 0.5, "A discount without effect trains another objective."),
        sensitivity("lam", 0.95, 0.3, "A lambda without effect leaves one kind of return."),
        long_rollouts(rollouts.GAMMAS[2], {"lam": 0.95}),
    ),
    faults=_faults(),
    conventions=(rollouts.VALUES_LENGTH,),
    tolerance=gae.tolerance,
    notes=rollouts.merged_flag_note,
    words=("lambda_return", "td_lambda"),
)
CONTRACT = build(SPEC)
