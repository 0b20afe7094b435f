"""The well-kept checkers of others: Gymnasium's check_env part by part, and Stable-Baselines3's."""

from __future__ import annotations

import re
import traceback
import warnings
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.utils import env_checker, passive_env_checker

from ladders.environment_faults import (
    DOES_NOT_CONFORM,
    OUTSIDE,
    SEED_IGNORED,
    STATE_SURVIVES,
)
from ladders.environment_interface import INTERFACE
from ladders.environment_subject import EnvironmentSubject
from rlcheck.adapters.sb3_environment import installed, messages_of_check_env
from rlcheck.records import Check, Context, Evidence, Outcome, Settings, Status, Trial, one_trial


class _PlainFlags(gymnasium.Wrapper):
    """Flags of NumPy's bool as Python bools: check_env takes the former for a truncation."""

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        observation, reward, *flags, info = self.env.step(action)
        terminated, truncated = (bool(f) if isinstance(f, np.bool_) else f for f in flags)
        return observation, reward, terminated, truncated, info


def _spaces(env: gymnasium.Env) -> None:
    if not isinstance(env, gymnasium.Env):
        raise TypeError(
            f"the environment must inherit from the gymnasium.Env class, actual class: {type(env)}"
        )
    passive_env_checker.check_action_space(env.action_space)
    env_checker.check_space_limit(env.action_space, "action")
    passive_env_checker.check_observation_space(env.observation_space)
    env_checker.check_space_limit(env.observation_space, "observation")


def _reset(env: gymnasium.Env) -> None:
    env_checker.check_seed_deprecation(env)
    env_checker.check_reset_return_info_deprecation(env)
    env_checker.check_reset_return_type(env)
    env_checker.check_reset_seed_determinism(env)


def _step(env: gymnasium.Env) -> None:
    passive_env_checker.env_reset_passive_checker(env)
    passive_env_checker.env_step_passive_checker(env, env.action_space.sample())


def _new_data(env: gymnasium.Env) -> None:
    look = getattr(env_checker, "check_returned_data_not_reused", None)  # since Gymnasium 1.4
    if look is not None:
        look(env)


def _look(part: Callable[[gymnasium.Env], None]) -> Callable[..., Evidence]:
    """The trial that runs one part of Gymnasium's checker on a fresh instance."""

    def run(subject: EnvironmentSubject, trial: Trial, context: Context) -> Evidence:
        with subject.fresh() as env, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            # The checker's first reset and first action have no seed of their own.
            env.reset(seed=trial.seed)
            env.action_space.seed(trial.seed)
            checked = _PlainFlags(env) if isinstance(env, gymnasium.Env) else env
            raised = ""
            try:
                part(checked)
            except Exception as error:  # the checker raises half a dozen types
                if not _is_checkers_own(error):
                    raise
                raised = _plain(str(error))
        told = [_plain(str(warning.message)) for warning in caught]
        return {"raised": raised, "warnings": [t for t in dict.fromkeys(told) if _matters(t)]}

    return run


def _is_checkers_own(error: Exception) -> bool:
    """Whether the checker found something, rather than the environment raised under it."""
    last = Path(traceback.extract_tb(error.__traceback__)[-1].filename)
    home = Path(gymnasium.__file__).parent
    homes = (home / "utils", home / "spaces", Path(__file__))
    return any(last.is_relative_to(place) for place in homes)


def _plain(text: str) -> str:
    """Without colours, prefix and line breaks."""
    text = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", text).split())
    return text.removeprefix("WARN: ")


def _matters(warning: str) -> bool:
    """Wrappers are part of what users train on, so they are checked too, on purpose."""
    return "is different from the unwrapped version" not in warning


def judge_part(evidence: Evidence, context: Context) -> Outcome:
    """An exception of the checker fails, its warnings are notes."""
    notes = tuple(f"Gymnasium's checker: {text}" for text in evidence["warnings"])
    raised = evidence["raised"]
    if raised:
        message = f"Gymnasium's check_env: {raised}"
        return Outcome(Status.FAILED, message, evidence, _suspects(raised), notes)
    return Outcome(Status.PASSED, "Gymnasium's check_env finds nothing", evidence, {}, notes)


def judge_shared(evidence: Evidence, context: Context) -> Outcome:
    """A remark: what is shared and changes fails `observation-not-aliased` or `info-not-aliased`."""
    outcome = judge_part(evidence, context)
    if outcome.status is not Status.FAILED:
        return outcome
    note = f"{outcome.message} Harmless only as long as nobody writes into it"
    return Outcome(
        Status.PASSED, "two returns share an object", evidence, {}, (*outcome.notes, note)
    )


_SUSPECTS: tuple[tuple[str, dict[str, float]], ...] = (
    ("super().reset", {DOES_NOT_CONFORM: 0.6, SEED_IGNORED: 0.3}),
    ("observation space", {OUTSIDE: 0.6, DOES_NOT_CONFORM: 0.3}),
    ("determinis", {SEED_IGNORED: 0.4, STATE_SURVIVES: 0.3, DOES_NOT_CONFORM: 0.2}),
    ("", {DOES_NOT_CONFORM: 0.9}),
)
"""Words in a message of the checker -> what it is about. Other checks look closer at most of it."""


