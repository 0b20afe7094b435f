"""The exam: one composite MDP whose reset draws a question; one short training answers them all.

The questions are designed for a given discount by exact dynamic programming: where a reward is free,
it is set so that the gap between the two actions under the right semantics is as large as the gap,
the other way round, under the fault that the question is there to show.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from ladders.mdp import MDP
from ladders.questions import (
    BAD,
    GOOD,
    Question,
    Step,
    bandit,
    chain,
    choice,
    cut,
    end,
    pay_at,
    pay_later,
)
from ladders.semantics import Belief, all_beliefs, correct, terminal_bootstrap

FORCED_REWARD = 2.0


@dataclass(frozen=True)
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
        pay_later("long-delay-control", 0.25, 2.0, long, True, 0),
    )


def _steady(name: str, now: float, gamma: float, length: int) -> Question:
    """`now` at once, or a little in each of `length` steps: more in all, less when discounted."""
    discounted = (1 - gamma**length) / (1 - gamma)
    little = 2 * now / (discounted + length)
    return choice(
        name,
        f"{now:.3g} now, or {little:.3g} in each of {length} steps",
        (end(now), {}),
        (Step(little, f"{name}-1"), chain(name, [little] * (length - 1))),
        0,
    )


def _truncation_questions(gamma: float) -> tuple[Question, ...]:
    """A time limit that cuts in front of a good and of a bad state, and the same without a cut."""
    stop = gamma * FORCED_REWARD / 2
    twin = {"good-twin": (end(FORCED_REWARD), end(FORCED_REWARD))}
    bad_twin = {"bad-twin": (end(-FORCED_REWARD), end(-FORCED_REWARD))}
    return (
        choice(
            "time-limit-before-good",
            f"0, cut by the time limit in front of a state worth 2, or {stop:.3g} and the end",
            (cut(0.0, GOOD), {}),
            (end(stop), {}),
            1,
        ),
        choice(
            "time-limit-before-bad",
            f"0 and the end, or {stop:.3g}, cut by the time limit in front of a state worth -2",
            (end(0.0), {}),
            (cut(stop, BAD), {}),
            0,
        ),
        choice(
            "going-on-to-good",
            f"0 and on to a state worth 2, or {stop:.3g} and the end",
            (Step(0.0, "good-twin"), twin),
            (end(stop), {}),
            1,
            control_for="time-limit-before-good",
        ),
        choice(
            "going-on-to-bad",
            f"0 and the end, or {stop:.3g} and on to a state worth -2",
            (end(0.0), {}),
            (Step(stop, "bad-twin"), bad_twin),
            1,
            control_for="time-limit-before-bad",
        ),
    )


def _reward_questions() -> tuple[Question, ...]:
    """What is paid, when, and how much of it counts."""
    return (
        bandit("bandit-0", 0),
        bandit("bandit-1", 1),
        pay_at("paid-first", 0, 2, 0),
        pay_at("paid-last", 1, 2, 1),
        pay_at("paid-midway", 1, 3, 0),
        choice(
            "three-at-once",
            "3 at once, or 1 and then 1 more",
            (end(3.0), {}),
            (Step(1.0, "three-at-once-1"), chain("three-at-once", [1.0])),
            1,
        ),
    )


def _control_questions(gamma: float, unit: int) -> tuple[Question, ...]:
    """Maximum against mean, what the observation tells, and which state is bootstrapped from."""
    gamble = {"gamble-decide": (end(-1.0), end(1.0))}
    cues = {
        "cue-a": (end(1.0), end(0.0)),
        "cue-b": (end(0.0), end(1.0)),
    }
    seen = Step(0.0, "cue-a", or_to="cue-b")
    onward = Step(0.0, "second-step-decide")
    late = pay_later("second-step-decide", 0.25, 2.0, 2 * unit, True, 1)
    return (
        choice(
            "gamble",
            "a choice between 1 and -1, or 0.45 and the end",
            (Step(0.0, "gamble-decide"), gamble),
            (end(gamma / 2), {}),
            0,
        ),
        Question("cue", {"cue": (seen, seen), **cues}, "the action that the second state tells"),
        Question("second-step", {"second-step": (onward, onward), **late.states}, late.text),
        choice(
            "do-not-linger",
            "1 and the end, or 0.4 and then nothing",
            (end(1.0), {}),
            (Step(0.4, "do-not-linger-1"), chain("do-not-linger", [0.0])),
            1,
        ),
    )


def _leak_questions(gamma: float, unit: int, hurry: float) -> tuple[Question, ...]:
    """Ends that differ in when they come, and in the observation that comes with them."""
    return (
        choice(
            "no-hurry",
            f"{hurry:.3g} and then {3 * unit} empty steps, or 0 and the end at once",
            (Step(hurry, "no-hurry-1"), chain("no-hurry", [0.0] * (3 * unit))),
            (end(0.0), {}),
            1,
        ),
        choice(
            "last-look",
            f"{gamma:.3g} and the end, or 0 and an end that shows a better state",
            (end(gamma, BAD), {}),
            (end(0.0, GOOD), {}),
            1,
        ),
        choice(
            "stay",
            f"0.3 and then {4 * unit - 1} steps worth {0.3 / unit:.3g} each, or 0.4 and the end",
            (Step(0.3, "stay-1"), chain("stay", [0.3 / unit] * (4 * unit - 1))),
            (end(0.4), {}),
            0,
        ),
    )


def _forced() -> tuple[Question, ...]:
    """The two states of known value. Each shows the other at its end, which keeps leaks bounded."""
    return (
        Question(GOOD, {GOOD: (end(FORCED_REWARD, BAD),) * 2}, "2 whatever is done"),
        Question(BAD, {BAD: (end(-FORCED_REWARD, GOOD),) * 2}, "-2 whatever is done"),
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
        *_control_questions(gamma, unit),
        *_leak_questions(gamma, unit, hurry),
        *_forced(),
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
