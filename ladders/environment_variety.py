"""Whether different seeds give different episodes, and one seed different ones in a row."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import numpy as np

from ladders.environment_clock import Clock, clock
from ladders.environment_faults import RESEEDED, SEED_IGNORED
from ladders.environment_interface import INTERFACE
from ladders.environment_subject import EnvironmentSubject
from ladders.environment_walk import Event, first_difference, kept, walk
from rlcheck.records import Check, Context, Evidence, Outcome, Status, Trial, one_trial

EPISODES = 5
LONGEST = 50
SEEDS = 10


def vary(subject: EnvironmentSubject, trial: Trial, context: Context) -> Evidence:
    """Whether seeds part the walks, and whether the episodes of one walk differ."""
    timer = clock(context, share=1.5)
    first: list[Event] = []
    part, repeats, seed = None, True, trial.seed
    for seed in range(trial.seed, trial.seed + SEEDS):
        events = _alike(subject, seed, trial.seed, timer)
        first = first or events
        part = part or first_difference(first, events)
        repeats = repeats and _episodes_differ(events) is None
        if (part and not repeats) or timer.over(seed - trial.seed + 1, SEEDS, "seeds"):
            break
    return {
        "seeds": [trial.seed, seed],
        "part": part,
        "episodes_differ": _episodes_differ(first),
        "repeats": repeats and first[-1].episode >= 3 and _starts_anew(subject, trial.seed),
        "left_out": list(timer.notes),
    }


def _starts_anew(subject: EnvironmentSubject, seed: int) -> bool:
    """Whether reset() puts the generators back to where the seed put them.

    An environment that draws its map where it is seeded, and keeps it, repeats its episodes too, but
    its generators go on from wherever they are.
    """
    if subject.vector:
        return True  # its generators are out of reach
    with subject.fresh() as env:
        env.reset(seed=seed)
        seeded = _states(env.unwrapped)
        for generator in _generators(env.unwrapped).values():
            generator.random()
        moved = _states(env.unwrapped)
        env.reset()
        now = _states(env.unwrapped)
    if not moved:
        return True  # whatever draws is kept elsewhere
    return any(now.get(name) == seeded[name] != moved.get(name) for name in seeded)


def _generators(env: Any) -> dict[str, Any]:
    """Generators of NumPy and of `random` that an environment holds as attributes."""
    kinds = (np.random.Generator, np.random.RandomState, random.Random)
    return {name: value for name, value in vars(env).items() if isinstance(value, kinds)}


def _states(env: Any) -> dict[str, str]:
    found = {}
    for name, generator in _generators(env).items():
        if isinstance(generator, np.random.Generator):
            found[name] = repr(generator.bit_generator.state)
        else:
            python = isinstance(generator, random.Random)
            found[name] = repr(
                generator.getstate() if python else generator.get_state(legacy=False)
            )
    return found


def _alike(subject: EnvironmentSubject, seed: int, actions: int, timer: Clock) -> list[Event]:
    """A few short episodes from one seed, all under the same actions."""
    with subject.fresh() as env:
        steps = walk(
            env,
            seed,
            episodes=EPISODES,
            steps=EPISODES * LONGEST,
            longest=LONGEST,
            same_actions=actions,
            clock=timer,
        )
        return kept(steps)


def _episodes_differ(events: list[Event]) -> dict[str, str] | None:
    episodes = [[e for e in events if e.episode == n + 1] for n in range(EPISODES)]
    return next((p for a, b in pairwise(episodes) if (p := first_difference(a, b))), None)


def judge_vary(evidence: Evidence, context: Context) -> Outcome:
    """Different seeds part, and so do the episodes of one seed, or there is no randomness at all."""
    low, high = evidence["seeds"]
    differ, notes = evidence["episodes_differ"], tuple(evidence["left_out"])
    if evidence["part"] and evidence["repeats"]:
        message = (
            f"all episodes after a seeded reset are the same one (seeds {low} to {high}, same "
            "actions), although seeds differ from each other: reset() without a seed starts the "
            "random stream anew; expected it to go on"
        )
        return Outcome(Status.FAILED, message, evidence, {RESEEDED: 0.9}, notes)
    if evidence["part"]:
        message = f"seeds {low} and {high} part at {evidence['part']['where']}"
        return Outcome(Status.PASSED, message, evidence, {}, notes)
    if differ is None:
        note = (
            f"no randomness seen: seeds {low} to {high} and all their episodes are alike under the "
            "same actions, so the environment is deterministic or never seeded anew"
        )
        return Outcome(Status.PASSED, "nothing random was seen", evidence, {}, (note, *notes))
    message = (
        f"seeds {low} to {high} give the same episodes under the same actions, although episodes of "
        f"one seed differ ({differ['what']} {differ['first']} and then {differ['second']}); "
        "expected different seeds to differ"
    )
    return Outcome(Status.FAILED, message, evidence, {SEED_IGNORED: 0.9}, notes)


SEEDS_DIFFER = Check(
    name="environment/seeds-differ",
    title="Different seeds give different episodes, where anything is random.",
    explanation=(
        "Plays five short episodes from each of up to ten seeds with the same actions. If all seeds "
        "agree although the episodes of one seed differ, the randomness does not follow the seed: all "
        "copies of a vector environment would then live through the same episodes. If all episodes of "
        "each seed agree although seeds differ, reset() starts the stream anew. An environment "
        "without any randomness passes with a remark."
    ),
    trial=vary,
    judge=one_trial(judge_vary),
    requires=(INTERFACE.name,),
    catches=(SEED_IGNORED, RESEEDED),
    references=("https://github.com/TorchTrade/torchtrade/issues/273",),
)
