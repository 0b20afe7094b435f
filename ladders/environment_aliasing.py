"""Whether what an environment handed out stays what it was."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np

from ladders.environment_clock import Clock, clock
from ladders.environment_faults import ALIASED, INFO_ALIASED
from ladders.environment_interface import INTERFACE
from ladders.environment_subject import EnvironmentSubject
from ladders.environment_walk import Event, equal, first_difference, kept, show, walk
from rlcheck.records import Check, Context, Evidence, Outcome, Settings, Status, Trial, one_trial

EPISODES = 20
KEPT = 200
WRITTEN = 60

# --- observations ---------------------------------------------------------------------------------


def keep_observations(subject: EnvironmentSubject, trial: Trial, context: Context) -> Evidence:
    """The first observation that is another one after the walk than when it was handed out."""
    timer = clock(context)
    with subject.fresh() as env:
        seen: list[tuple[Event, Any]] = [
            (event, copy.deepcopy(event.observation))
            for event in walk(env, trial.seed, episodes=EPISODES, steps=KEPT, clock=timer)
        ]
    found = {"changed": "", "observations": len(seen), "left_out": list(timer.notes)}
    for event, was in seen:
        if not equal(event.observation, was):
            now = show(event.observation)
            return {**found, "changed": event.place, "was": show(was), "now": now}
    return {**found, "written": _written_through(subject, trial.seed, clock(context, share=0.5))}


def _written_through(subject: EnvironmentSubject, seed: int, timer: Clock) -> str:
    """Where a walk parts after its observations were overwritten by the one who received them."""
    with subject.fresh() as env:
        plain = kept(walk(env, seed, episodes=3, steps=WRITTEN, clock=timer))
    spoilt: list[Event] = []
    with subject.fresh() as env:
        for event in walk(env, seed, episodes=3, steps=len(plain)):
            spoilt += kept(iter([event]))
            _overwrite(event.observation)
    part = first_difference(plain, spoilt)
    return part["where"] if part else ""


def _overwrite(observation: Any) -> None:
    if isinstance(observation, np.ndarray) and observation.flags.writeable:
        observation.fill(0)
    elif isinstance(observation, Mapping):
        for part in observation.values():
            _overwrite(part)
    elif isinstance(observation, tuple | list):
        for part in observation:
            _overwrite(part)


def judge_kept(evidence: Evidence, context: Context) -> Outcome:
    """Every observation is still what it was."""
    notes = tuple(evidence["left_out"])
    if evidence["changed"]:
        message = (
            f"the observation of {evidence['changed']} was {evidence['was']} when it was returned "
            f"and is {evidence['now']} after later steps; expected an array of its own"
        )
        return Outcome(Status.FAILED, message, evidence, {ALIASED: 0.95}, notes)
    if evidence["written"]:
        remark = (
            "an observation is the environment's own state: where its receiver writes into it, as "
            f"in-place normalisation does, {evidence['written']} comes out different; return a copy"
        )
        notes = (*notes, remark)
    message = f"{evidence['observations']} observations are still what they were"
    return Outcome(Status.PASSED, message, evidence, {}, notes)


KEPT_OBSERVATIONS = Check(
    name="environment/observation-not-aliased",
    title="An observation that was kept is not changed by later steps.",
    explanation=(
        "A replay buffer or a rollout may hold the array that `step` returned. If the environment "
        "writes into it again, all stored observations become the last one, and so do the next "
        "observations beside them. An observation that is the internal state itself, but is replaced "
        "rather than overwritten by the next step, is remarked on."
    ),
    trial=keep_observations,
    judge=one_trial(judge_kept),
    requires=(INTERFACE.name,),
    catches=(ALIASED,),
    references=("https://github.com/google-deepmind/dm_control/issues/34",),
)

# --- infos ----------------------------------------------------------------------------------------


def keep_infos(subject: EnvironmentSubject, trial: Trial, context: Context) -> Evidence:
    """The first entry of an info that is another one after the walk."""
    timer = clock(context, share=0.5)
    seen: list[tuple[Event, dict[str, Any]]] = []
    with subject.fresh() as env:
        for event in walk(env, trial.seed, episodes=EPISODES, steps=KEPT, clock=timer):
            seen.append((event, _plain(event.info)))
    for event, was in seen:
        now = _plain(event.info)
        for name in {**was, **now}:
            if not (name in was and name in now and equal(was[name], now[name])):
                return {
                    "changed": f"info[{name!r}] of {event.place}",
                    "was": show(was[name]) if name in was else "missing",
                    "now": show(now[name]) if name in now else "missing",
                    "left_out": [],
                }
    return {"changed": "", "infos": len(seen), "left_out": list(timer.notes)}


def _plain(info: Any) -> dict[str, Any]:
    """Copies of the numbers, texts and arrays in an info; other objects may live as they like."""
    if not isinstance(info, Mapping):
        return {}
    found: dict[str, Any] = {}
    for name, value in info.items():
        if isinstance(value, Mapping):
            found |= {f"{name}.{inner}": part for inner, part in _plain(value).items()}
        elif isinstance(value, bool | int | float | str | np.generic):
            found[str(name)] = value
        elif isinstance(value, np.ndarray) and value.dtype != object:
            found[str(name)] = value.copy()
        elif isinstance(value, list | tuple) and all(
            isinstance(part, bool | int | float | str | np.generic) for part in value
        ):
            found[str(name)] = list(value)
    return found


def judge_infos(evidence: Evidence, context: Context) -> Outcome:
    """Every info is still what it was."""
    notes = tuple(evidence["left_out"])
    if evidence["changed"]:
        message = (
            f"{evidence['changed']} was {evidence['was']} when it was returned and is "
            f"{evidence['now']} after later steps; expected a dictionary and arrays of its own"
        )
        return Outcome(Status.FAILED, message, evidence, {INFO_ALIASED: 0.95}, notes)
    return Outcome(
        Status.PASSED, f"{evidence['infos']} infos are still what they were", evidence, {}, notes
    )


def applies(facts: Evidence, settings: Settings) -> str | None:
    """Infos of vector environments are put together anew at each step, by masks."""
    return "vector environments collect the infos of their slots" if facts["vector"] else None


KEPT_INFOS = Check(
    name="environment/info-not-aliased",
    title="An info that was kept is not changed by later steps.",
    explanation=(
        "Numbers, texts and arrays in the infos of 200 steps are compared with copies that were made "
        "when they were handed out."
    ),
    trial=keep_infos,
    judge=one_trial(judge_infos),
    applies=applies,
    requires=(INTERFACE.name,),
    catches=(INFO_ALIASED,),
    references=("https://github.com/google-deepmind/dm_control/issues/34",),
)
