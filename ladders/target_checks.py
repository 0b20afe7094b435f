"""Target networks: a lagged copy follows its schedule, and is a copy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ladders.training import EXAM, tensors_of, train
from rlcheck.adapters.parameters import lagged
from rlcheck.adapters.protocol import AgentSubject
from rlcheck.records import Check, Context, Evidence, Outcome, Settings, Status, Trial, one_trial

INTERVALS = ("target_update_interval", "target_network_frequency", "target_update_freq")
RATES = ("tau", "polyak")
STEPS, INTERVAL = 1_500, 500
LENGTHS = (STEPS + 130, STEPS + 263)
"""A copy that is made now and then equals the online network at one of these at most."""
NO_LAG = 1e-3
LONG, FEW = 8_192, 300
"""Steps in which a copy every `FEW` must show, be they steps, gradient steps or episodes."""


def follow_target(subject: AgentSubject, trial: Trial, context: Context) -> Evidence:
    """Compare target and online tensors after a training, with a schedule that is known."""
    named = context.facts.get("options", {})
    interval = next((name for name in INTERVALS if name in named), None)
    options: dict[str, object] = {"learning_starts": 64} if "learning_starts" in named else {}
    if interval is not None:
        options[interval] = INTERVAL
    native, before = _trained(subject, context, trial.seed, 0, options)
    # The first length ends just after an update at 1,500 steps, so one copy must have happened.
    for steps in LENGTHS:
        _, after = _trained(subject, context, trial.seed, steps, options)
        pairs = lagged(after)
        equal = sum(_alike(before[o], after[o], after[t]) for t, o in pairs.items())
        if equal < len(pairs):
            break
    stated = INTERVAL if interval is not None else _own_interval(native)
    if stated is None and all(np.array_equal(before[t], after[t]) for t in pairs):
        stated = _few(native)
        if stated is not None:
            steps = LONG
            _, after = _trained(subject, context, trial.seed, steps, options)
    return {
        "steps": steps,
        "pairs": len(pairs),
        "interval": stated,
        "online_moved": sum(not np.array_equal(before[o], after[o]) for o in pairs.values()),
        "target_moved": sum(not np.array_equal(before[t], after[t]) for t in pairs),
        "equal": equal,
        "left_behind": _left_behind(before, after, pairs),
        "no_lag_stated": _states_no_lag(native, named),
    }


def _left_behind(
    before: Mapping[str, np.ndarray], after: Mapping[str, np.ndarray], pairs: Mapping[str, str]
) -> list[str]:
    """Target networks no tensor of which moved, although all of their online ones did.

    A network is named by its tensors up to the part that is called a target.
    """
    networks: dict[str, list[bool]] = {}
    for target, online in pairs.items():
        head, _, rest = target.partition("target")
        network = head + "target" + rest.partition(".")[0]
        stood = np.array_equal(before[target], after[target])
        networks.setdefault(network, []).append(
            stood and not np.array_equal(before[online], after[online])
        )
    return sorted(name for name, stood in networks.items() if all(stood))


def _trained(
    subject: AgentSubject, context: Context, seed: int, steps: int, options: Mapping[str, object]
) -> tuple[object, dict[str, np.ndarray]]:
    """The user's agent after so many steps in the exam, and its tensors."""
    trained = train(subject, context, env_id=EXAM, seed=seed, steps=steps, options=options)
    return trained.agent.native, tensors_of(trained.agent)


def _alike(first: np.ndarray, online: np.ndarray, target: np.ndarray) -> bool:
    """Whether the copy lags by next to nothing of the way that the online tensor has come.

    An average with the rate tau lags by about 1 / tau updates; with both rates swapped, by tau.
    """
    way = np.linalg.norm(np.subtract(online, first))
    return bool(np.linalg.norm(np.subtract(online, target)) <= NO_LAG * way)


def _own_interval(native: object) -> int | None:
    """The steps between copies that the agent itself states, where copies must have been made."""
    stated = [getattr(native, name, None) for name in INTERVALS]
    return next((n for n in stated if _is_count(n, STEPS)), None)


