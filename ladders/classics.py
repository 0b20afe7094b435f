"""The upper rungs: FrozenLake, CartPole-v1 within 50,000 steps, Pendulum-v1 for continuous actions.

One uninterrupted `learn`; evaluations happen from the environment's side, every few thousand steps,
on environments of their own, with every random stream restored, so that the training does not notice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import numpy as np

from ladders.env import chosen_actions, encode_states
from ladders.training import ONE_STEP, train
from rlcheck.adapters.protocol import AgentHandle, AgentSubject, Task
from rlcheck.adapters.rng import preserved_rng
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


@dataclass(frozen=True)
class Classic:
    """One benchmark environment.

    Args:
        env_id: as registered.
        steps: budget of one training.
        every: steps between evaluations.
        solved: mean return that counts as solved.
        random: mean return of random actions, and its standard deviation over episodes.
        make: builds one environment.
        unsolved_fails: whether "never better than random" is a failure.
    """

    env_id: str
    steps: int
    every: int
    solved: float
    random: tuple[float, float]
    make: Callable[[], gymnasium.Env]
    unsolved_fails: bool = True

    @property
    def chance(self) -> float:
        """The best of twenty evaluations of ten random episodes stays below with p > 0.999."""
        mean, spread = self.random
        return float(mean + 4.5 * spread / np.sqrt(10))


class OneHot(gymnasium.ObservationWrapper):
    """Discrete observations as one-hot vectors, so that any network can read them."""

    def __init__(self, env: gymnasium.Env) -> None:
        super().__init__(env)
        assert isinstance(env.observation_space, gymnasium.spaces.Discrete)
        self.n_states = int(env.observation_space.n)
        self.observation_space = gymnasium.spaces.Box(0.0, 1.0, (self.n_states,), np.float32)

    def observation(self, observation: Any) -> np.ndarray:
        """The unit vector of a state."""
        return np.eye(self.n_states, dtype=np.float32)[int(observation)]


FROZEN_LAKE = Classic(
    "FrozenLake-v1",
    20_000,
    2_000,
    0.99,
    (0.014, 0.12),
    lambda: OneHot(gymnasium.make("FrozenLake-v1", is_slippery=False)),
    unsolved_fails=False,
)
CARTPOLE = Classic(
    "CartPole-v1", 50_000, 2_500, 475.0, (22.0, 12.0), lambda: gymnasium.make("CartPole-v1")
)
# A correct on-policy learner with usual settings is no better than random here after 20,000 steps.
PENDULUM = Classic(
    "Pendulum-v1",
    20_000,
    2_000,
    -250.0,
    (-1220.0, 290.0),
    lambda: gymnasium.make("Pendulum-v1"),
    unsolved_fails=False,
)
TINY = "tiny"
"""Variant of a trial that asks whether the agent can learn anything: one state, two actions."""


@dataclass
class Watch:
    """Counts the steps of training and evaluates the agent when a multiple of `every` is reached."""

    classic: Classic
    seed: int
    progress: Callable[[float, str], None]
    agent: AgentHandle | None = None
    steps: int = 0
    curve: list[tuple[int, float]] = field(default_factory=list)
    confirmed: float | None = None
    returns: list[tuple[int, float]] = field(default_factory=list)
    evaluation_s: float = 0.0

    def stepped(self) -> None:
        """One environment step of training was made."""
        self.steps += 1
        if self.steps % self.classic.every == 0 and self.agent is not None:
            self.evaluate()

    def evaluate(self) -> None:
        """Ten greedy episodes; a hundred fresh ones where these reach the benchmark."""
        if self.agent is None or self.agent.predict is None or self.confirmed is not None:
            return
        began = time.perf_counter()
        with preserved_rng():
            mean = float(np.mean(greedy_returns(self.agent, self.classic, 10, self.seed)))
            if mean >= self.classic.solved:
                many = greedy_returns(self.agent, self.classic, 100, self.seed + 1_000)
                mean = float(np.mean(many))
                if mean >= self.classic.solved:
                    self.confirmed = mean
        self.evaluation_s += time.perf_counter() - began
        self.curve.append((self.steps, mean))
        fraction = min(1.0, self.steps / self.classic.steps)
        self.progress(fraction, f"{self.classic.env_id}: {mean:.0f} at {self.steps:,} steps")


class Counted(gymnasium.Wrapper):
    """Tells a Watch of every step and of every finished episode."""

    def __init__(self, env: gymnasium.Env, watch: Watch) -> None:
        super().__init__(env)
        self.watch = watch
        self.total = 0.0

    def reset(self, **keywords: Any) -> Any:
        """Start counting an episode's return."""
        self.total = 0.0
        return self.env.reset(**keywords)

    def step(self, action: Any) -> Any:
        """Step, then count."""
        outcome = self.env.step(action)
        self.total += float(outcome[1])
        if outcome[2] or outcome[3]:
            self.watch.returns.append((self.watch.steps + 1, self.total))
        self.watch.stepped()
        return outcome


