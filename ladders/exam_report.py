"""What the exam says in words: which question was answered wrongly, and the arithmetic that proves it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ladders.beliefs import Belief
from ladders.exam import Exam
from ladders.grading import Grade, locked_in, signature
from ladders.sheets import Sheet
from rlcheck.records import Outcome, Status

SHOWN = 3


def named_questions(exam: Exam, which: np.ndarray) -> list[str]:
    """Names of the decision states at which `which` [D] is true."""
    return [exam.mdp.names[state] for state in exam.decisions[np.nonzero(which)[0]]]


def options_at(exam: Exam, state: int) -> tuple[str, str]:
    """What action 0 and action 1 get at a decision state, in words."""
    question = exam.question_of(state)
    if question.decision == exam.mdp.names[state]:
        return question.options
    rewards = exam.mdp.rewards[state]
    return f"{rewards[0]:.3g}", f"{rewards[1]:.3g}"


def prove(exam: Exam, belief: Belief, sheets: Sequence[Sheet], which: np.ndarray) -> list[str]:
    """Three lines of arithmetic for each of the questions that show a fault best."""
    right = exam.beliefs[0]
    strength = np.minimum(np.abs(right.gaps), np.abs(belief.gaps))[exam.decisions] * which
    lines = []
    for position in np.argsort(-strength)[: min(SHOWN, int(which.sum()))]:
        state = int(exam.decisions[position])
        options = options_at(exam, state)
        best = int(right.gaps[state] > 0)
        counts = sum(int(sheet.answers[position]) == 1 - best for sheet in sheets)
        lines += [
            f"{exam.mdp.names[state]}: {options[0]}, or {options[1]}",
            f"  right: {_worth(right, state, best)}, so take {options[best]!r}",
            f"  {belief.fault}: {_worth(belief, state, best)}, so take {options[1 - best]!r}",
            f"  seen: {counts} of {len(sheets)} runs take {options[1 - best]!r}",
        ]
    return lines


def _worth(belief: Belief, state: int, best: int) -> str:
    values = belief.q_values[state]
    relation = ">" if values[best] > values[1 - best] else "<"
    return f"{values[best]:.3g} {relation} {values[1 - best]:.3g}"


def failed_outcome(
    exam: Exam,
    graded: Grade,
    suspects: Mapping[str, float],
    sheets: Sequence[Sheet],
    stable: np.ndarray,
) -> Outcome:
    """The failure, with the top fault's proof."""
    fault = next(iter(suspects))
    belief = graded.best[fault]
    shown = signature(exam, belief) & stable
    if not stable.any():
        stable = graded.wrong_rate >= 0.25
    proof = prove(exam, belief, sheets, shown if shown.any() else stable)
    wrong = named_questions(exam, stable)
    unanimous = bool((graded.wrong_rate == 1.0).any())
    budgets = sorted({sheet.steps for sheet in sheets})
    who = f"{'all ' if unanimous else 'many of '}{len(sheets)} runs"
    message = (
        f"{len(wrong)} of {len(exam.decisions)} questions answered wrongly by {who} "
        f"({budgets[0]:,} and {budgets[-1]:,} steps): "
    )
    message += ", ".join(wrong[:6]) + (", ..." if len(wrong) > 6 else "")
    evidence = {
        "steps": budgets,
        "wrong": wrong,
        "posterior": {k: round(v, 4) for k, v in graded.posterior.items() if v > 1e-4},
        "variant": {name: graded.best[name].variant for name in suspects},
        "proof": {name: prove(exam, graded.best[name], sheets, stable) for name in suspects}
        | {fault: proof},
    }
    return Outcome(Status.FAILED, message, evidence, suspects)


def undecided_message(exam: Exam, graded: Grade, sheets: Sequence[Sheet]) -> str:
    """What is missing, and what would settle it."""
    names = named_questions(exam, graded.wrong_rate > 0)
    missing = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
    steps = sheets[0].steps
    lines = [
        f"{len(names)} of {len(exam.decisions)} questions are not answered right by all seeds after "
        f"{steps:,} steps: {missing or 'none, but too few were answered at all'}",
        "a correct agent that learns slowly (a slow target network, a late start, few updates) "
        "looks like this too; faster settings or a larger budget (--budget thorough) would tell",
    ]
    settled = named_questions(exam, locked_in(exam, sheets))
    if settled:
        lines.append(
            f"the right action was hardly tried in {', '.join(settled[:4])}: so does a policy that "
            "settles before late rewards are known; more exploration or a slower actor would tell"
        )
    leaning = [f"{fault} ({weight:.0%})" for fault, weight in graded.ranked_faults()[:2]]
    if graded.innocent < 0.5:
        lines.append("if it is a fault, the answers fit best: " + ", ".join(leaning))
    return "\n".join(lines)
