"""Asks the question of a stored failure again: the same check, subject, seeds and settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rlcheck.engine import session
from rlcheck.engine.events import Listener
from rlcheck.engine.store import Store, StoredFailure
from rlcheck.errors import UsageError
from rlcheck.records import Report, Result, Status


@dataclass(frozen=True, slots=True)
class Replay:
    """A stored failure and what the same question is answered with today.

    Args:
        stored: what was kept.
        result: today's; None if the replay was interrupted.
        report: of the run that asked.
    """

    stored: StoredFailure
    result: Result | None
    report: Report

    @property
    def answer(self) -> str:
        """`FIXED`, or the status of today with what has changed."""
        before, now = self.stored.result, self.result
        if now is None:
            return ""
        name = f"{before.id} {before.check}"
        if now.status is Status.PASSED:
            return f"FIXED  {name}"
        words = now.status.value.upper()
        first = before.message.partition("\n")[0]
        if first == now.message.partition("\n")[0]:
            return f"{words}  {name}: as before"
        return f"{words}  {name}: differently; before, it was {before.status.value}: {first}"


def replay(store: str | Path, prefix: str = "", listeners: Sequence[Listener] = ()) -> Replay:
    """Run the check of a stored failure again.

    Args:
        store: the results folder.
        prefix: beginning of the failure's id; "" takes the last one.
        listeners: called with every event.

    Raises:
        UsageError: there is no such failure, or its subject or check is gone.
        StoreError: its file is damaged.
    """
    stored = Store(store).failure(prefix)
    spec = stored.spec
    if not (spec.target or spec.script):
        raise UsageError(
            f"the failure {stored.result.id} was found by a Python program or a test, where "
            f"{spec.name} lives; run that again"
        )
    # An expected failure that is replayed shall say what it does, not what was expected of it.
    spec = replace(spec, contract=stored.contract, expected_failures={})
    check = stored.result.check
    report = session.run([spec], stored.settings, listeners, jobs=1, select=[check])
    found = (r for subject in report.subjects for r in subject.results if r.check == check)
    return Replay(stored, next(found, None), report)
