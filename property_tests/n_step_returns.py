"""n-step returns: the rewards of at most n steps, then the value of the state that they lead to.

    G_t = sum_{j < k} gamma^j * r_{t+j}  +  gamma^k * V(s_{t+k})

with k = n, or less where the episode or the rollout ends sooner; V is 0 after termination and stays
where the episode was only cut.

References: Sutton and Barto 2018, eq. 7.1; time limits: Pardo et al. 2018, arXiv:1712.00378.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from property_tests import n_step_faults, rollouts
from property_tests.framework.build import build
from property_tests.framework.generic import sensitivity
from property_tests.framework.models import Run
from property_tests.framework.records import (
    Array,
    Case,
    Domain,
    FunctionContract,
    Mismatch,
    Property,
)
from property_tests.rollout_properties import (
    column_independence,
    episode_independence,
    long_rollouts,
    scaling,
    truncation_cut,
)
from rlcheck.functions.binding import Facts, Parameter
from rlcheck.functions.calling import Output

N = Parameter(
    "n",
    "",
    "number of rewards in a full window",
    aliases=("n_steps", "n_step", "nstep", "nsteps", "num_steps", "step_num", "k", "horizon"),
    hyper=True,
)
LENGTHS = (2, 3, 1, 4, 10)
VALUES_LENGTH = replace(
    rollouts.VALUES_LENGTH,
    only=lambda names: "values" in names and rollouts.VALUES_LENGTH.only(names),
)


def oracle(
    rewards: Array,
    values: Array,
    next_values: Array,
    terminated: Array,
    truncated: Array,
    gamma: float,
    n: int,
) -> Array:
    """Returns [T, B], each a sum of its own; `values` is what `next_values` is one step later."""
    steps = len(rewards)
    returns = np.zeros(rewards.shape)
    for t, b in np.ndindex(*rewards.shape):
        for k in range(t, min(t + n, steps)):
            returns[t, b] += gamma ** (k - t) * rewards[k, b]
            if terminated[k, b]:
                break
            if truncated[k, b] or k == min(t + n, steps) - 1:
                returns[t, b] += gamma ** (k - t + 1) * next_values[k, b]
                break
    return returns


def domain(names: frozenset[str], conventions: Facts) -> frozenset[str]:
    """As `rollouts.rollout_domain`, with `state-values` where V inside a rollout is known."""
    rollouts.require(names, "rewards")
    known = {"state-values"} if {"values", "next_values"} & names else set()
    return rollouts.rollout_domain(names, conventions) | known


def _known(case: Case, where: Domain) -> dict[str, Any]:
    """Without V inside the rollout windows can only end in states that are worth nothing."""
    if "state-values" in where:
        return dict(case)
    last = np.arange(len(case["rewards"]))[:, None] == len(case["rewards"]) - 1
    values, following = np.zeros_like(case["values"]), case["next_values"] * last
    return {**case, "values": values, "next_values": following}


def cases(where: Domain) -> st.SearchStrategy[Case]:
    """Rollouts of a few steps with windows that end inside, at an end and beyond the rollout."""
    drawn = rollouts.rollouts({"gamma": rollouts.GAMMAS, "n": LENGTHS})(where)
    return drawn.map(lambda case: _known(case, where))


def one_step(run: Run, case: Case) -> Mismatch | None:
    """G_t = r_t + gamma * V(s_{t+1})."""
    case = {**case, "n": 1}
    target = case["rewards"] + case["gamma"] * case["next_values"] * ~case["terminated"]
    return run.compare(case, target, "with n = 1 a return is the one-step target")


def whole_episode(run: Run, case: Case) -> Mismatch | None:
    """The Monte Carlo return, by recursion from the end."""
    case = {**case, "n": len(case["rewards"]) + 2}
    bootstrap = case["next_values"] * ~case["terminated"]
    ended = case["terminated"] | case["truncated"]
    returns, following = np.zeros_like(case["rewards"]), bootstrap[-1]
    for t in reversed(range(len(returns))):
        following = np.where(ended[t], bootstrap[t], following)
        returns[t] = following = case["rewards"][t] + case["gamma"] * following
    message = "with n beyond the rollout a return is the discounted sum up to the end"
    return run.compare(case, returns, message)


def one_more(run: Run, case: Case) -> Mismatch | None:
    """G_t^(n+1) = r_t + gamma * G_{t+1}^(n) inside an episode."""
    longer = {**case, "n": case["n"] + 1}
    shorter, ended = run(case), case["terminated"] | case["truncated"]
    expected = case["rewards"] + case["gamma"] * np.concatenate([shorter[1:], shorter[-1:]])
    inside = ~ended & (np.arange(len(ended)) < len(ended) - 1)[:, None]
    message = "a return of n + 1 steps is the reward and the discounted n-step return after it"
    return run.compare(longer, expected, message, where=inside)


def constant_value(run: Run, case: Case) -> Mismatch | None:
    """Where V is c everywhere and every reward is (1 - gamma) * c, so is every return."""
    level = np.full_like(case["rewards"], 4.0)
    nowhere = np.zeros_like(case["terminated"])
    flat = {
        **case,
        "rewards": (1.0 - case["gamma"]) * level,
        "values": level,
        "next_values": level,
        "terminated": nowhere,
        "truncated": nowhere,
    }
    message = "rewards that keep V as it is should give returns of V, whatever n is"
    return run.compare(flat, level, message)


def terminal_step(run: Run, case: Case) -> Mismatch | None:
    """G_t = r_t where t terminates."""
    message = "nothing follows a terminal step: its return is the reward"
    return run.compare(case, case["rewards"], message, where=case["terminated"])


def truncated_step(run: Run, case: Case) -> Mismatch | None:
    """G_t = r_t + gamma * V(s_{t+1}) where t is cut."""
    expected = case["rewards"] + case["gamma"] * case["next_values"]
    message = "a truncated step keeps the value of the state that it reached, before the reset"
    return run.compare(case, expected, message, where=case["truncated"] & ~case["terminated"])


def last_reward(run: Run, case: Case) -> Mismatch | None:
    """One more reward at the last step reaches n - 1 steps back and no further."""
    rewards = case["rewards"].copy()
    rewards[-1] += 1.0
    ended = (case["terminated"] | case["truncated"])[:-1]
    back = np.arange(len(rewards))[::-1, None]
    clear = np.concatenate([np.cumsum(ended[::-1], axis=0)[::-1] == 0, ended[:1] >= 0])
    clear = clear if len(ended) else np.ones_like(rewards, dtype=bool)
    expected = run(case) + float(case["gamma"]) ** back * (clear & (back < case["n"]))
    message = (
        "one more reward at the last step did not reach the n - 1 steps before it as it should"
    )
    return run.compare({**case, "rewards": rewards}, expected, message)


def _long() -> Property:
    """The definition holds at production length too."""
    prop = long_rollouts(rollouts.GAMMAS[2], {"n": 5})
    drawn = prop.cases
    assert drawn is not None  # it has inputs of its own
    return replace(prop, cases=lambda where: drawn(where).map(lambda case: _known(case, where)))


NO_VALUES = "it takes no values: only windows that end in worthless states can be told"
PROPERTIES = (
    Property(
        "one-step-is-the-td-target",
        "With n = 1 a return is the one-step target.",
        "G_t = r_t + gamma * (1 - terminated_t) * V(s_{t+1}). Shows mistakes in the bootstrap apart "
        "from those in the sum.",
        one_step,
        varies=("n",),
    ),
    Property(
        "beyond-the-end-is-monte-carlo",
        "With n at least the length of the rollout a return is the discounted sum up to the end.",
        "The window ends where the episode or the rollout does, and the bootstrap is discounted "
        "with the number of rewards really summed.",
        whole_episode,
        varies=("n",),
    ),
    Property(
        "one-more-step-is-one-more-reward",
        "A return of n + 1 steps is the reward and the discounted n-step return after it.",
        "G_t^(n+1) = r_t + gamma * G_{t+1}^(n) inside an episode: an identity of the function with "
        "itself that needs no oracle.",
        one_more,
        varies=("n",),
    ),
    Property(
        "constant-value-is-a-fixed-point",
        "Where V is c and every reward (1 - gamma) * c, every return is c, whatever n is.",
        "A bootstrap discounted with gamma instead of gamma^n makes returns grow with n: values "
        "drift upwards without end.",
        constant_value,
        needs={"state-values": NO_VALUES, "bootstrap": "it takes no value after the last step"},
    ),
    Property(
        "terminal-is-the-reward",
        "Nothing follows a terminal step: its return is the reward.",
        "A value or a reward that leaks through the end of an episode is credited to actions that "
        "had no part in it.",
        terminal_step,
        needs={"termination": rollouts.NO_TERMINATION},
    ),
    Property(
        "truncation-keeps-the-final-value",
        "A truncated step bootstraps from the state that it reached.",
        "G_t = r_t + gamma * V(s_{t+1}) with V of the last observation before the reset.",
        truncated_step,
        needs={"truncation": rollouts.NO_TRUNCATION},
        references=("https://arxiv.org/abs/1712.00378",),
    ),
    Property(
        "reward-reaches-n-steps",
        "A reward counts for its own step and the n - 1 steps before it, within its episode.",
        "With one unit more at the last step the return j < n steps before grows by gamma^j, and "
        "no other does.",
        last_reward,
    ),
    truncation_cut(),
    episode_independence(),
    column_independence(),
    scaling(),
    sensitivity("gamma", 0.9, 0.5, "A discount without effect trains another objective."),
    sensitivity("n", 1, 3, "An n without effect leaves one-step or Monte Carlo returns."),
    _long(),
)

SPEC = FunctionContract(
    name="n-step-returns",
    title="n-step returns",
    explanation=__doc__ or "",
    parameters=(
        rollouts.REWARDS,
        rollouts.VALUES,
        rollouts.NEXT_VALUES,
        rollouts.LAST_VALUE,
        *rollouts.FLAGS,
        rollouts.GAMMA,
        N,
    ),
    outputs=(Output("returns", "TB"),),
    oracle=oracle,
    domain=domain,
    cases=cases,
    properties=PROPERTIES,
    faults=n_step_faults.faults(oracle),
    conventions=(VALUES_LENGTH,),
    notes=rollouts.merged_flag_note,
    words=("n_step", "nstep", "multi_step_return", "multistep_return"),
)
CONTRACT = build(SPEC)
