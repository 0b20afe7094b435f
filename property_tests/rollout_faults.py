"""Mistakes that every target on rollouts can have: right formula, wrong rewards, flags or values.

Each is a change of the inputs, so a contract gets its executable version by giving its oracle the
changed ones. Faults in a formula itself stand with its contract.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from property_tests.framework.models import evaluate
from property_tests.framework.records import Array, FaultyVersion, Model

Change = Callable[[Any], dict[str, Any]]
"""Canonical inputs -> those of them that are replaced."""

_SB3_DONE = "https://github.com/DLR-RM/stable-baselines3/commit/2cd6a4f93bee"
_GOAL_LOST = "https://github.com/AechPro/rlgym-ppo/pull/23"
_RESETS = "https://github.com/micdoh/XLRON/pull/34"
_LIMITS = "https://arxiv.org/abs/1712.00378"
_LOOP = "the backward loop, and the flags that it reads"
_COLLECT = "where the rollout is collected: what is stored for which step"


def later(array: Array) -> Array:
    """Row t holds row t - 1."""
    return np.concatenate([np.zeros_like(array[:1]), array[:-1]])


def earlier(array: Array) -> Array:
    """Row t holds row t + 1."""
    return np.concatenate([array[1:], np.zeros_like(array[:1])])


def changed(oracle: Model, change: Change) -> Model:
    """The oracle on changed inputs."""

    @functools.wraps(oracle)
    def model(**inputs: Any) -> Any:
        return oracle(**{**inputs, **change(SimpleNamespace(**inputs))})

    return model


def turned(oracle: Model, turn: Callable[[Array], Array]) -> Model:
    """The oracle with each of its outputs changed."""

    @functools.wraps(oracle)
    def model(**inputs: Any) -> Any:
        return tuple(turn(output) for output in evaluate(oracle, inputs))

    return model


def standardised(ddof: int, axis: int | None) -> Callable[[Array], Array]:
    """With NumPy's standard deviation or torch's, over everything or over each column."""

    def turn(array: Array) -> Array:
        if (array.size if axis is None else array.shape[axis]) <= ddof:
            return np.full_like(array, np.nan)
        spread = array.std(axis=axis, ddof=ddof) + 1e-8
        return (array - array.mean(axis=axis)) / spread

    return turn


NORMALISED: tuple[Callable[[Array], Array], ...] = (
    standardised(0, None),
    standardised(1, None),
    standardised(0, 0),
    standardised(1, 0),
    lambda array: array - array.mean(),
)


def _of_next_row(x: Any) -> Array:
    """V of the next row, whatever episode it belongs to."""
    return np.concatenate([x.values[1:], x.next_values[-1:]])


def _nowhere(x: Any) -> Array:
    return np.zeros_like(x.terminated)


def _unmasked(x: Any) -> dict[str, Any]:
    """Every end is a cut, so that the value after it counts."""
    return {"terminated": _nowhere(x), "truncated": x.terminated | x.truncated}


def _joined(x: Any) -> dict[str, Any]:
    """Episodes run into each other."""
    return {"terminated": _nowhere(x), "truncated": _nowhere(x)}


def _any_column(flags: Array) -> Array:
    return np.broadcast_to(flags.any(axis=1, keepdims=True), flags.shape)


def _last(x: Any, value: Any) -> Array:
    reached = x.next_values.copy()
    reached[-1] = value
    return reached


_ENTRIES: tuple[tuple[str, tuple[Change, ...], str, str, str, str, tuple[str, ...]], ...] = (
    (
        "terminal-bootstrap",
        (_unmasked, lambda x: {**_unmasked(x), "next_values": _of_next_row(x)}),
        "the value after a terminal step is counted",
        "The bootstrap is not multiplied by (1 - terminated): ending the episode is worth as much "
        "as whatever state follows in the array.",
        "Multiply the bootstrap by 1 - terminated.",
        _LOOP,
        ("https://github.com/pytorch/rl/commit/cdcd9f32a201",),
    ),
    (
        "ends-ignored",
        (_joined, lambda x: {**_joined(x), "next_values": _of_next_row(x)}),
        "the ends of episodes are ignored",
        "The rollout is treated as one episode: rewards and values of the next one flow back.",
        "Stop at every end of an episode, and bootstrap only where it did not terminate.",
        _LOOP,
        (_RESETS, "https://github.com/oxwhirl/pymarl/issues/109"),
    ),
    (
        "truncation-as-terminal",
        (lambda x: {"terminated": x.terminated | x.truncated},),
        "truncation is treated as termination",
        "At a time limit the rest of the episode is worth nothing, by a clock that the agent does "
        "not see.",
        "Bootstrap from V of the state reached wherever `terminated` is false.",
        "`done = terminated | truncated` in the rollout loop",
        ("https://github.com/vwxyzjn/cleanrl/issues/198", _LIMITS),
    ),
    (
        "truncation-ignored",
        (
            lambda x: {"truncated": _nowhere(x)},
            lambda x: {"truncated": _nowhere(x), "next_values": _of_next_row(x)},
        ),
        "the sum runs through a time limit into the next episode",
        "What follows a truncated step in the rollout belongs to another episode.",
        "Stop at every end of an episode, with V of the state reached where it was cut.",
        _LOOP,
        (
            "https://github.com/tensorflow/agents/issues/939",
            "https://github.com/Toni-SM/skrl/issues/224",
        ),
    ),
    (
        "reset-bootstrap",
        (lambda x: {"next_values": _of_next_row(x)},),
        "a truncated step bootstraps from the state after the reset",
        "V of the next row is that of another episode's first state.",
        "Store V of the observation that was reached before the reset.",
        _COLLECT,
        ("https://github.com/DLR-RM/stable-baselines3/commit/0c50d75ecb62", _RESETS),
    ),
    (
        "both-flags-as-truncation",
        (lambda x: {"terminated": x.terminated & ~x.truncated},),
        "a step with both flags counts as truncated",
        "A task that ends exactly at its time limit has ended; here it is bootstrapped.",
        "Let `terminated` win.",
        _LOOP,
        ("https://github.com/Farama-Foundation/Gymnasium/commit/e5c44c8e8695",),
    ),
    (
        "done-late",
        (lambda x: {"terminated": later(x.terminated), "truncated": later(x.truncated)},),
        "the end of an episode is applied one step late",
        "The mask of step t is the flag of step t - 1: values leak through terminal steps.",
        "Use the flag of the same step.",
        _COLLECT,
        (_SB3_DONE, "https://github.com/luchris429/purejaxrl/commit/a9e996e08437"),
    ),
    (
        "done-early",
        (lambda x: {"terminated": earlier(x.terminated), "truncated": earlier(x.truncated)},),
        "the end of an episode is applied one step early",
        "The reward of the last step never reaches the steps that earned it.",
        "Use the flag of the same step.",
        _COLLECT,
        (_GOAL_LOST, _SB3_DONE),
    ),
    (
        "end-in-any-environment",
        (
            lambda x: {
                "terminated": _any_column(x.terminated),
                "truncated": _any_column(x.truncated),
            },
        ),
        "the end of one environment's episode ends them all",
        "Flags are reduced over the batch.",
        "Keep one flag an environment.",
        _LOOP,
        ("https://github.com/Eclectic-Sheep/sheeprl/pull/181",),
    ),
    (
        "bootstrap-missing",
        (lambda x: {"next_values": np.zeros_like(x.next_values)},),
        "no value is ever added",
        "Only rewards count: whatever lies beyond them is worth nothing.",
        "Add the discounted value of the state that the last reward led to.",
        "the line that adds the bootstrap",
        ("https://github.com/ray-project/ray/issues/36013",),
    ),
    (
        "last-bootstrap-missing",
        (lambda x: {"next_values": _last(x, 0.0)},),
        "the last step of the rollout has no bootstrap",
        "A rollout that stops inside an episode is treated as if it had ended there.",
        "Bootstrap from V of the state after the last step.",
        "the line before the loop",
        ("https://github.com/vwxyzjn/cleanrl/issues/16",),
    ),
    (
        "stale-last-value",
        (lambda x: {"next_values": _last(x, x.values[-1])},),
        "the last step bootstraps from its own state",
        "V of the state in which the last action was taken stands for V of the state it led to.",
        "Evaluate the critic on the observation after the last step.",
        _COLLECT,
        (
            "https://github.com/DLR-RM/stable-baselines3/commit/fc9527157a67",
            "https://github.com/micdoh/XLRON/pull/50",
        ),
    ),
    (
        "gamma-ignored",
        (lambda x: {"gamma": 1.0},),
        "nothing is discounted",
        "gamma has no effect.",
        "Discount each further step by gamma.",
        _LOOP,
        (),
    ),
    (
        "gamma-twice",
        (lambda x: {"gamma": x.gamma**2},),
        "the discount is applied twice",
        "gamma^2 stands for gamma.",
        "Discount in one place.",
        _LOOP,
        (),
    ),
    (
        "reward-late",
        (lambda x: {"rewards": later(x.rewards)},),
        "rewards are one step late",
        "Step t is credited with the reward of step t - 1.",
        "Store the reward beside the action that earned it.",
        _COLLECT,
        ("https://github.com/ray-project/ray/issues/31009",),
    ),
    (
        "reward-early",
        (lambda x: {"rewards": earlier(x.rewards)},),
        "rewards are one step early",
        "Step t is credited with the reward of step t + 1.",
        "Store the reward beside the action that earned it.",
        _COLLECT,
        ("https://github.com/epignatelli/navix/pull/152",),
    ),
    (
        "reward-sign-flipped",
        (lambda x: {"rewards": -x.rewards},),
        "the reward is subtracted",
        "The agent learns to avoid reward.",
        "Add the reward.",
        _LOOP,
        (),
    ),
    (
        "terminal-reward-lost",
        (
            lambda x: {"rewards": x.rewards * ~x.terminated},
            lambda x: {"rewards": x.rewards * ~(x.terminated | x.truncated)},
        ),
        "the reward of a terminal step is masked away",
        "The mask multiplies the reward too: in many tasks the only reward is lost.",
        "Mask what follows, not the reward.",
        _LOOP,
        (_GOAL_LOST,),
    ),
)


def shared(oracle: Model) -> tuple[FaultyVersion, ...]:
    """The faults that an oracle on rollouts has by its inputs, and those of what it hands out.

    Args:
        oracle: takes at least `rewards, values, next_values, terminated, truncated, gamma`.
    """
    of_inputs = tuple(
        FaultyVersion(
            name,
            changed(oracle, changes[0]),
            title,
            explanation,
            fix,
            where,
            references,
            variants=tuple(changed(oracle, change) for change in changes[1:]),
        )
        for name, changes, title, explanation, fix, where, references in _ENTRIES
    )
    of_outputs = (
        FaultyVersion(
            "time-reversed",
            turned(oracle, lambda array: array[::-1]),
            "the answer comes out in reversed order",
            "A list that was filled backwards is not turned round again.",
            "Reverse the list once at the end, or write by index.",
            "the end of the function",
        ),
        FaultyVersion(
            "normalised-inside",
            turned(oracle, NORMALISED[0]),
            "the answer is normalised inside the function",
            "Targets lose their scale: no critic can use them.",
            "Return them as they are; normalise where the loss is computed.",
            "the end of the function",
            variants=tuple(turned(oracle, turn) for turn in NORMALISED[1:]),
        ),
    )
    return (*of_inputs, *of_outputs)
