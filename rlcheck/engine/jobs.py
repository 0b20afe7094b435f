"""The messages between the parent, which plans and judges, and whoever runs beside the subject."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from rlcheck.records import Evidence, Settings, Trial
from rlcheck.subjects import SubjectSpec


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message to a worker: the parent's surroundings, and where to leave traces."""

    directory: str
    import_path: tuple[str, ...]
    output_file: str
    stack_file: str
    stack_signal: int


_NO_TRIAL = Trial()


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work beside a subject: bind it (`check` is empty) or run one trial of a check.

    Args:
        number: identity within a run.
        subject: index of the subject in the run; whoever runs the job caches what it bound by it.
        spec: how to load the subject.
        settings: options of the run, with the check's own share of alpha.
        contract: "" in a bind job that leaves the contract to inference.
        check: full name of the check.
        trial: what the check asked for.
        facts: what binding told about the subject.
    """

    number: int
    subject: int
    spec: SubjectSpec
    settings: Settings
    contract: str = ""
    check: str = ""
    trial: Trial = _NO_TRIAL
    facts: Evidence = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BindReply:
    """What the parent learns about a subject that was loaded and bound."""

    contract: str
    facts: Evidence
    dialect: Mapping[str, Any]
    notes: tuple[str, ...]
    source: str = ""
    """Digest of the file that defines the subject: after an edit, finished work does not count."""


@dataclass(frozen=True, slots=True)
class TrialReply:
    """What a trial saw, in JSON types, and how long it took."""

    evidence: Evidence
    duration_s: float


class FailureKind(StrEnum):
    """Why a job has no answer."""

    TARGET = "target"
    BINDING = "binding"
    USAGE = "usage"
    RAISED = "raised"
    DIED = "died"
    TIMEOUT = "timeout"
    MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class JobFailure:
    """A job that has no answer: the sentence for the user, then details line by line."""

    kind: FailureKind
    message: str
    duration_s: float = 0.0


Reply = BindReply | TrialReply | JobFailure
