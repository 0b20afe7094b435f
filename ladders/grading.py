"""Grading: the posterior over {correct, each fault, has not learned yet} given the answer sheets.

Every belief (`ladders.semantics`) predicts an answer to every question, from the gap between its two
action values. A learner that holds the belief answers against its gap with probability

    error(gap) = FLOOR + (1/2 - FLOOR) exp(-|gap| / scale)

so a belief that does not care (gap 0) predicts a coin. The scale grows with the number of steps that
information has to travel, since estimates of far rewards are the last to become exact, and with the
size of the gaps that the belief holds elsewhere, since learners resolve differences relative to the
rest. Answer sheets of several runs multiply, raised to the power CAUTION, since runs of one agent
share more than the coin (its architecture, its settings).

"Has not learned yet" is a hypothesis like the others: a learner whose information has travelled k
steps, with the questions that need one step more in either state, and a learner whose values are
right for what it still does rather than for the best that it could do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from ladders.beliefs import CORRECT, NOT_LEARNED, Belief
from ladders.exam import Exam, delay_unit
from ladders.mdp import optimal_control, policy_evaluation
from ladders.sheets import POLICY, VALUES, Sheet, acts_by, wrong_answers
from ladders.shown_discount import FAR, shown_discount
from ladders.unfinished import PASSING, SHRUNK, SWEEPS

FLOOR, SCALE, CAUTION = 0.05, 0.12, 0.5
VALUE_WEIGHT = 6.0
PRIOR = {CORRECT: 1.0, NOT_LEARNED: 0.2, "terminal-bootstrap": 0.1, "truncation-as-terminal": 0.1}
PRIOR_FAULT = 0.05
"""Weights before any answer: most code is right, and masks are what it gets wrong most often."""
PRIOR_OF = {
    VALUES: {"advantage-sign-flipped": 0.01, "ratio-inverted": 0.005},
    POLICY: {"reward-sign-flipped": 0.02, "ratio-inverted": 0.02},
}
"""Where the answers are alike: a policy gradient has more signs to get wrong than the reward's, an agent
that acts by its action values has no advantage and no ratio."""
REFUTED = 100.0
HARDLY = 0.1
"""Share of its visits below which an action was hardly tried."""
MEAN_GAP = 0.9
"""Root mean square of the right gaps: what SCALE refers to."""


@dataclass(frozen=True)
class Grade:
    """What the sheets of several runs come to.

    Args:
        posterior: hypothesis name -> probability (of a fault, by its best variant).
        best: fault -> its most probable variant.
        wrong_rate: [D] share of the runs that answered wrongly.
    """

    posterior: Mapping[str, float]
    best: Mapping[str, Belief]
    wrong_rate: np.ndarray

    def ranked_faults(self) -> list[tuple[str, float]]:
        """Faults by falling probability."""
        faults = [(n, p) for n, p in self.posterior.items() if n not in (CORRECT, NOT_LEARNED)]
        return sorted(faults, key=lambda pair: -pair[1])

    @property
    def innocent(self) -> float:
        """Probability that the code is right: learned, or still learning."""
        return self.posterior[CORRECT] + self.posterior[NOT_LEARNED]


def resolution(exam: Exam, gaps: np.ndarray) -> np.ndarray:
    """[D] the gap below which a learner with these gaps may well answer either way.

    A belief is held to an answer only where its gap is at least this large.
    """
    size = max(1.0, float(np.sqrt(np.mean(gaps**2))) / MEAN_GAP)
    travelled = np.maximum(depths(exam) - 1, 0) / delay_unit(exam.gamma)
    return SCALE * size * (1.0 + 0.5 * travelled)


def answer_probabilities(exam: Exam, belief: Belief) -> np.ndarray:
    """[D] probability that a learner with this belief answers 1."""
    gaps = belief.gaps[exam.decisions]
    error = FLOOR + (0.5 - FLOOR) * np.exp(-np.abs(gaps) / resolution(exam, gaps))
    return np.where(gaps > 0, 1 - error, np.where(gaps < 0, error, 0.5))


def log_likelihood(answers: np.ndarray, probabilities: np.ndarray) -> float:
    """Log-probability of a sheet; questions without an answer (-1) count nothing."""
    given = answers >= 0
    hit = np.where(answers == 1, probabilities, 1 - probabilities)[given]
    return float(np.log(hit).sum())


def value_log_likelihood(sheet: Sheet, belief: Belief, reached: np.ndarray) -> float:
    """How well exposed values fit a belief: bounded, so that they can rank faults but not convict."""
    known = reached & np.isfinite(sheet.values) & np.isfinite(belief.values)
    if not known.any() or not np.isfinite(sheet.values[reached]).all():
        return -VALUE_WEIGHT
    error = np.sqrt(np.mean((sheet.values[known] - belief.values[known]) ** 2))
    size = np.sqrt(np.mean(belief.values[known] ** 2))
    return -VALUE_WEIGHT * min(1.0, float(error / max(1.0, size)))


def lagging_policy(exam: Exam, sheet: Sheet) -> Belief:
    """Right values of what the agent still did at the end of its training."""
    counts = sheet.late + 0.5
    if sheet.value_based:
        answered = sheet.answers >= 0
        counts[exam.decisions[answered], sheet.answers[answered]] += 10.0
    policy = counts / counts.sum(axis=1, keepdims=True)
    flow = exam.mdp.continuation(exam.gamma)
    values, q_values = policy_evaluation(exam.mdp.rewards, flow, policy)
    gaps = q_values[:, 1] - q_values[:, 0]
    return Belief(NOT_LEARNED, "policy still improving", q_values, values, gaps)


def locked_in(exam: Exam, sheets: Sequence[Sheet]) -> np.ndarray:
    """[D] bool, questions that all runs answer wrongly and have hardly tried the right action of.

    A policy that settles on what pays at once, before late rewards are known, never learns of them: its
    wrong answer says how fast it settled, and nothing about the discount.
    """
    wrong = wrong_answers(exam, sheets).all(axis=0)
    known = [sheet.early for sheet in sheets if sheet.early is not None and not sheet.value_based]
    if len(known) < len(sheets):
        return np.zeros_like(wrong)
    tried = np.sum(known, axis=0)[exam.decisions]
    return wrong & (tried[np.arange(len(tried)), exam.right] < HARDLY * tried.sum(axis=1))


def _unfinished_beliefs(exam: Exam, *kinds: str) -> list[Belief]:
    """The exam's beliefs of learners that are not done, of these kinds (SWEEPS and others)."""
    return [b for b in exam.beliefs if b.fault == NOT_LEARNED and b.variant.endswith(kinds)]


