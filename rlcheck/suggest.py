"""Close matches for every misspelt name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x' or 'y'?` for close matches, else `; known: ...` (at most twelve)."""
    known = sorted(set(known))
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    if close:
        return "; did you mean " + " or ".join(repr(match) for match in close) + "?"
    if not known:
        return ""
    more = f", ... ({len(known)} in all)" if len(known) > 12 else ""
    return "; known: " + ", ".join(known[:12]) + more
