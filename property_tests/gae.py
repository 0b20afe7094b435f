"""Generalised advantage estimation: the definition, and what holds for every implementation.

    delta_t = r_t + gamma * (1 - terminated_t) * V(s_{t+1}) - V(s_t)
    A_t     = sum_{k >= t} (gamma * lam)^(k - t) * delta_k,   k up to the first end of an episode

Faulty versions stand in `gae_faults.py`.

References: Schulman et al. 2016, arXiv:1506.02438, eq. 16; time limits: Pardo et al. 2018,
arXiv:1712.00378.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from property_tests import losses, masked_steps, rollouts
from property_tests.framework.build import build
from property_tests.framework.generic import sensitivity
from property_tests.framework.models import Run
from property_tests.framework.records import (
    Array,
    Case,
    Convention,
    Domain,
    FunctionContract,
    Mismatch,
    Model,
    Outputs,
    Property,
)
from property_tests.gae_faults import FAULTS, MASK_FAULTS
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
) -> tuple[Array, Array]:
    """Advantages and returns, [T, B] each, as the double sum of the definition."""
    steps, columns = rewards.shape
    advantages = np.zeros((steps, columns))
    for b in range(columns):
        for t in range(steps):
            for k in range(t, steps):
                bootstrap = 0.0 if terminated[k, b] else next_values[k, b]
                delta = rewards[k, b] + gamma * bootstrap - values[k, b]
                advantages[t, b] += (gamma * lam) ** (k - t) * delta
                if terminated[k, b] or truncated[k, b]:
                    break
    return advantages, advantages + values


def compressed(model: Model, mask: Array, steps: str, inputs: dict[str, Any]) -> Any:
    """Advantages and returns of complete episodes [T, B] in which some steps are masked, 0 there.

    Skipped steps are left out, so that the step before one is followed by the step after it.
    """
    advantages, returns = np.zeros(mask.shape), np.zeros(mask.shape)
    for b in range(mask.shape[1]):
        where = np.flatnonzero(mask[:, b]) if steps == masked_steps.SKIPPED else slice(None)
        episode = _episode(*((inputs[n] * mask)[where, b, None] for n in ("rewards", "values")))
        own = model(**{name: episode.get(name, value) for name, value in inputs.items()})
        first, second = own if isinstance(own, tuple) else (own, own + episode["values"])
        advantages[where, b], returns[where, b] = first[:, 0], second[:, 0]
    return advantages * mask, returns * mask


def _episode(rewards: Array, values: Array) -> dict[str, Array]:
    """A complete episode [T, 1]."""
    terminated = np.zeros(rewards.shape, bool)
    terminated[-1] = True
    return {
        "rewards": rewards,
        "values": values,
        "next_values": np.concatenate([values[1:], np.zeros((1, 1))]),
        "terminated": terminated,
        "truncated": np.zeros(rewards.shape, bool),
    }


def domain(names: frozenset[str], conventions: Facts) -> frozenset[str]:
    """On which rollouts the parameters determine the answer; see `rollouts.rollout_domain`.

    A mask settles it for complete episodes only: beside end flags or a bootstrap value it would be
    open whose end, or what value, a masked step carries.
    """
    rollouts.require(names, "rewards", "values")
    can = rollouts.rollout_domain(names, conventions)
    settled = "mask" in names and not can & {"termination", "bootstrap"}
    return can | {"mask"} if settled else can


def read(outputs: Outputs, facts: Facts) -> Outputs:
    """(advantages, returns), whichever the function returns first; 0 where the mask is false."""
    if facts["first"] == "returns":
        returns, *rest = outputs
        outputs = (rest[0], returns) if rest else (returns - facts["values"],)
    mask = facts.get("mask", np.True_)
    return tuple(np.where(mask, output, 0.0) for output in outputs)


def skipped(run: Run, case: Case) -> Mismatch | None:
    """A column with masked steps is the column without them."""
    if run.fitted.conventions["masked_steps"] != masked_steps.SKIPPED:
        return None
    expected = np.zeros(case["mask"].shape)
    for b, kept in enumerate(case["mask"].T):
        shorter = _episode(*(case[name][kept, b, None] for name in ("rewards", "values")))
        shorter["mask"] = np.ones(shorter["rewards"].shape, bool)
        expected[kept, b] = run({**case, **shorter})[:, 0]
    message = "an answer with masked steps should be that of the steps that count, put together"
    return run.compare(case, expected, message, where=case["mask"])


def tolerance(case: Case, epsilon: float) -> float:
    """Rounding error of the recursion: each step adds one of its terms, and fades like a trace."""
    largest = max(float(np.abs(case[name]).max()) for name in ("rewards", "values", "next_values"))
    decay = case["gamma"] * case["lam"]
    horizon = min(len(case["rewards"]), 1.0 / (1.0 - decay) if decay < 1.0 else np.inf)
    return float(16.0 * epsilon * (1.0 + 3.0 * largest) * horizon**2)


def lambda_zero(run: Run, case: Case) -> Mismatch | None:
    """A_t = delta_t."""
    case = {**case, "lam": 0.0}
    bootstrap = np.where(case["terminated"], 0.0, case["next_values"])
    td_errors = case["rewards"] + case["gamma"] * bootstrap - case["values"]
    return run.compare(case, td_errors, "with lam = 0 an advantage is the one-step TD error")


def lambda_one(run: Run, case: Case) -> Mismatch | None:
    """A_t + V(s_t) telescopes to the discounted return of the episode."""
    case = {**case, "lam": 1.0}
    ended = case["terminated"] | case["truncated"]
    bootstrap = np.where(case["terminated"], 0.0, case["next_values"])
    returns = np.zeros_like(case["rewards"])
    following = bootstrap[-1]
    for t in reversed(range(len(returns))):
        following = np.where(ended[t], bootstrap[t], following)
        returns[t] = following = case["rewards"][t] + case["gamma"] * following
    message = "with lam = 1 an advantage is the discounted return minus the value"
    return run.compare(case, returns - case["values"], message)


def terminal_step(run: Run, case: Case) -> Mismatch | None:
    """A_t = r_t - V(s_t) where t terminates."""
    expected = case["rewards"] - case["values"]
    message = "nothing follows a terminal step: its advantage is reward minus value"
    return run.compare(case, expected, message, where=case["terminated"])


def truncated_step(run: Run, case: Case) -> Mismatch | None:
    """A_t = r_t + gamma * V(s_{t+1}) - V(s_t) where t is cut."""
    expected = case["rewards"] + case["gamma"] * case["next_values"] - case["values"]
    message = "a truncated step keeps the value of the state that it reached, before the reset"
    return run.compare(case, expected, message, where=case["truncated"] & ~case["terminated"])


def both_flags(run: Run, case: Case) -> Mismatch | None:
    """Where both flags are set, the truncation changes nothing."""
    terminal = {**case, "truncated": case["truncated"] & ~case["terminated"]}
    message = (
        "a step with both flags is a terminal step: dropping `truncated` there changes nothing"
    )
    return run.compare(case, run(terminal), message)


def worked_examples(where: Domain) -> st.SearchStrategy[Case]:
    """The source chapter's five steps with lam 0 and 0.95."""
    terminated = np.zeros((5, 1), bool)
    # Without an end flag the end is told by a value of 0 after it.
    terminated[-1] = {"termination", "end-flag"} <= where.can or "bootstrap" not in where
    values = np.array([[5.0], [4.0], [3.0], [2.0], [1.0]])
    case = {
        "rewards": np.array([[1.0], [0.0], [0.0], [0.0], [10.0]]),
        "values": values,
        "next_values": np.concatenate([values[1:], [[0.0]]]),
        "terminated": terminated,
        "truncated": np.zeros((5, 1), bool),
        "gamma": 0.99,
    }
    return st.sampled_from([0.0, 0.95]).map(lambda lam: {**case, "lam": lam})


