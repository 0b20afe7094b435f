"""How episodes of random, scripted and improved policies end, collected for a verdict."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from ladders.environment_clock import Clock
from ladders.environment_play import flat, key_of
from ladders.environment_policies import (
    BIAS,
    MOST_WEIGHTS,
    constant_policies,
    linear_policy,
    weight_shape,
)
from ladders.environment_walk import Event, show, walk

LINEAR = 20
SCRIPTED_STEPS = 6_000
CLIMBS, ELITE, ENOUGH = 30, 5, 6
TELLS_TIME = 0.9
"""Area under the curve from which an observation counts as showing that the end is near."""
MOST_NUMBERS = 512
LAST, EARLIER = 200, 800
"""Observations from the ends and from before that are compared."""
PAIRS = 8
"""Episodes that must last equally long under other actions to end by themselves."""
LONGEST = 1200
"""Episodes of scripted policies are left after so many steps, or just beyond the longest known limit."""


class Ends:
    """Collects ends, and what observations at the last step but one and before look like."""

    def __init__(self, space: Any) -> None:
        self.space = space
        self.ends: list[dict[str, Any]] = []
        self.earlier: list[Event] = []
        self.last: list[Event] = []
        self.wrong = ""
        self.numpy_bools = False

    def watch(self, events: Any, policy: str) -> int:
        """Note every end of a walk; the number of events."""
        episode: list[Event] = []
        count = 0
        for event in events:
            count += 1
            flags = {"terminated": event.terminated, "truncated": event.truncated}
            for name, flag in flags.items():
                if not isinstance(flag, bool | np.bool_):
                    self.wrong = f"`{name}` at {event.place} is {_typed(flag)}"
                    return count
            self.numpy_bools |= any(isinstance(flag, np.bool_) for flag in flags.values())
            if event.step == 0:
                episode = []
            episode.append(event)
            if event.ends and event.step:
                self._end(episode, policy)
        return count

    def tells_time(self) -> bool:
        """Whether the observation before the last step of the longest episodes is like no other."""
        longest = max((end["steps"] for end in self.ends), default=0)
        at_last = _thinned([e for e in self.last if e.step == longest - 1], LAST)
        before_it = _thinned([e for e in self.earlier if e.step < longest - 1], EARLIER)
        last = [flat(event.observation, self.space) for event in at_last]
        earlier = [flat(event.observation, self.space) for event in before_it]
        if not (last and earlier):
            return False
        if any(part is None or part.size > MOST_NUMBERS for part in (*last, *earlier)):
            return (
                True  # nothing that could be compared, or an image that may show it: no accusation
            )
        one, other = np.array(last), np.array(earlier)
        if ((one.min(axis=0) > other.max(axis=0)) | (one.max(axis=0) < other.min(axis=0))).any():
            return True
        keys = {row.tobytes() for row in one}
        before = {row.tobytes() for row in other}
        few = len(keys | before) <= (len(one) + len(other)) / 2
        return (few and not keys & before) or _told_apart(one, other)

    def _end(self, episode: list[Event], policy: str) -> None:
        end = episode[-1]
        self.ends.append(
            {
                "steps": end.step,
                "terminated": bool(end.terminated),
                "truncated": bool(end.truncated),
                "policy": policy,
                "final": _digest(end.observation),
            }
        )
        if len(self.last) < 2 * LAST:
            self.last.append(episode[-2])
            self.earlier.extend(episode[: -2 : max(len(episode) // 20, 1)])


def _thinned(events: list[Event], most: int) -> list[Event]:
    """At most so many of them, evenly spaced."""
    return events[:: max(-(-len(events) // most), 1)]


def _told_apart(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether a linear rule from half of the rows tells the other half apart: a clock in disguise.

    Sine and cosine of the hour, or a budget that runs down, announce an end jointly with other numbers
    and through noise. The measure is the area under the curve of true against false positives.
    """
    if len(one) < 4 or len(other) < 4:
        return False
    rows = np.vstack([one[::2], other[::2]])
    centre, scale = rows.mean(axis=0), rows.std(axis=0) + 1e-9
    goal = np.r_[np.ones(len(one[::2])), -np.ones(len(other[::2]))]
    weight = np.sqrt(np.where(goal > 0, 0.5 / len(one[::2]), 0.5 / len(other[::2])))
    seen = weight[:, None] * (rows - centre) / scale
    # In the dual form, since there may be more numbers than rows.
    dual = np.linalg.solve(seen @ seen.T + 1e-3 * np.eye(len(seen)), weight * goal)
    rule = seen.T @ dual / scale
    last, earlier = one[1::2] @ rule, other[1::2] @ rule
    return bool((last[:, None] > earlier[None, :]).mean() >= TELLS_TIME)


