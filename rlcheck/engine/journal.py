"""What a session tells about finished work, and asks about work that an earlier run finished."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Protocol

from rlcheck.engine import codec
from rlcheck.records import Evidence, Report, Result, Settings, Trial
from rlcheck.subjects import SubjectSpec


@dataclass(frozen=True, slots=True)
class Question:
    """One check asked of one subject under given settings: the identity of a result.

    Args:
        spec: the subject.
        contract: what it claims to be.
        check: full name of the check.
        settings: the options that the check sees, with its own share of alpha.
        source: digest of the subject's source file.
    """

    spec: SubjectSpec
    contract: str
    check: str
    settings: Settings
    source: str = ""

    @property
    def id(self) -> str:
        """Short hash: the same question has the same id on every day, also after an edit."""
        return self._digest("expected_failures")[:6]

    @property
    def key(self) -> str:
        """Hash under which finished work counts for a resumed run: not after an edit."""
        return f"{self._digest()}-{self.source}"

    def _digest(self, *without: str) -> str:
        subject = codec.spec_to_json(self.spec)
        settings = codec.settings_to_json(self.settings)
        settings.pop("timeout_s")  # changes nothing of what a check finds
        for name in without:
            subject.pop(name, None)
        identity = [subject, self.contract, self.check, settings]
        text = json.dumps(identity, sort_keys=True, default=repr)
        return hashlib.sha256(text.encode()).hexdigest()


class Journal(Protocol):
    """Where finished trials and results go at once."""

    run_id: str
    notes: tuple[str, ...]

    def known_trial(self, question: Question, trial: Trial) -> tuple[Evidence, float] | None:
        """Evidence and seconds of a trial that is finished already."""
        ...

    def known_result(self, question: Question) -> Result | None:
        """The result of a check that is finished already."""
        ...

    def record_trial(
        self, question: Question, trial: Trial, evidence: Evidence, duration_s: float
    ) -> None:
        """A trial finished."""
        ...

    def record_result(self, question: Question, result: Result) -> None:
        """A check finished."""
        ...

    def finish(self, report: Report, *, interrupted: bool) -> None:
        """The run ended."""
        ...

    def discard(self) -> None:
        """The run never began: a subject could not be loaded."""
        ...


class NoJournal:
    """Keeps nothing: runs from Python and pytest, and replays."""

    run_id = ""
    notes: tuple[str, ...] = ()

    def known_trial(self, question: Question, trial: Trial) -> tuple[Evidence, float] | None:
        """Nothing is known."""
        return None

    def known_result(self, question: Question) -> Result | None:
        """Nothing is known."""
        return None

    def record_trial(
        self, question: Question, trial: Trial, evidence: Evidence, duration_s: float
    ) -> None:
        """Keep nothing."""

    def record_result(self, question: Question, result: Result) -> None:
        """Keep nothing."""

    def finish(self, report: Report, *, interrupted: bool) -> None:
        """Keep nothing."""

    def discard(self) -> None:
        """Nothing was kept."""
