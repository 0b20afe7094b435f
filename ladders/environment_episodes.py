"""How episodes of random, scripted and improved policies end, collected for a verdict."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from ladders.environment_clock import Clock
from ladders.environment_play import flat, key_of
from ladders.environment_policies import constant_policies, linear_policy, weight_shape
from ladders.environment_walk import Event, show, walk

LINEAR = 20
SCRIPTED_STEPS = 6_000
CLIMBS, ELITE, ENOUGH = 30, 5, 6
BIAS = 0.05
"""Scale of the constant term: with a large one a linear policy is one action for ever."""
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
        last = [flat(e.observation, self.space) for e in self.last if e.step == longest - 1]
        earlier = [flat(e.observation, self.space) for e in self.earlier if e.step < longest - 1]
        if not (last and earlier):
            return False
        if any(part is None for part in (*last, *earlier)):
            return True  # nothing that could be compared: no accusation
        one, other = np.array(last), np.array(earlier)
        if ((one.min(axis=0) > other.max(axis=0)) | (one.max(axis=0) < other.min(axis=0))).any():
            return True
        keys = {row.tobytes() for row in one}
        before = {row.tobytes() for row in other}
        few = len(keys | before) <= (len(one) + len(other)) / 2
        return few and not keys & before

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
        if len(self.last) < 400:
            self.last.append(episode[-2])
            self.earlier.extend(episode[: -2 : max(len(episode) // 20, 1)])


def scripted_play(env: Any, seed: int, seen: Ends, longest: int, timer: Clock) -> None:
    """Episodes of policies that act by rule: some live long enough to run into a limit."""
    longest = min(longest, LONGEST)
    left = SCRIPTED_STEPS
    constants = constant_policies(env.action_space)
    shape = weight_shape(env.observation_space, env.action_space)
    weights: list[np.ndarray] = []
    if shape is not None and shape[0] * shape[1] <= 4096:
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
