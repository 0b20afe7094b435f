"""How episodes end: whether `terminated` and `truncated` say which of the two it was."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ladders.environment_clock import clock
from ladders.environment_episodes import LONGEST, Ends, ends_by_itself, scripted_play
from ladders.environment_faults import DOES_NOT_CONFORM, FAILURE_TRUNCATED, TIME_LIMIT
from ladders.environment_interface import INTERFACE
from ladders.environment_subject import EnvironmentSubject
from ladders.environment_walk import walk
from rlcheck.records import Check, Context, Evidence, Outcome, Status, Trial, one_trial

EPISODES = 20
STEPS = 3000
MOST_STEPS = 20_000


def watch_flags(subject: EnvironmentSubject, trial: Trial, context: Context) -> Evidence:
    """Types of the flags, and how episodes of random and of scripted policies end."""
    limits = [int(limit) for limit in context.facts.get("time_limits", ())]
    # Enough for episodes that all run into their time limit.
    steps = min(max(STEPS, EPISODES * min(limits, default=0)), MOST_STEPS)
    timer, scripted = clock(context), clock(context, share=2.0)
    with subject.fresh() as env:
        seen = Ends(env.observation_space)
        seen.watch(walk(env, trial.seed, episodes=EPISODES, steps=steps, clock=timer), "random")
        at_random = len(seen.ends)
        if not seen.wrong:
            scripted_play(env, trial.seed, seen, max(limits, default=LONGEST - 1) + 1, scripted)
        found: dict[str, Any] = {"ends": seen.ends[:at_random], "scripted": seen.ends[at_random:]}
        # Data that run out truncate at varying steps too; then nothing that is done changes when.
        found["by_itself"] = _only_truncated(found) is not None and ends_by_itself(
            env, trial.seed, clock(context)
        )
    return {
        **found,
        "wrong": seen.wrong,
        "numpy_bools": seen.numpy_bools,
        "limits": limits,
        "time_seen": seen.tells_time(),
        "left_out": list(timer.notes or scripted.notes),
    }


# --- the verdict ----------------------------------------------------------------------------------


def judge_flags(evidence: Evidence, context: Context) -> Outcome:
    """Bools, and not the one a copy of the other, and no time limit under `terminated`."""
    if evidence["wrong"]:
        message = f"{evidence['wrong']}; expected a bool"
        return Outcome(Status.FAILED, message, evidence, {DOES_NOT_CONFORM: 0.95})
    notes = tuple(evidence["left_out"])
    if evidence["numpy_bools"]:
        notes = ("the flags are NumPy bools; Gymnasium asks for Python ones", *notes)
    found = (
        _at_known_limit(evidence)
        or _both_always(evidence["ends"])
        or _constant_length(evidence)
        or _never_terminates(evidence)
    )
    evidence = {**evidence, "ends": evidence["ends"][:20], "scripted": evidence["scripted"][:20]}
    if found:
        message, fault = found
        return Outcome(Status.FAILED, message, evidence, {fault: 0.95}, notes)
    notes = (*notes, *_remark(evidence))
    return Outcome(Status.PASSED, _counted(evidence), evidence, {}, notes)


def _counted(evidence: Evidence) -> str:
    return f"both flags are bools in {len(evidence['ends'])} episodes"


def _at_known_limit(evidence: Evidence) -> tuple[str, str] | None:
    """Several episodes reach a known limit, and all of them terminate there, unannounced."""
    if evidence["time_seen"]:
        return None  # a finite horizon that the observation shows may well be the task's own end
    every = [*evidence["ends"], *evidence["scripted"]]
    for limit in evidence["limits"]:
        there = [end for end in every if end["steps"] == limit]
        if limit > 1 and len(there) >= 3 and all(end["terminated"] for end in there):
            which = "each of" if len(there) == len(every) else "all"
            message = (
                f"{which} {len(there)} episodes that reach step {limit}, which is the time limit, end "
                "there with terminated=True; expected terminated=False and truncated=True"
            )
            return message, TIME_LIMIT
    return None


def _both_always(ends: list[dict[str, Any]]) -> tuple[str, str] | None:
    """Twenty ends of different lengths, both flags true at each."""
    lengths = {end["steps"] for end in ends}
    if len(ends) < EPISODES or len(lengths) < 2:
        return None
    if not all(end["terminated"] and end["truncated"] for end in ends):
        return None
    message = (
        f"`terminated` and `truncated` are both true at each of {len(ends)} ends, after "
        f"{min(lengths)} to {max(lengths)} steps; expected `truncated` at time limits only"
    )
    return message, TIME_LIMIT


def _constant_length(evidence: Evidence) -> tuple[str, str] | None:
    """The longest episodes all terminate at one step, in different states that nothing sets apart."""
    every = [*evidence["ends"], *evidence["scripted"]]
    lengths = Counter(end["steps"] for end in every)
    longest = max(lengths, default=0)
    there = [end for end in every if end["steps"] == longest]
    finals = {end["final"] for end in there}
    near = max((n for step, n in lengths.items() if 0.8 * longest <= step < longest), default=0)
    if longest < 3 or len(there) < 4 or len(finals) < 4 or len(there) <= 3 * near:
        return None
    if evidence["time_seen"] or not all(end["terminated"] for end in there):
        return None
    message = (
        f"{len(there)} episodes end with terminated=True after exactly {longest} steps, in "
        f"{len(finals)} different states, and none lasts longer: a count of steps ends them, which "
        "the observation does not show; expected truncated=True there"
    )
    return message, TIME_LIMIT


def _only_truncated(evidence: Evidence) -> set[int] | None:
    """Lengths of episodes that end at many different steps, truncated, terminated never."""
    ends = evidence["ends"]
    lengths = {end["steps"] for end in ends}
    if len(ends) < EPISODES or len(lengths) < 5:
        return None
    if any(end["terminated"] for end in (*ends, *evidence["scripted"])):
        return None
    return lengths


def _never_terminates(evidence: Evidence) -> tuple[str, str] | None:
    """Only ever truncated, at steps that depend on what is done, none of them a known limit."""
    lengths = _only_truncated(evidence)
    if lengths is None or evidence["by_itself"] or lengths & set(evidence["limits"]):
        return None
    message = (
        f"none of {len(evidence['ends'])} episodes terminates: they end after {min(lengths)} to "
        f"{max(lengths)} steps, depending on what is done, always with truncated=True; expected "
        "terminated=True where the task itself is over"
    )
    return message, FAILURE_TRUNCATED


def _remark(evidence: Evidence) -> tuple[str, ...]:
    ends = evidence["ends"]
    lengths = {end["steps"] for end in ends}
    if len(ends) < EPISODES or len(lengths) != 1 or lengths == {1}:
        return ()
    if not all(end["terminated"] for end in ends):
        return ()
    return (
        f"each of {len(ends)} episodes of random play ends with terminated=True after "
        f"{lengths.pop()} steps; if that is a time limit, it should be truncated=True instead",
    )


FLAGS = Check(
    name="environment/flags-are-booleans-and-apart",
    title="`terminated` and `truncated` are bools, and a time limit sets only the second.",
    explanation=(
        "A terminated episode has no future, a truncated one would have gone on: agents bootstrap "
        "after the second only. Episodes of random play, of policies that repeat one action and of "
        "random linear policies (some of which live long) show how episodes end. Termination at the "
        "known limit, or after one constant number of steps in states that nothing sets apart, is a "
        "time limit; flags that are always both true are one `done` in two places; episodes that "
        "only ever end truncated, at steps that depend on the actions, hide a real end. Equal lengths "
        "that the observation announces (a clock in it) are only remarked on."
    ),
    trial=watch_flags,
    judge=one_trial(judge_flags),
    requires=(INTERFACE.name,),
    catches=(TIME_LIMIT, FAILURE_TRUNCATED),
    references=("https://arxiv.org/abs/1712.00378",),
)
