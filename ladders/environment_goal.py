"""No loop pays more than finishing: exact on small environments, by a small learner on others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any

import numpy as np
from gymnasium import spaces

from ladders.environment_clock import Clock, clock
from ladders.environment_graph import Graph, explore, may_be_finite
from ladders.environment_interface import INTERFACE
from ladders.environment_jumps import leap_of_rounds
from ladders.environment_play import Play, key_of, random_play
from ladders.environment_search import evolve
from ladders.environment_subject import EnvironmentSubject
from ladders.environment_task_faults import FARMABLE
from ladders.environment_walk import Event
from ladders.farming import Farm, Model, find_farm, model_of_graph, successes
from rlcheck.records import Check, Context, Evidence, Outcome, Status, Trial, one_trial

GAMMA = 0.99
STATES = 400
SUCCESSES = 3
"""Episodes with a success that a search must have seen, to know what one pays."""
VISITS = 3.0
"""Steps a state-action pair on average, for a counted model to be worth solving."""


def graph_of(subject: EnvironmentSubject, play: Play, seed: int, timer: Clock) -> Graph | None:
    """The graph of one seed, remembered; None for what is not a finite graph."""
    if subject.vector:  # whether its steps draw by chance cannot be seen from outside
        return None
    key = ("graph", seed)
    if key not in subject.memory:
        with subject.fresh() as env:
            finite = may_be_finite(play, env.action_space)
            subject.memory[key] = explore(env, seed, timer) if finite else None
    return subject.memory[key]


def look_for_farms(subject: EnvironmentSubject, trial: Trial, context: Context) -> Evidence:
    """A loop that an optimal agent prefers to finishing, on an exact or counted model."""
    timer = clock(context, share=2.0)
    gamma = subject.gamma or GAMMA
    model, kind = finite_model(subject, trial.seed, context, timer)
    found: dict[str, Any] = {"gamma": gamma, "kind": kind, "left_out": list(timer.notes)}
    if model is None:
        searched = _search(subject, trial.seed, context)
        return {**found, "farm": None, "states": 0, **searched}
    farm: Farm | None = find_farm(model, gamma)
    if farm and not _pays_in_time(farm, gamma, context.facts.get("time_limits", ())):
        farm = None
    return {
        **found,
        "farm": asdict(farm) if farm else None,
        "states": len(model.names),
        "goal": bool(model.success.any()),
    }


def _pays_in_time(farm: Farm, gamma: float, limits: Sequence[int]) -> bool:
    """Whether the loop pays more than finishing even if a known time limit ends it."""
    steps = min(limits, default=0)
    if not steps:
        return True
    worth = farm.mean * (steps if gamma == 1.0 else (1.0 - gamma**steps) / (1.0 - gamma))
    return worth > farm.finishing


def _search(subject: EnvironmentSubject, seed: int, context: Context) -> dict[str, Any]:
    """Whether policies improved on the return alone earn more than any success, and never succeed."""
    steps = [event for event in random_play(subject, seed, context).events if event.step]
    # Rewards may be noisy: only what no ordinary step pays is a success beyond doubt.
    usual = max((float(event.reward) for event in steps if not event.terminated), default=0.0)

    def succeeds(event: Event) -> bool:
        return bool(event.terminated) and float(event.reward) > max(usual, 0.0) + 1e-9

    if not any(map(succeeds, steps)):
        return {}  # nothing to compare with; and staying alive is no success
    timer = clock(context, share=2.0)
    rounds = evolve(subject, seed, timer)
    won = [e.total for episodes in rounds for e in episodes if succeeds(e.last)]
    if len(rounds) < 2 or len(won) < SUCCESSES:
        return {"left_out": list(timer.notes)}
    final = rounds[-1]
    return {
        "kind": "search",
        "left_out": [*timer.notes, *filter(None, [leap_of_rounds(rounds)])],
        "won": max(won),
        "final": float(np.mean([episode.total for episode in final])),
        "steps": float(np.mean([episode.steps for episode in final])),
        "succeeding": sum(succeeds(episode.last) for episode in final) / len(final),
    }


def finite_model(
    subject: EnvironmentSubject, seed: int, context: Context, timer: Clock
) -> tuple[Model | None, str]:
    """An exact model where the environment is a graph, a counted one where it is small, else None."""
    play = random_play(subject, seed, context)
    if not any(event.step and float(event.reward) > 0 for event in play.events):
        with subject.fresh() as env:
            if not may_be_finite(play, env.action_space):
                return None, "none"
    graph = graph_of(subject, play, seed, timer)
    if graph is not None and graph.complete:
        return model_of_graph(graph), "exact"
    counted = _counted(subject, play)
    return counted, "counted" if counted else "none"


def _counted(subject: EnvironmentSubject, play: Play) -> Model | None:
    """The model that counting the transitions of random play gives; None if it is too thin."""
    with subject.fresh() as env:
        space = env.action_space
    if not isinstance(space, spaces.Discrete):
        return None
    keys: dict[Any, int] = {}
    names: list[str] = []
    for event in play.events:
        key = key_of(event.observation)
        if key not in keys:
            keys[key] = len(keys)
            names.append(str(event.observation)[:60])
        if len(keys) > STATES:
            return None
    count, actions = len(keys), int(space.n)
    if len(play.events) < VISITS * count * actions:
        return None
    visits = np.zeros((count, actions))
    moves, rewards = np.zeros((count, actions, count)), np.zeros((count, actions))
    ends, squares = np.zeros((count, actions)), np.zeros((count, actions))
    starts = set()
    for episode in play.episodes():
        starts.add(keys[key_of(episode[0].observation)])
        for before, after in pairwise(episode):
            pair = keys[key_of(before.observation)], int(after.action) - int(space.start)
            visits[pair] += 1
            rewards[pair] += float(after.reward)
            squares[pair] += float(after.reward) ** 2
            if after.terminated:
                ends[pair] += 1
            else:
                moves[(*pair, keys[key_of(after.observation)])] += 1
    known = visits > 0
    total = np.maximum(visits, 1.0)
    means, share = rewards / total, ends / total
    at_end = _reward_at_end(play, keys, means, space.start)
    # Noise is what varies where nothing ends: a pair that may succeed varies by right.
    spread = np.maximum(squares / total - means**2, 0.0)[known & (ends == 0)]
    noise = float(np.sqrt(spread.mean())) if spread.size else 0.0
    success = successes(at_end, share, known, noise)
    return Model(
        moves / total[:, :, None], means, share, success, known, tuple(names), tuple(sorted(starts))
    )


def _reward_at_end(play: Play, keys: dict[Any, int], means: np.ndarray, first: int) -> np.ndarray:
    """[S, A] mean reward, and where steps may terminate the mean reward of those that do."""
    sums, counts = np.zeros_like(means), np.zeros_like(means)
    for episode in play.episodes():
        if episode[-1].terminated and len(episode) > 1:
            pair = keys[key_of(episode[-2].observation)], int(episode[-1].action) - int(first)
            sums[pair] += float(episode[-1].reward)
            counts[pair] += 1
    return np.where(counts > 0, sums / np.maximum(counts, 1), means)


def judge_farms(evidence: Evidence, context: Context) -> Outcome:
    """Failed with the loop and what it is worth."""
    notes = tuple(evidence["left_out"])
    farm = evidence["farm"]
    if farm:
        loop = (
            f"the loop {' -> '.join([*farm['cycle'], farm['cycle'][0]])} (actions "
            f"{', '.join(map(str, farm['actions']))})"
            if 0 < len(farm["cycle"]) <= 12
            else "a loop that never ends"
        )
        message = (
            f"{loop} earns {farm['mean']:.3g} a step without end: staying in it is worth "
            f"{farm['staying']:.4g} at gamma {evidence['gamma']:g}, finishing the task "
            f"{farm['finishing']:.4g}; expected finishing to pay more"
        )
        # Where the base environment is known, comparing with it says what makes the loop pay.
        known = "base" in context.facts.get("settings", ())
        return Outcome(Status.FAILED, message, evidence, {FARMABLE: 0.6 if known else 0.95}, notes)
    if evidence["kind"] == "search":
        return _judge_search(evidence, notes)
    if evidence["kind"] == "none":
        message = "not a small finite environment: its loops cannot be enumerated"
        return Outcome(Status.SKIPPED, message, evidence, {}, notes)
    said = (
        "no loop pays more than finishing"
        if evidence["goal"]
        else "no end is a success, so none is missed"
    )
    message = f"{said} ({evidence['states']} states, {evidence['kind']} model)"
    return Outcome(Status.PASSED, message, evidence, {}, notes)


def _judge_search(evidence: Evidence, notes: tuple[str, ...]) -> Outcome:
    """Failed where the learner gave up succeeding, for more than any success has paid."""
    final, won = evidence["final"], evidence["won"]
    if evidence["succeeding"] <= 0.05 and final > max(1.1 * won, 0.0):
        message = (
            f"policies that were improved on the reward alone earn {final:.4g} in "
            f"{evidence['steps']:.0f} steps without finishing; the best episode that finished the task "
            f"earned {won:.4g}; expected finishing to pay more"
        )
        return Outcome(Status.FAILED, message, evidence, {FARMABLE: 0.9}, notes)
    message = (
        f"a small learner finds nothing that pays more than finishing ({final:.4g}, {won:.4g})"
    )
    return Outcome(Status.PASSED, message, evidence, {}, notes)


FARMS = Check(
    name="environment/no-loop-pays-more-than-finishing",
    title="No loop earns more than finishing the task.",
    explanation=(
        "Small finite environments are enumerated (every action in every state of one seed) or counted "
        "from random play, and solved exactly. If the optimal policy never reaches a rewarded end that "
        "could be reached, but goes round a cycle with positive reward that pays more, even within a "
        "known time limit, that reward can be farmed. Other environments in which random play succeeds "
        "now and then: linear policies are improved on the return, and fail if they earn more than any "
        "success did and no longer succeed. Rewards for staying alive are none: there no end is a "
        "success."
    ),
    trial=look_for_farms,
    judge=one_trial(judge_farms),
    requires=(INTERFACE.name, "environment/rewards-finite"),
    catches=(FARMABLE,),
    references=("https://arxiv.org/abs/1606.06565",),
)
