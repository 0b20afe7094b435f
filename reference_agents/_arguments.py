"""Records filled from the arguments of a factory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any


def from_arguments(record: Any, arguments: Mapping[str, Any]) -> Any:
    """A record filled from the arguments of the same names, as `locals()` of a factory holds them.

    Args:
        record: a dataclass or NamedTuple.
        arguments: at least the record's fields; the rest is ignored, sequences become tuples.
    """
    names = [field.name for field in fields(record)] if is_dataclass(record) else record._fields
    values = {name: arguments[name] for name in names}
    return record(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})