def worked_example(run: Run, case: Case) -> Mismatch | None:
    """Numbers that were worked out by hand, to four decimals."""
    by_hand = {
        0.0: [-0.04, -1.03, -1.02, -1.01, 9.0],
        0.95: [4.2905, 4.6045, 5.9910, 7.4545, 9.0],
    }
    expected, got = np.array(by_hand[case["lam"]])[:, None], run(case)
    message = "the worked example comes out differently"
    where = np.abs(got - expected) > 6e-5 + run.tolerance(case)
    return run.compare(case, expected, message, got=got, where=where)


def returns_output(run: Run, case: Case) -> Mismatch | None:
    """The second output is A_t + V(s_t)."""
    advantages, returns = run.outputs(case)[:2]
    message = "the returns handed out beside the advantages should be advantages + values"
    return run.compare(case, advantages + case["values"], message, got=returns)


PLAIN = (
    Property(
        "worked-example",
        "Five steps worked out by hand come out right.",
        "rewards [1, 0, 0, 0, 10], values [5, 4, 3, 2, 1], a terminal end, gamma 0.99: the TD "
        "errors are -0.04, -1.03, -1.02, -1.01, 9; with lam 0.95 the first advantage is 4.2905.",
        worked_example,
        cases=worked_examples,
        varies=("gamma", "lam"),
    ),
    Property(
        "lambda-zero-is-td-error",
        "With lam = 0 an advantage is the one-step TD error.",
        "A_t = r_t + gamma * (1 - terminated_t) * V(s_{t+1}) - V(s_t). The limit needs no oracle "
        "and shows mistakes in the TD error apart from those in the trace.",
        lambda_zero,
        varies=("lam",),
    ),
    Property(
        "lambda-one-is-return-minus-value",
        "With lam = 1 an advantage is the discounted return minus the value.",
        "The sum of TD errors telescopes: all values in between cancel, and what is left is "
        "G_t - V(s_t). It holds with a bootstrap that is not 0, where many tests are blind.",
        lambda_one,
        varies=("lam",),
    ),
    Property(
        "terminal-has-no-bootstrap",
        "Nothing follows a terminal step: A_t = r_t - V(s_t).",
        "A value that leaks through the end of an episode teaches the critic that dying pays; "
        "values drift upwards and the agent is content with early ends.",
        terminal_step,
        needs={"termination": rollouts.NO_TERMINATION},
    ),
    Property(
        "truncation-keeps-the-final-value",
        "A truncated step bootstraps from the state that it reached.",
        "A_t = r_t + gamma * V(s_{t+1}) - V(s_t) with V of the last observation before the reset. "
        "Treated as terminal, a time limit looks like failure; with V of the reset observation "
        "the target is that of another episode.",
        truncated_step,
        needs={"truncation": rollouts.NO_TRUNCATION},
        references=("https://arxiv.org/abs/1712.00378",),
    ),
    truncation_cut(),
    Property(
        "both-flags-are-terminal",
        "A step that carries both flags counts as terminal.",
        "A task may end at the very step of its time limit. Nothing follows then: the bootstrap "
        "is 0.",
        both_flags,
        needs={"both-flags": "it does not take `terminated` and `truncated` as two flags"},
    ),
    episode_independence(),
    column_independence(),
    credit(lambda case: case["gamma"] * case["lam"]),
    scaling(),
    sensitivity(
        "gamma",
        0.9,
        0.5,
        "A discount that is hard-coded, shadowed or passed to the wrong parameter trains without "
        "complaint, towards another objective.",
    ),
    sensitivity(
        "lam",
        0.95,
        0.3,
        "A lambda that changes nothing leaves TD errors or Monte Carlo returns, whatever is set.",
    ),
    long_rollouts(rollouts.GAMMAS[2], {"lam": 0.95}),
    Property(
        "returns-are-advantages-plus-values",
        "The returns beside the advantages are advantages + values.",
        "They are the critic's targets. Made from stale or zero advantages they equal the critic's "
        "own prediction: the value loss is about 0 and nothing is learned.",
        returns_output,
        needs={"output returns": "it returns advantages only"},
    ),
)

