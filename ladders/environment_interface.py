"""Whether an environment has Gymnasium's interface: in a first step, and by Gymnasium's own checker."""

from __future__ import annotations

import inspect
import re
import traceback
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.utils.env_checker import check_env

from ladders.environment_faults import (
    ALIASED,
    DOES_NOT_CONFORM,
    OUTSIDE,
    SEED_IGNORED,
    STATE_SURVIVES,
)
from ladders.environment_subject import EnvironmentSubject
from rlcheck.records import Check, Context, Evidence, Outcome, Status, Trial, one_trial

# --- one reset and one step -----------------------------------------------------------------------


def try_interface(subject: EnvironmentSubject, trial: Trial, context: Context) -> Evidence:
    """What is wrong with the form of `reset` and `step`, in one sentence, or nothing."""
    with subject.fresh() as env:
        # Wrappers unpack what the environment returns, so its own answers are looked at first.
        inner = getattr(env, "unwrapped", env)
        problem = _problem(inner, trial.seed)
        if not problem and inner is not env:
            problem = _problem(env, trial.seed)
    return {"problem": problem}


def _problem(env: Any, seed: int) -> str:
    parameters = inspect.signature(env.reset).parameters
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    if "seed" not in parameters and not takes_any:
        return (
            "`reset` takes no `seed`, so no episode can be repeated; "
            "expected reset(*, seed=None, options=None)"
        )
    got = env.reset(seed=seed)
    if not (isinstance(got, tuple) and len(got) == 2 and isinstance(got[1], Mapping)):
        return f"`reset` should return (observation, info), it returned {_form(got)}"
    env.action_space.seed(seed)
    got = env.step(env.action_space.sample())
    if not (isinstance(got, tuple) and len(got) == 5):
        old = "; one `done` for both ends is the interface of the old Gym" if _is_old(got) else ""
        return (
            "`step` should return (observation, reward, terminated, truncated, info), "
            f"it returned {_form(got)}{old}"
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
        return Outcome(Status.FAILED, evidence["problem"], evidence, {DOES_NOT_CONFORM: 0.95})
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
    catches=(DOES_NOT_CONFORM,),
    references=("https://gymnasium.farama.org/api/env/",),
)

# --- Gymnasium's own checker ----------------------------------------------------------------------


class _PlainFlags(gymnasium.Wrapper):
    """Flags of NumPy's bool as Python bools: check_env takes the former for a truncation."""

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        observation, reward, *flags, info = self.env.step(action)
        terminated, truncated = (bool(f) if isinstance(f, np.bool_) else f for f in flags)
        return observation, reward, terminated, truncated, info


def run_check_env(subject: EnvironmentSubject, trial: Trial, context: Context) -> Evidence:
    """What `gymnasium.utils.env_checker.check_env` raises and warns of."""
    with subject.fresh() as env, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        # The checker's first reset and first action have no seed of their own.
        env.reset(seed=trial.seed)
        env.action_space.seed(trial.seed)
        checked = _PlainFlags(env) if isinstance(env, gymnasium.Env) else env
        raised = ""
        try:
            # Its tests of `render` and `close` make the environment again, which needs an id.
            check_env(checked, skip_render_check=True, skip_close_check=True)
        except Exception as error:  # the checker raises half a dozen types
            if not _is_checkers_own(error):
                raise
            raised = _plain(str(error))
    told = [_plain(str(warning.message)) for warning in caught]
    return {"raised": raised, "warnings": [text for text in dict.fromkeys(told) if _matters(text)]}


def _is_checkers_own(error: Exception) -> bool:
    """Whether the checker found something, rather than the environment raised under it."""
    last = traceback.extract_tb(error.__traceback__)[-1].filename
    home = Path(gymnasium.__file__).parent
    return any(Path(last).is_relative_to(home / part) for part in ("utils", "spaces"))


def _plain(text: str) -> str:
    """Without colours, prefix and line breaks."""
    text = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", text).split())
    return text.removeprefix("WARN: ")


def _matters(warning: str) -> bool:
    """Wrappers are part of what users train on, so they are checked too, on purpose."""
    return "is different from the unwrapped version" not in warning


def judge_check_env(evidence: Evidence, context: Context) -> Outcome:
    """An exception of the checker fails, its warnings are notes."""
    notes = tuple(f"Gymnasium's checker: {text}" for text in evidence["warnings"])
    raised = evidence["raised"]
    if raised:
        message = f"Gymnasium's check_env: {raised}"
        return Outcome(Status.FAILED, message, evidence, _suspects(raised), notes)
    return Outcome(Status.PASSED, "Gymnasium's check_env finds nothing", evidence, {}, notes)


_SUSPECTS: tuple[tuple[str, dict[str, float]], ...] = (
    ("super().reset", {DOES_NOT_CONFORM: 0.6, SEED_IGNORED: 0.3}),
    ("share an object", {ALIASED: 0.6, DOES_NOT_CONFORM: 0.3}),
    ("observation space", {OUTSIDE: 0.6, DOES_NOT_CONFORM: 0.3}),
    ("determinis", {SEED_IGNORED: 0.4, STATE_SURVIVES: 0.3, DOES_NOT_CONFORM: 0.2}),
    ("", {DOES_NOT_CONFORM: 0.9}),
)
"""Words in a message of the checker -> what it is about. Other checks look closer at most of it."""


def _suspects(raised: str) -> dict[str, float]:
    return next(suspects for words, suspects in _SUSPECTS if words in raised.lower())


CONFORMS = Check(
    name="environment/conforms",
    title="Gymnasium's own checker, check_env, raises nothing.",
    explanation=(
        "Runs gymnasium.utils.env_checker.check_env on a fresh instance: spaces, reset with seed and "
        "options, types of everything returned, determinism of one step. What it raises is a failure, "
        "what it warns of is a note. Rendering is left out."
    ),
    trial=run_check_env,
    judge=one_trial(judge_check_env),
    requires=(INTERFACE.name,),
    catches=(DOES_NOT_CONFORM,),
    references=("https://gymnasium.farama.org/api/utils/",),
)
