"""Whether actions reach the simulation as they were given, and do anything."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from ladders.environment_clock import clock
from ladders.environment_interface import INTERFACE
from ladders.environment_policies import plain_actions
from ladders.environment_subject import EnvironmentSubject
from ladders.environment_task_faults import ACTION_CHANGED, ACTION_IGNORED
from ladders.environment_walk import copied, equal, show
from ladders.large_actions import relaxation_note
from rlcheck.records import Check, Context, Evidence, Outcome, Settings, Status, Trial, one_trial

STEPS = 300
FORKS = 60
"""Places at which the effects of different actions are compared."""
DEPTH = 12
LASTING = 6
"""Steps for which the same action goes on after the fork: an effect may take a while to show."""


def applies(facts: Evidence, settings: Settings) -> str | None:
    """One action makes no difference; layers of vector environments cannot be listened to."""
    return "the layers of a vector environment cannot be listened to" if facts["vector"] else None


# --- what arrives ---------------------------------------------------------------------------------


def listen(subject: EnvironmentSubject, trial: Trial, context: Context) -> Evidence:
    """Which actions arrive at every inner `step` whose action space equals the outer one."""
    timer = clock(context, share=0.5)
    with subject.fresh() as env:
        layers = _layers(env)
        heard: dict[str, list[tuple[Any, Any]]] = {name: [] for name, _ in layers}
        given: list[Any] = [None]
        for name, layer in layers:
            _record(layer, heard[name], given)
        env.reset(seed=trial.seed)
        env.action_space.seed(trial.seed)
        for done in range(STEPS if layers else 0):
            if timer.over(done, STEPS):
                break
            action = env.action_space.sample()
            given[0] = copied(action)
            _, _, terminated, truncated, _ = env.step(action)
            given[0] = None  # some step inside reset: nobody gave that action
            if terminated or truncated:
                env.reset()
    found = next((change for name in heard if (change := _change(name, heard[name]))), None)
    return {"layers": list(heard), "change": found, "left_out": list(timer.notes)}


def _layers(env: Any) -> list[tuple[str, Any]]:
    """Inner environments, and base classes of the innermost, that take the same actions as the outer."""
    found, layer = [], env
    while isinstance(layer, gymnasium.Wrapper):
        layer = layer.env
        if layer.action_space == env.action_space:
            found.append((type(layer).__name__, layer))
    return found[-1:]


def _record(layer: Any, heard: list[tuple[Any, Any]], given: list[Any]) -> None:
    step = layer.step

    def listened(action: Any) -> Any:
        if given[0] is not None:
            heard.append((given[0], copied(action)))
        return step(action)

    layer.step = listened


def _change(name: str, pairs: list[tuple[Any, Any]]) -> dict[str, Any] | None:
    """A fixed table of changed actions, or a clip; None where actions arrive, or chance changes them."""
    changed = [(one, other) for one, other in pairs if not _same(one, other)]
    if not changed:
        return None
    if not _fixed(pairs):
        return None  # sticky, noisy or late actions: the same one arrives differently
    one, other = changed[0]
    return {
        "layer": name,
        "given": show(one),
        "arrived": show(other),
        "share": len(changed) / len(pairs),
        "clipped": bool(np.size(one) and _clips(changed)),
    }


def _fixed(pairs: list[tuple[Any, Any]]) -> bool:
    """Whether the action that arrives is a function of the one given: a table, or monotone in it."""
    given = np.array([np.ravel(one) for one, _ in pairs], dtype=np.float64)
    arrived = np.array([np.ravel(other) for _, other in pairs], dtype=np.float64)
    if given.shape != arrived.shape:
        return False
    table: dict[bytes, set[bytes]] = {}
    for one, other in zip(given, arrived, strict=True):
        table.setdefault(one.tobytes(), set()).add(other.tobytes())
    if len(table) * 4 <= len(pairs):
        return all(len(found) == 1 for found in table.values())
    for column in range(given.shape[1]):
        moves = np.diff(arrived[np.argsort(given[:, column], kind="stable"), column])
        if not (np.all(moves >= -1e-6) or np.all(moves <= 1e-6)):
            return False
    return True


def _same(one: Any, other: Any) -> bool:
    """The same numbers, whatever type holds them."""
    first, second = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    return first.size == second.size and bool(np.allclose(first.ravel(), second.ravel(), atol=1e-6))


def _clips(changed: list[tuple[Any, Any]]) -> bool:
    """Whether every change makes the numbers smaller and keeps their sign."""
    one = np.array([np.ravel(a) for a, _ in changed], dtype=np.float64)
    other = np.array([np.ravel(b) for _, b in changed], dtype=np.float64)
    return one.shape == other.shape and bool(
        np.all((np.abs(other) <= np.abs(one) + 1e-9) & (one * other >= 0))
    )


def judge_arrival(evidence: Evidence, context: Context) -> Outcome:
    """What is given arrives."""
    change, notes = evidence["change"], tuple(evidence["left_out"])
    if change is None:
        said = "arrive as they were given" if evidence["layers"] else "pass through no other layer"
        return Outcome(Status.PASSED, f"actions {said}", evidence, {}, notes)
    how = "clipped or scaled" if change["clipped"] else "replaced by another one"
    message = (
        f"{change['share']:.0%} of actions arrive changed at {change['layer']}, which has the same "
        f"action space: {change['given']} arrives as {change['arrived']} ({how}, always alike); "
        "expected the action that was given"
    )
    return Outcome(Status.FAILED, message, evidence, {ACTION_CHANGED: 0.95}, notes)


ARRIVES = Check(
    name="environment/actions-arrive",
    title="An action arrives at the innermost environment as it was given.",
    explanation=(
        "The `step` of the innermost environment is listened to, if it has the same action space as the "
        "outermost wrapper. A fixed table that turns actions into others of that space permutes, "
        "negates or clips them without saying so. Changes by chance (sticky or noisy actions) and "
        "wrappers that declare another space are no finding."
    ),
    trial=listen,
    judge=one_trial(judge_arrival),
    applies=applies,
    requires=(INTERFACE.name,),
    catches=(ACTION_CHANGED,),
    references=("https://github.com/RobertTLange/gymnax/commit/fe60e28c13ec",),
)

# --- what they do ---------------------------------------------------------------------------------


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
    return {
        "actions": [show(action) for action in actions],
        "alike": sorted(alike),
        "forks": forks,
        "saturated": half,
        "too_many": relaxation_note(space),
        "left_out": list(timer.notes),
    }


def _future(env: Any, seed: int, past: list[Any], action: Any) -> list[Any]:
    """What a few steps of one action give after the same past."""
    env.reset(seed=seed)
    for one in past:
        _, _, terminated, truncated, _ = env.step(one)
        if terminated or truncated:
            break
    else:
        seen: list[Any] = []
        for _ in range(LASTING):
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
    if len(evidence["alike"]) == pairs and forks >= 20:
        message = (
            f"none of {len(names)} actions changes anything: from {forks} states, {LASTING} steps of "
            "each give the same observations, rewards and ends; expected actions to matter"
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