CASES = rollouts.rollouts({"gamma": rollouts.GAMMAS, "lam": rollouts.LAMBDAS})
PROPERTIES = (
    *masked_steps.where_all_count(PLAIN, CASES, "rewards"),
    masked_steps.content(("rewards", "values")),
    Property(
        "masked-steps-are-skipped",
        "An episode with masked steps gives what its other steps give, put together.",
        "In a conversation of several turns, what a tool or the user said lies between two turns of "
        "the policy. Counted as steps, it fades every later reward by gamma * lam a token and "
        "bootstraps from a value of 0.",
        skipped,
        cases=masked_steps.some_masked(CASES, "rewards"),
        needs={"mask": masked_steps.NO_MASK},
    ),
)

SPEC = FunctionContract(
    name="gae",
    title="Generalised advantage estimation",
    explanation=__doc__ or "",
    parameters=(
        rollouts.REWARDS,
        rollouts.VALUES,
        rollouts.NEXT_VALUES,
        rollouts.LAST_VALUE,
        *rollouts.FLAGS,
        rollouts.GAMMA,
        rollouts.LAM,
        masked_steps.mask_parameter("TB"),
        losses.convention_parameter("masked_steps"),
    ),
    outputs=(Output("advantages", "TB"), Output("returns", "TB")),
    oracle=masked_steps.masked(oracle, compressed),
    domain=domain,
    cases=masked_steps.some_masked(CASES, "rewards"),
    properties=PROPERTIES,
    faults=(*masked_steps.masked_faults(FAULTS, compressed), *MASK_FAULTS),
    conventions=(
        Convention("first", ("advantages", "returns"), "what is returned first or alone"),
        # With one value more than steps it would be open which of them the mask belongs to.
        replace(
            rollouts.VALUES_LENGTH,
            only=lambda names: not {"next_values", "last_value", "mask"} & names,
        ),
        masked_steps.STEPS,
    ),
    read=read,
    tolerance=tolerance,
    notes=rollouts.merged_flag_note,
    words=("gae", "generalized_advantage", "generalised_advantage"),
)
CONTRACT = build(SPEC)
