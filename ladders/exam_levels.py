"""How long the exam trains: levels of doubling budgets, as far as the clock and the budget allow."""

from __future__ import annotations

from collections.abc import Sequence

from ladders.exam import Exam, delay_unit
from rlcheck.records import Budget, Context, Evidence, More, Trial

Trials = Sequence[tuple[Trial, Evidence]]

FIRST_STEPS = 8_192
FEWEST_STEPS = 2_048
SPEED_STEPS = 512
MOST_SEEDS = 6
LEVELS = {Budget.QUICK: 4, Budget.STANDARD: 4, Budget.THOROUGH: 6}
FIRST_TRIAL_S = 20.0
LONGEST_TRIAL_S = {Budget.QUICK: 60.0, Budget.STANDARD: 120.0, Budget.THOROUGH: 900.0}


def first_steps(speed: Evidence, exam: Exam) -> int:
    """8,192 steps, more where delays are longer, fewer where the learner is slow."""
    wanted = FIRST_STEPS * max(1, delay_unit(exam.gamma) // 2)
    seconds_a_step = speed["seconds"] / max(speed["steps"], 1)
    in_time = FIRST_TRIAL_S / max(seconds_a_step, 1e-9)
    while wanted > max(in_time, FEWEST_STEPS):
        wanted //= 2
    return wanted


def next_level(steps: int, index: int, context: Context) -> More:
    """Fresh seeds for the next level, so that levels are independent evidence."""
    count = context.settings.seeds or 2
    first = context.settings.seed + 10 * index
    trials = tuple(Trial(first + offset, steps) for offset in range(count))
    return More(trials, f"{count} seeds of {steps:,} steps")


def more_seeds(steps: int, trials: Trials, context: Context) -> More:
    """Two more seeds of the same budget: cheaper than the next level where one fault is in sight."""
    first = max(trial.seed for trial, _ in trials) + 1
    wanted = tuple(Trial(first + offset, steps) for offset in range(2))
    return More(wanted, "the same wrong answers twice; two more seeds")


def more_levels(trials: Trials, levels: int, context: Context) -> bool:
    """Whether the budget has another level, of twice the steps."""
    return levels < LEVELS[context.settings.budget] and affordable(trials, context)


def affordable(trials: Trials, context: Context) -> bool:
    """Whether a training of twice the steps takes no longer than one may."""
    slowest = max((evidence["seconds"] for _, evidence in trials), default=0.0)
    return 2 * slowest <= LONGEST_TRIAL_S[context.settings.budget]
