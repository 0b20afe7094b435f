"""From what a user types to the object itself.

    pkg.module:attribute     path/file.py:attribute     a registered environment id (CartPole-v1)
    a saved model (.zip)     a path to a training log   a subject of the entry-point group
    a W&B run (entity/project/run)

The user's folder joins the import path like under `python -m`, but only after rlcheck's own
packages are loaded, so a folder of theirs that is called `ladders` cannot stand in for ours.
"""

from __future__ import annotations

import os
import re
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from rlcheck import contracts, importing
from rlcheck.errors import TargetError
from rlcheck.subjects import EnvironmentId, LogPath, SavedModel
from rlcheck.suggest import did_you_mean

SUBJECTS_GROUP = "rlcheck.subjects"

FORMS = (
    "`pkg.module:attribute`, `path/file.py:attribute`, a registered environment id such as "
    "CartPole-v1, a path to a saved model or a training log, or the name of a subject"
)
_ENVIRONMENT_ID = re.compile(r"^(?:[\w.]+:)?(?:[\w.-]+/)*[\w.-]+-v\d+$")


def load(target: str) -> Any:
    """The object that `target` names, or an `EnvironmentId`, `SavedModel` or `LogPath`.

    Raises:
        TargetError: it cannot be imported or found; the message offers close matches.
    """
    importing.join_users_folder(Path.cwd())
    if not target:
        raise TargetError(f"a target is empty; expected {FORMS}")
    if _ENVIRONMENT_ID.match(target) and not Path(target).exists():
        return _environment(target)
    place, colon, attribute = target.rpartition(":")
    if colon and place and not Path(target).exists():
        if not attribute:
            raise TargetError(f"target {target!r} names no attribute after the colon")
        module = _module(place)
        return importing.attribute(module, attribute, place)
    return _named_or_path(target)


def subject_names() -> list[str]:
    """Names of the subjects that installed packages offer, without importing any."""
    return sorted(entry.name for entry in entry_points(group=SUBJECTS_GROUP))


def _module(place: str) -> Any:
    if place.endswith(".py"):
        path = Path(place).expanduser()
        if not path.is_file():
            folder = path.parent if path.parent.is_dir() else Path.cwd()
            known = [str(path.parent / found.name) for found in folder.glob("*.py")]
            raise TargetError(f"there is no file {place}{did_you_mean(place, known)}")
        return importing.file_module(path)
    if os.sep in place:
        raise TargetError(
            f"target file {place!r} should end in .py; expected {FORMS.split(', a reg')[0]}"
        )
    return importing.named_module(place)


def _environment(target: str) -> EnvironmentId:
    from rlcheck.adapters.environment_ids import require_registered

    module, colon, _ = target.rpartition(":")
    if colon:
        importing.named_module(module)
    require_registered(target)
    return EnvironmentId(target)


def _named_or_path(target: str) -> Any:
    for entry in entry_points(group=SUBJECTS_GROUP):
        if entry.name == target:
            with importing.errors_explained(f"subject {target!r} ({entry.value})"):
                return entry.load()
    path = Path(target).expanduser()
    if path.suffix == ".py" and path.is_file():
        found = importing.public_names_of_file(path)
        raise TargetError(
            f"target {target!r} needs the name of a function or class after a colon"
            f"{did_you_mean('', found) if found else ''}"
        )
    if path.exists():
        return _saved_file(path)
    from rlcheck.signals.readers.wandb_runs import is_run_path

    if is_run_path(target):  # ENTITY/PROJECT/RUN; the contract says what it takes to read one
        return LogPath(target)
    raise TargetError(
        f"cannot find the target {target!r}{did_you_mean(target, subject_names())}; "
        f"expected {FORMS}"
    )


def _saved_file(path: Path) -> SavedModel | LogPath:
    if path.suffix == ".zip":
        return SavedModel(str(path))
    if "training-log" not in contracts.names():
        raise TargetError(
            f"{path} is a path, hence a training log, and no installed contract checks these yet; "
            "for code, name the attribute too, as in path/file.py:attribute"
        )
    return LogPath(str(path))
