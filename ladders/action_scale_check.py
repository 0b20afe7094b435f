"""Actions reach the environment in its own units: a reach for targets on a range that is not [-1, 1].

A one-step task with four observations. In each the reward is -((a - t) / 3)^2 for the executed action a
in [-3, 3] and the target t of that observation, so a learned policy answers a = t. A wrong map from the
policy's u in [-1, 1] to the bounds answers otherwise, and keeps to it however long it learns:

    u itself, never scaled         a = clip(t, -1, 1), and nothing beyond 1 is ever executed
    the lower or the upper half    a = clip(t, -3, 0) or clip(t, 0, 3), likewise
    learned in other units         the critic learned Q(s, a) and is asked for Q(s, u): u = t, a = 3 t
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from ladders.outcomes import failed
from ladders.training import small_rollout
from rlcheck.adapters.protocol import AgentSubject, Task
from rlcheck.adapters.rng import preserved_rng
from rlcheck.records import Check, Context, Evidence, More, Outcome, Settings, Status, Trial

HIGH = 3.0
TARGETS = np.array([-2.4, -0.5, 0.5, 2.4])
INNER, OUTER = [1, 2], [0, 3]
LEVELS = (1_024, 2_048, 4_096)
SLOWEST_S = 40.0

WALLS = {
    "the policy's [-1, 1], never scaled": (-1.0, 1.0),
    "the lower half of the range": (-HIGH, 0.0),
    "the upper half of the range": (0.0, HIGH),
}
"""What is executed under a wrong map -> its lowest and highest action."""
BEYOND, NEAR = 0.02, 0.35
TRIPLED = (0.9, 2.1)
"""Answers to targets of 0.5 that three times the target explains, and unfinished learning does not."""


class Reach(gymnasium.Env):
    """One step: the reward is highest where the action is the target of the observation."""

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 (as the base class declares it)

    def __init__(self, seed: int | None = None) -> None:
        self.observation_space = spaces.Box(0.0, 1.0, (len(TARGETS),), np.float32)
        self.action_space = spaces.Box(-HIGH, HIGH, (1,), np.float32)
        self.executed: list[float] = []
        self._first_seed, self._state = seed, 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Draw one of the observations."""
        super().reset(seed=self._first_seed if seed is None else seed)
        self._first_seed = None
        self._state = int(self.np_random.integers(len(TARGETS)))
        return self._observe(), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Execute one action and end."""
        value = float(np.clip(np.asarray(action, dtype=float).reshape(-1)[0], -HIGH, HIGH))
        self.executed.append(value)
        return self._observe(), -(((value - TARGETS[self._state]) / HIGH) ** 2), True, False, {}

    def _observe(self) -> np.ndarray:
        return np.eye(len(TARGETS), dtype=np.float32)[self._state]


def reach(subject: AgentSubject, trial: Trial, context: Context) -> Evidence:
    """Learn to reach; the greedy answers, and the extremes of what was executed in the second half."""
    envs: list[Reach] = []

    def make_env() -> Reach:
        envs.append(Reach(trial.seed + len(envs)))
        return envs[-1]

    gamma = 0.9 if subject.accepts_gamma else None
    options = small_rollout(context.facts)
    agent = subject.make(Task("", make_env), seed=trial.seed, gamma=gamma, options=options)
    began = time.process_time()
    agent.learn(trial.steps)
    late = np.concatenate([env.executed[len(env.executed) // 2 :] for env in envs])
    assert agent.predict is not None
    with preserved_rng():
        answers = np.asarray(agent.predict(np.eye(len(TARGETS), dtype=np.float32)), dtype=float)
    return {
        "answers": answers.reshape(len(TARGETS), -1)[:, 0].tolist(),
        "executed": [float(late.min()), float(late.max())],
        "seconds": time.process_time() - began,
    }


def judge_reach(trials: Sequence[tuple[Trial, Evidence]], context: Context) -> Outcome | More:
    """Two seeds a level; a wrong map has to explain two levels, so that learning cannot mimic it."""
    level = len(trials) // 2
    if level and all(_reaches(evidence) for _, evidence in trials[-2:]):
        steps = trials[-1][0].steps
        return Outcome(Status.PASSED, f"reaches targets within [-3, 3] after {steps:,} steps")
    if level >= 2:
        for name, suspects in explanations([evidence for _, evidence in trials[-4:]]).items():
            return failed(name, suspects, _proof(trials[-1][1]))
    slow = level and max(evidence["seconds"] for _, evidence in trials) > SLOWEST_S
    if level == len(LEVELS) or slow:
        return Outcome(Status.SKIPPED, f"learns too slowly to tell: {_proof(trials[-1][1])[-1]}")
    seed = context.settings.seed
    return More(tuple(Trial(seed + one, LEVELS[level]) for one in range(2)), "reaching for targets")


def _reaches(evidence: Evidence) -> bool:
    """The answers are about right, those of the far targets at least beyond every wrong wall."""
    answers = np.array(evidence["answers"])
    inside = np.abs(answers - TARGETS)[INNER].max() < NEAR
    return bool(inside and answers[0] < -1.3 and answers[-1] > 1.3)


def explanations(seen: Sequence[Evidence]) -> dict[str, dict[str, float]]:
    """Message -> suspects, of every wrong map that explains all that was seen."""
    found = {}
    for name, (low, high) in WALLS.items():
        if all(_pressed(evidence, low, high) for evidence in seen):
            message = f"only actions from {low:g} to {high:g} are executed: {name}"
            found[f"{message}; expected -3 to 3"] = {"action-scale-wrong": 0.9}
    answers = np.array([evidence["answers"] for evidence in seen]) * np.sign(TARGETS)
    inner, outer = answers[:, INNER], answers[:, OUTER]
    if inner.min() > TRIPLED[0] and inner.max() < TRIPLED[1] and outer.min() > TRIPLED[1]:
        message = (
            "targets of 0.5 are answered by about three times as much, on a range three times [-1, 1]: "
            "what is learned from has other units than what is executed"
        )
        found[message] = {"action-scale-wrong": 0.7, "action-not-executed": 0.2}
    return found


def _pressed(evidence: Evidence, low: float, high: float) -> bool:
    """Nothing executed beyond the walls, and every answer as near to its target as they let it be."""
    lowest, highest = evidence["executed"]
    if lowest < low - BEYOND or highest > high + BEYOND:
        return False
    gap = np.abs(np.array(evidence["answers"]) - np.clip(TARGETS, low, high))
    return bool(gap.max() < NEAR)


def _proof(evidence: Evidence) -> list[str]:
    told = ", ".join(f"{t:g}: {a:.2f}" for t, a in zip(TARGETS, evidence["answers"], strict=True))
    low, high = evidence["executed"]
    return [
        "one step, reward -((a - t) / 3)^2, actions within [-3, 3]: the best action is the target t",
        f"answers by target: {told}",
        f"executed in the second half of the training: {low:.2f} to {high:.2f}",
    ]


def _not_continuous(facts: Evidence, settings: Settings) -> str | None:
    if facts.get("actions") != "continuous":
        return "the subject takes discrete actions"
    if "predict" not in facts.get("capabilities", ()):
        return "the subject has no `predict`"
    return None


ACTION_SCALE = Check(
    name="agent/actions-span-their-range",
    title="Actions are mapped from the policy's range onto the bounds of the action space.",
    explanation=(
        "The exam's actions lie in [-1, 1], where a missing factor cannot show. Here they lie in "
        "[-3, 3], and a one-step task pays for reaching a target, some of them beyond 1: an agent "
        "that never scales, uses half the range, or learns in other units than it acts in settles "
        "on answers that the wrong map explains exactly."
    ),
    trial=reach,
    judge=judge_reach,
    applies=_not_continuous,
    requires=("agent/one-update",),
    stochastic=True,
    catches=("action-scale-wrong", "action-not-executed"),
    references=("https://arxiv.org/abs/1801.01290",),
)
