"""Which checks of a subject run, in which order, and what becomes of each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from rlcheck.contracts import Contract
from rlcheck.engine.jobs import BindReply
from rlcheck.engine.journal import Question
from rlcheck.errors import UsageError
from rlcheck.records import (
    Check,
    Context,
    Evidence,
    Result,
    Settings,
    Status,
    SubjectReport,
    Trial,
)
from rlcheck.subjects import SubjectSpec
from rlcheck.suggest import did_you_mean

BLOCKING = {Status.FAILED, Status.ERROR, Status.BLOCKED, Status.XFAILED}
"""Statuses of a requirement after which a check is blocked."""


@dataclass(slots=True)
class CheckRun:
    """One check of one subject while it is under way.

    Args:
        check: the check.
        question: which check of which subject under which settings.
        context: what its judge is told.
        requested: every trial asked for so far, in order; judges see evidence in this order.
        evidence: what came back, by `Trial.key`.
        pending: keys that are queued or out with a worker.
        duration_s: seconds that its trials took, added up, and its judge.
        started: whether a trial was sent.
        result: set when the check is done.
    """

    check: Check
    question: Question
    context: Context
    requested: list[Trial] = field(default_factory=list)
    evidence: dict[str, Evidence] = field(default_factory=dict)
    pending: set[str] = field(default_factory=set)
    duration_s: float = 0.0
    started: bool = False
    result: Result | None = None

    def seen(self) -> list[tuple[Trial, Evidence]]:
        """Trials with their evidence, in the order in which they were asked for."""
        return [(trial, self.evidence[trial.key]) for trial in self.requested]


@dataclass(slots=True)
class SubjectRun:
    """One subject while its checks are under way.

    Args:
        index: position in the run.
        spec: how it was handed over.
        contract: what it claims to be.
        bound: what binding told about it.
        checks: the selected checks, in the contract's order.
        skipped: names of those that will not run -> the reason.
        report: set when all its checks are done.
    """

    index: int
    spec: SubjectSpec
    contract: Contract
    bound: BindReply
    checks: list[CheckRun]
    skipped: dict[str, str]
    report: SubjectReport | None = None

    @property
    def results(self) -> tuple[Result, ...]:
        """Results of the checks that are done, in the contract's order."""
        return tuple(check.result for check in self.checks if check.result is not None)


def plan_checks(
    spec: SubjectSpec,
    contract: Contract,
    bound: BindReply,
    settings: Settings,
    select: Sequence[str],
    ignore: Sequence[str],
) -> tuple[list[CheckRun], dict[str, str]]:
    """Selected checks in the contract's order, and for those that will not run the reason.

    `settings.alpha` is shared out equally over the stochastic checks that run.
    """
    chosen = [check for check in contract.checks if is_selected(check.name, select, ignore)]
    reasons: dict[str, str] = {}
    for check in chosen:
        if not settings.budget.includes(check.budget):
            reasons[check.name] = (
                f"needs budget {check.budget}, this run has {settings.budget} "
                f"(--budget {check.budget})"
            )
        elif reason := check.applies(bound.facts, settings):
            reasons[check.name] = reason
    drawing = sum(check.stochastic and check.name not in reasons for check in chosen)
    share = replace(settings, alpha=settings.alpha / max(drawing, 1))
    questions = [Question(spec, contract.name, c.name, share, bound.source) for c in chosen]
    context = Context(share, bound.facts)
    runs = [CheckRun(c, question, context) for c, question in zip(chosen, questions, strict=True)]
    return runs, reasons


def is_selected(name: str, select: Sequence[str], ignore: Sequence[str]) -> bool:
    """Whether `--select` and `--ignore` leave a check in; no `--select` selects everything."""
    return (not select or _matches(name, select)) and not _matches(name, ignore)


def require_known_globs(globs: Iterable[str], known: Sequence[str], option: str) -> None:
    """Do nothing if every glob matches some check.

    Raises:
        UsageError: one matches none; the message offers close matches.
    """
    for glob in globs:
        if not any(_matches(name, (glob,)) for name in known):
            raise UsageError(
                f"{option} {glob!r} matches no check of this run{did_you_mean(glob, known)}"
            )


def expected_failure(name: str, expected: Iterable[tuple[str, str]]) -> str | None:
    """The reason why the check `name` is expected to fail, if it is."""
    return next((reason for glob, reason in expected if _matches(name, (glob,))), None)


def blocker(check: Check, runs: Iterable[CheckRun]) -> str | None:
    """Name of a requirement of `check` that failed, if one did."""
    for run in runs:
        if run.check.name in check.requires and run.result and run.result.status in BLOCKING:
            return run.check.name
    return None


def is_ready(check: Check, runs: Iterable[CheckRun]) -> bool:
    """Whether every requirement that is part of the run is done."""
    return all(run.result is not None for run in runs if run.check.name in check.requires)


def _matches(name: str, globs: Iterable[str]) -> bool:
    """A glob may stand for the whole name, for the contract (`gae`) or for the property alone."""
    contract, _, short = name.partition("/")
    return any(
        fnmatchcase(candidate, glob) for glob in globs for candidate in (name, short, contract)
    )
