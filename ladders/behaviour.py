"""What the environment saw the agent do, against what the agent says: exploration, and greedy answers.

These mistakes change no fixed point, so no answer sheet shows them; the recorded actions do.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ladders.exam import Exam
from rlcheck.records import Evidence, Outcome, Status

VISITED, CLEAR_SHARE = 100, 0.8


def one_sided_share(exam: Exam, evidence: Evidence) -> float:
    """Share of the often visited decision states in which only one action was ever tried.

    With a probability of 5 % for the other action, one such state among 100 visits has a chance of
    0.6 %; an agent that never explores shows it nearly everywhere.
    """
    counts = np.array(evidence["counts"])[exam.decisions]
    often = counts.sum(axis=1) >= VISITED
    if often.sum() < 5:
        return 0.0
    return float((counts[often].min(axis=1) == 0).mean())


def no_exploration(exam: Exam, sheets: Sequence[Evidence]) -> Outcome | None:
    """Failed if all runs tried only one action in most of the states that they visited often."""
    shares = [one_sided_share(exam, evidence) for evidence in sheets]
    if not shares or min(shares) < 0.5:
        return None
    message = (
        f"in {min(shares):.0%} or more of the questions seen over {VISITED} times, each of "
        f"{len(sheets)} runs tried one action only; expected both to be tried: the agent does not "
        "explore"
    )
    return Outcome(Status.FAILED, message, {"one_sided": shares}, {"no-exploration": 0.9})


def disagreement(exam: Exam, evidence: Evidence) -> tuple[int, int]:
    """(questions where training clearly preferred another action than `predict`, of how many)."""
    late = np.array(evidence["late"])[exam.decisions]
    total = late.sum(axis=1)
    clear = (total >= 10) & (late.max(axis=1) >= CLEAR_SHARE * total)
    answers = np.array(evidence["answers"])
    return int((clear & (late.argmax(axis=1) != answers)).sum()), int(clear.sum())


def train_eval_mismatch(exam: Exam, sheets: Sequence[Evidence]) -> Outcome | None:
    """Failed if in all runs the greedy answers contradict a good part of what training did."""
    found = [disagreement(exam, evidence) for evidence in sheets]
    if any(of < 8 or differ < 0.25 * of for differ, of in found):
        return None
    differ, of = found[0]
    message = (
        f"`predict` names another action than training took at {differ} of {of} questions where "
        "training had made up its mind; expected them to agree"
    )
    inverted = all(differ > 0.9 * of for differ, of in found)
    suspects = {"train-eval-mismatch": 0.9}
    if inverted:
        suspects = {"train-eval-mismatch": 0.5, "action-permuted": 0.45}
    return Outcome(Status.FAILED, message, {"differ": found}, suspects)
