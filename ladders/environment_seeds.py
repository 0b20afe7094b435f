"""Whether the seed, and only the seed, decides what an environment does."""

from __future__ import annotations

from itertools import pairwise

from ladders.environment_faults import SEED_IGNORED, STATE_SURVIVES
from ladders.environment_interface import INTERFACE
from ladders.environment_subject import EnvironmentSubject
from ladders.environment_walk import Event, first_difference, kept, walk
from rlcheck.records import Check, Context, Evidence, Outcome, Status, Trial, one_trial

EPISODES = 5
STEPS = 300
LONGEST = 50
SEEDS = 10

# --- the same seed --------------------------------------------------------------------------------


def repeat(subject: EnvironmentSubject, trial: Trial, context: Context) -> Evidence:
    """Where a second walk with the same seed and actions parts from the first one."""
    with subject.fresh() as env:
        first = kept(walk(env, trial.seed, episodes=EPISODES, steps=STEPS))
        again = kept(walk(env, trial.seed, episodes=EPISODES, steps=STEPS))
    with subject.fresh() as env:
        fresh = kept(walk(env, trial.seed, episodes=EPISODES, steps=STEPS))
    return {
        "seed": trial.seed,
        "events": len(first),
        "fresh": first_difference(first, fresh),
        "again": first_difference(first, again),
    }


def judge_repeat(evidence: Evidence, context: Context) -> Outcome:
    """A fresh instance repeats the trajectory, and so does one that was used."""
    fresh, again = evidence["fresh"], evidence["again"]
    if not (fresh or again):
        message = f"{evidence['events']} observations, rewards and flags repeat with the same seed"
        return Outcome(Status.PASSED, message, evidence)
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
    return Outcome(Status.FAILED, message, evidence, suspects)


SAME_SEED = Check(
    name="environment/same-seed-same-trajectory",
    title="The same seed and the same actions give the same trajectory, to the last bit.",
    explanation=(
        "Walks three times through up to 300 steps with one seed: a fresh instance, the same instance "
        "again, another fresh one. Randomness from a global generator parts the fresh ones; state "
        "that a reset forgets to clear parts the first two."
    ),
    trial=repeat,
    judge=one_trial(judge_repeat),
    requires=(INTERFACE.name,),
    catches=(SEED_IGNORED, STATE_SURVIVES),
    references=("https://gymnasium.farama.org/api/env/#gymnasium.Env.reset",),
)

# --- different seeds ------------------------------------------------------------------------------


def vary(subject: EnvironmentSubject, trial: Trial, context: Context) -> Evidence:
    """Whether seeds part the walks and, where none does, whether episodes of one walk differ."""
    first: list[Event] = []
    for seed in range(trial.seed, trial.seed + SEEDS):
        with subject.fresh() as env:
            steps = walk(
                env,
                seed,
                episodes=EPISODES,
                steps=EPISODES * LONGEST,
                longest=LONGEST,
                same_actions=trial.seed,
            )
            events = kept(steps)
        first = first or events
        if part := first_difference(first, events):
            return {"seeds": [trial.seed, seed], "part": part, "episodes_differ": None}
    episodes = [[e for e in first if e.episode == n + 1] for n in range(EPISODES)]
    differ = next((p for a, b in pairwise(episodes) if (p := first_difference(a, b))), None)
    return {"seeds": [trial.seed, seed], "part": None, "episodes_differ": differ}


def judge_vary(evidence: Evidence, context: Context) -> Outcome:
    """Different seeds part, or there is no randomness at all."""
    low, high = evidence["seeds"]
    if evidence["part"]:
        message = f"seeds {low} and {high} part at {evidence['part']['where']}"
        return Outcome(Status.PASSED, message, evidence)
    differ = evidence["episodes_differ"]
    if differ is None:
        note = (
            f"no randomness seen: seeds {low} to {high} and all their episodes are alike under the "
            "same actions, so the environment is deterministic or never seeded anew"
        )
        return Outcome(Status.PASSED, "nothing random was seen", evidence, {}, (note,))
    message = (
        f"seeds {low} to {high} give the same episodes under the same actions, although episodes of "
        f"one seed differ ({differ['what']} {differ['first']} and then {differ['second']}); "
        "expected different seeds to differ"
    )
    return Outcome(Status.FAILED, message, evidence, {SEED_IGNORED: 0.9})


SEEDS_DIFFER = Check(
    name="environment/seeds-differ",
    title="Different seeds give different episodes, where anything is random.",
    explanation=(
        "Plays five short episodes from each of up to ten seeds with the same actions. If all seeds "
        "agree although the episodes of one seed differ, the randomness does not follow the seed: all "
        "copies of a vector environment would then live through the same episodes. An environment "
        "without any randomness passes with a remark."
    ),
    trial=vary,
    judge=one_trial(judge_vary),
    requires=(INTERFACE.name,),
    catches=(SEED_IGNORED,),
    references=("https://github.com/TorchTrade/torchtrade/issues/273",),
)
