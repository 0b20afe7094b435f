"""From results to a verdict, and from a verdict to the exit code of the program."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rlcheck.records import Result, Status, SubjectReport, Verdict

EXIT_VERIFIED = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERNAL = 3
EXIT_INCONCLUSIVE = 4
EXIT_EMPTY = 5
EXIT_INTERRUPTED = 130

INTERNAL_ERROR = "internal_error"
"""Key of an `error` result's evidence that says rlcheck itself broke, not the subject."""


FAILING = frozenset({Status.FAILED, Status.ERROR, Status.XPASSED})
"""Statuses that make a run fail."""

REPLAYABLE = frozenset({Status.FAILED, Status.ERROR, Status.INCONCLUSIVE, Status.XFAILED})
"""Statuses of results that `rlcheck replay` can ask for again."""


def subject_verdict(results: Iterable[Result]) -> Verdict:
    """What a subject's results come to; the worst one counts, and only `passed` is a pass."""
    statuses = {result.status for result in results}
    if statuses & {Status.FAILED, Status.XPASSED}:
        return Verdict.FAILED
    if Status.ERROR in statuses:
        return Verdict.ERROR
    if Status.INCONCLUSIVE in statuses:
        return Verdict.INCONCLUSIVE
    return Verdict.PASSED if Status.PASSED in statuses else Verdict.EMPTY


def run_verdict(subjects: Iterable[SubjectReport]) -> Verdict:
    """What a whole run comes to; a subject with nothing verified does not undo the others."""
    verdicts = {subject.verdict for subject in subjects}
    order = (Verdict.FAILED, Verdict.ERROR, Verdict.INCONCLUSIVE, Verdict.PASSED)
    return next((verdict for verdict in order if verdict in verdicts), Verdict.EMPTY)


def exit_code(
    subjects: Sequence[SubjectReport],
    *,
    allow_inconclusive: bool = False,
    interrupted: bool = False,
) -> int:
    """The exit code of a run with these subjects."""
    if interrupted:
        return EXIT_INTERRUPTED
    results = [result for subject in subjects for result in subject.results]
    if any(result.evidence.get(INTERNAL_ERROR) for result in results):
        return EXIT_INTERNAL
    verdict = run_verdict(subjects)
    if verdict is Verdict.INCONCLUSIVE:
        if not allow_inconclusive:
            return EXIT_INCONCLUSIVE
        passed = any(result.status is Status.PASSED for result in results)
        return EXIT_VERIFIED if passed else EXIT_EMPTY
    codes = {Verdict.PASSED: EXIT_VERIFIED, Verdict.EMPTY: EXIT_EMPTY}
    return codes.get(verdict, EXIT_FAILED)
