"""What an environment hands out at random play: flags, rewards, observations."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from gymnasium import spaces

from ladders.environment_faults import ALIASED, DOES_NOT_CONFORM, NOT_FINITE, OUTSIDE, TIME_LIMIT
from ladders.environment_interface import INTERFACE
from ladders.environment_subject import EnvironmentSubject
from ladders.environment_walk import Event, equal, show, walk
from rlcheck.records import Check, Context, Evidence, Outcome, Status, Trial, one_trial

EPISODES = 20
STEPS = 3000
MOST_STEPS = 20_000
KEPT = 200
ROUNDING = 4
"""Units in the last place by which a float may lie beyond a bound: what rounding explains."""

# --- flags ----------------------------------------------------------------------------------------


def watch_flags(subject: EnvironmentSubject, trial: Trial, context: Context) -> Evidence:
    """Types of the flags, and how the first episodes of random play end."""
    limits = context.facts.get("time_limits", ())
    # Enough for episodes that all run into their time limit.
    steps = min(max(STEPS, EPISODES * min(limits, default=0)), MOST_STEPS)
    ends: list[dict[str, Any]] = []
    numpy_bools = False
    with subject.fresh() as env:
        for event in walk(env, trial.seed, episodes=EPISODES, steps=steps):
            flags = {"terminated": event.terminated, "truncated": event.truncated}
            for name, flag in flags.items():
                if not isinstance(flag, bool | np.bool_):
                    return {"wrong": f"`{name}` at {event.place} is {_typed(flag)}", "ends": []}
            numpy_bools = numpy_bools or any(isinstance(f, np.bool_) for f in flags.values())
            if event.ends:
                ends.append({"steps": event.step, **{k: bool(v) for k, v in flags.items()}})
                context.progress(len(ends) / EPISODES, f"episode {len(ends)} of {EPISODES}")
    return {"wrong": "", "ends": ends, "numpy_bools": numpy_bools, "limits": list(limits)}


def _typed(value: Any) -> str:
    return "None" if value is None else f"{show(value)}, of type {type(value).__name__}"


def judge_flags(evidence: Evidence, context: Context) -> Outcome:
    """Bools, and not the one a copy of the other, and no time limit under `terminated`."""
    if evidence["wrong"]:
        message = f"{evidence['wrong']}; expected a bool"
        return Outcome(Status.FAILED, message, evidence, {DOES_NOT_CONFORM: 0.95})
    ends = evidence["ends"]
    notes = ("the flags are NumPy bools; Gymnasium asks for Python ones",)[
        : int(evidence["numpy_bools"])
    ]
    lengths = {end["steps"] for end in ends}
    every = len(ends) >= EPISODES
    if every and len(lengths) == 1 and lengths != {1} and all(end["terminated"] for end in ends):
        return _fixed_length(evidence, lengths.pop(), notes)
    if every and len(lengths) > 1 and all(end["terminated"] and end["truncated"] for end in ends):
        message = (
            f"`terminated` and `truncated` are both true at each of {len(ends)} ends, after "
            f"{min(lengths)} to {max(lengths)} steps; expected `truncated` at time limits only"
        )
        return Outcome(Status.FAILED, message, evidence, {TIME_LIMIT: 0.9}, notes)
    return Outcome(
        Status.PASSED, f"both flags are bools in {len(ends)} episodes", evidence, {}, notes
    )


def _fixed_length(evidence: Evidence, length: int, notes: tuple[str, ...]) -> Outcome:
    """All episodes terminate after the same number of steps: a time limit, if one is known."""
    count = len(evidence["ends"])
    if length in evidence["limits"]:
        message = (
            f"each of {count} episodes of random play ends with terminated=True after {length} steps, "
            "which is its time limit; expected terminated=False and truncated=True there"
        )
        return Outcome(Status.FAILED, message, evidence, {TIME_LIMIT: 0.95}, notes)
    note = (
        f"each of {count} episodes of random play ends with terminated=True after {length} steps; "
        "if that is a time limit, it should be truncated=True instead"
    )
    message = f"both flags are bools in {count} episodes"
    return Outcome(Status.PASSED, message, evidence, {}, (*notes, note))


FLAGS = Check(
    name="environment/flags-are-booleans-and-apart",
    title="`terminated` and `truncated` are bools, and a time limit sets only the second.",
    explanation=(
        "A terminated episode has no future, a truncated one would have gone on: agents bootstrap "
        "after the second only. Twenty episodes of random play that all terminate after exactly as "
        "many steps as the registered time limit, or whose flags are always both true, show that the "
        "two were merged. Without a known limit, equal lengths are only remarked on."
    ),
    trial=watch_flags,
    judge=one_trial(judge_flags),
    requires=(INTERFACE.name,),
    catches=(TIME_LIMIT,),
    references=("https://arxiv.org/abs/1712.00378",),
)

# --- rewards --------------------------------------------------------------------------------------


def watch_rewards(subject: EnvironmentSubject, trial: Trial, context: Context) -> Evidence:
    """The first reward that is no finite number, and how many were looked at."""
    count = 0
    with subject.fresh() as env:
        for event in walk(env, trial.seed, episodes=EPISODES, steps=STEPS):
            if event.step and (wrong := _wrong_reward(event.reward)):
                return {"wrong": f"the reward of {event.place} is {wrong}", "rewards": count}
            count += event.step > 0
    return {"wrong": "", "rewards": count}


def _wrong_reward(reward: Any) -> str:
    if np.ndim(reward) != 0:
        return f"an array of shape {np.shape(reward)}"
    try:
        number = float(reward)
    except (TypeError, ValueError):
        return _typed(reward)
    return "" if np.isfinite(number) else str(number)


def judge_rewards(evidence: Evidence, context: Context) -> Outcome:
    """Every reward is one finite number."""
    if evidence["wrong"]:
        message = f"{evidence['wrong']}; expected one finite number"
        return Outcome(Status.FAILED, message, evidence, {NOT_FINITE: 0.95})
    message = f"all of {evidence['rewards']} rewards are finite numbers"
    return Outcome(Status.PASSED, message, evidence)


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
    count, rounded = 0, False
    with subject.fresh() as env:
        for event in walk(env, trial.seed, episodes=EPISODES, steps=STEPS):
            count += 1
            if event.observation in env.observation_space:
                continue
            if _only_rounded(event.observation, env.observation_space):
                rounded = True
                continue
            why = _why_outside(event.observation, env.observation_space)
            return {"wrong": f"the observation of {event.place} {why}", "observations": count}
    return {"wrong": "", "observations": count, "rounded": rounded}


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

# --- observations: not overwritten ----------------------------------------------------------------


def keep_observations(subject: EnvironmentSubject, trial: Trial, context: Context) -> Evidence:
    """The first observation that is another one after the walk than when it was handed out."""
    with subject.fresh() as env:
        seen: list[tuple[Event, Any]] = [
            (event, copy.deepcopy(event.observation))
            for event in walk(env, trial.seed, episodes=EPISODES, steps=KEPT)
        ]
    for event, was in seen:
        if not equal(event.observation, was):
            now = show(event.observation)
            return {"changed": event.place, "was": show(was), "now": now, "observations": len(seen)}
    return {"changed": "", "observations": len(seen)}


def judge_kept(evidence: Evidence, context: Context) -> Outcome:
    """Every observation is still what it was."""
    if evidence["changed"]:
        message = (
            f"the observation of {evidence['changed']} was {evidence['was']} when it was returned "
            f"and is {evidence['now']} after later steps; expected an array of its own"
        )
        return Outcome(Status.FAILED, message, evidence, {ALIASED: 0.95})
    message = f"{evidence['observations']} observations are still what they were"
    return Outcome(Status.PASSED, message, evidence)


KEPT_OBSERVATIONS = Check(
    name="environment/observation-not-aliased",
    title="An observation that was kept is not changed by later steps.",
    explanation=(
        "A replay buffer or a rollout may hold the array that `step` returned. If the environment "
        "writes into it again, all stored observations become the last one, and so do the next "
        "observations beside them."
    ),
    trial=keep_observations,
    judge=one_trial(judge_kept),
    requires=(INTERFACE.name,),
    catches=(ALIASED,),
    references=("https://github.com/google-deepmind/dm_control/issues/34",),
)
