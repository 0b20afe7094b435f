"""What an environment hands out at random play: finite rewards, observations inside their space."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from ladders.environment_faults import NOT_FINITE, OUTSIDE
from ladders.environment_interface import INTERFACE
from ladders.environment_play import random_play
from ladders.environment_subject import EnvironmentSubject
from ladders.environment_walk import show
from rlcheck.records import Check, Context, Evidence, Outcome, Status, Trial, one_trial

ROUNDING = 4
"""Units in the last place by which a float may lie beyond a bound: what rounding explains."""

# --- rewards --------------------------------------------------------------------------------------


def watch_rewards(subject: EnvironmentSubject, trial: Trial, context: Context) -> Evidence:
    """The first reward that is no finite number, and how many were looked at."""
    play = random_play(subject, trial.seed, context)
    steps = [event for event in play.events if event.step]
    wrong = next(
        (f"the reward of {e.place} is {w}" for e in steps if (w := _wrong_reward(e.reward))), ""
    )
    return {"wrong": wrong, "rewards": len(steps), "left_out": list(play.notes)}


def _wrong_reward(reward: Any) -> str:
    if np.ndim(reward) != 0:
        return f"an array of shape {np.shape(reward)}"
    try:
        number = float(reward)
    except (TypeError, ValueError):
        return "None" if reward is None else f"{show(reward)}, of type {type(reward).__name__}"
    return "" if np.isfinite(number) else str(number)


def judge_rewards(evidence: Evidence, context: Context) -> Outcome:
    """Every reward is one finite number."""
    if evidence["wrong"]:
        message = f"{evidence['wrong']}; expected one finite number"
        return Outcome(Status.FAILED, message, evidence, {NOT_FINITE: 0.95})
    message = f"all of {evidence['rewards']} rewards are finite numbers"
    return Outcome(Status.PASSED, message, evidence, {}, tuple(evidence["left_out"]))


REWARDS = Check(
    name="environment/rewards-finite",
    title="Every reward is one finite number.",
    explanation=(
        "One NaN or infinite reward turns the target, the loss and then all weights into NaN; an array "
        "broadcasts against the batch. Looked for in up to 3,000 steps of random play."
    ),
    trial=watch_rewards,
    judge=one_trial(judge_rewards),
    requires=(INTERFACE.name,),
    catches=(NOT_FINITE,),
    references=("https://github.com/openai/gym/issues/1184",),
)

# --- observations: inside their space -------------------------------------------------------------


def watch_observations(subject: EnvironmentSubject, trial: Trial, context: Context) -> Evidence:
    """The first observation outside of the space, and how many were looked at."""
    play = random_play(subject, trial.seed, context)
    with subject.fresh() as env:
        space = env.observation_space
    rounded = False
    for event in play.events:
        if event.observation in space:
            continue
        if _only_rounded(event.observation, space):
            rounded = True
            continue
        why = _why_outside(event.observation, space)
        wrong = f"the observation of {event.place} {why}"
        return {"wrong": wrong, "observations": len(play.events)}
    return {"wrong": "", "observations": len(play.events), "rounded": rounded}


def _only_rounded(observation: Any, space: spaces.Space) -> bool:
    """Whether nothing but the last bits of a float lie beyond the bounds of a Box."""
    if not isinstance(space, spaces.Box) or not isinstance(observation, np.ndarray):
        return False
    if observation.shape != space.shape or not np.can_cast(observation.dtype, space.dtype):
        return False
    if not np.issubdtype(space.dtype, np.floating):
        return False
    unit = float(np.finfo(space.dtype).eps)
    low, high = (np.asarray(bound, dtype=np.float64) for bound in (space.low, space.high))
    with np.errstate(invalid="ignore"):
        beyond = np.maximum(low - observation, observation - high)
        slack = ROUNDING * unit * np.maximum(1.0, np.minimum(np.abs(low), np.abs(high)))
        return bool(np.all(beyond <= slack))


def _why_outside(observation: Any, space: spaces.Space) -> str:
    if not isinstance(space, spaces.Box):
        return f"is {show(observation)}, which is not in {space}"
    if not isinstance(observation, np.ndarray):
        return f"is of type {type(observation).__name__}; expected an array of {space}"
    if observation.shape != space.shape:
        return f"has shape {observation.shape}, the space says {space.shape}"
    outside = ~((observation >= space.low) & (observation <= space.high))
    if not outside.any():
        return f"is of {observation.dtype}, the space says {space.dtype}"
    where = tuple(int(index) for index in np.argwhere(outside)[0])
    return (
        f"is {observation[where]:.6g} at index {list(where)}, "
        f"outside [{space.low[where]:.6g}, {space.high[where]:.6g}]"
    )


def judge_observations(evidence: Evidence, context: Context) -> Outcome:
    """Every observation lies in the space."""
    if evidence["wrong"]:
        message = f"{evidence['wrong']}; expected every observation in `observation_space`"
        return Outcome(Status.FAILED, message, evidence, {OUTSIDE: 0.95})
    note = "some observations lie beyond a bound of their space by no more than rounding"
    message = f"all of {evidence['observations']} observations lie in their space"
    notes = (note,) if evidence["rounded"] else ()
    return Outcome(Status.PASSED, message, evidence, {}, notes)


OBSERVATIONS = Check(
    name="environment/observations-in-space",
    title="Every observation lies in the declared observation space.",
    explanation=(
        "Agents allocate buffers, scale images and clip by what the space says. Shape, type and bounds "
        "of every observation are compared with it in up to 3,000 steps of random play."
    ),
    trial=watch_observations,
    judge=one_trial(judge_observations),
    requires=(INTERFACE.name,),
    catches=(OUTSIDE,),
    references=("https://gymnasium.farama.org/api/spaces/",),
)
