"""The verdict on an agent that learns nothing: guessing after many steps, and getting no better.

A correct learner that is slow does get better: late in its training it takes the right action more
often than early on. So an agent is only said not to learn if what it executed shows no such rise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ladders.exam import Exam
from ladders.grading import depths
from ladders.sheets import Sheet, wrong_answers
from ladders.shown_values import RELATED, UNRELATED, correlation
from rlcheck.records import Evidence, Outcome, Status

ENOUGH_STEPS = 30_000
RAREST_COPY = 60_000
GUESSING = 0.7
"""Share of the easiest questions below which an agent knows next to nothing; a coin gets half."""
IMPROVES = 3.0
"""Standard errors by which late actions must be better than early ones to count as learning."""

ACTOR = ("actor", "policy", "pi", "action_net")
CRITIC = ("critic", "value", "vf", "qf", "q_net", "baseline")


def learns_nothing(
    exam: Exam, sheets: Sequence[Sheet], evidence: Sequence[Evidence]
) -> Outcome | None:
    """Failed if the answers of these runs are guesses, and nothing shows that they will get better.

    The executed actions did not improve, or the values that are shown are unrelated to the true ones.

    Args:
        exam: the questions.
        sheets: of the last two levels.
        evidence: of the same trials.
    """
    steps = max(sheet.steps for sheet in sheets)
    easy = easiest(exam)
    share = 1.0 - wrong_answers(exam, sheets)[:, easy].mean()
    if steps < ENOUGH_STEPS or share >= GUESSING:
        return None
    early, late, rise = improvement(exam, easy, evidence)
    related = [correlation(exam, sheet) for sheet in sheets]
    lost = all(one is not None and one < UNRELATED for one in related)
    if rise >= IMPROVES and not lost:
        return None
    message = (
        f"after {steps:,} steps only {share:.0%} of the answers to the easiest questions are right, "
        f"where guessing gets 50%, and of the actions taken there {early:.0%} were right at first and "
        f"{late:.0%} at the end: the agent does not learn"
    )
    still = sorted(set.intersection(*(set(one.get("still", ())) for one in evidence)))
    tensors = max(int(one.get("tensors", 0)) for one in evidence)
    if still:
        message += f"\n{len(still)} of {tensors} tensors never changed: {', '.join(still[:4])}"
    found = {"steps": steps, "share": share, "still": still}
    suspects = suspects_of(still, tensors)
    if not still and not sheets[0].value_based:
        told, parts = _which_part(related, lost, acts_evenly(exam, easy, evidence))
        message, suspects = message + told, parts or suspects
    return Outcome(Status.FAILED, message, found, suspects)


def _which_part(
    related: Sequence[float | None], lost: bool, even: bool
) -> tuple[str, Mapping[str, float]]:
    """What the critic and the actions say of a policy agent that moves and does not learn."""
    if even:
        told = "; it still takes both actions equally often in every state"
        return told, {"no-policy-gradient": 0.6, "does-not-learn": 0.2}
    if lost:
        told = "; nor have the values that it shows anything to do with the rewards"
        return told, {"batch-misaligned": 0.5, "env-axis-mixed": 0.25, "does-not-learn": 0.15}
    if all(one is not None and one > RELATED for one in related):
        told = "; yet the values that it shows are right, so what is wrong is what the policy learns from"
        return told, {"action-not-executed": 0.4, "batch-misaligned": 0.25, "action-permuted": 0.1}
    return "", {}


def acts_evenly(exam: Exam, easy: np.ndarray, evidence: Sequence[Evidence]) -> bool:
    """Whether no run came to prefer an action in any of these states, beyond what coins show.

    With z standard deviations from even in each of k states and runs, the sum of z^2 is about k.
    """
    late = np.array([one["late"] for one in evidence], dtype=float)[:, exam.decisions[easy]]
    total = late.sum(axis=2)
    squares = (late[..., 0] - late[..., 1]) ** 2 / np.maximum(total, 1.0)
    return bool(total.min() > 0 and squares.sum() <= 2 * total.size)


def never_refreshed(steps: int, evidence: Sequence[Evidence]) -> Outcome | None:
    """Failed if, of all tensors, the copies of trained ones alone are still as they were at first.

    Nature's DQN copies every 10,000 gradient steps of 4 environment steps each (Mnih et al. 2015).
    """
    still = [sorted(one.get("still", ())) for one in evidence]
    copies = [one.get("targets", []) for one in evidence]
    if steps < RAREST_COPY or still != copies or not all(still):
        return None
    message = (
        f"after {steps:,} steps {len(still[0])} tensors are bit for bit as they were at first, all of "
        f"them of the target network: {', '.join(still[0][:4])}"
    )
    return Outcome(Status.FAILED, message, {"steps": steps}, {"target-never-updated": 0.9})


def easiest(exam: Exam) -> np.ndarray:
    """[D] bool, the questions that one step answers, with a large gap."""
    return (depths(exam) <= 1) & (np.abs(exam.beliefs[0].gaps[exam.decisions]) >= 0.9)


def improvement(
    exam: Exam, easy: np.ndarray, evidence: Sequence[Evidence]
) -> tuple[float, float, float]:
    """Share of right actions in the first four fifths and in the last one, and the rise in errors."""
    states = exam.decisions[easy]
    right = (exam.beliefs[0].gaps[states] > 0).astype(int)
    late = np.sum([np.array(one["late"], dtype=float)[states] for one in evidence], axis=0)
    whole = np.sum([np.array(one["counts"], dtype=float)[states] for one in evidence], axis=0)
    shares, sizes = [], []
    for counts in (whole - late, late):
        sizes.append(max(counts.sum(), 1.0))
        shares.append(counts[np.arange(len(states)), right].sum() / sizes[-1])
    pooled = np.average(shares, weights=sizes)
    error = np.sqrt(max(pooled * (1 - pooled), 1e-9) * (1 / sizes[0] + 1 / sizes[1]))
    return float(shares[0]), float(shares[1]), float((shares[1] - shares[0]) / error)


def suspects_of(still: Sequence[str], tensors: int) -> Mapping[str, float]:
    """What the tensors that never changed point at."""
    named = {side: [n for n in still if is_part(n, words)] for side, words in _SIDES.items()}
    if still and len(still) == tensors:
        return {"does-not-learn": 0.9}
    if named["actor"] and not named["critic"]:
        return {"no-policy-gradient": 0.8, "does-not-learn": 0.1}
    if named["critic"] and not named["actor"]:
        return {"critic-not-trained": 0.6, "does-not-learn": 0.2}
    if not tensors:
        return {"does-not-learn": 0.5, "no-policy-gradient": 0.2, "batch-misaligned": 0.2}
    # Everything moves, so gradients arrive; what they are computed from does not fit together.
    return {"batch-misaligned": 0.5, "env-axis-mixed": 0.15, "does-not-learn": 0.2}


_SIDES = {"actor": ACTOR, "critic": CRITIC}


def is_part(name: str, words: Sequence[str]) -> bool:
    """Whether a tensor's name says that it belongs to the actor or the critic (`ACTOR`, `CRITIC`)."""
    parts = name.lower().replace("_net", "").split(".")
    return any(word.replace("_net", "") in part for part in parts for word in words)
