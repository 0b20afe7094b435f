"""Asks the question of a stored failure again: the same check, subject, seeds and settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from rlcheck.engine import session
from rlcheck.engine.events import Listener
from rlcheck.engine.store import Store, StoredFailure
from rlcheck.errors import UsageError
from rlcheck.records import Report, Result, Status


class ReplayOutcome(StrEnum):
    """What became of a stored failure."""

    FIXED = "FIXED"
    FAILED = "FAILED"
    ERROR = "ERROR"
    INCONCLUSIVE = "INCONCLUSIVE"


@dataclass(frozen=True, slots=True)
class Replay:
    """A stored failure and what the same question is answered with today."""

    outcome: ReplayOutcome
    stored: StoredFailure
    result: Result
    report: Report


_OUTCOMES = {
    Status.PASSED: ReplayOutcome.FIXED,
    Status.FAILED: ReplayOutcome.FAILED,
    Status.ERROR: ReplayOutcome.ERROR,
}


def replay(
    store: str | Path, prefix: str = "", listeners: Sequence[Listener] = (), *, jobs: int = 1
) -> Replay:
    """Run the check of a stored failure again.

    Args:
        store: the results folder.
        prefix: beginning of the failure's id; "" takes the last one.
        listeners: called with every event.
        jobs: worker processes at most.

    Raises:
        UsageError: there is no such failure, or its subject or check is gone.
        StoreError: its file is damaged.
    """
    stored = Store(store).failure(prefix)
    if not (stored.spec.target or stored.spec.script):
        raise UsageError(
            f"{stored.result.id} was recorded from an object in Python; ask again there: "
            f"{stored.result.reproducer}"
        )
    spec = replace(stored.spec, contract=stored.contract, expected_failures={})
    check = stored.result.check
    report = session.run([spec], stored.settings, listeners, jobs=jobs, select=[check])
    result = next(r for subject in report.subjects for r in subject.results if r.check == check)
    outcome = _OUTCOMES.get(result.status, ReplayOutcome.INCONCLUSIVE)
    return Replay(outcome, stored, result, report)
