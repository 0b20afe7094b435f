"""Whether a step costs the same however long the environment has been in use."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from ladders.environment_clock import Clock, clock
from ladders.environment_faults import COST_GROWS
from ladders.environment_interface import INTERFACE
from ladders.environment_play import random_play
from ladders.environment_subject import EnvironmentSubject
from rlcheck.records import Check, Context, Evidence, Outcome, Status, Trial, one_trial

WEAR = 2000
"""Steps between two looks at the used instance, at most: fewer where a step is slow."""
BLOCK = 100
ROUNDS = 6
GROWN = 1.5
"""A used instance that is slower by less may owe it to the machine."""


def time_steps(subject: EnvironmentSubject, trial: Trial, context: Context) -> Evidence:
    """Seconds for a block of steps: of a used instance and of a fresh one, right after each other."""
    timer = clock(context)
    pace = max(random_play(subject, trial.seed, context).seconds_a_step, 1e-7)
    wear = int(np.clip(0.7 * timer.seconds / ROUNDS / pace - 2 * BLOCK, 100, WEAR))
    used: list[float] = []
    fresh: list[float] = []
    with subject.fresh() as old:
        old.reset(seed=trial.seed)
        old.action_space.seed(trial.seed)
        for done in range(ROUNDS):
            _steps(old, wear, timer)
            with subject.fresh() as new:
                new.reset(seed=trial.seed)
                new.action_space.seed(trial.seed)
                _steps(new, 20, timer)  # what is set up on first use is over
                fresh.append(_block(new, timer))
            used.append(_block(old, timer))
            whole = done + 1 - bool(timer.left_out)  # the last round may have been cut short
            a_round = wear + 2 * BLOCK
            if timer.over(whole * a_round, ROUNDS * a_round):
                break
    return {
        "wear": wear,
        "used": used[:whole],
        "fresh": fresh[:whole],
        "left_out": list(timer.notes),
    }


def _block(env: Any, timer: Clock) -> float:
    """Median cost of a step over a block that starts with a reset."""
    env.reset()
    costs = []
    for index in range(BLOCK):
        if timer.over(index + 1, BLOCK):
            break
        action = env.action_space.sample()
        started = time.perf_counter()
        ended = env.step(action)
        costs.append(time.perf_counter() - started)
        if ended[2] or ended[3]:
            env.reset()
    return float(np.median(costs)) if costs else 0.0


def _steps(env: Any, count: int, timer: Clock) -> None:
    for index in range(count):
        if timer.over(index + 1, count):
            return
        _, _, terminated, truncated, _ = env.step(env.action_space.sample())
        if terminated or truncated:
            env.reset()


def judge_cost(evidence: Evidence, context: Context) -> Outcome:
    """The used instance is not slower, round after round."""
    notes = tuple(evidence["left_out"])
    used, fresh = evidence["used"], evidence["fresh"]
    if len(used) < ROUNDS:
        return Outcome(Status.PASSED, f"{len(used)} rounds, too few to judge", evidence, {}, notes)
    ratios = [old / max(new, 1e-9) for old, new in zip(used, fresh, strict=True)]
    grows = all(later > earlier for earlier, later in zip(ratios[::2], ratios[1::2], strict=True))
    if min(ratios[2:]) > GROWN and grows and ratios[-1] > 1.25 * ratios[0]:
        message = (
            f"a step takes {1e6 * used[-1]:.0f} us after {ROUNDS * evidence['wear']:,} steps and "
            f"{1e6 * fresh[-1]:.0f} us in a fresh instance timed beside it, and the gap grew with every "
            "look; expected the same cost"
        )
        return Outcome(Status.FAILED, message, evidence, {COST_GROWS: 0.95}, notes)
    message = f"a used instance takes {ratios[-1]:.2f} times as long as a fresh one"
    return Outcome(Status.PASSED, message, evidence, {}, notes)


COST = Check(
    name="environment/step-cost-steady",
    title="A step costs the same however long the environment has been in use.",
    explanation=(
        "One instance is used for 12,000 steps; after every 2,000 a block of its steps is timed beside "
        "one of a fresh instance, so that a busy machine slows down both. Slower by half and more each "
        "time, and growing, is a leak."
    ),
    trial=time_steps,
    judge=one_trial(judge_cost),
    requires=(INTERFACE.name,),
    catches=(COST_GROWS,),
    references=("https://github.com/Farama-Foundation/Gymnasium/commit/5b977fec9dbd",),
)
