"""Records as JSON and back, for the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rlcheck.records import Budget, Result, Settings, Status, Trial
from rlcheck.subjects import SubjectSpec


def spec_to_json(spec: SubjectSpec) -> dict[str, Any]:
    """Everything about a subject but the object itself; what is empty is left out."""
    names = [name for name in SubjectSpec.__dataclass_fields__ if name != "raw"]
    fields = {name: getattr(spec, name) for name in names}
    return {name: value for name, value in fields.items() if value not in ("", None, {})}


def spec_from_anywhere(spec: SubjectSpec) -> dict[str, Any]:
    """`spec_to_json` whose file, if its target is one, is found from every folder."""
    file, colon, attribute = spec.target.partition(":")
    here = Path(file)
    if not (file and here.exists()):
        return spec_to_json(spec)
    return spec_to_json(replace(spec, target=str(here.resolve()) + colon + attribute))


def spec_from_json(fields: Mapping[str, Any]) -> SubjectSpec:
    """The subject that `spec_to_json` described."""
    return SubjectSpec(**fields)


def settings_to_json(settings: Settings) -> dict[str, Any]:
    """Every setting."""
    return asdict(settings)


def settings_from_json(fields: Mapping[str, Any]) -> Settings:
    """The settings that `settings_to_json` described."""
    return Settings(**{**fields, "budget": Budget(fields["budget"])})


def trial_to_json(trial: Trial) -> dict[str, Any]:
    """What the check asked for."""
    return asdict(trial)


def result_to_json(result: Result) -> dict[str, Any]:
    """The result with its evidence."""
    return asdict(result)


def result_from_json(fields: Mapping[str, Any]) -> Result:
    """The result that `result_to_json` described."""
    return Result(
        **{
            **fields,
            "status": Status(fields["status"]),
            "seeds": tuple(fields["seeds"]),
            "notes": tuple(fields["notes"]),
        }
    )
