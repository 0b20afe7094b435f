"""Whether actions reach the simulation as they were given."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from ladders.environment_clock import clock
from ladders.environment_interface import INTERFACE
from ladders.environment_play import flat
from ladders.environment_subject import EnvironmentSubject
from ladders.environment_task_faults import ACTION_CHANGED, ACTION_OVERWRITTEN
from ladders.environment_walk import copied, equal, show
from rlcheck.records import Check, Context, Evidence, Outcome, Settings, Status, Trial, one_trial

STEPS = 300


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
        overwritten = None
        for name, layer in layers:
            _record(layer, heard[name], given)
        env.reset(seed=trial.seed)
        env.action_space.seed(trial.seed)
        for done in range(STEPS):
            if timer.over(done, STEPS):
                break
            action = env.action_space.sample()
            given[0] = copied(action)
            _, _, terminated, truncated, _ = env.step(action)
            if overwritten is None and not equal(action, given[0]):
                overwritten = {"given": show(given[0]), "after": show(action)}
            given[0] = None  # some step inside reset: nobody gave that action
            if terminated or truncated:
                env.reset()
        space = env.action_space
    found = next((change for name in heard if (change := _change(name, heard[name], space))), None)
    return {
        "layers": list(heard),
        "change": found,
        "overwritten": overwritten,
        "left_out": list(timer.notes),
    }


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


def _change(
    name: str, actions: list[tuple[Any, Any]], space: spaces.Space
) -> dict[str, Any] | None:
    """A fixed table of changed actions, or a clip; None where actions arrive, or chance changes them."""
    flat_ones = [(_numbers(one, space), _numbers(other, space)) for one, other in actions]
    pairs = [(one, other) for one, other in flat_ones if one is not None and other is not None]
    if len(pairs) < len(actions):
        return None  # no way to compare actions of this space
    changed = [index for index, (one, other) in enumerate(pairs) if not _same(one, other)]
    if not changed:
        return None
    if not _fixed(pairs):
        return None  # sticky, noisy or late actions: the same one arrives differently
    one, other = actions[changed[0]]
    return {
        "layer": name,
        "given": show(one),
        "arrived": show(other),
        "share": len(changed) / len(pairs),
        "clipped": isinstance(space, spaces.Box) and _clips([pairs[index] for index in changed]),
    }


def _numbers(action: Any, space: spaces.Space) -> np.ndarray | None:
    """[K] a Discrete action as its number, others flat; None where a space has no flat form."""
    if isinstance(space, spaces.Discrete):
        return np.asarray(action, dtype=np.float64).ravel()
    return flat(action, space)


def _fixed(pairs: list[tuple[np.ndarray, np.ndarray]]) -> bool:
    """Whether the action that arrives is a function of the one given: a table, or monotone in it."""
    if len({part.shape for pair in pairs for part in pair}) > 1:
        return False
    given = np.array([one for one, _ in pairs])
    arrived = np.array([other for _, other in pairs])
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


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    """The same numbers, whatever type held them."""
    return one.size == other.size and bool(np.allclose(one, other, atol=1e-6))


def _clips(changed: list[tuple[np.ndarray, np.ndarray]]) -> bool:
    """Whether every change makes the numbers smaller and keeps their sign."""
    one = np.array([a for a, _ in changed])
    other = np.array([b for _, b in changed])
    return one.shape == other.shape and bool(
        np.all((np.abs(other) <= np.abs(one) + 1e-9) & (one * other >= 0))
    )


def judge_arrival(evidence: Evidence, context: Context) -> Outcome:
    """What is given arrives."""
    change, notes = evidence["change"], tuple(evidence["left_out"])
    if written := evidence["overwritten"]:
        message = (
            f"the action {written['given']} is {written['after']} after `step`: it is written into; "
            "expected the caller's array to stay as it was"
        )
        return Outcome(Status.FAILED, message, evidence, {ACTION_OVERWRITTEN: 0.95}, notes)
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
    title="An action arrives at the innermost environment as it was given, and stays as it is.",
    explanation=(
        "The `step` of the innermost environment is listened to, if it has the same action space as the "
        "outermost wrapper. A fixed table that turns actions into others of that space permutes, "
        "negates or clips them without saying so, and an action that is another one after `step` was "
        "written into. Changes by chance (sticky or noisy actions) and "
        "wrappers that declare another space are no finding."
    ),
    trial=listen,
    judge=one_trial(judge_arrival),
    applies=applies,
    requires=(INTERFACE.name,),
    catches=(ACTION_CHANGED, ACTION_OVERWRITTEN),
    references=("https://github.com/RobertTLange/gymnax/commit/fe60e28c13ec",),
)