def _few(native: object) -> int | None:
    """A small number under a name of the agent's own that speaks of targets, in whatever unit."""
    return next(iter(_target_counts(getattr(native, "__dict__", {}), FEW)), None)


def _states_no_lag(native: object, named: Mapping[str, object]) -> bool:
    """Whether the agent says that it copies after every update: an interval of 1, or a rate of 1."""
    held = {**named, **getattr(native, "__dict__", {})}
    intervals = _target_counts(held, STEPS)
    if 1 in intervals:
        return True
    whole = any(held.get(name) == 1 for name in RATES)
    return whole and (not intervals or _counts_within_a_call(native))


def _counts_within_a_call(native: object) -> bool:
    """SAC of Stable-Baselines3 counts its interval anew in each `train()`, so each begins with a copy."""
    return any(cls.__module__ == "stable_baselines3.sac.sac" for cls in type(native).__mro__)


def _target_counts(held: Mapping[str, Any], most: int) -> list[Any]:
    """Numbers of updates under names that speak of targets."""
    return [value for name, value in held.items() if "target" in name and _is_count(value, most)]


def _is_count(value: object, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= most


def judge_target(evidence: Evidence, context: Context) -> Outcome:
    """Moves at all where the schedule says so; lags behind where it says so."""
    pairs = evidence["pairs"]
    if not pairs:
        return Outcome(Status.SKIPPED, "no tensor of the agent is named as a target", evidence)
    if not evidence["online_moved"]:
        return Outcome(Status.SKIPPED, "the online network did not move either", evidence)
    named = context.facts.get("options", {})
    rate = next((named[name] for name in RATES if name in named), None)
    soft = isinstance(rate, int | float) and 0 < rate < 1
    if not evidence["target_moved"] and (evidence["interval"] or soft):
        interval = evidence["interval"]
        schedule = (
            f"copies, it states {interval} as the interval"
            if interval
            else f"an average with tau={rate}"
        )
        steps = evidence["steps"]
        message = f"the target network did not change within {steps:,} steps; expected {schedule}"
        return Outcome(Status.FAILED, message, evidence, {"target-never-updated": 0.95})
    if not evidence["target_moved"]:
        message = (
            f"the target network did not change within {evidence['steps']:,} steps, which may be"
        )
        return Outcome(Status.SKIPPED, f"{message} its schedule: it states none", evidence)
    left_behind = evidence.get("left_behind")
    if left_behind:
        message = (
            f"{', '.join(left_behind)} did not change within {evidence['steps']:,} steps, while other "
            "target networks followed"
        )
        return Outcome(Status.FAILED, message, evidence, {"target-never-updated": 0.9})
    if evidence["equal"] == pairs and evidence["no_lag_stated"]:
        message = "the target network is copied after every update, as the agent states"
        return Outcome(Status.SKIPPED, message, evidence)
    if evidence["equal"] == pairs:
        message = (
            f"the target network is the online network, in every tensor, after {LENGTHS[0]:,} and "
            f"after {LENGTHS[1]:,} steps; expected a copy that lags"
        )
        return Outcome(Status.FAILED, message, evidence, {"target-is-online": 0.95})
    return Outcome(Status.PASSED, f"{pairs} target tensors lag behind and follow", evidence)


def _no_target(facts: Evidence, settings: Settings) -> str | None:
    return None if facts.get("target_tensors") else "the subject shows no target network"


TARGET = Check(
    name="agent/target-network-follows",
    title="The target network is a lagged copy that follows its schedule.",
    explanation=(
        "Bootstrapping from a frozen copy steadies Q-learning (Mnih et al. 2015). A copy that is never "
        "refreshed teaches one step of look-ahead for ever; one that shares storage with the online "
        "network is no copy."
    ),
    trial=follow_target,
    judge=one_trial(judge_target),
    applies=_no_target,
    requires=("agent/one-update",),
    catches=("target-never-updated", "target-is-online"),
)
