"""A small learner for what cannot be enumerated: the cross-entropy method on linear policies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ladders.environment_clock import Clock
from ladders.environment_policies import MOST_WEIGHTS, linear_policy, weight_shape
from ladders.environment_subject import EnvironmentSubject
from ladders.environment_walk import Event, walk

LONGEST = 400
POPULATION, ELITE, ROUNDS = 24, 6, 6


@dataclass(frozen=True, slots=True)
class Episode:
    """Sum of rewards, number of steps, and the last event of one episode."""

    total: float
    steps: int
    last: Event


def play(
    subject: EnvironmentSubject,
    policy: Callable[[Any], Any] | None,
    seed: int,
    episodes: int,
    timer: Clock,
) -> list[Episode]:
    """Episodes of one policy, None for random play; each is left after 400 steps."""
    found: list[Episode] = []
    total, last = 0.0, None
    with subject.fresh() as env:
        for event in walk(
            env,
            seed,
            episodes=episodes,
            steps=episodes * LONGEST,
            longest=LONGEST,
            policy=policy,
            clock=timer,
        ):
            if event.step == 0:
                if last is not None:
                    found.append(Episode(total, last.step, last))
                total = 0.0
            else:
                total += float(event.reward)
            last = event
    return [*found, Episode(total, last.step, last)] if last is not None else found


def evolve(subject: EnvironmentSubject, seed: int, timer: Clock) -> list[list[Episode]]:
    """One episode of every policy of every round; the return alone decides who goes on."""
    with subject.fresh() as env:
        observations, actions = env.observation_space, env.action_space
    shape = weight_shape(observations, actions)
    if shape is None or shape[0] * shape[1] > MOST_WEIGHTS:
        return []
    rng = np.random.default_rng(seed)
    mean, spread = np.zeros(shape), np.ones(shape)
    rounds: list[list[Episode]] = []
    for index in range(ROUNDS):
        drawn = mean + spread * rng.standard_normal((POPULATION, *shape))
        episodes = []
        for weights in drawn:
            policy = linear_policy(observations, actions, weights)
            episodes += play(subject, policy, seed + index, 1, timer)
            done = index * POPULATION + len(episodes)
            if timer.over(done, POPULATION * ROUNDS, "policies"):
                return rounds
        elite = drawn[np.argsort([-episode.total for episode in episodes])[:ELITE]]
        mean, spread = elite.mean(axis=0), elite.std(axis=0) + 0.05
        rounds.append(episodes)
    return rounds
