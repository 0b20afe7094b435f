"""The questions of the exam: tiny MDPs whose optimal action flips under particular faults.

A question is a tree of steps that starts at one state. It is written with `step` records; actions are
0 and 1, `Step.ends` says how the step finishes. Where both actions do the same, the state is *forced*.
Every state has exactly one predecessor, so "the reward of the step before" is a function of the state.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Ends = Literal["", "terminated", "truncated"]

GOOD, BAD = "good", "bad"
"""Two forced one-step questions with known value; they serve as final observations."""


@dataclass(frozen=True)
class Step:
    """What one action does: a reward, then the next state, or the end.

    Args:
        reward: r(s, a).
        to: name of the state that is observed next; for an ending step the final observation.
        ends: "" goes on, "terminated" ends for good, "truncated" is cut by the time limit.
        or_to: a second state, reached as often as `to` (a fair coin).
    """

    reward: float
    to: str = GOOD
    ends: Ends = ""
    or_to: str = ""


States = dict[str, tuple[Step, Step]]


@dataclass(frozen=True)
class Question:
    """One sub-MDP.

    Args:
        name: what is asked; also the name of its first state.
        states: state name -> the steps of action 0 and 1; the first state is the start.
        options: what action 0 and action 1 get at `decision`, in words.
        decision: the state at which the question is asked (not always the first).
    """

    name: str
    states: States
    options: tuple[str, str]
    decision: str = ""

    @property
    def start(self) -> str:
        """Name of the first state."""
        return next(iter(self.states))


@dataclass(frozen=True)
class Branch:
    """One of the two options of a question: in words, its first step, and the states behind it."""

    text: str
    step: Step
    states: States = field(default_factory=dict)


def end(reward: float, to: str = GOOD) -> Step:
    """A step that terminates the episode."""
    return Step(reward, to, "terminated")


def cut(reward: float, to: str) -> Step:
    """A step after which a time limit truncates the episode in state `to`."""
    return Step(reward, to, "truncated")


def now(reward: float, to: str = GOOD) -> Branch:
    """`reward` and the end."""
    return Branch(f"{reward:.3g} and the end", end(reward, to))


def walk(name: str, text: str, rewards: list[float]) -> Branch:
    """Pay `rewards` step by step, then terminate; what is done on the way does not matter."""
    return Branch(text, Step(rewards[0], f"{name}-1"), chain(name, rewards[1:]))


def chain(prefix: str, rewards: list[float]) -> States:
    """Forced states that pay `rewards` one after another and then terminate."""
    states: States = {}
    for index, reward in enumerate(rewards):
        last = index == len(rewards) - 1
        step = end(reward) if last else Step(reward, f"{prefix}-{index + 2}")
        states[f"{prefix}-{index + 1}"] = (step, step)
    return states


def choice(name: str, right: Branch, wrong: Branch, right_action: int) -> Question:
    """A question whose correct action is `right_action`."""
    first, second = (wrong, right) if right_action else (right, wrong)
    states = {name: (first.step, second.step), **right.states, **wrong.states}
    return Question(name, states, (first.text, second.text), decision=name)


def pay_later(
    name: str, at_once: float, later: float, delay: int, wait: bool, right_action: int
) -> Question:
    """`at_once`, or `later` after `delay` empty steps; `wait` says which is right."""
    text = f"{later:.3g} after {delay} empty steps"
    waiting = walk(name, text, [0.0] * delay + [later])
    right, wrong = (waiting, now(at_once)) if wait else (now(at_once), waiting)
    return choice(name, right, wrong, right_action)


def pay_at(name: str, position: int, length: int, right_action: int) -> Question:
    """Two equal walks of `length` steps; one pays 1 at step `position`, the other nothing."""
    rewards = [0.0] * length
    rewards[position] = 1.0
    paid = walk(f"{name}-paid", f"1 at step {position + 1} of {length}", rewards)
    empty = walk(f"{name}-empty", f"nothing in {length} steps", [0.0] * length)
    return choice(name, paid, empty, right_action)
