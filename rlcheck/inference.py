"""Which contract a loaded subject is meant to fulfil, when the user did not say."""

from __future__ import annotations

import inspect
from typing import Any

from rlcheck import contracts
from rlcheck.errors import UsageError
from rlcheck.subjects import EnvironmentId, LogPath, SavedModel, ScriptCommand

_BY_KIND: dict[type, str] = {
    EnvironmentId: "environment",
    SavedModel: "agent",
    ScriptCommand: "agent",
    LogPath: "training-log",
}
_ENVIRONMENT_PARAMETERS = {"env", "envs", "make_env"}


def infer_contract(raw: Any, name: str) -> str:
    """Name of the contract that `raw` looks like.

    Raises:
        UsageError: it looks like none, or like several; the message says to use --as.
    """
    if type(raw) in _BY_KIND:
        return _BY_KIND[type(raw)]
    if _looks_like_an_agent(raw):
        return "agent"
    matching, broken = _recognising(raw)
    if len(matching) == 1:
        return matching[0]
    if matching:
        found = " or ".join(matching)
        raise UsageError(f"{name} could be a subject of {found}; settle it with --as CONTRACT")
    raise UsageError(
        f"cannot tell what {name} ({_kind(raw)}) is meant to be; say it with --as CONTRACT, "
        f"where CONTRACT is one of: {', '.join(contracts.names())}{broken}"
    )


def _recognising(raw: Any) -> tuple[list[str], str]:
    """Names of the contracts that recognise `raw`, and a remark on those that cannot be asked."""
    matching, broken = [], []
    for name in contracts.names():
        try:
            contract = contracts.load(name)
        except ImportError as error:
            # One package with a missing dependency must not stop the others from being asked.
            broken.append(f"; {name!r} could not be asked: {error}")
            continue
        if contract.recognises(raw):
            matching.append(name)
    return matching, "".join(broken)


def _looks_like_an_agent(raw: Any) -> bool:
    if hasattr(raw, "step") and hasattr(raw, "reset"):
        return False  # an environment, or a wrapper of one, whose constructor takes `env` too
    if hasattr(raw, "learn") and hasattr(raw, "predict"):
        return True
    return bool(_ENVIRONMENT_PARAMETERS & set(_parameters(raw)))


def _parameters(raw: Any) -> list[str]:
    if not callable(raw):
        return []
    try:
        return list(inspect.signature(raw).parameters)
    except (TypeError, ValueError):  # builtins and some C functions have no signature
        return []


def _kind(raw: Any) -> str:
    if inspect.isclass(raw):
        return "a class without `learn` and `predict`"
    if callable(raw):
        return f"a function of ({', '.join(_parameters(raw))})"
    return f"a {type(raw).__name__}"
