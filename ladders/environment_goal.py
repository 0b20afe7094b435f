"""Exact checks of small environments: no loop pays more than finishing, and the goal can be reached."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from itertools import pairwise
from typing import Any

import numpy as np
from gymnasium import spaces

from ladders.environment_clock import Clock, clock
from ladders.environment_graph import Graph, explore, may_be_finite
from ladders.environment_interface import INTERFACE
from ladders.environment_play import Play, key_of, random_play
from ladders.environment_subject import EnvironmentSubject
from ladders.environment_task_faults import FARMABLE, UNREACHABLE
from ladders.farming import Farm, Model, find_farm, model_of_graph, successes
from rlcheck.records import Check, Context, Evidence, Outcome, Status, Trial, one_trial

GAMMA = 0.99
SEEDS = 30
STATES = 400
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


# --- farming --------------------------------------------------------------------------------------


def look_for_farms(subject: EnvironmentSubject, trial: Trial, context: Context) -> Evidence:
    """A loop that an optimal agent prefers to finishing, on an exact or counted model."""
    timer = clock(context, share=2.0)
    gamma = subject.gamma or GAMMA
    model, kind = finite_model(subject, trial.seed, context, timer)
    found: dict[str, Any] = {"gamma": gamma, "kind": kind, "left_out": list(timer.notes)}
    if model is None:
        return {**found, "farm": None, "states": 0}
    farm: Farm | None = find_farm(model, gamma)
    return {
        **found,
        "farm": asdict(farm) if farm else None,
        "states": len(model.names),
        "goal": bool(model.success.any()),
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
    ends = np.zeros((count, actions))
    starts = set()
    for episode in play.episodes():
        starts.add(keys[key_of(episode[0].observation)])
        for before, after in pairwise(episode):
            pair = keys[key_of(before.observation)], int(after.action) - int(space.start)
            visits[pair] += 1
            rewards[pair] += float(after.reward)
            if after.terminated:
                ends[pair] += 1
            else:
                moves[(*pair, keys[key_of(after.observation)])] += 1
    known = visits > 0
    total = np.maximum(visits, 1.0)
    means, share = rewards / total, ends / total
    success = successes(_reward_at_end(play, keys, means, space.start), share, known)
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
        return Outcome(Status.FAILED, message, evidence, {FARMABLE: 0.95}, notes)
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


FARMS = Check(
    name="environment/no-loop-pays-more-than-finishing",
    title="No loop earns more than finishing the task.",
    explanation=(
        "Small finite environments are enumerated (every action in every state of one seed) or counted "
        "from random play, and solved exactly. If the optimal policy never reaches a rewarded end that "
        "could be reached, but goes round a cycle with positive reward, that reward can be farmed. "
        "Rewards for staying alive are none: there no end is a success."
    ),
    trial=look_for_farms,
    judge=one_trial(judge_farms),
    requires=(INTERFACE.name, "environment/rewards-finite"),
    catches=(FARMABLE,),
    references=("https://arxiv.org/abs/1606.06565",),
)

# --- the goal can be reached ----------------------------------------------------------------------


def look_for_goals(subject: EnvironmentSubject, trial: Trial, context: Context) -> Evidence:
    """For each of many seeds, whether a rewarded end can be reached, by trying everything."""
    timer = clock(context, share=2.0)
    play = random_play(subject, trial.seed, context)
    found: list[dict[str, Any]] = []
    for seed, graph in _graphs(subject, play, trial.seed, timer):
        ends = [graph.rewards[pair] for pair in graph.terminated]
        best = max(ends, default=None)
        found.append({"seed": seed, "states": len(graph.names), "best_end": best})
    return {"seeds": found, "left_out": list(timer.notes)}


def _graphs(
    subject: EnvironmentSubject, play: Play, first: int, timer: Clock
) -> Iterator[tuple[int, Graph]]:
    """The complete graphs of seeds, up to the first that is no finite graph."""
    for index in range(SEEDS):
        graph = graph_of(subject, play, first + index, timer)
        if graph is None or not graph.complete:
            return
        yield first + index, graph
        if timer.over(index + 1, SEEDS, "seeds"):
            return


def judge_goals(evidence: Evidence, context: Context) -> Outcome:
    """Failed if some seed has no way to the end that most others reach."""
    seeds, notes = evidence["seeds"], tuple(evidence["left_out"])
    if len(seeds) < 5:
        message = "not a small finite environment: not every way can be tried"
        return Outcome(Status.SKIPPED, message, evidence, {}, notes)
    best = max((s["best_end"] for s in seeds if s["best_end"] is not None), default=None)
    if best is None:
        return Outcome(Status.PASSED, "no episode terminates", evidence, {}, notes)
    reach = [s for s in seeds if s["best_end"] is not None and s["best_end"] >= best - 1e-9]
    if len(reach) < len(seeds) / 2:  # ends differ from seed to seed: any of them is a goal
        reach = [s for s in seeds if s["best_end"] is not None]
    lost = [s for s in seeds if s not in reach]
    if lost:
        one = lost[0]
        message = (
            f"in {len(lost)} of {len(seeds)} episodes the goal cannot be reached: with seed "
            f"{one['seed']} all actions were tried in all {one['states']} states that can be reached, "
            f"and none ends the episode with reward {best:g}, as other seeds do; expected a way to the "
            "goal in every episode"
        )
        return Outcome(Status.FAILED, message, evidence, {UNREACHABLE: 0.95}, notes)
    message = f"the goal can be reached in all of {len(seeds)} episodes"
    return Outcome(Status.PASSED, message, evidence, {}, notes)


GOALS = Check(
    name="environment/goal-reachable",
    title="In every episode some sequence of actions reaches the goal.",
    explanation=(
        "For up to thirty seeds, everything that can be reached is enumerated by trying every action in "
        "every state. Where most seeds allow an end with the best terminal reward and some do not, these "
        "episodes cannot be solved: obstacles wall off the goal, for example. Only for small finite "
        "environments whose steps draw nothing by chance."
    ),
    trial=look_for_goals,
    judge=one_trial(judge_goals),
    requires=(INTERFACE.name, "environment/rewards-finite"),
    catches=(UNREACHABLE,),
    references=("https://gymnasium.farama.org/environments/toy_text/frozen_lake/",),
)
