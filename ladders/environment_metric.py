"""Reward against a held-out measure of success: whether optimising one lowers the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ladders.environment_clock import Clock, clock
from ladders.environment_goal import GAMMA, finite_model, graph_of
from ladders.environment_interface import INTERFACE
from ladders.environment_jumps import leap_of_rounds
from ladders.environment_play import key_of, random_play
from ladders.environment_search import Episode, evolve, play
from ladders.environment_subject import EnvironmentSubject
from ladders.environment_task_faults import AGAINST_METRIC
from ladders.environment_walk import Event
from ladders.farming import policies
from rlcheck.records import Check, Context, Evidence, Outcome, Settings, Status, Trial, one_trial

EPISODES = 12
CLEAR = 3.0
"""Standard errors by which returns and measures must differ."""

Metric = str | Callable[[Mapping[str, Any]], float]
Score = dict[str, Any]


def compare(subject: EnvironmentSubject, trial: Trial, context: Context) -> Evidence:
    """Return and measure of random play, and of policies that were improved on the return alone."""
    timer = clock(context, share=4.0)
    metric = subject.settings["metric"]
    known: dict[str, Any] = {"random play": None}
    known |= _solved(subject, trial.seed, context, timer)
    scores = [
        _scored(name, play(subject, policy, trial.seed, EPISODES, timer), metric)
        for name, policy in known.items()
    ]
    rounds = evolve(subject, trial.seed, timer) if len(known) == 1 else []
    scores += [
        _scored(f"round {index + 1} of optimisation", episodes, metric)
        for index, episodes in enumerate(rounds)
    ]
    missing = all(score["missing"] for score in scores)
    left_out = [*timer.notes, *filter(None, [leap_of_rounds(rounds)])]
    return {"scores": scores, "missing": missing, "left_out": left_out}


def _solved(
    subject: EnvironmentSubject, seed: int, context: Context, timer: Clock
) -> dict[str, Callable[[Any], Any]]:
    """The exact optimum of the reward, and the policy that finishes soonest, of a finite graph."""
    model, kind = finite_model(subject, seed, context, timer)
    graph = graph_of(subject, random_play(subject, seed, context), seed, timer)
    if model is None or kind != "exact" or graph is None:
        return {}
    states = {key: index for index, key in enumerate(graph.keys)}
    best, finish = policies(model, subject.gamma or GAMMA)

    def acts(policy: np.ndarray) -> Callable[[Any], Any]:
        chosen = policy.argmax(axis=1)
        return lambda observation: int(chosen[states.get(key_of(observation), 0)])

    return {"finishing soonest": acts(finish), "the optimum of the reward": acts(best)}


def _scored(name: str, episodes: list[Episode], metric: Metric) -> Score:
    """Returns and measures of a few episodes."""
    return {
        "policy": name,
        "returns": [episode.total for episode in episodes],
        "measures": [_measured(metric, episode.last) for episode in episodes],
        "missing": not any(_has(metric, episode.last) for episode in episodes),
    }


def _has(metric: Metric, event: Event) -> bool:
    return callable(metric) or metric in (event.info or {})


def _measured(metric: Metric, event: Event) -> float:
    """The measure at the end of an episode, from its last info."""
    info = event.info or {}
    return float(metric(info)) if callable(metric) else float(info.get(metric, 0.0))


def judge_metric(evidence: Evidence, context: Context) -> Outcome:
    """No policy with clearly more reward has clearly less of the measure."""
    notes, scores = tuple(evidence["left_out"]), evidence["scores"]
    if evidence["missing"]:
        message = (
            "metric: no info of any step has this entry; give a name in info, or a function of it"
        )
        return Outcome(Status.ERROR, message, evidence, {}, notes)
    best = max(scores, key=lambda score: float(np.mean(score["returns"])))
    for other in scores:
        more = _gap(best["returns"], other["returns"])
        less = _gap(other["measures"], best["measures"])
        if more > CLEAR and less > CLEAR:
            message = (
                f"{best['policy']} earns {np.mean(best['returns']):.4g} an episode and measures "
                f"{np.mean(best['measures']):.4g}; {other['policy']} earns less, "
                f"{np.mean(other['returns']):.4g}, and measures more, "
                f"{np.mean(other['measures']):.4g}: more reward is not more success"
            )
            return Outcome(Status.FAILED, message, evidence, {AGAINST_METRIC: 0.95}, notes)
    message = f"the measure does not fall where the reward rises ({len(scores)} policies)"
    return Outcome(Status.PASSED, message, evidence, {}, notes)


def _gap(one: list[float], other: list[float]) -> float:
    """Difference of means in standard errors; a small floor stands for exact equality."""
    first, second = np.array(one), np.array(other)
    difference = first.mean() - second.mean()
    error = np.sqrt(first.var() / len(first) + second.var() / len(second))
    return float(difference / max(error, 1e-6 + 1e-3 * abs(difference)))


def needs_metric(facts: Evidence, settings: Settings) -> str | None:
    """Only where a measure was given."""
    if "metric" in facts["settings"]:
        return None
    return "no measure given (--set metric=NAME of an entry of info)"


METRIC = Check(
    name="environment/reward-agrees-with-metric",
    title="Policies that earn more reward do not do worse by the held-out measure.",
    explanation=(
        "`metric` is the name of an entry of info, or a function of the last info of an episode "
        "(constants={'metric': ...}). Policies are improved on the reward alone: exactly on small finite "
        "environments, else linear ones by the cross-entropy method. If the one with the highest return "
        "measures clearly less (three standard errors) than one with clearly less return, the reward is "
        "a proxy that can be satisfied without the task."
    ),
    trial=compare,
    judge=one_trial(judge_metric),
    applies=needs_metric,
    requires=(INTERFACE.name, "environment/rewards-finite"),
    catches=(AGAINST_METRIC,),
    references=("https://arxiv.org/abs/2201.03544",),
)
