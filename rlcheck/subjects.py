"""What the user hands over, described so that a worker process can load it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rlcheck.errors import UsageError


@dataclass(frozen=True, slots=True)
class SubjectSpec:
    """One subject of a run: JSON-able except for `raw`, which exists only in process.

    Args:
        name: what reports call it (the target as typed, or the configured name).
        target: `pkg.module:attribute`, `path/file.py:attribute`, an environment id, a path; "" when
            `raw` or `script` says what to check.
        contract: name of the contract, "" to infer it from the loaded object.
        script: command template of a training script with {env}, {steps}, {seed}, {gamma}.
        bind: contract parameter -> the subject's own name for it.
        constants: hyper-parameters given by `--set name=value`.
        dialect: pinned conventions.
        gamma: the discount that the subject uses where it accepts none.
        expected_failures: check name or glob -> reason.
        raw: the object itself, for runs in process.
    """

    name: str
    target: str = ""
    contract: str = ""
    script: str = ""
    bind: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, Any] = field(default_factory=dict)
    dialect: Mapping[str, Any] = field(default_factory=dict)
    gamma: float | None = None
    expected_failures: Mapping[str, str] = field(default_factory=dict)
    raw: Any = None


@dataclass(frozen=True, slots=True)
class EnvironmentId:
    """What a contract's `bind` receives for a registered Gymnasium id."""

    id: str


@dataclass(frozen=True, slots=True)
class SavedModel:
    """What a contract's `bind` receives for a path to a saved Stable-Baselines3 `.zip`."""

    path: str


@dataclass(frozen=True, slots=True)
class LogPath:
    """What a contract's `bind` receives for any other path that exists."""

    path: str


@dataclass(frozen=True, slots=True)
class ScriptCommand:
    """What a contract's `bind` receives for `--script`: the command with its {env}, {steps}, ..."""

    template: str


def invert(bind: Mapping[str, str], where: str) -> dict[str, str]:
    """Turn `own name -> rlcheck's name`, as people write it, into what `SubjectSpec.bind` holds."""
    inverted: dict[str, str] = {}
    for own, parameter in bind.items():
        if parameter in inverted:
            raise UsageError(
                f"{where} gives {parameter!r} to both {inverted[parameter]!r} and {own!r}; "
                "one parameter takes one name"
            )
        inverted[parameter] = own
    return inverted
