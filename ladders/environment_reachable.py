"""Every episode can be solved: small environments in which everything that can be reached is tried."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ladders.environment_clock import Clock, clock
from ladders.environment_goal import graph_of
from ladders.environment_graph import Graph
from ladders.environment_interface import INTERFACE
from ladders.environment_play import Play, random_play
from ladders.environment_subject import EnvironmentSubject
from ladders.environment_task_faults import UNREACHABLE
from ladders.farming import model_of_graph
from rlcheck.records import Check, Context, Evidence, Outcome, Status, Trial, one_trial

SEEDS = 30


def look_for_goals(subject: EnvironmentSubject, trial: Trial, context: Context) -> Evidence:
    """For each of many seeds, whether a rewarded end can be reached, by trying everything."""
    timer = clock(context, share=2.0)
    play = random_play(subject, trial.seed, context)
    found: list[dict[str, Any]] = []
    for seed, graph in _graphs(subject, play, trial.seed, timer):
        ends = [graph.rewards[pair] for pair in graph.terminated]
        best = max(ends, default=None)
        paid = set(graph.rewards.values())
        alike = len(paid) == 1 and (paid == {0.0} or not ends)
        found.append(
            {
                "seed": seed,
                "states": len(graph.names),
                "best_end": best,
                "success": bool(model_of_graph(graph).success.any()),
                "alike": alike,
            }
        )
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
    if all(s["alike"] for s in seeds):
        message = (
            f"every policy earns the same: with each of {len(seeds)} seeds all actions were tried in all "
            f"states that can be reached ({seeds[0]['states']} with the first), and no reward or end "
            "tells one from another; expected a goal that can be reached"
        )
        return Outcome(Status.FAILED, message, evidence, {UNREACHABLE: 0.9}, notes)
    if all(s["best_end"] is None for s in seeds):
        return Outcome(Status.PASSED, "no episode terminates", evidence, {}, notes)
    reach = [s for s in seeds if s["success"]]
    if not reach:  # no end pays more than a step does: any end may be the goal
        reach = [s for s in seeds if s["best_end"] is not None]
    lost = [s for s in seeds if s not in reach] if len(reach) >= len(seeds) / 2 else []
    if lost:
        one, best = lost[0], min(s["best_end"] for s in reach)
        message = (
            f"in {len(lost)} of {len(seeds)} episodes the goal cannot be reached: with seed "
            f"{one['seed']} all actions were tried in all {one['states']} states that can be reached, "
            f"and none ends the episode with a reward of at least {best:g}, as other seeds do; expected "
            "a way to the goal in every episode"
        )
        return Outcome(Status.FAILED, message, evidence, {UNREACHABLE: 0.95}, notes)
    message = f"the goal can be reached in all of {len(seeds)} episodes"
    return Outcome(Status.PASSED, message, evidence, {}, notes)


GOALS = Check(
    name="environment/goal-reachable",
    title="In every episode some sequence of actions reaches the goal.",
    explanation=(
        "For up to thirty seeds, everything that can be reached is enumerated by trying every action in "
        "every state. Where most seeds allow an end that is rewarded and some do not, these "
        "episodes cannot be solved: obstacles wall off the goal, for example. An environment in which no "
        "seed offers any reward or end that depends on what is done fails too. Only for small finite "
        "environments whose steps draw nothing by chance."
    ),
    trial=look_for_goals,
    judge=one_trial(judge_goals),
    requires=(INTERFACE.name, "environment/rewards-finite"),
    catches=(UNREACHABLE,),
    references=("https://gymnasium.farama.org/environments/toy_text/frozen_lake/",),
)