@cache
def depths(exam: Exam) -> np.ndarray:
    """[D] how many sweeps of value iteration the answer to each question needs."""
    right = np.sign(exam.beliefs[0].gaps[exam.decisions])
    wrong_after = [
        np.sign(belief.gaps[exam.decisions]) != right
        for belief in _unfinished_beliefs(exam, SWEEPS)
    ]
    needed = [np.nonzero(column)[0] for column in np.array(wrong_after).T]
    return np.array([column[-1] + 1 if len(column) else 0 for column in needed])


@cache
def exactness(exam: Exam) -> np.ndarray:
    """[D] the share of every later value that must have been learned before the answer is right."""
    right = np.sign(exam.beliefs[0].gaps[exam.decisions])
    flow = exam.mdp.continuation(exam.gamma)
    needed = np.zeros(len(right))
    for share in np.linspace(0.02, 1.0, 50):
        _, q_values = optimal_control(exam.mdp.rewards, share * flow)
        gaps = (q_values[:, 1] - q_values[:, 0])[exam.decisions]
        needed = np.where(np.sign(gaps) != right, share, needed)
    return needed


def _unfinished(exam: Exam, sheets: Sequence[Sheet]) -> dict[str, float]:
    """Log-likelihood of every way of not having learned yet."""
    needed = depths(exam)
    right = answer_probabilities(exam, exam.beliefs[0])
    found: dict[str, float] = {}
    for count, belief in enumerate(_unfinished_beliefs(exam, SWEEPS)):
        lagging = answer_probabilities(exam, belief)
        boundary = (right + lagging) / 2
        blend = np.where(needed <= count, right, np.where(needed == count + 1, boundary, lagging))
        for name, probabilities in ((belief.variant, lagging), (f"over {belief.variant}", blend)):
            found[name] = sum(log_likelihood(sheet.answers, probabilities) for sheet in sheets)
    for belief in _unfinished_beliefs(exam, *PASSING):
        probabilities = answer_probabilities(exam, belief)
        found[belief.variant] = sum(log_likelihood(s.answers, probabilities) for s in sheets)
    found["policy still improving"] = sum(
        log_likelihood(s.answers, answer_probabilities(exam, lagging_policy(exam, s)))
        for s in sheets
    )
    return found


