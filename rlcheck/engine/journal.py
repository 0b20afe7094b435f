"""What a session tells about finished work, and asks about work that an earlier run finished."""

from __future__ import annotations

from typing import Protocol

from rlcheck.records import Evidence, Report, Result, Settings, Trial
from rlcheck.subjects import SubjectSpec


class Journal(Protocol):
    """Where finished trials and results go at once."""

    run_id: str
    notes: tuple[str, ...]

    def known_trial(self, spec: SubjectSpec, check: str, trial: Trial) -> Evidence | None:
        """Evidence of a trial that an interrupted run finished, when this one resumes it."""
        ...

    def known_result(self, spec: SubjectSpec, check: str) -> Result | None:
        """The result of a check that an interrupted run finished, when this one resumes it."""
        ...

    def record_trial(
        self, spec: SubjectSpec, check: str, trial: Trial, evidence: Evidence, duration_s: float
    ) -> None:
        """A trial finished."""
        ...

    def record_result(
        self, spec: SubjectSpec, contract: str, settings: Settings, result: Result
    ) -> None:
        """A check finished; a failure can be replayed from here on."""
        ...

    def finish(self, report: Report, *, interrupted: bool) -> None:
        """The run ended."""
        ...

    def discard(self) -> None:
        """The run never began: a subject could not be loaded."""
        ...


class NoJournal:
    """Keeps nothing: runs from Python and pytest, unless they name a store."""

    run_id = ""
    notes: tuple[str, ...] = ()

    def known_trial(self, spec: SubjectSpec, check: str, trial: Trial) -> Evidence | None:
        """Nothing is known."""
        return None

    def known_result(self, spec: SubjectSpec, check: str) -> Result | None:
        """Nothing is known."""
        return None

    def record_trial(
        self, spec: SubjectSpec, check: str, trial: Trial, evidence: Evidence, duration_s: float
    ) -> None:
        """Keep nothing."""

    def record_result(
        self, spec: SubjectSpec, contract: str, settings: Settings, result: Result
    ) -> None:
        """Keep nothing."""

    def finish(self, report: Report, *, interrupted: bool) -> None:
        """Keep nothing."""

    def discard(self) -> None:
        """Nothing was kept."""
