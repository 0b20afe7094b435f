"""How the values of options are read: pairs, constants, report destinations."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable
from typing import Any

from rlcheck.errors import UsageError


def pair(text: str, option: str) -> tuple[str, str]:
    """Split `name=value`.

    Raises:
        UsageError: there is no `=`, or nothing before or after it.
    """
    name, equals, value = (part.strip() for part in text.partition("="))
    if not (name and equals and value):
        raise UsageError(f"{option} should be given as name=value, it is {text!r}")
    return name, value


def bindings(texts: Iterable[str]) -> dict[str, str]:
    """`--bind "r=rewards,v=values"`: your name -> rlcheck's name."""
    pairs = [pair(part, "--bind") for text in texts for part in text.split(",")]
    return _without_repeats(pairs, "--bind")


def constants(texts: Iterable[str], option: str) -> dict[str, Any]:
    """`--set lr=3e-4 --set normalize=true`: each value read as JSON or Python, else as a string."""
    return _without_repeats(
        [(name, literal(value)) for name, value in (pair(text, option) for text in texts)], option
    )


def literal(text: str) -> Any:
    """The value that `text` spells: 3e-4, true, None, [64, 64]; else the text itself."""
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError):
            continue
    return text


def _without_repeats(pairs: list[tuple[str, Any]], option: str) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"{option} gives {name!r} twice; give it once")
    return dict(pairs)
