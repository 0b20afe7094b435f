"""The questions of the exam: tiny MDPs whose optimal action flips under particular faults.

A question is a tree of steps that starts at one state. It is written with `step` records; actions are
0 and 1, `Step.ends` says how the step finishes. Where both actions do the same, the state is *forced*.
Every state has exactly one predecessor, so "the reward of the step before" is a function of the state.
"""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True)
class Question:
    """One sub-MDP.

    Args:
        name: what is asked.
        states: state name -> the steps of action 0 and 1; the first state is the start.
        text: the choice in words, for reports ("0.9 and the end, or ...").
        control_for: the question for which this one is a control: same delay and gap, without the
            element that a fault breaks.
    """

    name: str
    states: dict[str, tuple[Step, Step]]
    text: str
    control_for: str = ""

    @property
    def start(self) -> str:
        """Name of the first state."""
        return next(iter(self.states))


def end(reward: float, to: str = GOOD) -> Step:
    """A step that terminates the episode."""
    return Step(reward, to, "terminated")


def cut(reward: float, to: str) -> Step:
    """A step after which a time limit truncates the episode in state `to`."""
    return Step(reward, to, "truncated")


def chain(prefix: str, rewards: list[float]) -> dict[str, tuple[Step, Step]]:
    """Forced states that pay `rewards` one after another and then terminate."""
    states: dict[str, tuple[Step, Step]] = {}
    for index, reward in enumerate(rewards):
        last = index == len(rewards) - 1
        step = end(reward) if last else Step(reward, f"{prefix}-{index + 2}")
        states[f"{prefix}-{index + 1}"] = (step, step)
    return states


def choice(
    name: str,
    text: str,
    good: tuple[Step, dict[str, tuple[Step, Step]]],
    bad: tuple[Step, dict[str, tuple[Step, Step]]],
    right_action: int,
    control_for: str = "",
) -> Question:
    """A question whose correct action is `right_action`; `good` and `bad` are its two branches."""
    steps = (bad[0], good[0]) if right_action else (good[0], bad[0])
    return Question(name, {name: steps, **good[1], **bad[1]}, text, control_for)


def bandit(name: str, right_action: int) -> Question:
    """Reward 1 for one action, 0 for the other; which one is told by the observation only."""
    return choice(name, "1, or 0", (end(1.0), {}), (end(0.0), {}), right_action)


def pay_later(name: str, now: float, later: float, delay: int, wait: bool, action: int) -> Question:
    """`now` at once, or `later` after `delay` empty steps; `wait` says which is right."""
    waiting = (Step(0.0, f"{name}-1"), chain(name, [0.0] * (delay - 1) + [later]))
    at_once = (end(now), {})
    text = f"{now:.3g} now, or {later:.3g} after {delay} empty steps"
    good, bad = (waiting, at_once) if wait else (at_once, waiting)
    return choice(name, text, good, bad, action)


def pay_at(name: str, position: int, length: int, action: int) -> Question:
    """Two equal walks of `length` steps; one pays 1 at step `position`, the other nothing."""
    rewards = [0.0] * length
    rewards[position] = 1.0

    def walk(label: str, rewards: list[float]) -> tuple[Step, dict[str, tuple[Step, Step]]]:
        return Step(rewards[0], f"{name}-{label}-1"), chain(f"{name}-{label}", rewards[1:])

    text = f"1 at step {position + 1} of {length}, or nothing"
    return choice(name, text, walk("paid", rewards), walk("empty", [0.0] * length), action)
