"""`[tool.rlcheck]` of pyproject.toml as checked records.

    [tool.rlcheck]                    options of a run; the command line overrides each of them
    [tool.rlcheck.subjects.NAME]      one subject: what it is and how to bind it

The nearest pyproject.toml above the working folder counts, as with ruff and pytest. Every key is
described once, in `RUN_KEYS` and `SUBJECT_KEYS`; what is not described there is refused.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from rlcheck.errors import UsageError
from rlcheck.subjects import SubjectSpec, invert
from rlcheck.suggest import did_you_mean

FILE_NAME = "pyproject.toml"
RESULTS_DIR = ".rlcheck"


class Kind(Enum):
    """What a value must be; the text is what an error message says was expected."""

    TEXT = "a string"
    FLAG = "true or false"
    WHOLE = "a whole number of at least 0"
    COUNT = "a whole number of at least 1"
    JOBS = 'a whole number of at least 1, or "auto"'
    BUDGET = 'one of "quick", "standard" and "thorough"'
    SECONDS = "a positive number of seconds"
    SHARE = "a number between 0 and 1, both excluded"
    GAMMA = "a number between 0 and 1"
    TEXTS = "a list of strings"
    NAMES = "a table of strings"
    VALUES = "a table"


RUN_KEYS: Mapping[str, Kind] = {
    "allow-inconclusive": Kind.FLAG,
    "alpha": Kind.SHARE,
    "budget": Kind.BUDGET,
    "device": Kind.TEXT,
    "gamma": Kind.GAMMA,
    "ignore": Kind.TEXTS,
    "jobs": Kind.JOBS,
    "max-examples": Kind.COUNT,
    "report": Kind.TEXTS,
    "results-dir": Kind.TEXT,
    "seed": Kind.WHOLE,
    "seeds": Kind.COUNT,
    "select": Kind.TEXTS,
    "timeout": Kind.SECONDS,
}

SUBJECT_KEYS: Mapping[str, Kind] = {
    "bind": Kind.NAMES,
    "contract": Kind.TEXT,
    "dialect": Kind.VALUES,
    "expected-failures": Kind.NAMES,
    "gamma": Kind.GAMMA,
    "script": Kind.TEXT,
    "set": Kind.VALUES,
    "target": Kind.TEXT,
}


@dataclass(frozen=True, slots=True)
class Config:
    """What pyproject.toml says about rlcheck.

    Args:
        options: checked values of `[tool.rlcheck]`, by key.
        subjects: configured subjects by name, in the order of the file.
        path: the file, None where there is none with a `[tool.rlcheck]` table.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    subjects: Mapping[str, SubjectSpec] = field(default_factory=dict)
    path: Path | None = None

    @property
    def results_dir(self) -> Path:
        """Where runs are stored: beside the configuration, whatever the working folder is."""
        root = self.path.parent if self.path else Path.cwd()
        return root / self.options.get("results-dir", RESULTS_DIR)


def find(start: Path) -> Path | None:
    """The nearest pyproject.toml in `start` or above it."""
    for folder in (start, *start.parents):
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
    return None


def load(start: Path | None = None) -> Config:
    """Read the configuration that applies in folder `start` (default: the working folder).

    Raises:
        UsageError: the file is no TOML, or it holds an unknown key or a value of the wrong type.
    """
    path = find((start or Path.cwd()).resolve())
    if path is None:
        return Config()
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    tool = content.get("tool", {})
    if not isinstance(tool, dict) or "rlcheck" not in tool:
        return Config()
    return parse(tool["rlcheck"], path)


def parse(table: Any, path: Path) -> Config:
    """Check the table `[tool.rlcheck]` of `path` and turn it into records."""
    if not isinstance(table, dict):
        raise UsageError(f"{path}: [tool.rlcheck] should be a table, it is {_describe(table)}")
    subjects = table.get("subjects", {})
    if not isinstance(subjects, dict):
        raise UsageError(
            f"{path}: [tool.rlcheck] subjects should be tables [tool.rlcheck.subjects.NAME], "
            f"it is {_describe(subjects)}"
        )
    options = {key: value for key, value in table.items() if key != "subjects"}
    _check_table(options, RUN_KEYS, f"{path}: [tool.rlcheck]", extra=("subjects",))
    specs = {name: _subject(name, entry, path) for name, entry in subjects.items()}
    return Config(options=options, subjects=specs, path=path)


def _subject(name: str, table: Any, path: Path) -> SubjectSpec:
    where = f"{path}: [tool.rlcheck.subjects.{name}]"
    if not isinstance(table, dict):
        raise UsageError(f"{where} should be a table, it is {_describe(table)}")
    _check_table(table, SUBJECT_KEYS, where)
    if ("target" in table) == ("script" in table):
        raise UsageError(f"{where} needs exactly one of target and script")
    return SubjectSpec(
        name=name,
        target=_from_here(table.get("target", ""), path.parent),
        contract=table.get("contract", ""),
        script=table.get("script", ""),
        bind=invert(table.get("bind", {}), f"{where} bind"),
        constants=table.get("set", {}),
        dialect=table.get("dialect", {}),
        gamma=table.get("gamma"),
        expected_failures=table.get("expected-failures", {}),
    )


def _from_here(target: str, root: Path) -> str:
    """Targets that are files are relative to the configuration, not to the working folder."""
    file, colon, attribute = target.partition(":")
    if root == Path.cwd() or not (root / file).exists():
        return target
    return os.path.relpath(root / file) + colon + attribute


def _check_table(
    table: Mapping[str, Any],
    keys: Mapping[str, Kind],
    where: str,
    extra: tuple[str, ...] = (),
) -> None:
    for key, value in table.items():
        if key not in keys:
            # Underscores are the commonest slip: difflib alone would list them behind others.
            close = did_you_mean(key.replace("_", "-"), (*keys, *extra))
            raise UsageError(f"{where} has no key {key!r}{close}")
        if not fits(keys[key], value):
            raise UsageError(f"{where} {key} should be {keys[key].value}, it is {_describe(value)}")


def fits(kind: Kind, value: Any) -> bool:
    """Whether a TOML value is what its key wants; `true` is no number here."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    whole = number and isinstance(value, int)
    match kind:
        case Kind.TEXT:
            return isinstance(value, str) and value != ""
        case Kind.FLAG:
            return isinstance(value, bool)
        case Kind.WHOLE:
            return whole and value >= 0
        case Kind.COUNT:
            return whole and value >= 1
        case Kind.JOBS:
            return value == "auto" or (whole and value >= 1)
        case Kind.BUDGET:
            return value in ("quick", "standard", "thorough")
        case Kind.SECONDS:
            return number and 0 < value < float("inf")
        case Kind.SHARE:
            return number and 0 < value < 1
        case Kind.GAMMA:
            return number and 0 <= value <= 1
        case Kind.TEXTS:
            return isinstance(value, list) and all(isinstance(entry, str) for entry in value)
        case Kind.NAMES:
            return isinstance(value, dict) and all(isinstance(v, str) for v in value.values())
        case Kind.VALUES:
            return isinstance(value, dict)


def _describe(value: Any) -> str:
    kinds = {bool: "true or false", str: "a string", int: "a whole number", float: "a number"}
    kinds |= {list: "a list", dict: "a table"}
    text = repr(value)
    short = text if len(text) <= 60 else text[:57] + "..."
    return f"{short} ({kinds.get(type(value), type(value).__name__)})"
