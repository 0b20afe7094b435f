"""Whether `reset` and `step` take and return what Gymnasium's interface says, over a hundred steps."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode

from ladders.environment_clock import Clock, clock
from ladders.environment_display import without_display
from ladders.environment_faults import DOES_NOT_CONFORM
from ladders.environment_hang import in_time
from ladders.environment_slot import autoreset_mode
from ladders.environment_subject import EnvironmentSubject
from ladders.environment_task_faults import VECTOR_FORM
from rlcheck.records import Check, Context, Evidence, Outcome, Status, Trial, one_trial

STEPS = 100
"""What raises, hangs or changes its form soon does so here, once, and not in twenty checks."""

# --- the form of what comes back ------------------------------------------------------------------


def try_interface(subject: EnvironmentSubject, trial: Trial, context: Context) -> Evidence:
    """What is wrong with the form of `reset` and `step`, in one sentence, or nothing."""
    timer = clock(context, share=0.5)
    with contextlib.closing(subject.make()) as env:
        problem = without_display(lambda: _problem(env, subject.vector, trial.seed, timer))
    return {"problem": problem, "vector": subject.vector}


def _problem(env: Any, vector: bool, seed: int, timer: Clock) -> str:
    if vector:
        return _vector_problem(env, seed, timer)
    # Wrappers unpack what the environment returns, so its own answers are looked at first.
    inner = getattr(env, "unwrapped", env)
    problem = "" if inner is env else _single_problem(inner, seed, timer, steps=1)
    return problem or _single_problem(env, seed, timer)


def _single_problem(env: Any, seed: int, timer: Clock, steps: int = STEPS) -> str:
    parameters = inspect.signature(env.reset).parameters
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    if "seed" not in parameters and not takes_any:
        return (
            "`reset` takes no `seed`, so no episode can be repeated; "
            "expected reset(*, seed=None, options=None)"
        )
    got = in_time(lambda: env.reset(seed=seed), "`reset`")
    problem = _reset_problem(got, "observation, info")
    env.action_space.seed(seed)
    for done in range(steps):
        if problem or (done and timer.over(done, steps)):
            break
        got = in_time(lambda: env.step(env.action_space.sample()), "`step`")
        problem = _step_problem(got, "observation, reward, terminated, truncated, info")
        if not problem and _ends(got):
            got = in_time(env.reset, "`reset`")
            problem = _reset_problem(got, "observation, info")
    return problem


def _reset_problem(got: Any, wanted: str) -> str:
    if isinstance(got, tuple) and len(got) == 2 and isinstance(got[1], Mapping):
        return ""
    return f"`reset` should return ({wanted}), it returned {_form(got)}"


def _step_problem(got: Any, wanted: str) -> str:
    if isinstance(got, tuple) and len(got) == 5:
        return ""
    old = "; one `done` for both ends is the interface of the old Gym" if _is_old(got) else ""
    return f"`step` should return ({wanted}), it returned {_form(got)}{old}"


def _ends(got: tuple[Any, ...]) -> bool:
    """Whatever the flags are: their types are looked at by a check of their own."""
    return bool(np.any(got[2])) or bool(np.any(got[3]))


def _vector_problem(env: Any, seed: int, timer: Clock) -> str:
    """What is wrong with the form of a vector environment; it resets by itself, or where masked."""
    got = in_time(lambda: env.reset(seed=seed), "`reset`")
    problem = _reset_problem(got, "observations, infos") or _not_a_batch(got[0], env, "`reset`")
    env.action_space.seed(seed)
    for done in range(STEPS):
        if problem or (done and timer.over(done, STEPS)):
            break
        got = in_time(lambda: env.step(env.action_space.sample()), "`step`")
        problem = _vector_step_problem(got, env)
        if not problem and _ends(got) and autoreset_mode(env) is AutoresetMode.DISABLED:
            ended = np.logical_or(got[2], got[3])
            got = env.reset(options={"reset_mask": ended})
            problem = _reset_problem(got, "observations, infos")
    return problem


def _vector_step_problem(got: Any, env: Any) -> str:
    problem = _step_problem(got, "observations, rewards, terminated, truncated, infos")
    if problem := problem or _not_a_batch(got[0], env, "`step`"):
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
    title="`reset(seed=...)` and `step` return what Gymnasium's interface says.",
    explanation=(
        "reset(*, seed=None, options=None) -> (observation, info) and step(action) -> (observation, "
        "reward, terminated, truncated, info), in a hundred steps of random play. Everything else "
        "presumes it, so the other checks wait for this one; an environment that hangs, raises or asks "
        "for a display does so here only."
    ),
    trial=try_interface,
    judge=one_trial(judge_interface),
    catches=(DOES_NOT_CONFORM, VECTOR_FORM),
    references=("https://gymnasium.farama.org/api/env/",),
)