def grade(exam: Exam, sheets: Sequence[Sheet], ended: tuple[str, ...] = ()) -> Grade:
    """The posterior given the sheets of all runs.

    Args:
        exam: the questions, with the beliefs of every hypothesis.
        sheets: one a run.
        ended: the ways of not having learned yet (of `PASSING`) that larger budgets have ruled out; a
            target network that is copied seldom stays one.
    """
    discount = shown_discount(exam.mdp, [sheet.values for sheet in sheets])
    if _settled_early(exam, sheets, discount):
        ended = tuple(kind for kind in ended if kind != SHRUNK)
    scores = _scores(exam, sheets, ended, discount)
    unfinished = [
        CAUTION * score
        for name, score in _unfinished(exam, sheets).items()
        if not name.endswith(ended)
    ]
    best = {fault: max(found, key=lambda pair: pair[0])[1] for fault, found in scores.items()}
    prior = PRIOR | PRIOR_OF.get(acts_by(exam, sheets), {})
    weights = {
        fault: np.log(prior.get(fault, PRIOR_FAULT)) + max(score for score, _ in found)
        for fault, found in scores.items()
    }
    weights[NOT_LEARNED] = np.log(PRIOR[NOT_LEARNED]) + max(unfinished)
    top = max(weights.values())
    total = sum(np.exp(weight - top) for weight in weights.values())
    posterior = {name: float(np.exp(weight - top) / total) for name, weight in weights.items()}
    return Grade(posterior, best, wrong_answers(exam, sheets).mean(axis=0))


def _scores(
    exam: Exam, sheets: Sequence[Sheet], ended: tuple[str, ...], discount: float | None
) -> dict[str, list[tuple[float, Belief]]]:
    """Log-likelihood of every belief but the unfinished ones and those that have `ended`, by fault.

    Values rank faults among each other: the best fit costs nothing, so that they neither convict nor
    acquit (a critic may work on scaled rewards). The discount that they show does not depend on scale.
    """
    reached = np.sum([sheet.late.sum(axis=1) for sheet in sheets], axis=0) > 0
    with_values = not hides_values(sheets)
    found: list[tuple[float, float | None, Belief]] = []
    for belief in exam.beliefs:
        if belief.fault == NOT_LEARNED or belief.variant.endswith(ended):
            continue
        probabilities = answer_probabilities(exam, belief)
        score = CAUTION * sum(log_likelihood(sheet.answers, probabilities) for sheet in sheets)
        fit = None
        if with_values and belief.fault != CORRECT:
            fit = sum(value_log_likelihood(s, belief, reached) for s in sheets)
        misfit = 0.0 if discount is None else _misfit(exam, belief, discount)
        found.append((score - misfit, fit, belief))
    closest = max((fit for _, fit, _ in found if fit is not None), default=0.0)
    scores: dict[str, list[tuple[float, Belief]]] = {}
    for score, fit, belief in found:
        behind = 0.0 if fit is None else fit - closest
        scores.setdefault(belief.fault, []).append((score + CAUTION * behind, belief))
    return scores


def hides_values(sheets: Sequence[Sheet]) -> bool:
    """Whether no run shows any value."""
    return not any(np.isfinite(sheet.values).any() for sheet in sheets)


def _settled_early(exam: Exam, sheets: Sequence[Sheet], discount: float | None) -> bool:
    """Whether the policy had settled before late rewards were known, away from time limits.

    Then values on their way from zero stay an explanation, unless the agent shows its values, and they
    do not show the right discount.
    """
    cut = exam.mdp.truncated[exam.decisions].any(axis=1)
    wrong = wrong_answers(exam, sheets).all(axis=0) & ~cut
    hidden = hides_values(sheets)
    right = discount is not None and abs(discount - exam.gamma) <= FAR
    return bool(wrong.any() and locked_in(exam, sheets)[wrong].all() and (hidden or right))


def _misfit(exam: Exam, belief: Belief, shown: float) -> float:
    """What a belief about the discount loses, in log, by the one that values show."""
    if not belief.fault.startswith("discount-"):
        return 0.0
    own = shown_discount(exam.mdp, [belief.values])
    if own is None:
        return 0.0
    return REFUTED if abs(own - shown) > FAR else min(3.0, abs(own - shown) / 0.005)


def contradictions(exam: Exam, belief: Belief, sheets: Sequence[Sheet]) -> np.ndarray:
    """[D] bool, where most runs were wrong although the belief clearly prefers the right action."""
    gaps, right = belief.gaps[exam.decisions], exam.beliefs[0].gaps[exam.decisions]
    wrong = wrong_answers(exam, sheets)
    agrees = (np.abs(gaps) >= resolution(exam, gaps)) & (np.sign(gaps) == np.sign(right))
    return agrees & (wrong.mean(axis=0) > 0.5)


def signature(exam: Exam, belief: Belief) -> np.ndarray:
    """[D] bool, the questions that a belief clearly answers differently from the right one."""
    gaps, right = belief.gaps[exam.decisions], exam.beliefs[0].gaps[exam.decisions]
    return (np.abs(gaps) >= resolution(exam, gaps)) & (np.sign(gaps) != np.sign(right))
