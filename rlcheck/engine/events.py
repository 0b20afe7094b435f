"""What happens during a run, as a stream of records; every report is a listener of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rlcheck.records import Report, Result, SubjectReport


@dataclass(frozen=True, slots=True)
class RunStarted:
    """Subjects by name and the settings line; comes first."""

    run_id: str
    subjects: tuple[str, ...]
    seed: int
    budget: str


@dataclass(frozen=True, slots=True)
class SubjectBound:
    """A subject was loaded and bound; its checks are known."""

    subject: str
    contract: str
    checks: tuple[str, ...]
    dialect: dict
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CheckStarted:
    """The first trial of a check was sent to a worker."""

    subject: str
    check: str


@dataclass(frozen=True, slots=True)
class Progress:
    """A trial of a check says how far it is; `fraction` in [0, 1]."""

    subject: str
    check: str
    fraction: float
    text: str


@dataclass(frozen=True, slots=True)
class CheckFinished:
    """A check has its verdict; it is on disk already."""

    subject: str
    result: Result


@dataclass(frozen=True, slots=True)
class SubjectFinished:
    """All checks of a subject are done and its faults are ranked."""

    report: SubjectReport


@dataclass(frozen=True, slots=True)
class RunFinished:
    """Comes last, also after an interrupt (then the report holds what finished)."""

    report: Report
    interrupted: bool = False


Event = (
    RunStarted
    | SubjectBound
    | CheckStarted
    | Progress
    | CheckFinished
    | SubjectFinished
    | RunFinished
)
Listener = Callable[[Event], None]
