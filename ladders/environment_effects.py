"""Whether actions do anything: what different ones lead to, from the same state."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from ladders.environment_clock import Clock, clock
from ladders.environment_interface import INTERFACE
from ladders.environment_policies import plain_actions
from ladders.environment_subject import EnvironmentSubject
from ladders.environment_task_faults import ACTION_IGNORED
from ladders.environment_walk import copied, equal, show
from ladders.large_actions import relaxation_note
from rlcheck.records import Check, Context, Evidence, Outcome, Status, Trial, one_trial

FORKS = 60
"""Places at which the effects of different actions are compared."""
DEPTH = 12
LASTING = 6
"""Steps for which the same action goes on after the fork: an effect may take a while to show."""
EPISODES, LONGEST = 5, 400
"""Whole episodes that must be alike too before an environment is said to ignore its actions."""


def fork(subject: EnvironmentSubject, trial: Trial, context: Context) -> Evidence:
    """Which actions ever lead elsewhere than the first one, from the same seed and past."""
    timer = clock(context)
    with subject.fresh() as env:
        space, actions = env.action_space, plain_actions(env.action_space, most=8)
        alike = {(i, j) for j in range(len(actions)) for i in range(j)}
        rng = np.random.default_rng(trial.seed)
        forks = 0
        for index in range(FORKS if len(actions) > 1 else 0):
            if timer.over(index, FORKS, "forks"):
                break
            env.action_space.seed(trial.seed + index)
            past = [env.action_space.sample() for _ in range(int(rng.integers(DEPTH)))]
            futures = [_future(env, trial.seed + index, past, action) for action in actions]
            if not futures[0]:  # the episode ended on the way to the fork
                continue
            alike = {(i, j) for i, j in alike if equal(futures[i], futures[j])}
            forks += 1
            if not alike:
                break
    half = _half_as_good(subject, trial.seed, actions) if forks else False
    if forks and len(alike) == len(actions) * (len(actions) - 1) // 2:
        late = _matters_late(subject, trial.seed, actions, clock(context))
    else:
        late = False
    return {
        "actions": [show(action) for action in actions],
        "alike": sorted(alike),
        "forks": forks,
        "late": late,
        "saturated": half,
        "too_many": relaxation_note(space),
        "left_out": list(timer.notes),
    }


def _matters_late(subject: EnvironmentSubject, seed: int, actions: list[Any], timer: Clock) -> bool:
    """Whether whole episodes of one action, and of random ones, ever differ: effects may come late."""
    with subject.fresh() as env:
        for index in range(EPISODES):
            env.action_space.seed(seed + index)
            drawn = [env.action_space.sample() for _ in range(LONGEST)]
            futures = [_future(env, seed + index, [], action, LONGEST) for action in actions]
            futures += [_replayed(env, seed + index, drawn)]
            if not all(equal(futures[0], other) for other in futures[1:]):
                return True
            if timer.over(index + 1, EPISODES, "episodes"):
                break
    return False


def _replayed(env: Any, seed: int, actions: list[Any]) -> list[Any]:
    env.reset(seed=seed)
    seen: list[Any] = []
    for action in actions:
        observation, reward, terminated, truncated, _ = env.step(action)
        seen += [copied(observation), float(reward), bool(terminated)]
        if terminated or truncated:
            break
    return seen


def _future(env: Any, seed: int, past: list[Any], action: Any, steps: int = LASTING) -> list[Any]:
    """What a few steps of one action give after the same past."""
    env.reset(seed=seed)
    for one in past:
        _, _, terminated, truncated, _ = env.step(one)
        if terminated or truncated:
            break
    else:
        seen: list[Any] = []
        for _ in range(steps):
            observation, reward, terminated, truncated, _ = env.step(action)
            seen += [copied(observation), float(reward), bool(terminated)]
            if terminated or truncated:
                break
        return seen
    return []


def _half_as_good(subject: EnvironmentSubject, seed: int, actions: list[Any]) -> bool:
    """Whether half of the largest action does exactly what the largest does: a clip inside."""
    with subject.fresh() as env:
        space = env.action_space
        if not isinstance(space, spaces.Box) or not np.issubdtype(space.dtype, np.floating):
            return False
        middle = (space.low + space.high) / 2
        for sign in (1.0, -1.0):
            whole = middle + sign * (space.high - space.low) / 2
            half = middle + sign * (space.high - space.low) / 4
            futures = [
                _future(env, seed, [], part.astype(space.dtype)) for part in (whole, half, middle)
            ]
            if not equal(futures[0], futures[1]) or equal(futures[0], futures[2]):
                return False
    return True


def judge_effects(evidence: Evidence, context: Context) -> Outcome:
    """Some action does something; equal ones and silent clips are remarked on."""
    notes, names = tuple(evidence["left_out"]), evidence["actions"]
    notes += (evidence["too_many"],) if evidence["too_many"] else ()
    forks = evidence["forks"]
    if not forks:
        return Outcome(Status.PASSED, "only one action to try", evidence, {}, notes)
    pairs = len(names) * (len(names) - 1) // 2
    if evidence["late"]:
        remark = (
            f"no action made a difference within {LASTING} steps of any of {forks} states, but whole "
            "episodes differ: effects come late, or in few states"
        )
        return Outcome(Status.PASSED, "actions matter late", evidence, {}, (*notes, remark))
    if len(evidence["alike"]) == pairs and forks >= 20:
        message = (
            f"none of {len(names)} actions changes anything: from {forks} states, {LASTING} steps of "
            "each give the same observations, rewards and ends, and so do whole episodes; expected "
            "actions to matter"
        )
        return Outcome(Status.FAILED, message, evidence, {ACTION_IGNORED: 0.9}, notes)
    if evidence["alike"] and forks >= 20:
        one, other = evidence["alike"][0]
        remark = (
            f"actions {names[one]} and {names[other]} did the same from all of {forks} states: one of "
            "them is superfluous, or not executed"
        )
        notes = (*notes, remark)
    if evidence["saturated"]:
        remark = (
            "half of the largest action does exactly what the largest does: actions are clipped "
            "inside; declare the action space that is really used"
        )
        notes = (*notes, remark)
    return Outcome(Status.PASSED, f"actions matter in {forks} states", evidence, {}, notes)


EFFECTS = Check(
    name="environment/actions-matter",
    title="Different actions lead to different outcomes.",
    explanation=(
        "From the same seed and the same random past, six steps of each action are compared. If none of "
        "them ever makes a difference, the environment ignores its actions. Two that never differ, and "
        "a largest action that does what half of it does (a silent clip), are remarked on, and so is a "
        "choice among so many actions that a relaxation of it will not fit in memory."
    ),
    trial=fork,
    judge=one_trial(judge_effects),
    requires=(INTERFACE.name, "environment/rewards-finite"),
    catches=(ACTION_IGNORED,),
    references=("https://gymnasium.farama.org/api/env/#gymnasium.Env.step",),
)