def greedy_returns(agent: AgentHandle, classic: Classic, episodes: int, seed: int) -> np.ndarray:
    """Returns of greedy episodes, all stepped together so that `predict` sees one batch a step."""
    envs = [classic.make() for _ in range(episodes)]
    observations = np.stack([env.reset(seed=seed + i)[0] for i, env in enumerate(envs)])
    act = agent.acting() if agent.acting is not None else None
    starts = np.ones(episodes, dtype=bool)
    totals, alive = np.zeros(episodes), np.ones(episodes, dtype=bool)
    while alive.any():
        # A recurrent actor needs every row at every step; a plain one only those still running.
        rows = np.arange(episodes) if act is not None else np.nonzero(alive)[0]
        batch = observations[rows]
        actions = act(batch, starts) if act is not None else agent.predict(batch)  # type: ignore[misc]
        starts[:] = False
        for row, action in zip(rows, actions, strict=True):
            if alive[row]:
                observation, reward, terminated, truncated, _ = envs[row].step(action)
                observations[row] = observation
                totals[row] += float(reward)
                alive[row] = not (terminated or truncated)
    return totals


def climb(classic: Classic) -> Callable[[AgentSubject, Trial, Context], Evidence]:
    """The trial of one classic: one training with evaluations on the way."""

    def trial_of(subject: AgentSubject, trial: Trial, context: Context) -> Evidence:
        if trial.variant == TINY:
            return _learn_tiny(subject, trial, context)
        watch = Watch(classic, trial.seed, context.progress)
        task = Task(classic.env_id, lambda: Counted(classic.make(), watch))
        # The benchmark's own discount: 0.99 is right for episodes of hundreds of steps.
        agent = subject.make(task, seed=trial.seed, gamma=0.99 if subject.accepts_gamma else None)
        watch.agent = agent
        began = time.perf_counter()
        agent.learn(trial.steps)
        watch.evaluate()
        return {
            "curve": watch.curve,
            "confirmed": watch.confirmed,
            "training_returns": [value for _, value in watch.returns[-20:]],
            "steps": watch.steps,
            "seconds": time.perf_counter() - began,
            "evaluation_s": watch.evaluation_s,
        }

    return trial_of


def _learn_tiny(subject: AgentSubject, trial: Trial, context: Context) -> Evidence:
    trained = train(subject, context, env_id=ONE_STEP, seed=trial.seed, steps=trial.steps)
    assert trained.agent.predict is not None
    with preserved_rng():
        answer = trained.agent.predict(encode_states(1, "one-hot"))
    return {"learns": bool(chosen_actions(answer, trained.continuous)[0] == 1)}