def ends_by_itself(env: Any, seed: int, timer: Clock) -> bool:
    """Whether episodes last equally long under other actions: data that run out, an appointed time."""
    for index in range(PAIRS):
        lengths = set()
        for actions in (1, 2):
            walked = walk(
                env, seed + index, episodes=1, steps=LONGEST, same_actions=actions, clock=timer
            )
            last = list(walked)[-1]
            if timer.over(index, PAIRS, "episodes under other actions"):
                return True  # no time to tell: no accusation
            lengths.add(last.step)
        if len(lengths) > 1:
            return False
    return True


def scripted_play(env: Any, seed: int, seen: Ends, longest: int, timer: Clock) -> None:
    """Episodes of policies that act by rule: some live long enough to run into a limit."""
    longest = min(longest, LONGEST)
    left = SCRIPTED_STEPS
    constants = constant_policies(env.action_space)
    shape = weight_shape(env.observation_space, env.action_space)
    weights: list[np.ndarray] = []
    if shape is not None and shape[0] * shape[1] <= MOST_WEIGHTS:
        rng = np.random.default_rng(seed)
        weights = [rng.standard_normal(shape) * _scale(shape) for _ in range(LINEAR)]
    spaces_of = env.observation_space, env.action_space
    policies = [*constants, *(linear_policy(*spaces_of, one) for one in weights)]
    lived: list[tuple[int, np.ndarray]] = []
    for index, policy in enumerate(policies):
        before = len(seen.ends)
        left -= seen.watch(_one(env, seed + index, policy, longest, timer), f"rule {index}")
        if seen.wrong or left <= 0 or timer.over(index + 1, len(policies), "scripted episodes"):
            return
        lasted = seen.ends[-1]["steps"] if len(seen.ends) > before else longest
        if index >= len(constants):
            lived.append((lasted, weights[index - len(constants)]))
    if lived:
        _survive(env, seed, seen, longest, timer, lived)


def _survive(
    env: Any,
    seed: int,
    seen: Ends,
    longest: int,
    timer: Clock,
    lived: list[tuple[int, np.ndarray]],
) -> None:
    """The cross-entropy method on the length of episodes: whether the longest all end at one step."""
    rng = np.random.default_rng([seed, 1])
    for index in range(CLIMBS):
        if index % ELITE == 0:
            elite = np.array([one[1] for one in sorted(lived, key=lambda one: -one[0])[:ELITE]])
            mean, spread = elite.mean(axis=0), elite.std(axis=0)
        tried = mean + spread * rng.standard_normal(mean.shape)
        policy = linear_policy(env.observation_space, env.action_space, tried)
        ends = len(seen.ends)
        seen.watch(_one(env, seed + 1000 + index, policy, longest, timer), f"climb {index}")
        if timer.over(index + 1, CLIMBS, "scripted episodes") or len(seen.ends) == ends:
            return  # it lives longer than any limit that could be shown
        lived.append((seen.ends[-1]["steps"], tried))
        most = max(end["steps"] for end in seen.ends)
        if index >= CLIMBS // 3 and sum(end["steps"] == most for end in seen.ends) >= ENOUGH:
            return


def _scale(shape: tuple[int, int]) -> np.ndarray:
    """[inputs] weight of each input; the last is the constant term."""
    return np.append(np.ones(shape[1] - 1), BIAS)


def _one(env: Any, seed: int, policy: Any, longest: int, timer: Clock) -> Any:
    return walk(
        env, seed, episodes=1, steps=longest + 1, longest=longest, policy=policy, clock=timer
    )


def _typed(value: Any) -> str:
    return "None" if value is None else f"{show(value)}, of type {type(value).__name__}"


def _digest(observation: Any) -> str:
    return hashlib.blake2b(repr(key_of(observation)).encode(), digest_size=6).hexdigest()
