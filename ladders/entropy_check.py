"""The direction of the entropy bonus: a large coefficient must make the policy act more evenly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ladders.option_checks import known_options
from ladders.training import small_rollout, train
from rlcheck.adapters.protocol import AgentSubject
from rlcheck.records import (
    Budget,
    Check,
    Context,
    Evidence,
    More,
    Outcome,
    Settings,
    Status,
    Trial,
)

LENGTHS = (2_048, 8_192)
"""Steps of the trainings; the longer ones only where the short ones tell no difference."""
CLEAR, CERTAIN, EVEN = 0.02, 0.5, 0.75


def _no_entropy(facts: Evidence, settings: Settings) -> str | None:
    known = "ent_coef" in known_options(facts)
    return None if known else "the subject names no entropy coefficient"


def weigh_entropy(subject: AgentSubject, trial: Trial, context: Context) -> Evidence:
    """Train without and with a large entropy bonus; how evenly does each act at the end?"""
    name = known_options(context.facts)["ent_coef"]
    base = small_rollout(context.facts)
    entropies = []
    for value in (0.0, 1.0):
        options = {**base, name: value}
        trained = train(subject, context, seed=trial.seed, steps=trial.steps, options=options)
        entropies.append(_mean_entropy(_executed_late(trained.recording.records())))
    return {"without": entropies[0], "with": entropies[1], "option": name}


def _executed_late(records: Sequence[Mapping[str, np.ndarray]]) -> dict[int, list[int]]:
    """State -> actions executed there in the second half of training."""
    found: dict[int, list[int]] = {}
    for record in records:
        half = len(record["states"]) // 2
        for state, action in zip(record["states"][half:], record["actions"][half:], strict=True):
            found.setdefault(int(state), []).append(int(action))
    return found


def _mean_entropy(actions: Mapping[int, Sequence[int]], at_least: int = 10) -> float:
    """Mean over often visited states of H(action) / log 2, from frequencies."""
    entropies = []
    for taken in actions.values():
        if len(taken) >= at_least:
            p = np.clip(np.mean(taken), 1e-9, 1 - 1e-9)
            entropies.append(-(p * np.log2(p) + (1 - p) * np.log2(1 - p)))
    return float(np.mean(entropies)) if entropies else float("nan")


def judge_entropy(trials: Sequence[tuple[Trial, Evidence]], context: Context) -> Outcome | More:
    """A large bonus must not make the policy more certain."""
    if len(trials) == 0:
        return _longer(0, context)
    evidence = trials[-1][1]
    without, with_bonus = evidence["without"], evidence["with"]
    summary = (
        f"normalised entropy of the executed actions: {without:.2f} with {evidence['option']} = 0, "
        f"{with_bonus:.2f} with {evidence['option']} = 1"
    )
    if with_bonus < CERTAIN and with_bonus < without - 0.1:
        message = f"the entropy bonus makes the policy more certain; expected less. {summary}"
        return Outcome(Status.FAILED, message, evidence, {"entropy-sign-flipped": 0.9})
    if with_bonus > without + CLEAR:
        return Outcome(Status.PASSED, summary, evidence)
    if len(trials) < len(LENGTHS):
        return _longer(len(trials), context)
    status = Status.PASSED if with_bonus > EVEN else Status.INCONCLUSIVE
    return Outcome(status, summary, evidence)


def _longer(level: int, context: Context) -> More:
    steps = LENGTHS[level]
    return More((Trial(context.settings.seed, steps),), f"two trainings of {steps:,} steps")


ENTROPY = Check(
    name="agent/entropy-bonus-raises-entropy",
    title="A large entropy coefficient makes the policy act more evenly.",
    explanation=(
        "The loss subtracts ent_coef * H(pi), so a coefficient of the order of the rewards keeps the "
        "policy near uniform. With the sign flipped it collapses instead (Williams & Peng 1991)."
    ),
    trial=weigh_entropy,
    judge=judge_entropy,
    applies=_no_entropy,
    requires=("agent/one-update",),
    catches=("entropy-sign-flipped",),
    budget=Budget.QUICK,
)
