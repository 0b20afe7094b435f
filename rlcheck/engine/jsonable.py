"""Evidence as plain JSON, whatever number types a check left in it."""

from __future__ import annotations

import json
from typing import Any


def jsonable(value: Any) -> Any:
    """`value` as it will look after being stored and read again.

    NumPy and torch scalars and arrays become numbers and lists, tuples become lists. Judges always
    see this form, so a resumed run judges exactly what an uninterrupted one does.

    Raises:
        TypeError: something in it has no JSON form.
    """
    return json.loads(json.dumps(value, default=_number))


def _number(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(
        f"evidence must be JSON (str, int, float, bool, None, list, dict), "
        f"it contains a {type(value).__name__}"
    )
