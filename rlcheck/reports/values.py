"""Evidence made fit for print: strict JSON for programs, short text for people."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

SHOWN = 8
"""Rows, columns and keys that a person is shown of any array or table."""


def strict(value: Any) -> Any:
    """`value` in types that every JSON parser reads: nan and infinities become strings."""
    if isinstance(value, Mapping):
        return {str(key): strict(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [strict(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if hasattr(value, "tolist"):
        return strict(value.tolist())
    return str(value)


def short(value: Any) -> str:
    """`value` as compact JSON with at most 8 entries a level."""
    return json.dumps(_cut(strict(value)), ensure_ascii=False)


def _cut(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {key: _cut(entry) for key, entry in list(value.items())[:SHOWN]}
        return kept if len(value) <= SHOWN else kept | {"...": f"{len(value) - SHOWN} more"}
    if isinstance(value, list):
        kept_entries = [_cut(entry) for entry in value[:SHOWN]]
        more = [f"... {len(value) - SHOWN} more"] if len(value) > SHOWN else []
        return kept_entries + more
    if isinstance(value, float):
        return float(f"{value:.6g}")
    return value
