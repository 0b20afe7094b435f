"""Whether `reset` and `step` take and return what Gymnasium's interface says, in a first try."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces

from ladders.environment_faults import DOES_NOT_CONFORM
from ladders.environment_hang import in_time
from ladders.environment_subject import EnvironmentSubject
from ladders.environment_task_faults import VECTOR_FORM
from rlcheck.records import Check, Context, Evidence, Outcome, Status, Trial, one_trial

# --- one reset and one step -----------------------------------------------------------------------


def try_interface(subject: EnvironmentSubject, trial: Trial, context: Context) -> Evidence:
    """What is wrong with the form of `reset` and `step`, in one sentence, or nothing."""
    if subject.vector:
        with contextlib.closing(subject.make()) as env:
            return {"problem": _vector_problem(env, trial.seed), "vector": True}
    with subject.fresh() as env:
        # Wrappers unpack what the environment returns, so its own answers are looked at first.
        inner = getattr(env, "unwrapped", env)
        problem = _problem(inner, trial.seed)
        if not problem and inner is not env:
            problem = _problem(env, trial.seed)
    return {"problem": problem, "vector": False}


def _problem(env: Any, seed: int) -> str:
    parameters = inspect.signature(env.reset).parameters
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    if "seed" not in parameters and not takes_any:
        return (
            "`reset` takes no `seed`, so no episode can be repeated; "
            "expected reset(*, seed=None, options=None)"
        )
    got = in_time(lambda: env.reset(seed=seed), "`reset`")
    if not (isinstance(got, tuple) and len(got) == 2 and isinstance(got[1], Mapping)):
        return f"`reset` should return (observation, info), it returned {_form(got)}"
    env.action_space.seed(seed)
    got = in_time(lambda: env.step(env.action_space.sample()), "`step`")
    if not (isinstance(got, tuple) and len(got) == 5):
        old = "; one `done` for both ends is the interface of the old Gym" if _is_old(got) else ""
        return (
            "`step` should return (observation, reward, terminated, truncated, info), "
            f"it returned {_form(got)}{old}"
        )
    return ""


def _vector_problem(env: Any, seed: int) -> str:
    """What is wrong with the form of a vector environment."""
    got = in_time(lambda: env.reset(seed=seed), "`reset`")
    if not (isinstance(got, tuple) and len(got) == 2 and isinstance(got[1], Mapping)):
        return f"`reset` should return (observations, infos), it returned {_form(got)}"
    if problem := _not_a_batch(got[0], env, "`reset`"):
        return problem
    env.action_space.seed(seed)
    got = in_time(lambda: env.step(env.action_space.sample()), "`step`")
    if not (isinstance(got, tuple) and len(got) == 5):
        return (
            "`step` should return (observations, rewards, terminated, truncated, infos), "
            f"it returned {_form(got)}"
        )
    if problem := _not_a_batch(got[0], env, "`step`"):
        return problem
    for name, part, kinds in (
        ("rewards", got[1], "fiu"),
        *zip(_FLAGS, got[2:4], "bb", strict=True),
    ):
        array = np.asarray(part)
        if array.shape != (env.num_envs,) or array.dtype.kind not in kinds:
            wanted = "bools" if kinds == "b" else "numbers"
            return (
                f"`{name}` of `step` should be an array of {env.num_envs} {wanted}, "
                f"it is of shape {array.shape} and type {array.dtype}"
            )
    return ""


_FLAGS = ("terminated", "truncated")


def _not_a_batch(observations: Any, env: Any, where: str) -> str:
    """Shapes only: whether values lie inside the space is looked at by a check of its own."""
    space = env.observation_space
    if isinstance(space, spaces.Box) and np.shape(observations) != space.shape:
        return (
            f"the observations of {where} have shape {np.shape(observations)}, "
            f"`observation_space` says {space.shape}"
        )
    return ""


def _is_old(got: Any) -> bool:
    return isinstance(got, tuple) and len(got) == 4


def _form(got: Any) -> str:
    if not isinstance(got, tuple):
        return "None" if got is None else f"one value of type {type(got).__name__}"
    return f"{len(got)} values ({', '.join(type(part).__name__ for part in got)})"


def judge_interface(evidence: Evidence, context: Context) -> Outcome:
    """Failed with the sentence that the trial found."""
    if evidence["problem"]:
        fault = VECTOR_FORM if evidence["vector"] else DOES_NOT_CONFORM
        return Outcome(Status.FAILED, evidence["problem"], evidence, {fault: 0.95})
    return Outcome(Status.PASSED, "reset gives two values, step gives five", evidence)


INTERFACE = Check(
    name="environment/resets-and-steps",
    title="`reset(seed=...)` and one `step` return what Gymnasium's interface says.",
    explanation=(
        "reset(*, seed=None, options=None) -> (observation, info) and step(action) -> (observation, "
        "reward, terminated, truncated, info). Everything else presumes it, so the other checks wait "
        "for this one; an environment that hangs or raises at once does so here only."
    ),
    trial=try_interface,
    judge=one_trial(judge_interface),
    catches=(DOES_NOT_CONFORM, VECTOR_FORM),
    references=("https://gymnasium.farama.org/api/env/",),
)
