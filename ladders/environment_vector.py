"""Vector environments: different episodes in each slot."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv

from ladders.environment_interface import INTERFACE
from ladders.environment_slot import batch, slot_of
from ladders.environment_subject import EnvironmentSubject
from ladders.environment_task_faults import (
    SHARED_SEED,
)
from ladders.environment_walk import copied, equal
from rlcheck.records import Check, Context, Evidence, Outcome, Settings, Status, Trial, one_trial

SEEDS = 6


def vector_only(facts: Evidence, settings: Settings) -> str | None:
    """Only vector environments have slots."""
    return None if facts["vector"] else "only vector environments have slots"


def compare_slots(subject: EnvironmentSubject, trial: Trial, context: Context) -> Evidence:
    """Which slots live through the same episodes although their randomness could differ."""
    with closing(subject.make()) as env:
        count = env.num_envs
        if count < 2:
            return {"slots": count, "twins": None, "random": False}
        runs: list[list[list[Any]]] = []
        pairs = [(i, j) for j in range(count) for i in range(j)]
        for index in range(SEEDS):
            runs.append(_slots(env, trial.seed + 1000 * index))
            # Short episodes coincide by chance now and then, with one seed but not with all.
            pairs = [(i, j) for i, j in pairs if equal(runs[-1][i], runs[-1][j])]
            if not pairs:
                break
    twins = list(pairs[0]) if pairs else None
    alike = all(equal(run[i], runs[0][i]) for run in runs for i in range(count))
    return {"slots": count, "twins": twins, "random": not alike}


def _slots(env: VectorEnv, seed: int) -> list[list[Any]]:
    """[N] observations and rewards of each slot over a few steps, all with the same actions."""
    batched, _ = env.reset(seed=seed)
    slots = [[copied(slot_of(env.observation_space, batched, i))] for i in range(env.num_envs)]
    env.single_action_space.seed(0)  # the same actions after every seed
    for _ in range(40):
        action = env.single_action_space.sample()
        batched, rewards, terminated, truncated, _ = env.step(batch(env, [action] * env.num_envs))
        ended = np.logical_or(terminated, truncated)
        for i, slot in enumerate(slots):
            slot.append(copied(slot_of(env.observation_space, batched, i)))
            slot.append(float(rewards[i]))
        if ended.any():
            break
    return slots


def judge_slots(evidence: Evidence, context: Context) -> Outcome:
    """No two slots are alike, or nothing is random."""
    if evidence["twins"] and evidence["random"]:
        one, other = evidence["twins"]
        message = (
            f"environments {one} and {other} of {evidence['slots']} live through the same episode "
            f"under the same actions with each of {SEEDS} seeds, although another seed changes it; "
            "expected a seed of its own for each"
        )
        return Outcome(Status.FAILED, message, evidence, {SHARED_SEED: 0.95})
    said = "differ" if not evidence["twins"] else "are alike, and nothing is random"
    return Outcome(Status.PASSED, f"{evidence['slots']} environments {said}", evidence)


SLOTS = Check(
    name="environment/slots-differ",
    title="The environments of a vector environment live through different episodes.",
    explanation=(
        "After reset(seed=s) all of them take the same actions. Two that return the same observations "
        "and rewards with each of six seeds, where seeds differ from each other, share their seed."
    ),
    trial=compare_slots,
    judge=one_trial(judge_slots),
    applies=vector_only,
    requires=(INTERFACE.name,),
    catches=(SHARED_SEED,),
    references=("https://github.com/DLR-RM/stable-baselines3/commit/2ce31c1e2101",),
)
