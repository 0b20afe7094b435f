"""One short training in a tabular task, and everything that can be observed about its result.

The small checks of the ladder compare such observations: of two seeds, of two values of an option, of
an agent before and after it was saved.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from ladders.env import encode_states
from ladders.exam import design
from ladders.mdp import MDP
from ladders.tasks import Recording, long_walk_mdp, one_step_mdp, tabular_task
from rlcheck.adapters.protocol import AgentHandle, AgentSubject
from rlcheck.adapters.rng import preserved_rng
from rlcheck.records import Context, Evidence, Settings


def exam_gamma(facts: Evidence, settings: Settings) -> float:
    """The discount the exam is designed for: 0.9 where the subject takes one, else its own."""
    stated = settings.gamma if settings.gamma is not None else facts.get("gamma")
    if facts.get("accepts_gamma") or stated is None:
        return 0.9
    return float(stated)


def knows_gamma(facts: Evidence, settings: Settings) -> bool:
    """Whether the discount of the subject is given, stated or read off it."""
    stated = settings.gamma if settings.gamma is not None else facts.get("gamma")
    return bool(facts.get("accepts_gamma")) or stated is not None


EXAM, ONE_STEP = "ladders:Exam-v0", "ladders:OneStep-v0"
LONG_WALK = "ladders:LongWalk-v0"
_MDPS: Mapping[str, Callable[[float], MDP]] = {
    EXAM: lambda gamma: design(gamma).mdp,
    ONE_STEP: lambda gamma: one_step_mdp(),
    LONG_WALK: lambda gamma: long_walk_mdp(),
}


@dataclass(frozen=True)
class Trained:
    """An agent after one `learn`, and what its environments recorded.

    `still` are the names of those of its `tensors` tensors that the training left as they were.
    """

    agent: AgentHandle
    recording: Recording
    mdp: MDP
    continuous: bool
    still: tuple[str, ...] = ()
    tensors: int = 0


SMALL_ROLLOUT = {"n_steps": 64, "num_steps": 64, "batch_size": 32, "learning_starts": 32}
"""Where these options are named they are made small, so that a short training holds many updates."""

SHORT_STEPS = 512


def small_rollout(facts: Evidence) -> dict[str, Any]:
    """Settings that shorten a rollout, as far as the subject names them."""
    named = facts.get("options", {})
    return {
        name: min(value, named[name]) if isinstance(named[name], int) else value
        for name, value in SMALL_ROLLOUT.items()
        if name in named
    }


T = TypeVar("T")


class Latest(Generic[T]):
    """The last thing computed for a subject, since several checks look at it one after another."""

    def __init__(self) -> None:
        self._kept: tuple[AgentSubject, tuple[Any, ...], T] | None = None

    def of(self, subject: AgentSubject, key: tuple[Any, ...], compute: Callable[[], T]) -> T:
        """What was computed for this very subject and key, or what `compute` returns now."""
        # The subject itself is kept: the id of one that is gone may be given to another.
        if self._kept is None or self._kept[0] is not subject or self._kept[1] != key:
            self._kept = subject, key, compute()
        return self._kept[2]


_short: Latest[Trained] = Latest()


def short_training(subject: AgentSubject, context: Context, seed: int) -> Trained:
    """The short training that several checks look at."""
    options = small_rollout(context.facts)

    def compute() -> Trained:
        return train(subject, context, seed=seed, steps=SHORT_STEPS, options=options)

    return _short.of(subject, (seed, context.settings), compute)


def train(
    subject: AgentSubject,
    context: Context,
    *,
    env_id: str = EXAM,
    seed: int,
    steps: int,
    env_seed: int | None = None,
    gamma: float | None = None,
    options: Mapping[str, Any] | None = None,
    n_envs: int | None = None,
    watch: Callable[[int], None] | None = None,
) -> Trained:
    """Build an agent and let it learn `steps` steps in a tabular task; 0 leaves it untrained."""
    given = exam_gamma(context.facts, context.settings)
    mdp = _MDPS[env_id](given)
    continuous = context.facts.get("actions") == "continuous"
    task, recording = tabular_task(
        mdp,
        env_id,
        gamma=given,
        seed=seed if env_seed is None else env_seed,
        action="continuous" if continuous else "discrete",
        folder=context.scratch if subject.isolated else "",
        watch=watch,
    )
    agent = subject.make(
        task,
        seed=seed,
        gamma=(given if gamma is None else gamma) if subject.accepts_gamma else None,
        options=options,
        n_envs=n_envs,
    )
    before = tensors_of(agent)
    if steps:
        agent.learn(steps)
    after = tensors_of(agent)
    still = tuple(
        name for name in before if name in after and np.array_equal(before[name], after[name])
    )
    return Trained(agent, recording, mdp, continuous, still, len(before))


def tensors_of(agent: AgentHandle) -> dict[str, np.ndarray]:
    """Name -> copy of every tensor that the agent shows; empty where it shows none."""
    with preserved_rng():
        return dict(agent.parameters()) if agent.parameters is not None else {}


def outputs(trained: Trained) -> dict[str, np.ndarray]:
    """Every number that the trained agent shows: parameters, answers, values, what it did.

    Two trainings are the same only if all of these are.
    """
    observations = encode_states(trained.mdp.n_states, "one-hot")
    agent = trained.agent
    shown: dict[str, np.ndarray] = {}
    with preserved_rng():
        for name in ("predict", "values", "q_values", "action_probabilities"):
            look = getattr(agent, name)
            if look is not None:
                shown[name] = np.asarray(look(observations), dtype=float)
        if agent.parameters is not None:
            for name, tensor in agent.parameters().items():
                shown[f"parameter {name}"] = np.array(tensor, dtype=float)
    shown["executed"] = executed(trained.recording)
    return shown


def untrained_outputs(
    subject: AgentSubject, context: Context, seed: int, options: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """What the agent shows before it learns; nothing where it has no policy before that."""
    fresh = train(subject, context, seed=seed, steps=0, options=options)
    return outputs(fresh) if fresh.agent.acts_untrained else {}


def moved(
    before: Mapping[str, np.ndarray],
    after: Mapping[str, np.ndarray],
    but: Container[str] = ("executed",),
) -> list[str]:
    """Names of what both show that is not the same any more, those of `but` left out."""
    names = [name for name in after if name in before and name not in but]
    return [name for name in names if not np.array_equal(before[name], after[name])]


def executed(recording: Recording) -> np.ndarray:
    """[steps, 2] states and executed actions of all environments, one after another."""
    records = recording.records()
    if not records:
        return np.zeros((0, 2), dtype=np.int64)
    columns = [np.stack([record["states"], record["actions"]], axis=1) for record in records]
    return np.concatenate(columns)


def same(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> bool:
    """Whether two trainings showed bit for bit the same."""
    return first.keys() == second.keys() and all(
        first[name].shape == second[name].shape and np.array_equal(first[name], second[name])
        for name in first
    )