def _suspects(raised: str) -> dict[str, float]:
    return next(suspects for words, suspects in _SUSPECTS if words in raised.lower())


def single_only(facts: Evidence, settings: Settings) -> str | None:
    """These checkers know single environments only."""
    return "the checker is made for single environments" if facts["vector"] else None


@dataclass(frozen=True, slots=True)
class _Part:
    name: str
    title: str
    explanation: str
    look: Callable[[gymnasium.Env], None]
    judge: Callable[[Evidence, Context], Outcome] = judge_part


_PARTS = (
    _Part(
        "spaces",
        "Gymnasium's checker accepts the observation and the action space.",
        "Spaces have a shape, a type and limits that make sense: no Box whose low lies above its high, "
        "images as uint8 from 0 to 255, actions that are bounded.",
        _spaces,
    ),
    _Part(
        "reset",
        "Gymnasium's checker accepts `reset`, with a seed and without.",
        "reset(seed=s) twice gives equal observations in the space and leaves the generator in the same "
        "state; an unseeded reset after it goes on alike; info is a dictionary.",
        _reset,
    ),
    _Part(
        "options",
        "Gymnasium's checker can hand `options` to `reset`.",
        "reset(seed=..., options={}) is part of the interface: wrappers and vector environments pass "
        "both on.",
        env_checker.check_reset_options,
    ),
    _Part(
        "step",
        "Gymnasium's checker accepts what `step` returns.",
        "Types, shapes and finiteness of the five values of one step.",
        _step,
    ),
    _Part(
        "repeats",
        "Gymnasium's checker sees one step repeat after a seeded reset.",
        "The same seed and the same first action give the same observation, reward and flags.",
        env_checker.check_step_determinism,
    ),
    _Part(
        "returns-new-data",
        "Gymnasium's checker has looked for objects that two returns share; they are in the notes.",
        "Observations and infos of several calls should share no array or dictionary, since users keep "
        "them. A constant array that is handed out each time does no harm, one that changes fails "
        "observation-not-aliased or info-not-aliased. Needs Gymnasium 1.4 or newer.",
        _new_data,
        judge_shared,
    ),
)

CONFORMS = tuple(
    Check(
        name=f"environment/conforms-{part.name}",
        title=part.title,
        explanation=f"{part.explanation} What the checker raises is a failure, what it warns of a note.",
        trial=_look(part.look),
        judge=one_trial(part.judge),
        applies=single_only,
        requires=(INTERFACE.name,),
        catches=(DOES_NOT_CONFORM,),
        references=("https://gymnasium.farama.org/api/utils/",),
    )
    for part in _PARTS
)

# --- Stable-Baselines3 ----------------------------------------------------------------------------


LEAST_S = 60.0
"""Torch, which the library imports, takes seconds: shorter runs leave its remarks out."""


def run_sb3(subject: EnvironmentSubject, trial: Trial, context: Context) -> Evidence:
    """What stable_baselines3.common.env_checker.check_env raises and warns of."""
    with closing(subject.make()) as env:
        env.action_space.seed(trial.seed)
        raised, warned = messages_of_check_env(env)
    return {"raised": _plain(raised), "warnings": [_plain(text) for text in warned]}


def judge_sb3(evidence: Evidence, context: Context) -> Outcome:
    """Everything is a note: an environment may be correct and still not be for that library."""
    told = [f"it refuses the environment: {evidence['raised']}"] if evidence["raised"] else []
    told += evidence["warnings"]
    notes = tuple(f"Stable-Baselines3's checker, {_subject_of(text)}: {text}" for text in told)
    said = f"{len(notes)} remarks" if notes else "nothing to remark on"
    return Outcome(Status.PASSED, f"Stable-Baselines3's check_env: {said}", evidence, {}, notes)


_SUBJECTS = (
    ("nested", "nested spaces"),
    ("tuple", "tuple space"),
    ("image", "images"),
    ("symmetric and normalized", "scale of actions"),
    ("action space", "action space"),
    ("observation", "observations"),
    ("reward", "rewards"),
    ("signal", "flags"),
    ("reset", "reset"),
)


def _subject_of(text: str) -> str:
    return next((name for word, name in _SUBJECTS if word in text.lower()), "other")


def needs_sb3(facts: Evidence, settings: Settings) -> str | None:
    """Whether the other library is there."""
    if facts["vector"]:
        return single_only(facts, settings)
    if facts.get("seconds") and facts["seconds"] < LEAST_S:
        return f"importing it would take too much of the {facts['seconds']:g} seconds given"
    return None if installed() else "stable_baselines3 is not installed"


SB3 = Check(
    name="environment/usable-by-stable-baselines3",
    title="Stable-Baselines3's own checker, check_env, has run, and what it says is in the notes.",
    explanation=(
        "Spaces that the library does not support, images in an unusual form, actions outside "
        "[-1, 1]: facts about how the two fit together, none of which makes the environment wrong."
    ),
    trial=run_sb3,
    judge=one_trial(judge_sb3),
    applies=needs_sb3,
    requires=(INTERFACE.name,),
    references=("https://stable-baselines3.readthedocs.io/en/master/common/env_checker.html",),
)
