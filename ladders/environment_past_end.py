"""What happens after the end of an episode, when nobody calls reset."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from gymnasium import spaces

from ladders.environment_clock import Clock, clock
from ladders.environment_faults import AUTORESET_INSIDE
from ladders.environment_interface import INTERFACE
from ladders.environment_play import flat
from ladders.environment_subject import EnvironmentSubject
from ladders.environment_walk import show
from rlcheck.records import Check, Context, Evidence, Outcome, Settings, Status, Trial, one_trial

ENDS = 40
RESETS = 40
BEYOND = 3
JUMPS = 3
"""Ends that no ordinary move explains, for a conviction."""
STEPS = 4000


def go_on(subject: EnvironmentSubject, trial: Trial, context: Context) -> Evidence:
    """The final observations beside those of resets, and what three steps past each end give."""
    timer = clock(context)
    with subject.fresh() as env:
        space = env.observation_space
        starts = [flat(env.reset(seed=trial.seed)[0], space)]
        for done in range(RESETS):
            if timer.over(done, RESETS, "resets"):
                break
            starts.append(flat(env.reset()[0], space))
        if any(start is None for start in starts):
            return {"ends": 0, "left_out": list(timer.notes)}
        seen = _ends(env, trial.seed, np.array(starts), timer)
    return {**seen, "left_out": list(timer.notes)}


def _ends(env: Any, seed: int, starts: np.ndarray, timer: Clock) -> dict[str, Any]:
    low, high = starts.min(axis=0), starts.max(axis=0)
    slack = 0.05 * (high - low)

    def is_start(observation: Any) -> bool:
        numbers = flat(observation, env.observation_space)
        return numbers is not None and bool(
            np.all((numbers >= low - slack) & (numbers <= high + slack))
        )

    env.action_space.seed(seed)
    found: dict[str, Any] = {"ends": 0, "finals": 0, "before": 0, "alive": 0, "raised": ""}
    moves = _Moves(isinstance(env.observation_space, spaces.Box))
    steps, previous = 0, env.reset()[0]
    previous = flat(previous, env.observation_space)
    while steps < STEPS and found["ends"] < ENDS and not timer.over(steps, STEPS):
        observation, _, terminated, truncated, _ = env.step(env.action_space.sample())
        steps += 1
        now = flat(observation, env.observation_space)
        if previous is None or now is None:
            break
        if not (terminated or truncated):
            moves.ordinary(previous, now)
            previous = now
            continue
        moves.final(previous, now)
        found["ends"] += 1
        found["finals"] += is_start(observation)
        inside = (previous >= low - slack) & (previous <= high + slack)
        found["before"] += bool(np.all(inside))
        found["final"] = show(observation)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # some warn that nobody should do this
                found["alive"] += _lives(env)
        except Exception as error:  # an environment may well refuse: that is the best it can do
            found["raised"] = type(error).__name__
        previous = flat(env.reset()[0], env.observation_space)
    return found | {"jumps": moves.jumps()}


class _Moves:
    """Tells moves that the dynamics make from jumps that only a reset makes.

    A task that ends where it began (out and home again) comes to its final state by an ordinary move.
    Numbers: no number changes more than in ordinary steps. Others: states of several kinds from which
    no ordinary step ever led there.
    """

    def __init__(self, numbers: bool) -> None:
        self.numbers = numbers
        self.largest: np.ndarray | None = None
        self.pairs: set[tuple[bytes, bytes]] = set()
        self.ends: list[tuple[np.ndarray, np.ndarray]] = []

    def ordinary(self, before: np.ndarray, after: np.ndarray) -> None:
        """A step that ends nothing."""
        if not self.numbers:
            self.pairs.add((before.tobytes(), after.tobytes()))
            return
        change = np.abs(after - before)
        self.largest = change if self.largest is None else np.maximum(self.largest, change)

    def final(self, before: np.ndarray, after: np.ndarray) -> None:
        """The step that ends an episode."""
        self.ends.append((before, after))

    def jumps(self) -> int:
        """How many ends are no ordinary move; of finitely many states, from how many of them."""
        if self.numbers:
            largest = self.largest
            return sum(
                largest is not None and bool(np.any(np.abs(after - before) > 1.01 * largest))
                for before, after in self.ends
            )
        strange = {
            b.tobytes() for b, a in self.ends if (b.tobytes(), a.tobytes()) not in self.pairs
        }
        return len(strange)


def _lives(env: Any) -> bool:
    """Whether steps past the end give neither flag, as in an episode that has just begun."""
    for _ in range(BEYOND):
        _, _, terminated, truncated, _ = env.step(env.action_space.sample())
        if terminated or truncated:
            return False
    return True


def judge_past_end(evidence: Evidence, context: Context) -> Outcome:
    """Failed where the final observations are all starts, and life goes on without a reset."""
    notes = tuple(evidence["left_out"])
    ends = evidence["ends"]
    if ends < 5:
        return Outcome(Status.PASSED, f"{ends} ends seen, too few to judge", evidence, {}, notes)
    # Not all live on: a new episode may be short too.
    reborn = evidence["finals"] == ends and evidence["alive"] >= 0.5 * ends
    jumps = evidence["jumps"] >= min(JUMPS, ends / 2)
    if reborn and jumps and evidence["before"] <= ends / 2:
        message = (
            f"at all of {ends} ends the observation is one of a fresh episode (the last: "
            f"{evidence['final']}), and steps without a reset go on from there; expected the state "
            "that was reached, and no reset inside `step`"
        )
        return Outcome(Status.FAILED, message, evidence, {AUTORESET_INSIDE: 0.95}, notes)
    if evidence["alive"] > 0 and not evidence["raised"]:
        remark = (
            f"steps past the end are not refused: after {evidence['alive']} of {ends} ends they go on "
            "with both flags False, so a training loop that forgets reset trains on"
        )
        notes = (*notes, remark)
    return Outcome(Status.PASSED, f"{ends} ends show the state reached", evidence, {}, notes)


def applies(facts: Evidence, settings: Settings) -> str | None:
    """Vector environments reset by themselves, and say so."""
    return (
        "vector environments reset themselves; see autoreset-as-declared"
        if facts["vector"]
        else None
    )


PAST_END = Check(
    name="environment/end-shows-the-state-reached",
    title="The last observation of an episode is the state reached, not the next episode's first.",
    explanation=(
        "Random play to forty ends. If every final observation lies among those of resets although "
        "the ones just before do not, no ordinary move leads there, and steps without a reset go on as "
        "if nothing had ended, then `step` resets by itself and the final state is lost. Steps past the "
        "end that are merely not refused are remarked on: what they do is undefined."
    ),
    trial=go_on,
    judge=one_trial(judge_past_end),
    applies=applies,
    requires=(INTERFACE.name,),
    catches=(AUTORESET_INSIDE,),
    references=("https://gymnasium.farama.org/api/env/#gymnasium.Env.step",),
)
