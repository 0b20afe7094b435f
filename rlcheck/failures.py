"""What `verify` and the tests of `parametrize` raise, with the diagnosis in the message."""

from __future__ import annotations

from collections.abc import Sequence

from rlcheck import verdicts
from rlcheck.records import Diagnosis, Result, Status, SubjectReport, Verdict

_SHOWN = 3


class CheckFailure(AssertionError):
    """One check that did not pass.

    Attributes:
        result: what the check said.
    """

    def __init__(self, message: str, result: Result | None = None) -> None:
        super().__init__(message)
        self.result = result


class CheckFailures(ExceptionGroup[CheckFailure]):
    """Everything that `verify` found, one `CheckFailure` for every check that did not pass."""

    report: SubjectReport

    def derive(self, excs: Sequence[CheckFailure], /) -> CheckFailures:  # type: ignore[override]
        """A group of some of the failures, for `except*`."""
        part = CheckFailures(self.message, excs)
        part.report = self.report
        return part


def failures_of(report: SubjectReport, *, allow_inconclusive: bool) -> CheckFailures | None:
    """The group to raise for a report, None if the subject is verified."""
    refused = set(verdicts.FAILING)
    if not allow_inconclusive:
        refused.add(Status.INCONCLUSIVE)
    found = [
        CheckFailure(failure_message(result, report.diagnosis), result)
        for result in report.results
        if result.status in refused
    ]
    title = f"{len(found)} of {len(report.results)} checks did not pass"
    if not found:
        if any(result.status is Status.PASSED for result in report.results):
            return None
        assert report.verdict is not Verdict.PASSED, "a pass needs a result that passed"
        found = [CheckFailure(_nothing_verified(report))]
        title = "nothing was verified"
    cause = f"; most likely {report.diagnosis[0].title}" if report.diagnosis else ""
    group = CheckFailures(f"{report.name} as {report.contract}: {title}{cause}", found)
    group.report = report
    return group


def failure_message(result: Result, diagnosis: Sequence[Diagnosis]) -> str:
    """What the check expected and saw, the faults that would explain it, and how to ask again."""
    lines = [f"{result.check} {result.status}: {result.message}"]
    # A fault that this result does not point at explains other checks.
    explaining = [fault for fault in diagnosis if fault.fault in result.suspects]
    for fault in explaining[:_SHOWN]:
        lines.append(f"likely cause ({fault.probability:.0%}): {fault.fault}: {fault.title}")
        if fault.fix:
            lines.append(f"    fix: {fault.fix}")
    lines.append(f"reproduce: {result.reproducer}")
    return "\n".join(lines)


def _nothing_verified(report: SubjectReport) -> str:
    reasons = [f"  {result.check} {result.status}: {result.message}" for result in report.results]
    return "\n".join(["no check of the subject passed or failed:", *reasons])
