"""The half of the exam that judges: a sequential test over seeds and budgets.

Level n trains fresh agents with a budget of n steps, one a seed; budgets double from level to level.

- passed: every question is answered right by all runs of a level (or, at the last level, by most runs
  of each question, with every fault improbable: policy gradients can settle early on one question).
- failed: the sheets of two successive levels (n and 2n steps) bear the same wrong answers, and neither
  "learned" nor "has not learned yet" explains them: their probability is below alpha.
- failed, too, if the last three budgets leave the same questions wrong and harder ones right: a fault
  that is not in the catalogue.
- failed, whatever the answers, by what two levels show besides: values that no policy can change, actions
  that follow another observation or are never drawn.
- otherwise the next level, and after the last one `inconclusive` with what is missing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ladders.behaviour import (
    acts_on_the_state_before,
    no_exploration,
    observation_ignored,
    train_eval_mismatch,
)
from ladders.exam import Exam, design
from ladders.exam_levels import (
    MOST_SEEDS,
    SPEED_STEPS,
    Trials,
    affordable,
    first_steps,
    more_levels,
    more_seeds,
    next_level,
)
from ladders.exam_progress import mostly_wrong, ruled_out
from ladders.exam_report import failed_outcome, named_questions, undecided_message
from ladders.grading import (
    Grade,
    contradictions,
    depths,
    exactness,
    grade,
    hides_values,
    lagging_policy,
    locked_in,
    signature,
)
from ladders.long_walk import VARIANT, told_apart
from ladders.no_learning import learns_nothing, never_refreshed
from ladders.sheets import Sheet, wrong_answers
from ladders.shown_values import may_be_wrong, wrong_values
from ladders.soft import indifferent_to_discount, indifferent_under_entropy
from ladders.training import exam_gamma, knows_gamma
from ladders.unfinished import passing
from rlcheck.records import Context, More, Outcome, Status, Trial


def judge_exam(trials: Trials, context: Context) -> Outcome | More:
    """The verdict of all trials so far, or the trials that are needed next."""
    walks = [one for one in trials if one[0].variant == VARIANT]
    asked = [one for one in trials if one[0].variant != VARIANT]
    outcome = _judge_answers(asked, context)
    return told_apart(outcome, asked, walks, affordable(asked, context))


def _judge_answers(trials: Trials, context: Context) -> Outcome | More:
    if not trials:
        return More((Trial(context.settings.seed, SPEED_STEPS, "speed"),), "measuring its speed")
    exam = design(exam_gamma(context.facts, context.settings))
    if len(trials) == 1:
        return next_level(first_steps(trials[0][1], exam), 0, context)
    levels = _by_level(exam, trials[1:], context)
    steps, may_go_on = max(levels), more_levels(trials, len(levels), context)
    verdict = _passed(exam, levels[steps])
    if verdict is not None and may_go_on and may_be_wrong(exam, levels[steps], context):
        verdict = wrong_values(exam, levels, context)
        return verdict or next_level(2 * steps, len(levels), context)
    verdict = verdict or _misbehaved(exam, trials[1:], levels, context)
    if verdict is not None:
        return verdict
    recent = _recent(exam, levels)
    if recent is not None:
        verdict = _failed(exam, recent, context, may_go_on) or wrong_values(exam, levels, context)
        if verdict is not None:
            return verdict
        if _leaning(exam, recent):
            return more_seeds(steps, trials, context)
    if may_go_on:
        return next_level(2 * steps, len(levels), context)
    return _settled(exam, trials[1:], levels, context) or _undecided(exam, levels)


def _by_level(exam: Exam, trials: Trials, context: Context) -> dict[int, list[Sheet]]:
    """Sheets by budget, without the questions that an entropy bonus or an unknown discount flips."""
    left_out = np.zeros(len(exam.decisions), dtype=bool)
    if not knows_gamma(context.facts, context.settings):
        left_out |= indifferent_to_discount(exam)
    if context.facts.get("entropy_in_value"):
        left_out |= indifferent_under_entropy(exam, context.facts.get("actions") == "continuous")
    levels: dict[int, list[Sheet]] = {}
    for trial, evidence in trials:
        sheet = Sheet.from_evidence(
            evidence, trial.seed, trial.steps, context.facts.get("acts_by", "")
        )
        answers = np.where(left_out, -1, sheet.answers)
        levels.setdefault(trial.steps, []).append(replace(sheet, answers=answers))
    return levels


# --- verdicts -------------------------------------------------------------------------------------


def _passed(exam: Exam, sheets: list[Sheet]) -> Outcome | None:
    """Every question that counts was answered, and right, by all runs of the level."""
    graded = np.array([sheet.answers for sheet in sheets]) >= 0
    if wrong_answers(exam, sheets).any() or graded.all(axis=0).mean() < 0.5:
        return None
    count, steps = int(graded.all(axis=0).sum()), sheets[0].steps
    message = f"all {count} questions answered right by {len(sheets)} seeds within {steps:,} steps"
    return Outcome(Status.PASSED, message, {"steps": steps, "questions": count})


def _misbehaved(
    exam: Exam, trials: Trials, levels: dict[int, list[Sheet]], context: Context
) -> Outcome | None:
    """What the recorded actions show, over the last two levels; a greedy one shows it over one."""
    recent = sorted(levels)[-2:]
    seen = [evidence for trial, evidence in trials if trial.steps in recent]
    if len(levels) >= 2 and "predict" in context.facts.get("capabilities", ()):
        found = (
            observation_ignored(seen)
            or acts_on_the_state_before(seen)
            or train_eval_mismatch(exam, seen)
        )
        if found is not None:
            return found
    return no_exploration(seen, context)


@dataclass(frozen=True)
class _Recent:
    """The last two levels, graded together.

    Args:
        before, now: sheets of the level before the last, and of the last.
        ended: the ways of not having learned yet that the levels rule out.
        graded: the posterior given both.
        stable: [D] bool, wrong in every run of both; one run in six may differ.
    """

    before: list[Sheet]
    now: list[Sheet]
    ended: tuple[str, ...]
    graded: Grade
    stable: np.ndarray

    @property
    def sheets(self) -> list[Sheet]:
        """Of both levels."""
        return [*self.before, *self.now]


def _recent(exam: Exam, levels: dict[int, list[Sheet]]) -> _Recent | None:
    """The last two levels, None where there is but one."""
    if len(levels) < 2:
        return None
    before, now = (levels[steps] for steps in sorted(levels)[-2:])
    ended = ruled_out(exam, levels)
    stable = wrong_answers(exam, [*before, *now]).mean(axis=0) >= 1.0 - 1.0 / 6.0
    return _Recent(before, now, ended, grade(exam, [*before, *now], ended), stable)


def _failed(exam: Exam, recent: _Recent, context: Context, may_go_on: bool) -> Outcome | None:
    """Two successive levels bear the same wrong answers, which no learner of right code gives.

    A fault in a learner that is not done is named when it is done, if the budget allows.
    """
    graded, sheets, stable = recent.graded, recent.sheets, recent.stable
    if graded.innocent >= context.settings.alpha:
        return None
    if not np.array_equal(mostly_wrong(exam, recent.before), mostly_wrong(exam, recent.now)):
        # What was still wrong with fewer steps alone says nothing about which mistake it is.
        graded = grade(exam, recent.now, recent.ended)
    suspects = _named(exam, graded, sheets, recent.now, stable)
    if not suspects and _unexplained(exam, sheets, stable):
        suspects = {fault: 0.5 * weight for fault, weight in graded.ranked_faults()[:5]}
    if not suspects or (may_go_on and passing(graded.best[next(iter(suspects))])):
        return None
    return failed_outcome(exam, graded, suspects, sheets, stable)


def _leaning(exam: Exam, recent: _Recent) -> bool:
    """Whether two levels already bear the signature of a fault, and only certainty is missing."""
    if len(recent.now) >= MOST_SEEDS or recent.graded.innocent >= 0.5:
        return False
    return bool(_named(exam, recent.graded, recent.sheets, recent.now, recent.stable))


def _named(
    exam: Exam, graded: Grade, sheets: list[Sheet], now: list[Sheet], stable: np.ndarray
) -> dict[str, float]:
    """Faults that predict exactly these answers, with their share of the probability.

    A fault is named only if every answer that it clearly predicts was given, those that it leaves
    right included, and if what it gets wrong was wrong in every run.
    """
    found = {}
    for fault, probability in graded.ranked_faults():
        belief = graded.best[fault]
        if probability < 0.02 or contradictions(exam, belief, now).any():
            continue
        shown = signature(exam, belief)
        if shown.any() and not stable[shown].mean() >= 0.75:
            continue
        if not shown.any() and not wrong_answers(exam, sheets).any(axis=1).mean() >= 0.75:
            continue
        found[fault] = probability
    return found


def _unexplained(exam: Exam, sheets: list[Sheet], stable: np.ndarray) -> bool:
    """Whether two questions stay wrong although two at least as hard are answered right by all runs.

    As hard means: information has to travel as far, and later values have to be known as exactly. A
    policy that is still improving is let off where its answer is right for what it does later on, and
    one that shows no values where it hardly tried the right action: it may have settled early.
    """
    depth, exact = depths(exam), exactness(exam)
    right = ~wrong_answers(exam, sheets).any(axis=0)
    excused = np.array(
        [(lagging_policy(exam, s).gaps[exam.decisions] > 0) == (s.answers == 1) for s in sheets]
    )
    let_off = excused.any(axis=0) | (locked_in(exam, sheets) & hides_values(sheets))
    guilty = [
        question
        for question in np.nonzero(stable & ~let_off)[0]
        if (right & (depth >= depth[question]) & (exact >= exact[question])).sum() >= 2
    ]
    return len(guilty) >= 2


def _settled(
    exam: Exam, trials: Trials, levels: dict[int, list[Sheet]], context: Context
) -> Outcome | None:
    """The verdict after the last level: mostly right, never better than chance, or neither."""
    steps = sorted(levels)[-2:]
    sheets = [sheet for level in steps for sheet in levels[level]]
    wrong = wrong_answers(exam, sheets)
    graded = grade(exam, sheets)
    guilt = 1.0 - graded.innocent
    few = wrong.any(axis=0).sum() <= 4 and (wrong.mean(axis=0) <= 0.5).all()
    if few and len(levels) > 1 and guilt < context.settings.alpha:
        message = (
            f"every question answered right by most of {len(sheets)} runs of up to {steps[-1]:,} "
            f"steps; seeds differ on {', '.join(named_questions(exam, np.asarray(wrong.any(axis=0))))}"
        )
        return Outcome(Status.PASSED, message, {"steps": steps[-1]})
    last = [evidence for trial, evidence in trials if trial.steps == steps[-1]]
    found = never_refreshed(steps[-1], last)
    if (
        found is None
        and not _still_waiting(context, steps[-1])
        and graded.ranked_faults()[0][1] < 0.5
    ):
        recent = [evidence for trial, evidence in trials if trial.steps in steps]
        found = learns_nothing(exam, sheets, recent)
    return found or _persistent(exam, levels, graded)


def _persistent(exam: Exam, levels: dict[int, list[Sheet]], graded: Grade) -> Outcome | None:
    """Failed if three budgets, each twice the last, leave the same questions wrong, harder ones right.

    No fault of the catalogue need fit: this is how a mistake that nobody has modelled yet shows.
    """
    if len(levels) < 3:
        return None
    recent = [levels[steps] for steps in sorted(levels)[-3:]]
    stable = np.all([wrong_answers(exam, sheets).all(axis=0) for sheets in recent], axis=0)
    sheets = [sheet for level in recent for sheet in level]
    if not _unexplained(exam, sheets, stable):
        return None
    suspects = {fault: 0.5 * weight for fault, weight in graded.ranked_faults()[:5]}
    return failed_outcome(exam, graded, suspects, sheets, stable)


def _still_waiting(context: Context, steps: int) -> bool:
    """Whether the subject's own settings say that learning starts late."""
    starts = context.facts.get("options", {}).get("learning_starts")
    return isinstance(starts, int | float) and starts > steps / 2


def _undecided(exam: Exam, levels: dict[int, list[Sheet]]) -> Outcome:
    steps = max(levels)
    sheets = levels[steps]
    graded = grade(exam, sheets)
    leaning = {fault: 0.3 * weight for fault, weight in graded.ranked_faults()[:3] if weight > 0.05}
    evidence = {
        "steps": steps,
        "wrong": named_questions(exam, graded.wrong_rate > 0),
        "posterior": {k: round(v, 4) for k, v in graded.posterior.items() if v > 1e-4},
    }
    message = undecided_message(exam, graded, sheets)
    return Outcome(Status.INCONCLUSIVE, message, evidence, leaning)