def judge_classic(classic: Classic) -> Callable[..., Outcome | More]:
    """The sequential judge of one classic: solved by a seed passes, never above random fails."""

    def judge(asked: Sequence[tuple[Trial, Evidence]], context: Context) -> Outcome | More:
        if not asked:
            return More((Trial(context.settings.seed, classic.steps),), "first seed")
        trials = [pair for pair in asked if pair[0].variant != TINY]
        tiny = [evidence["learns"] for trial, evidence in asked if trial.variant == TINY]
        best = [max((value for _, value in e["curve"]), default=None) for _, e in trials]
        solved = [e["confirmed"] for _, e in trials if e["confirmed"] is not None]
        evidence = {"curves": [e["curve"] for _, e in trials], "solved": classic.solved}
        if solved:
            steps = next(e["curve"][-1][0] for _, e in trials if e["confirmed"] is not None)
            message = (
                f"{classic.env_id} solved: mean {solved[0]:.4g} of 100 episodes at {steps:,} steps"
            )
            return Outcome(Status.PASSED, message, evidence)
        known = [value for value in best if value is not None]
        if not known:
            return Outcome(Status.SKIPPED, "the subject has no predict to evaluate", evidence)
        wanted = context.settings.seeds or 3
        if len(trials) < wanted and classic.unsolved_fails:
            more = tuple(
                Trial(context.settings.seed + len(trials) + i, classic.steps)
                for i in range(wanted - len(trials))
            )
            return More(more, "not solved by the first seed")
        if classic.unsolved_fails and max(known) <= classic.chance and not tiny:
            return More((Trial(context.settings.seed, 8_192, TINY),), "does it learn anything?")
        return _unsolved(classic, known, any(tiny), evidence)

    return judge


def _unsolved(classic: Classic, best: list[float], learns: bool, evidence: Evidence) -> Outcome:
    mean = classic.random[0]
    told = ", ".join(f"{value:.4g}" for value in best)
    if learns and max(best) <= classic.chance:
        message = (
            f"{classic.env_id}: the best evaluations of {len(best)} seeds are {told}, and random actions "
            f"reach {mean:g}; the agent learns a one-state problem, so its function approximator or its "
            "settings may not fit this one"
        )
        return Outcome(Status.INCONCLUSIVE, message, evidence)
    if classic.unsolved_fails and max(best) <= classic.chance:
        message = (
            f"{classic.env_id}: the best evaluations of {len(best)} seeds are {told} after "
            f"{classic.steps:,} steps, and random actions reach {mean:g}; expected {classic.solved:g}"
        )
        return Outcome(Status.FAILED, message, evidence, {"does-not-learn": 0.6})
    message = (
        f"{classic.env_id}: the best evaluations of {len(best)} seeds are {told} after "
        f"{classic.steps:,} steps; solved means {classic.solved:g}. Better than random, slower than "
        "the benchmark: settings, rather than a fault that this rung can see"
    )
    return Outcome(Status.INCONCLUSIVE, message, evidence)


def _applies(classic: Classic) -> Callable[[Evidence, Settings], str | None]:
    wants = "continuous" if classic is PENDULUM else "discrete"

    def applies(facts: Evidence, settings: Settings) -> str | None:
        if wants != facts.get("actions"):
            return f"{classic.env_id} is for agents with {wants} actions"
        if "predict" not in facts.get("capabilities", ()):
            return "a script is not evaluated on the classics: it offers no predict"
        return None

    return applies


def _rung(classic: Classic, name: str, title: str, explanation: str) -> Check:
    return Check(
        name=name,
        title=title,
        explanation=explanation,
        trial=climb(classic),
        judge=judge_classic(classic),
        applies=_applies(classic),
        requires=("agent/exam",),
        budget=Budget.STANDARD,
        stochastic=True,
        catches=("does-not-learn",),
    )


CHECKS = (
    _rung(
        FROZEN_LAKE,
        "agent/solves-frozen-lake",
        "FrozenLake-v1 without slipping is solved within 20,000 steps.",
        "Sixteen states, one reward at the end of six steps. Not solving it is no fault by itself: an "
        "agent that explores little may never see the reward.",
    ),
    _rung(
        CARTPOLE,
        "agent/matches-cartpole",
        "CartPole-v1 reaches a mean return of 475 within 50,000 steps.",
        "One uninterrupted learn(50_000); greedy evaluations every 2,500 steps, ten episodes each, "
        "confirmed on a hundred fresh ones. Never better than random is a failure; in between is "
        "inconclusive, since correct agents with slow settings do not reach it.",
    ),
    _rung(
        PENDULUM,
        "agent/matches-pendulum",
        "Pendulum-v1 reaches a mean return of -250 within 20,000 steps.",
        "The continuous counterpart of CartPole.",
    ),
)
