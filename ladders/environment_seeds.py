"""Whether the seed, and only the seed, decides what an environment does."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ladders.environment_clock import Clock, clock
from ladders.environment_faults import GLOBAL_RANDOM, SEED_IGNORED, STATE_SURVIVES
from ladders.environment_interface import INTERFACE
from ladders.environment_subject import EnvironmentSubject
from ladders.environment_walk import Event, first_difference, kept, walk
from rlcheck.records import Check, Context, Evidence, Outcome, Status, Trial, one_trial

EPISODES = 5
STEPS = 300
WEAR = 2000
"""Steps of use before the seed is tried once more."""

# --- the same seed --------------------------------------------------------------------------------


def repeat(subject: EnvironmentSubject, trial: Trial, context: Context) -> Evidence:
    """Where a second walk with the same seed and actions parts from the first one."""
    timer = clock(context, share=2.0)
    with subject.fresh() as env, _global_streams() as streams:
        first = _walked(env, trial.seed, STEPS, timer)
        drawn = streams.changed()
        again = _walked(env, trial.seed, len(first), timer)
        with subject.fresh() as other:
            fresh = _walked(other, trial.seed, len(first), timer)
        worn = _worn(env, trial.seed, len(first), clock(context, share=0.5))
    part = first_difference(first, fresh)
    return {
        "seed": trial.seed,
        "events": len(first),
        "fresh": part,
        "again": first_difference(first, again) or first_difference(first, worn),
        "drawn": drawn,
        "global_decides": bool(part and drawn) and _repeats_with_globals(subject, trial.seed),
        "left_out": list(timer.notes),
    }


def _worn(env: Any, seed: int, steps: int, timer: Clock) -> list[Event]:
    """A walk after long use and a last episode to its end: counts have run out, debts are open."""
    used = walk(env, seed + 1, episodes=2 * WEAR, steps=2 * WEAR, clock=timer)
    for count, event in enumerate(used):
        if count >= WEAR and event.terminated:
            break
    return _walked(env, seed, steps, timer)


def _walked(env: Any, seed: int, steps: int, timer: Clock) -> list[Event]:
    return kept(walk(env, seed, episodes=EPISODES, steps=steps, clock=timer))


def _repeats_with_globals(subject: EnvironmentSubject, seed: int) -> bool:
    """Whether seeding the global generators makes the trajectory repeat."""
    walks = []
    for _ in range(2):
        with subject.fresh() as env, _global_streams() as streams:
            streams.seed(seed)
            walks.append(kept(walk(env, seed, episodes=EPISODES, steps=STEPS // 3)))
    return first_difference(*walks) is None


class _Streams:
    """The global generators of `random`, NumPy and torch, where they are loaded."""

    def __init__(self) -> None:
        self.before = self.states()

    def states(self) -> dict[str, Any]:
        """The state of each stream, in a form that can be compared."""
        found: dict[str, Any] = {"random": random.getstate(), "np.random": _numpy_state()}
        if torch := sys.modules.get("torch"):
            if hasattr(torch, "get_rng_state"):
                found["torch"] = torch.get_rng_state().numpy().tobytes()
        return found

    def changed(self) -> list[str]:
        """Streams that are elsewhere than they were."""
        now = self.states()
        return [name for name, state in self.before.items() if now.get(name) != state]

    def seed(self, seed: int) -> None:
        """Seed all of them."""
        random.seed(seed)
        np.random.seed(seed % 2**32)
        if "torch" in self.before:
            sys.modules["torch"].manual_seed(seed)


def _numpy_state() -> Any:
    state: Any = np.random.get_state()
    name, keys, position, *gauss = state
    return name, keys.tobytes(), position, *gauss


@contextmanager
def _global_streams() -> Iterator[_Streams]:
    yield _Streams()  # the engine restores the streams after the trial


def judge_repeat(evidence: Evidence, context: Context) -> Outcome:
    """A fresh instance repeats the trajectory, and so does one that was used."""
    fresh, again = evidence["fresh"], evidence["again"]
    if not (fresh or again):
        message = f"{evidence['events']} observations, rewards and flags repeat with the same seed"
        return Outcome(Status.PASSED, message, evidence, {}, tuple(evidence["left_out"]))
    part = fresh or again
    who = "two fresh instances" if fresh else "a fresh instance and the same one reset again"
    message = (
        f"{who} with seed {evidence['seed']} and the same actions part at {part['where']}: "
        f"{part['what']} {part['first']} and then {part['second']}; expected the same"
    )
    if context.facts.get("nondeterministic"):
        note = f"{message}; the registration says nondeterministic=True, so this is no failure"
        return Outcome(Status.PASSED, "declared as nondeterministic", evidence, {}, (note,))
    suspects = {SEED_IGNORED: 0.9} if fresh else {STATE_SURVIVES: 0.7, SEED_IGNORED: 0.2}
    if evidence["global_decides"]:
        streams = " and ".join(evidence["drawn"])
        message = f"{message}; it repeats where the global stream of {streams} is seeded too"
        suspects = {GLOBAL_RANDOM: 0.95}
    return Outcome(Status.FAILED, message, evidence, suspects)


SAME_SEED = Check(
    name="environment/same-seed-same-trajectory",
    title="The same seed and the same actions give the same trajectory, to the last bit.",
    explanation=(
        "Walks four times through up to 300 steps with one seed: a fresh instance, the same instance "
        "again, and after 2,000 steps of use, another fresh one. Randomness from a global generator "
        "parts the fresh ones; state that a reset forgets to clear parts the others."
    ),
    trial=repeat,
    judge=one_trial(judge_repeat),
    requires=(INTERFACE.name,),
    catches=(SEED_IGNORED, STATE_SURVIVES, GLOBAL_RANDOM),
    references=("https://gymnasium.farama.org/api/env/#gymnasium.Env.reset",),
)

# --- global streams -------------------------------------------------------------------------------


def watch_streams(subject: EnvironmentSubject, trial: Trial, context: Context) -> Evidence:
    """Which global generators a reset and a walk move."""
    timer = clock(context, share=0.3)
    with subject.fresh() as env:
        _walked(env, trial.seed, 20, timer)  # what is imported or set up on first use is over
        with _global_streams() as streams:
            events = _walked(env, trial.seed, 150, timer)
            return {"drawn": streams.changed(), "events": len(events)}


def judge_streams(evidence: Evidence, context: Context) -> Outcome:
    """No global generator moves."""
    if not evidence["drawn"]:
        message = f"no global random stream moved in {evidence['events']} resets and steps"
        return Outcome(Status.PASSED, message, evidence)
    message = (
        f"the global stream of {' and '.join(evidence['drawn'])} moved during resets and steps: the "
        "environment draws from it or seeds it; expected all chance to come from self.np_random"
    )
    if context.facts.get("nondeterministic"):
        return Outcome(Status.PASSED, "declared as nondeterministic", evidence, {}, (message,))
    return Outcome(Status.FAILED, message, evidence, {GLOBAL_RANDOM: 0.9})


GLOBALS = Check(
    name="environment/global-randomness-untouched",
    title="Resets and steps leave the global random streams alone.",
    explanation=(
        "The states of `random`, `np.random` and (where it is loaded) torch's global generator are "
        "compared before and after 150 steps. An environment that draws from them is decided by "
        "whatever else draws; one that seeds them decides the randomness of the whole program."
    ),
    trial=watch_streams,
    judge=one_trial(judge_streams),
    requires=(INTERFACE.name,),
    catches=(GLOBAL_RANDOM,),
    references=("https://github.com/TorchTrade/torchtrade/issues/273",),
)
