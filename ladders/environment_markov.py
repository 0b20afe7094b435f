"""Whether an observation holds the state: what comes next must not depend on what came before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from gymnasium import spaces

from ladders import markov
from ladders.environment_interface import INTERFACE
from ladders.environment_play import Play, flat, key_of, random_play
from ladders.environment_subject import EnvironmentSubject
from ladders.environment_task_faults import ACTION_LATE, HIDES_STATE
from ladders.environment_walk import Event
from rlcheck.records import Check, Context, Evidence, Outcome, Status, Trial, one_trial

LEAST = 400
"""Transitions with a past that the tests need."""
BLOCK = 40
MOST_NUMBERS = 128
REMARK = 0.05
"""Level of a remark; it is no verdict, so it does not share in the run's alpha."""
REPEATS = 8
"""Observations that recur so often on average count as finitely many."""


def look_back(subject: EnvironmentSubject, trial: Trial, context: Context) -> Evidence:
    """Both halves of the question: does the past matter, and do two stacked frames mend it."""
    play = random_play(subject, trial.seed, context)
    with subject.fresh() as env:
        observations, actions = env.observation_space, env.action_space
    runs = [run for run in _triples(play) if run]
    count = len(runs)
    found: dict[str, Any] = {"transitions": count, "left_out": list(play.notes), "why_not": ""}
    if count < LEAST:
        return {**found, "why_not": f"{count} transitions with a past, {LEAST} needed"}
    alpha = context.settings.alpha
    if isinstance(actions, spaces.Discrete) and _are_symbols(runs):
        report = _symbolic(runs, alpha, trial.seed)
        return {**found, "kind": "finite", **_shown(report)}
    size = spaces.flatdim(observations) if observations.is_np_flattenable else 0
    if size > MOST_NUMBERS:  # asked first: images would fill the memory
        why = f"{size} numbers an observation, at most {MOST_NUMBERS} are tried"
        return {**found, "why_not": why}
    window = numeric_window(runs, observations, actions)
    if window is None:
        return {**found, "why_not": f"no way to compare observations of {observations} as numbers"}
    report = markov.test_numbers(window, alpha, trial.seed)
    return {**found, "kind": "numbers", **_shown(report)}


def _shown(report: markov.MarkovReport) -> dict[str, Any]:
    return {
        "plain": asdict(report.plain),
        "stacked": asdict(report.stacked),
        "action_late": report.action_late,
    }


def _triples(play: Play) -> list[tuple[Event, Event, Event, Event]]:
    """Four events in a row of one episode: o[t-2], o[t-1], o[t] and what came next."""
    return [
        (episode[t - 2], episode[t - 1], episode[t], episode[t + 1])
        for episode in play.episodes()
        for t in range(2, len(episode) - 1)
    ]


def _are_symbols(runs: Sequence[tuple[Event, ...]]) -> bool:
    distinct = {key_of(run[2].observation) for run in runs}
    return len(runs) >= REPEATS * len(distinct)


def _symbolic(runs: Sequence[tuple[Event, ...]], alpha: float, seed: int) -> markov.MarkovReport:
    def codes(values: list[Any]) -> np.ndarray:
        known: dict[Any, int] = {}
        return np.array([known.setdefault(value, len(known)) for value in values])

    def acted(index: int) -> np.ndarray:
        # The action taken at an event is kept with the event that it led to.
        pairs = [(key_of(r[index].observation), key_of(r[index + 1].action)) for r in runs]
        return codes(pairs)

    outcome = codes(
        [
            (key_of(r[3].observation), round(float(r[3].reward), 6), bool(r[3].terminated))
            for r in runs
        ]
    )
    return markov.test_symbols(acted(2), acted(1), acted(0), outcome, alpha, seed)


