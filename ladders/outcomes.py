"""The outcome of a check that shows a mistake by arithmetic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rlcheck.records import Outcome, Status


def failed(message: str, suspects: Mapping[str, float], lines: Sequence[str]) -> Outcome:
    """A failure whose lines are the proof of every suspect."""
    proof = {fault: list(lines) for fault in suspects}
    return Outcome(Status.FAILED, message, {"proof": proof}, dict(suspects))


def listed(values: Iterable[float]) -> str:
    """Numbers that are compared, as a message tells them."""
    return ", ".join(f"{value:.2f}" for value in values)
