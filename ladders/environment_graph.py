"""The states that an environment can reach, found by trying every action in each: finite ones only.

Within one seed an environment without further chance is a graph: reset(seed) and a list of actions lead
to one state. States are told apart by what is observed; a graph that a random walk of the same seed
contradicts (further chance, or an observation that hides the state) is thrown away.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from gymnasium import spaces

from ladders.environment_clock import Clock
from ladders.environment_play import Play, key_of
from ladders.environment_walk import show

MOST_STATES = 700
MOST_ACTIONS = 12
MOST_MOVES = 20_000
CHECKED_STEPS = 200
REPEATING = 0.75
"""Share of new states in an episode of random play below which an environment may be finite."""


@dataclass(slots=True)
class Graph:
    """What every action leads to from every state that can be reached.

    Args:
        actions: number of actions A.
        keys: what tells the states apart (`key_of`), in the order of discovery; state 0 is the start.
        names: one short text a state.
        next: (state, action) -> state reached, -1 where the episode ended.
        rewards: (state, action) -> reward.
        terminated: pairs that terminate.
        complete: whether every pair was tried.
    """

    actions: int
    keys: list[Any] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    next: dict[tuple[int, int], int] = field(default_factory=dict)
    rewards: dict[tuple[int, int], float] = field(default_factory=dict)
    terminated: set[tuple[int, int]] = field(default_factory=set)
    complete: bool = False


def may_be_finite(play: Play, actions: spaces.Space) -> bool:
    """Whether episodes of random play come back to states often enough for a graph to be worth it."""
    if not isinstance(actions, spaces.Discrete) or actions.n > MOST_ACTIONS:
        return False
    steps = distinct = 0
    for episode in play.episodes():
        steps += len(episode)
        distinct += len({key_of(event.observation) for event in episode})
    return bool(steps) and distinct <= REPEATING * steps


def explore(env: Any, seed: int, timer: Clock) -> Graph | None:
    """The graph of one seed; None where it turns out not to be a finite graph.

    From where it is, the walk goes to the nearest state with an untried action, and back to the start,
    by reset(seed), where there is none. Every known transition that it uses is checked again.
    """
    walk = _Explorer(env, seed)
    for moves in range(MOST_MOVES):
        way = walk.way_to_untried()
        if way is None:
            walk.graph.complete = True
            return walk.graph if walk.agrees() else None
        if not walk.follow(way):
            return None
        if timer.over(moves + 1, MOST_MOVES, "moves"):
            break
    return walk.graph


class _Explorer:
    """Where the walk is, and what it knows."""

    def __init__(self, env: Any, seed: int) -> None:
        self.env, self.seed, self.first = env, seed, int(env.action_space.start)
        self.graph = Graph(int(env.action_space.n))
        self.known: dict[Any, int] = {}
        self.state: int = 0
        self.cut = self.disturbed = False
        self.restart()

    def restart(self) -> None:
        """Go back to the start."""
        self.state = self._named(self.env.reset(seed=self.seed)[0])
        if self.disturbed:
            _disturb(self.env)

    def _named(self, observation: Any) -> int:
        key = key_of(observation)
        if key not in self.known:
            self.known[key] = len(self.known)
            self.graph.keys.append(key)
            self.graph.names.append(show(observation))
        return self.known[key]

    def way_to_untried(self) -> list[int] | None:
        """Actions to the nearest untried pair, that one included; None when every pair was tried."""
        way = self._way(self.state)
        if way is None and self.state != 0:
            self.restart()
            way = self._way(self.state)
        return way

    def _way(self, start: int) -> list[int] | None:
        graph = self.graph
        queue: deque[tuple[int, list[int]]] = deque([(start, [])])
        seen = {start}
        while queue:
            state, way = queue.popleft()
            for action in range(graph.actions):
                reached = graph.next.get((state, action))
                if reached is None:
                    return [*way, action]
                if reached >= 0 and reached not in seen:
                    seen.add(reached)
                    queue.append((reached, [*way, action]))
        return None

    def follow(self, way: list[int]) -> bool:
        """Take the actions of a way, up to where an end cuts it short; False on a contradiction."""
        self.cut = False
        for action in way:
            if not self.move(action):
                return False
            if self.cut:
                break
        return True

    def move(self, action: int) -> bool:
        """One step; False if it contradicts what is known, or there are too many states."""
        observation, reward, terminated, truncated, _ = self.env.step(self.first + action)
        reached = -1 if terminated else self._named(observation)
        pair = self.state, action
        if pair in self.graph.next:
            agrees = self.graph.next[pair] == reached and self.graph.rewards[pair] == float(reward)
            if not agrees:
                return False
        self.graph.next[pair], self.graph.rewards[pair] = reached, float(reward)
        self.state = reached
        if terminated:
            self.graph.terminated.add(pair)
        if terminated or truncated:  # a time limit says nothing about the state that was reached
            self.cut = True
            self.restart()
        return len(self.known) <= MOST_STATES

    def agrees(self) -> bool:
        """Whether a random walk finds nothing else, with another stream of chance after the reset.

        The seed fixes the cards that steps will deal; only where other cards change nothing is what
        was found the environment, and not its luck.
        """
        self.disturbed = True
        rng = np.random.default_rng(self.seed)
        self.restart()
        for action in rng.integers(self.graph.actions, size=CHECKED_STEPS):
            if not self.move(int(action)):
                return False
        return True


def _disturb(env: Any) -> None:
    """Draw from an environment's generator, so that later draws are others than the seed's."""
    generator = getattr(env.unwrapped, "_np_random", None)
    if generator is not None:
        generator.random(7)