def numeric_window(
    runs: list[tuple[Event, Event, Event, Event]],
    observations: spaces.Space,
    actions: spaces.Space,
) -> markov.Window | None:
    """The transitions as arrays; None for spaces without a flat form."""
    rows = [[flat(event.observation, observations) for event in run] for run in runs]
    acts = [[flat(event.action, actions) for event in run[1:]] for run in runs]
    if any(part is None for row in (*rows, *acts) for part in row):
        return None
    seen = np.nan_to_num(np.array(rows), posinf=0.0, neginf=0.0)
    rewards = np.array([float(run[3].reward) for run in runs])
    targets = np.column_stack([seen[:, 3] - seen[:, 2], rewards])
    width = seen.shape[2]
    names = (*(f"observation[{index}]" for index in range(width)), "the reward")
    blocks = np.array([run[0].episode * 1000 + run[0].step // BLOCK for run in runs])
    return markov.Window(seen[:, :3], np.array(acts), targets, blocks, names)


def judge_markov(evidence: Evidence, context: Context) -> Outcome:
    """The past must not matter materially."""
    notes = tuple(evidence["left_out"])
    if evidence["why_not"]:
        message = f"not tested: {evidence['why_not']}"
        return Outcome(Status.SKIPPED, message, evidence, {}, notes)
    plain, stacked = evidence["plain"], evidence["stacked"]
    if not plain["hidden"]:
        return _passed(evidence, plain, notes)
    helped = _helped(evidence["kind"], plain)
    mends = (
        "two stacked frames, with the action between them, restore it"
        if not stacked["hidden"]
        else f"two stacked frames do not restore it ({_helped(evidence['kind'], stacked)})"
    )
    if disturbing := context.facts.get("disturbing"):
        message = (
            f"not Markov, which {' and '.join(disturbing)} makes it on purpose: "
            f"{_helped(evidence['kind'], plain)}; {mends}"
        )
        return Outcome(Status.SKIPPED, message, evidence, {}, notes)
    suspects = {HIDES_STATE: 0.95}
    what = "what came before helps to predict what comes next"
    if evidence["action_late"]:
        suspects = {ACTION_LATE: 0.9, HIDES_STATE: 0.08}
        what = (
            "the previous action decides what comes next, and the present one changes nothing yet"
        )
    message = (
        f"{what} although the observation and action are known (p = {plain['p']:.3g}): {helped}; "
        f"expected the present to be enough; {mends}"
    )
    return Outcome(Status.FAILED, message, evidence, suspects, notes)


def _helped(kind: str, finding: Evidence) -> str:
    if kind == "finite":
        return f"the past explains {finding['past']:.0%} of the chance in the outcome"
    return (
        f"the explained share of {finding['target']} rises from {finding['present']:.0%} to "
        f"{finding['past']:.0%}"
    )


def _passed(evidence: Evidence, plain: Evidence, notes: tuple[str, ...]) -> Outcome:
    count = evidence["transitions"]
    gain = plain["past"] - plain["present"]
    if evidence["kind"] == "numbers" and not plain["learned"]:
        remark = (
            "the Markov test cannot say: what follows from the present alone was not learned from "
            f"{count} transitions ({_helped('numbers', plain)})"
        )
        return Outcome(
            Status.PASSED, "no proof that the past matters", evidence, {}, (*notes, remark)
        )
    if evidence["kind"] == "numbers" and gain > 0.08 and plain["p"] <= REMARK:
        remark = (
            f"the step before helps a little: {_helped('numbers', plain)}; too little to call the "
            "observation not Markov, but stacked frames or the last action may help an agent"
        )
        notes = (*notes, remark)
    message = f"the past does not help to predict {count} transitions (p = {plain['p']:.2g})"
    return Outcome(Status.PASSED, message, evidence, {}, notes)


MARKOV = Check(
    name="environment/observation-is-markov",
    title="Given the observation and action, the past says nothing about what comes next.",
    explanation=(
        "(o', r) must be independent of the step before, given (o, a): that is what value functions of "
        "the observation assume. Finitely many observations: an exact conditional permutation test. "
        "Others: how much better held-out o' - o and r are predicted when the step before is known "
        "(linear, quadratic and random Fourier features, chosen on validation blocks, sign-flip test). "
        "A failure needs p below the check's share of --alpha and a material effect (a quarter of the "
        "variance, a tenth of the entropy), so that what the predictor did not learn is no accusation. "
        "The same test with two frames as the present says whether stacking restores the property. Time "
        "limits are no part of it: truncated is not predicted. Wrappers that disturb on purpose, such as "
        "StickyAction, excuse it. A task that is partially observable on purpose fails: it needs memory; "
        "expected-failures says that it is known."
    ),
    trial=look_back,
    judge=one_trial(judge_markov),
    requires=(INTERFACE.name, "environment/rewards-finite"),
    stochastic=True,
    catches=(HIDES_STATE, ACTION_LATE),
    references=("https://arxiv.org/abs/2002.01883", "https://gymnasium.farama.org/api/wrappers/"),
)
