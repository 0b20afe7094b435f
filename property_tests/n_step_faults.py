"""Wrong versions of n-step returns: the window, its weights, its end, and what is added after it.

All are small departures from one sum over a window,

    G_t = sum_{j < k} weight(j) * r_{t+j}  +  after(k) * bootstrap_{t+k-1}

where k is the number of steps up to the end of the window.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from property_tests import rollout_faults
from property_tests.framework.records import Array, FaultyVersion, Model
from property_tests.rollout_faults import later

Weight = Callable[[int], float]


def windows(
    rewards: Array, bootstrap: Array, stops: Array, length: int, weight: Weight, after: Weight
) -> Array:
    """The sum above [T, B]; a window ends after `length` steps, at a stop or with the rollout.

    Args:
        rewards: what is summed.
        bootstrap: what is added after the last step of a window, at that step.
        stops: steps that end a window, however long it is.
        length: steps of a full window.
        weight: steps back -> weight of a reward.
        after: steps in the window -> weight of the bootstrap.
    """
    steps = len(rewards)
    returns = np.zeros(rewards.shape)
    for t, b in np.ndindex(*rewards.shape):
        for k in range(t, steps):
            returns[t, b] += weight(k - t) * rewards[k, b]
            if stops[k, b] or k == steps - 1 or k - t == length - 1:
                returns[t, b] += after(k - t + 1) * bootstrap[k, b]
                break
    return returns


def _right(x: Any) -> dict[str, Any]:
    """The arguments of the definition."""
    return {
        "rewards": x.rewards,
        "bootstrap": x.next_values * ~x.terminated,
        "stops": x.terminated | x.truncated,
        "length": x.n,
        "weight": lambda j: x.gamma**j,
        "after": lambda k: x.gamma**k,
    }


def _one_early(x: Any) -> Array:
    """V of the state before the last step of a window, where the window is full."""
    return np.where(x.terminated, 0.0, x.values)


def _one_early_inside(x: Any) -> Array:
    """The same; what follows the last step of the rollout is right."""
    early = _one_early(x)
    early[-1] = np.where(x.terminated[-1], 0.0, x.next_values[-1])
    return early


def _one_late(x: Any) -> Array:
    """V two steps on, where there is one in the rollout."""
    reached = np.concatenate([x.next_values[1:], x.next_values[-1:]])
    ended = x.terminated | x.truncated
    return np.where(ended, x.next_values * ~x.terminated, reached)


def faults(oracle: Model) -> tuple[FaultyVersion, ...]:
    """Those of every target on rollouts, and those of the window."""

    def wrong(change: Callable[[Any], dict[str, Any]]) -> Model:
        @functools.wraps(oracle)
        def model(**inputs: Any) -> Array:
            x = SimpleNamespace(**inputs)
            return windows(**{**_right(x), **change(x)})

        return model

    def through_ends(values: Callable[[Any], Array]) -> Model:
        """Windows of n rewards whatever happens in them, with a bootstrap of one's own."""
        return wrong(lambda x: {"stops": np.zeros_like(x.terminated), "bootstrap": values(x)})

    def masked_by_any_end(**inputs: Any) -> Array:
        """Rewards run on through ends; one terminal step in the window drops the bootstrap."""
        x = SimpleNamespace(**inputs)
        nowhere = np.zeros_like(x.terminated)
        full = {**_right(x), "stops": nowhere}
        ended = windows(**{**full, "rewards": 1.0 * x.terminated, "bootstrap": 0.0 * x.rewards})
        rewards = windows(**{**full, "bootstrap": 0.0 * x.rewards})
        following = windows(**{**full, "rewards": 0.0 * x.rewards, "bootstrap": x.next_values})
        return rewards + following * (ended == 0.0)

    def incomplete(values: Callable[[Any, Array], Array]) -> Model:
        """The right windows, and something else where the rollout has no n further steps."""

        @functools.wraps(oracle)
        def model(**inputs: Any) -> Array:
            x = SimpleNamespace(**inputs)
            right = windows(**_right(x))
            short = np.arange(len(right))[:, None] > len(right) - x.n
            return np.where(short, values(x, right), right)

        return model

    def batch_mean(**inputs: Any) -> Array:
        right = windows(**_right(SimpleNamespace(**inputs)))
        return np.broadcast_to(right.mean(axis=1, keepdims=True), right.shape)

    def last_flag_of_window(**inputs: Any) -> Array:
        """Only the flag of the window's last step is looked at."""
        x = SimpleNamespace(**inputs)
        nowhere = np.zeros_like(x.terminated)
        return windows(**{**_right(x), "stops": nowhere})

    def forwards(**inputs: Any) -> Array:
        x = SimpleNamespace(**inputs)
        starts = later(x.terminated | x.truncated)
        turned = {"rewards": x.rewards[::-1], "stops": starts[::-1], "bootstrap": 0 * x.rewards}
        return windows(**{**_right(x), **turned})[::-1]

    masked, looked_at, backwards, averaged = (
        functools.wraps(oracle)(model)
        for model in (masked_by_any_end, last_flag_of_window, forwards, batch_mean)
    )
    return (
        *rollout_faults.shared(oracle),
        FaultyVersion(
            "bootstrap-discounted-once",
            wrong(lambda x: {"after": lambda k: x.gamma}),
            "the bootstrap is discounted with gamma instead of gamma^k",
            "The value after n rewards counts as if it came after one: over-estimation that grows "
            "with n.",
            "Discount the bootstrap with gamma to the number of rewards before it.",
            "the line that adds the bootstrap",
            (
                "https://github.com/HorizonRobotics/SocialRobot/pull/8",
                "https://github.com/qfettes/DeepRL-Tutorials/issues/1",
                "https://github.com/horoiwa/deep_reinforcement_learning_gallery/issues/19",
            ),
        ),
        FaultyVersion(
            "bootstrap-power-off-by-one",
            wrong(lambda x: {"after": lambda k: x.gamma ** (k - 1)}),
            "the bootstrap is discounted one time too few or too many",
            "gamma^(k-1), as for the last reward, or gamma^(k+1) stands before the value.",
            "Discount the bootstrap with gamma^k after k rewards.",
            "the line that adds the bootstrap",
            ("https://github.com/HorizonRobotics/SocialRobot/pull/8",),
            variants=(wrong(lambda x: {"after": lambda k: x.gamma ** (k + 1)}),),
        ),
        FaultyVersion(
            "bootstrap-power-fixed",
            wrong(lambda x: {"after": lambda k: x.gamma**x.n}),
            "a window that is cut short still discounts its bootstrap with gamma^n",
            "Near a time limit and near the end of the rollout fewer than n rewards precede the "
            "value; it is discounted as if there were n.",
            "Use the number of rewards that were really summed.",
            "the discount of the bootstrap, computed once outside the loop",
            ("https://github.com/ray-project/ray/issues/2929",),
        ),
        FaultyVersion(
            "bootstrap-undiscounted",
            wrong(lambda x: {"after": lambda k: 1.0}),
            "the bootstrap is added without discount",
            "V stands where gamma^k * V belongs.",
            "Multiply the bootstrap by gamma^k.",
            "the line that adds the bootstrap",
            ("https://github.com/HorizonRobotics/SocialRobot/pull/8",),
        ),
        FaultyVersion(
            "rewards-undiscounted",
            wrong(lambda x: {"weight": lambda j: 1.0}),
            "the rewards in the window are not discounted",
            "All of the n rewards count in full.",
            "Multiply the j-th reward by gamma^j, starting with j = 0.",
            "the sum over the window",
        ),
        FaultyVersion(
            "gamma-on-reward",
            wrong(lambda x: {"weight": lambda j: x.gamma ** (j + 1)}),
            "the first reward is discounted already",
            "The powers of gamma start at 1.",
            "Start the powers of gamma at 0.",
            "the sum over the window",
            variants=(
                wrong(
                    lambda x: {
                        "weight": lambda j: x.gamma ** (j + 1),
                        "after": lambda k: x.gamma ** (k + 1),
                    }
                ),
            ),
        ),
        FaultyVersion(
            "window-off-by-one",
            wrong(lambda x: {"length": x.n + 1}),
            "the window is one step too long or too short",
            "n + 1 or n - 1 rewards are summed before the bootstrap: a return, of another n.",
            "Sum the rewards of the steps t .. t + n - 1.",
            "the bounds of the range",
            ("https://github.com/ray-project/ray/issues/2929",),
            variants=(wrong(lambda x: {"length": max(x.n - 1, 1)}),),
        ),
        FaultyVersion(
            "bootstrap-state-early",
            wrong(lambda x: {"bootstrap": _one_early(x)}),
            "the bootstrap is V of the window's last state, not of the state that it leads to",
            "n rewards are followed by the value of s_{t+n-1}: its reward is counted twice.",
            "Bootstrap from V(s_{t+n}), which is `next_values[t + n - 1]`.",
            "the index of the bootstrap",
            ("https://github.com/DLR-RM/stable-baselines3/commit/fc9527157a67",),
            variants=(wrong(lambda x: {"bootstrap": _one_early_inside(x)}),),
        ),
        FaultyVersion(
            "bootstrap-state-late",
            wrong(lambda x: {"bootstrap": _one_late(x)}),
            "the bootstrap is V one state too late",
            "The reward between the window and the state is counted nowhere: `next_values` is "
            "shifted once more, although it holds V(s_{t+1}) already.",
            "Bootstrap from V(s_{t+n}), which is `next_values[t + n - 1]`.",
            "the index of the bootstrap",
            ("https://github.com/epignatelli/navix/pull/152",),
        ),
        FaultyVersion(
            "rewards-cross-ends",
            masked,
            "rewards of the next episode are summed",
            "The bootstrap is masked, the rewards in the window are not: an end inside the window "
            "lets the next episode's rewards in.",
            "Stop the sum at the end of the episode.",
            "the sum over the window",
            ("https://github.com/tensorflow/agents/issues/939",),
            variants=(looked_at, through_ends(lambda x: 0.0 * x.rewards)),
        ),
        FaultyVersion(
            "incomplete-windows-lost",
            incomplete(lambda x, right: 0.0 * right),
            "the last steps of the rollout have no return",
            "Where fewer than n steps follow, the answer is 0, or the reward alone.",
            "Sum what there is and bootstrap from the state after the last step.",
            "the bounds of the loop over t",
            (
                "https://github.com/ray-project/ray/issues/36013",
                "https://github.com/ray-project/ray/issues/3841",
            ),
            variants=(incomplete(lambda x, right: x.rewards),),
        ),
        FaultyVersion(
            "n-ignored",
            wrong(lambda x: {"length": 1}),
            "`n` has no effect",
            "Every return has one reward, or all of them, whatever n is set to.",
            "Sum n rewards.",
            "the bounds of the range",
            ("https://github.com/AgileRL/AgileRL/commit/611c57248f7d",),
            variants=(wrong(lambda x: {"length": len(x.rewards)}),),
        ),
        FaultyVersion(
            "prefix-sum",
            backwards,
            "rewards of the past are summed instead of the future",
            "The window lies before step t.",
            "Sum the steps t .. t + n - 1.",
            "the bounds of the range",
            ("https://github.com/takuseno/d3rlpy/commit/f1bf0b99152e",),
        ),
        FaultyVersion(
            "batch-averaged",
            averaged,
            "all environments get the same return",
            "A mean is taken over the batch.",
            "Reduce over time only.",
            "a reduction over the wrong axis",
        ),
    )
