"""The exam: one composite MDP whose reset draws a question; one short training answers them all.

The questions are designed for a given discount by exact dynamic programming: where a reward is free,
it is set so that the gap between the two actions under the right semantics is as large as the gap,
the other way round, under the fault that the question is there to show.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from ladders.beliefs import Belief
from ladders.mdp import MDP
from ladders.questions import (
    BAD,
    GOOD,
    Branch,
    Question,
    Step,
    choice,
    cut,
    end,
    now,
    pay_at,
    pay_later,
    walk,
)
from ladders.semantics import all_beliefs, correct, terminal_bootstrap

FORCED_REWARD = 2.0


# Compared by identity: `design` makes one exam a discount, and what depends on it alone is cached.
@dataclass(frozen=True, eq=False)
class Exam:
    """A composed exam and everything that can be computed about it before any agent runs.

    Args:
        gamma: the discount it was designed for.
        questions: in order.
        mdp: the composite MDP; its states are those of all questions.
        decisions: indices of the states at which the right action matters.
        beliefs: exact answers and values of the right semantics (first), of each fault, and of
            learners that have not finished.
    """

    gamma: float
    questions: tuple[Question, ...]
    mdp: MDP
    decisions: np.ndarray
    beliefs: tuple[Belief, ...]

    @property
    def right(self) -> np.ndarray:
        """[D] the right action of every decision."""
        return (self.beliefs[0].gaps[self.decisions] > 0).astype(int)

    def question_of(self, state: int) -> Question:
        """The question that a state belongs to."""
        name = self.mdp.names[state]
        return next(question for question in self.questions if name in question.states)


def compose(questions: tuple[Question, ...]) -> MDP:
    """Put questions side by side; reset draws one of them uniformly."""
    names = [name for question in questions for name in question.states]
    index = {name: position for position, name in enumerate(names)}
    if len(index) != len(names):
        raise ValueError("two questions use the same state name")
    shape = (len(names), 2)
    transitions = np.zeros((*shape, len(names)))
    rewards = np.zeros(shape)
    terminated = np.zeros(shape, dtype=bool)
    truncated = np.zeros(shape, dtype=bool)
    start = np.zeros(len(names))
    for question in questions:
        start[index[question.start]] = 1.0 / len(questions)
        for name, steps in question.states.items():
            for action, step in enumerate(steps):
                where = index[name], action
                rewards[where] = step.reward
                terminated[where] = step.ends == "terminated"
                truncated[where] = step.ends == "truncated"
                for target in (step.to, step.or_to or step.to):
                    transitions[(*where, index[target])] += 0.5
    return MDP(transitions, rewards, terminated, truncated, start, tuple(names))


def _balanced(now: float, gamma: float, other: float, delay: int) -> float:
    """The late reward R with R gamma^d - now = -(R other^d - now): equal gaps, opposite signs."""
    return 2 * now / (gamma**delay + other**delay)


def _discount_questions(gamma: float, unit: int) -> tuple[Question, ...]:
    """A ladder of thresholds that brackets the discount which the learner really uses."""
    long, short = 3 * unit, 2 * unit
    twice, too_small = gamma**2, gamma**6
    return (
        pay_later("not-undiscounted", 1.5, _balanced(1.5, gamma, 1.0, long), long, False, 1),
        _steady("not-undiscounted-steady", 2.0, gamma, long + 1),
        pay_later("not-squared", 1.5, _balanced(1.5, gamma, twice, long), long, True, 0),
        pay_later("not-squared-short", 2.0, _balanced(2.0, gamma, twice, short), short, True, 1),
        pay_later("not-small", 1.0, _balanced(1.0, gamma, too_small, short), short, True, 1),
        pay_later("long-delay", 0.25, 2.0, long, True, 0),
    )


def _steady(name: str, at_once: float, gamma: float, length: int) -> Question:
    """`at_once`, or a little in each of `length` steps: more in all, less when discounted."""
    discounted = (1 - gamma**length) / (1 - gamma)
    little = 2 * at_once / (discounted + length)
    text = f"{little:.3g} in each of {length} steps"
    return choice(name, now(at_once), walk(name, text, [little] * length), 0)


def _truncation_questions(gamma: float) -> tuple[Question, ...]:
    """A time limit that cuts in front of a good and of a bad state, and the same without a cut."""
    stop = gamma * FORCED_REWARD / 2
    good = {"good-twin": (end(FORCED_REWARD),) * 2}
    bad = {"bad-twin": (end(-FORCED_REWARD),) * 2}
    cut_at = "cut by the time limit in front of a state worth"
    to_good = Branch(f"0, {cut_at} 2", cut(0.0, GOOD))
    to_bad = Branch(f"{stop:.3g}, {cut_at} -2", cut(stop, BAD))
    on_to_good = Branch("0 and on to a state worth 2", Step(0.0, "good-twin"), good)
    on_to_bad = Branch(f"{stop:.3g} and on to a state worth -2", Step(stop, "bad-twin"), bad)
    return (
        choice("time-limit-before-good", to_good, now(stop), 1),
        choice("time-limit-before-bad", now(0.0), to_bad, 0),
        choice("going-on-to-good", on_to_good, now(stop), 1),
        choice("going-on-to-bad", now(0.0), on_to_bad, 1),
    )


def _reward_questions() -> tuple[Question, ...]:
    """What is paid, when, and how much of it counts."""
    in_two = walk("three-at-once", "1 and then 1 more", [1.0, 1.0])
    linger = walk("do-not-linger", "0.4 and then nothing", [0.4, 0.0])
    return (
        choice("bandit-0", now(1.0), now(0.0), 0),
        choice("bandit-1", now(1.0), now(0.0), 1),
        pay_at("paid-first", 0, 2, 0),
        pay_at("paid-last", 1, 2, 1),
        pay_at("paid-midway", 1, 3, 0),
        choice("three-at-once", now(3.0), in_two, 1),
        choice("do-not-linger", now(1.0), linger, 1),
    )


def _second_step_questions(gamma: float, unit: int) -> tuple[Question, ...]:
    """Decisions that come after a first step: maximum or mean, and what the observation tells."""
    gamble = {"gamble-decide": (end(-1.0), end(1.0))}
    cues = {"cue-a": (end(1.0), end(0.0)), "cue-b": (end(0.0), end(1.0))}
    seen = Step(0.0, "cue-a", or_to="cue-b")
    onward = Step(0.0, "second-step-decide")
    late = pay_later("second-step-decide", 0.25, 2.0, 2 * unit, True, 1)
    enter = Branch("a choice between 1 and -1", Step(0.0, "gamble-decide"), gamble)
    told = ("the action that the observation tells", "the other one")
    return (
        choice("gamble", enter, now(gamma / 2), 0),
        Question("cue", {"cue": (seen, seen), **cues}, told, decision="cue-a"),
        Question(
            "second-step", {"second-step": (onward,) * 2, **late.states}, late.options, late.name
        ),
    )


def _leak_questions(gamma: float, unit: int, hurry: float) -> tuple[Question, ...]:
    """Ends that differ in when they come, and in the observation that comes with them."""
    long, little = 3 * unit, 0.3 / unit
    idle = walk("no-hurry", f"{hurry:.3g} and then {long} empty steps", [hurry, *[0.0] * long])
    better = Branch("0 and an end that shows a better state", end(0.0, GOOD))
    stay = walk("stay", f"0.3, then {little:.3g} in each of {long} steps", [0.3, *[little] * long])
    return (
        choice("no-hurry", idle, now(0.0), 1),
        choice("last-look", now(gamma, BAD), better, 1),
        choice("stay", stay, now(0.4), 0),
    )


def forced() -> tuple[Question, ...]:
    """The two states of known value. Each shows the other at its end, which keeps leaks bounded."""
    return (
        Question(GOOD, {GOOD: (end(FORCED_REWARD, BAD),) * 2}, ("2", "2")),
        Question(BAD, {BAD: (end(-FORCED_REWARD, GOOD),) * 2}, ("-2", "-2")),
    )


@cache
def design(gamma: float) -> Exam:
    """The exam for a discount.

    Raises:
        ValueError: gamma outside [0.5, 0.995]; below, delays say nothing, above they grow too long.
    """
    if not 0.5 <= gamma <= 0.995:
        raise ValueError(f"gamma: the exam needs a discount in [0.5, 0.995], got {gamma:g}")
    hurry = max(np.linspace(0.05, 2.0, 40), key=lambda reward: _hurry_margin(gamma, float(reward)))
    questions = _questions(gamma, float(hurry))
    mdp = compose(questions)
    longest = max(len(question.states) for question in questions)
    beliefs = tuple(all_beliefs(mdp, gamma, longest))
    decisions = np.nonzero(np.abs(beliefs[0].gaps) > 1e-9)[0]
    return Exam(gamma, questions, mdp, decisions, beliefs)


def _questions(gamma: float, hurry: float) -> tuple[Question, ...]:
    unit = delay_unit(gamma)
    return (
        *_reward_questions(),
        *_discount_questions(gamma, unit),
        *_truncation_questions(gamma),
        *_second_step_questions(gamma, unit),
        *_leak_questions(gamma, unit, hurry),
        *forced(),
    )


def _hurry_margin(gamma: float, hurry: float) -> float:
    """The smaller of the gaps of `no-hurry`: right semantics, and leak of the next reset."""
    mdp = compose(_questions(gamma, hurry))
    where = mdp.names.index("no-hurry")
    leaking = next(b for b in terminal_bootstrap(mdp, gamma) if b.variant == "next-reset")
    gaps = correct(mdp, gamma).gaps[where], leaking.gaps[where]
    return min(abs(gaps[0]), abs(gaps[1])) if gaps[0] * gaps[1] < 0 else 0.0


def delay_unit(gamma: float) -> int:
    """Steps over which a tenth of the value is lost, at least one; delays are multiples of it."""
    return max(1, round(0.1 / (1 - gamma)))
