"""Discounted returns up to the end of the episode.

    G_t = sum_{k >= t} gamma^(k - t) * r_k  +  gamma^(n) * V(s_{t+n})

summed up to the first end of an episode; the value of the state reached after these n steps is added
where the episode was cut (truncated, or at the end of the rollout) and not where it terminated.

References: Sutton and Barto 2018, eq. 3.9; time limits: Pardo et al. 2018, arXiv:1712.00378.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from property_tests import rollouts
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
from property_tests.rollout_faults import NORMALISED, turned
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

_LIMITS = "https://arxiv.org/abs/1712.00378"
_LOOP = "the backward loop"


def oracle(
    rewards: Array, next_values: Array, terminated: Array, truncated: Array, gamma: float
) -> Array:
    """Returns [T, B] as the sum of the definition."""
    steps = len(rewards)
    returns = np.zeros(rewards.shape)
    for t, b in np.ndindex(*rewards.shape):
        for k in range(t, steps):
            returns[t, b] += gamma ** (k - t) * rewards[k, b]
            if terminated[k, b]:
                break
            if truncated[k, b] or k == steps - 1:
                returns[t, b] += gamma ** (k - t + 1) * next_values[k, b]
                break
    return returns


def domain(names: frozenset[str], conventions: Facts) -> frozenset[str]:
    """On which rollouts the parameters determine the answer; see `rollouts.rollout_domain`."""
    rollouts.require(names, "rewards")
    return rollouts.rollout_domain(names, conventions)


def terminal_step(run: Run, case: Case) -> Mismatch | None:
    """G_t = r_t where t terminates."""
    message = "nothing follows a terminal step: its return is the reward"
    return run.compare(case, case["rewards"], message, where=case["terminated"])


def truncated_step(run: Run, case: Case) -> Mismatch | None:
    """G_t = r_t + gamma * V(s_{t+1}) where t is cut."""
    expected = case["rewards"] + case["gamma"] * case["next_values"]
    message = "a truncated step keeps the value of the state that it reached, before the reset"
    return run.compare(case, expected, message, where=case["truncated"] & ~case["terminated"])


def no_discount(run: Run, case: Case) -> Mismatch | None:
    """With gamma = 0 returns are rewards."""
    case = {**case, "gamma": 0.0}
    return run.compare(case, case["rewards"], "with gamma = 0 a return is the reward")


def _returns(rewards, bootstrap, carry, gamma) -> Array:
    """G_t = r_t + gamma * (carry_t * G_{t+1} + bootstrap_t)."""
    returns, following = np.zeros_like(rewards), np.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        returns[t] = following = rewards[t] + gamma * (carry[t] * following + bootstrap[t])
    return returns


def _cuts(terminated, truncated) -> Array:
    """Steps after which the value of the state reached stands for the rest."""
    cuts = truncated & ~terminated
    cuts[-1] |= ~terminated[-1]
    return cuts


def _right(rewards, next_values, terminated, truncated, gamma) -> Array:
    bootstrap = next_values * _cuts(terminated, truncated)
    return _returns(rewards, bootstrap, ~(terminated | truncated), gamma)


def _ends_ignored(rewards, next_values, terminated, truncated, gamma):
    nowhere = np.zeros_like(terminated)
    return _right(rewards, next_values, nowhere, nowhere, gamma)


def _terminal_bootstrap(rewards, next_values, terminated, truncated, gamma):
    return _right(rewards, next_values, np.zeros_like(terminated), terminated | truncated, gamma)


def _truncation_as_terminal(rewards, next_values, terminated, truncated, gamma):
    return _right(rewards, next_values, terminated | truncated, truncated, gamma)


def _truncation_ignored(rewards, next_values, terminated, gamma):
    return _right(rewards, next_values, terminated, np.zeros_like(terminated), gamma)


def _both_as_truncation(rewards, next_values, terminated, truncated, gamma):
    return _right(rewards, next_values, terminated & ~truncated, truncated, gamma)


def _done_late(rewards, next_values, terminated, truncated, gamma):
    none = np.zeros_like(terminated[:1])
    late, cut = (np.concatenate([none, flags[:-1]]) for flags in (terminated, truncated))
    return _right(rewards, next_values, late, cut, gamma)


def _done_early(rewards, next_values, terminated, truncated, gamma):
    none = np.zeros_like(terminated[:1])
    early, cut = (np.concatenate([flags[1:], none]) for flags in (terminated, truncated))
    return _right(rewards, next_values, early, cut, gamma)


def _last_bootstrap_missing(rewards, next_values, terminated, truncated, gamma):
    reached = next_values.copy()
    reached[-1] = 0.0
    return _right(rewards, reached, terminated, truncated, gamma)


def _undiscounted_bootstrap(rewards, next_values, terminated, truncated, gamma):
    extra = next_values * _cuts(terminated, truncated)
    ended = terminated | truncated
    return _returns(rewards + extra, np.zeros_like(rewards), ~ended, gamma)


def _undiscounted(rewards, next_values, terminated, truncated):
    return _right(rewards, next_values, terminated, truncated, 1.0)


def _gamma_on_reward(rewards, next_values, terminated, truncated, gamma):
    return gamma * _right(rewards, next_values, terminated, truncated, gamma)


def _gamma_twice(rewards, next_values, terminated, truncated, gamma):
    return _right(rewards, next_values, terminated, truncated, gamma * gamma)


def _absolute_time(rewards, next_values, terminated, truncated, gamma):
    weights = gamma ** np.arange(len(rewards))[:, None]
    return weights * _right(rewards, next_values, terminated, truncated, gamma)


def _prefix_sum(rewards, next_values, terminated, truncated, gamma):
    returns, before = np.zeros_like(rewards), np.zeros_like(rewards[0])
    for t in range(len(rewards)):
        returns[t] = before = rewards[t] + gamma * before
        before = before * ~(terminated[t] | truncated[t])
    return returns


def _cumulative(rewards, next_values, terminated, truncated, gamma):
    """A cumulative sum of rewards that are discounted from the start."""
    weights = gamma ** np.arange(len(rewards))[:, None]
    return np.cumsum(weights * rewards, axis=0)


def _total(rewards, next_values, terminated, truncated, gamma):
    right = _right(rewards, next_values, terminated, truncated, gamma)
    started = np.concatenate([np.ones_like(terminated[:1]), (terminated | truncated)[:-1]])
    first = np.zeros_like(rewards[0])
    for t in range(len(rewards)):
        right[t] = first = np.where(started[t], right[t], first)
    return right


def _reward_late(rewards, next_values, terminated, truncated, gamma):
    late = np.concatenate([np.zeros_like(rewards[:1]), rewards[:-1]])
    return _right(late, next_values, terminated, truncated, gamma)


def _reward_early(rewards, next_values, terminated, truncated, gamma):
    early = np.concatenate([rewards[1:], np.zeros_like(rewards[:1])])
    return _right(early, next_values, terminated, truncated, gamma)


def _terminal_reward_lost(rewards, next_values, terminated, truncated, gamma):
    return _right(rewards * ~terminated, next_values, terminated, truncated, gamma)


def _reversed(rewards, next_values, terminated, truncated, gamma):
    return _right(rewards, next_values, terminated, truncated, gamma)[::-1]


def _any_column(rewards, next_values, terminated, truncated, gamma):
    ended, cut = (
        np.broadcast_to(flags.any(axis=1, keepdims=True), flags.shape)
        for flags in (terminated, truncated)
    )
    return _right(rewards, next_values, ended, cut, gamma)


def _fault(
    name, model, title, explanation, fix, *references, where=_LOOP, variants=()
) -> FaultyVersion:
    return FaultyVersion(name, model, title, explanation, fix, where, references, variants=variants)


FAULTS = (
    _fault(
        "ends-ignored",
        _ends_ignored,
        "the ends of episodes are ignored",
        "The sum runs on into the next episode.",
        "Start again from the bootstrap at each end.",
        "https://github.com/oxwhirl/pymarl/issues/109",
    ),
    _fault(
        "terminal-bootstrap",
        _terminal_bootstrap,
        "the value after a terminal step is counted",
        "The bootstrap is not masked with (1 - terminated).",
        "Bootstrap only where the episode goes on.",
        "https://github.com/pytorch/rl/commit/cdcd9f32a201",
    ),
    _fault(
        "truncation-as-terminal",
        _truncation_as_terminal,
        "truncation is treated as termination",
        "At a time limit the rest of the episode is worth nothing.",
        "Add gamma * V(final observation) where truncated.",
        _LIMITS,
    ),
    _fault(
        "truncation-ignored",
        _truncation_ignored,
        "the sum runs through a time limit into the next episode",
        "What follows a truncated step in the rollout belongs to another episode.",
        "Stop at every end of an episode.",
        "https://github.com/tensorflow/agents/issues/939",
        "https://github.com/takuseno/d3rlpy/commit/452c57849dff",
    ),
    _fault(
        "both-flags-as-truncation",
        _both_as_truncation,
        "a step with both flags counts as truncated",
        "A task that ends exactly at its time limit has ended; here it is bootstrapped.",
        "Let `terminated` win.",
        "https://github.com/Farama-Foundation/Gymnasium/commit/e5c44c8e8695",
    ),
    _fault(
        "done-late",
        _done_late,
        "the end of an episode is applied one step late",
        "The mask of step t is the flag of step t - 1.",
        "Use the flag of the same step.",
        "https://github.com/DLR-RM/stable-baselines3/commit/2cd6a4f93bee",
    ),
    _fault(
        "done-early",
        _done_early,
        "the end of an episode is applied one step early",
        "The reward of a terminal step never reaches the steps that earned it.",
        "Use the flag of the same step.",
        "https://github.com/AechPro/rlgym-ppo/pull/23",
    ),
    _fault(
        "last-bootstrap-missing",
        _last_bootstrap_missing,
        "the last step of the rollout has no bootstrap",
        "A rollout that stops inside an episode is treated as if it had ended there.",
        "Start the sum from V of the state after the last step.",
        "https://github.com/vwxyzjn/cleanrl/issues/16",
    ),
    _fault(
        "bootstrap-undiscounted",
        _undiscounted_bootstrap,
        "the bootstrap is added without discount",
        "V stands where gamma * V belongs.",
        "Discount the value of the state reached.",
        "https://github.com/HorizonRobotics/SocialRobot/pull/8",
    ),
    _fault(
        "gamma-ignored",
        _undiscounted,
        "rewards are summed without discount",
        "gamma has no effect.",
        "Multiply the carried return by gamma.",
    ),
    _fault(
        "gamma-on-reward",
        _gamma_on_reward,
        "the reward of the step itself is discounted",
        "The sum starts with gamma * r_t.",
        "Start the powers of gamma at 0.",
    ),
    _fault(
        "gamma-twice",
        _gamma_twice,
        "the discount is applied twice",
        "gamma^2 stands for gamma.",
        "Discount in one place.",
    ),
    _fault(
        "absolute-time-discount",
        _absolute_time,
        "returns are discounted from the start of the rollout",
        "gamma^k counts steps from the start instead of from t: late steps hardly count.",
        "Use gamma^(k - t).",
    ),
    _fault(
        "prefix-sum",
        _prefix_sum,
        "rewards of the past are summed instead of the future",
        "The recursion runs forwards in time.",
        "Loop over reversed(range(T)).",
        "https://github.com/takuseno/d3rlpy/commit/f1bf0b99152e",
        variants=(_cumulative,),
    ),
    _fault(
        "whole-episode-return",
        _total,
        "every step gets the return of its episode's first step",
        "Steps are credited with rewards from before them: right on average, with more variance, "
        "but these are no returns from step t.",
        "Sum from step t on.",
    ),
    _fault(
        "reward-late",
        _reward_late,
        "rewards are one step late",
        "Step t is credited with the reward of step t - 1.",
        "Store the reward beside the action that earned it.",
        "https://github.com/ray-project/ray/issues/31009",
    ),
    _fault(
        "reward-early",
        _reward_early,
        "rewards are one step early",
        "Step t is credited with the reward of step t + 1.",
        "Store the reward beside the action that earned it.",
        "https://github.com/epignatelli/navix/pull/152",
    ),
    _fault(
        "terminal-reward-lost",
        _terminal_reward_lost,
        "the reward of a terminal step is masked away",
        "The mask multiplies the reward too.",
        "Mask what follows, not the reward.",
        "https://github.com/AechPro/rlgym-ppo/pull/23",
    ),
    _fault(
        "time-reversed",
        _reversed,
        "the returns come out in reversed order",
        "A list that was filled backwards is not turned round again.",
        "Reverse the list once at the end.",
    ),
    _fault(
        "normalised-inside",
        turned(oracle, NORMALISED[0]),
        "the returns are normalised inside the function",
        "They lose their scale: no critic can use them.",
        "Return plain returns; normalise where the loss is computed.",
        variants=tuple(turned(oracle, turn) for turn in NORMALISED[1:]),
    ),
    _fault(
        "end-in-any-environment",
        _any_column,
        "the end of one environment's episode ends them all",
        "Flags are reduced with any().",
        "Keep one flag an environment.",
    ),
)

SPEC = FunctionContract(
    name="discounted-returns",
    title="Discounted returns",
    explanation=__doc__ or "",
    parameters=(
        replace(rollouts.REWARDS, aliases=(*rollouts.REWARDS.aliases, "x")),
        rollouts.NEXT_VALUES,
        rollouts.LAST_VALUE,
        *rollouts.FLAGS,
        rollouts.GAMMA,
    ),
    outputs=(Output("returns", "TB"),),
    oracle=oracle,
    domain=domain,
    cases=rollouts.rollouts({"gamma": rollouts.GAMMAS}, without=("values",)),
    properties=(
        Property(
            "gamma-zero-is-the-reward",
            "With gamma = 0 a return is the reward.",
            "Shows mistakes in the rewards apart from those in the recursion.",
            no_discount,
            varies=("gamma",),
        ),
        Property(
            "terminal-is-the-reward",
            "Nothing follows a terminal step: its return is the reward.",
            "A value or a reward that leaks through the end of an episode is credited to actions "
            "that had no part in it.",
            terminal_step,
            needs={"termination": rollouts.NO_TERMINATION},
        ),
        Property(
            "truncation-keeps-the-final-value",
            "A truncated step bootstraps from the state that it reached.",
            "G_t = r_t + gamma * V(s_{t+1}) with V of the last observation before the reset.",
            truncated_step,
            needs={"truncation": rollouts.NO_TRUNCATION},
            references=(_LIMITS,),
        ),
        truncation_cut(),
        episode_independence(),
        column_independence(),
        credit(lambda case: case["gamma"]),
        scaling(),
        sensitivity("gamma", 0.9, 0.5, "A discount without effect trains another objective."),
        long_rollouts(rollouts.GAMMAS[2], {}),
    ),
    faults=FAULTS,
    notes=rollouts.merged_flag_note,
    words=(
        "discounted_return",
        "compute_returns",
        "returns_to_go",
        "reward_to_go",
        "rewards_to_go",
    ),
)
CONTRACT = build(SPEC)
