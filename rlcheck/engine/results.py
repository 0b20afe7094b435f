"""Builds the result of a check from what ended it: an outcome, a broken trial, a skip, a block."""

from __future__ import annotations

import shlex
import traceback

from rlcheck.engine import trace
from rlcheck.engine.jobs import JobFailure
from rlcheck.engine.journal import Question
from rlcheck.engine.jsonable import jsonable
from rlcheck.engine.plan import CheckRun, expected_failure
from rlcheck.records import Outcome, Result, Status
from rlcheck.verdicts import INTERNAL_ERROR

_TRACE_LINES = 20


def from_outcome(run: CheckRun, outcome: Outcome) -> Result:
    """The result of a check whose judge has spoken."""
    status, message = outcome.status, outcome.message
    reason = expected_failure(run.check.name, run.question.spec.expected_failures.items())
    if reason is not None and status is Status.FAILED:
        status, message = Status.XFAILED, f"expected to fail ({reason}): {message}"
    elif reason is not None and status is Status.PASSED:
        status = Status.XPASSED
        message = f"passed, but is expected to fail ({reason}); take it off the expected failures"
    return _result(run, status, message, outcome)


def from_failure(run: CheckRun, failure: JobFailure) -> Result:
    """The result of a check in one of whose trials the subject raised, hung or died."""
    reason, _, details = failure.message.partition("\n")
    evidence = {"failure": str(failure.kind), "reason": reason, "details": details.splitlines()}
    outcome = Outcome(Status.ERROR, failure.message, evidence)
    return _result(run, Status.ERROR, failure.message, outcome)


def from_judge_error(run: CheckRun, error: Exception) -> Result:
    """The result of a check whose own judge raised: a bug of the check, not of the subject."""
    message = (
        f"the check itself is broken, not {run.question.spec.name}: its judge raised "
        f"{trace.sentence(error)}; please report it to the authors of the contract "
        f"{run.question.contract!r}"
    )
    lines = "".join(traceback.format_exception(error)).splitlines()[-_TRACE_LINES:]
    outcome = Outcome(Status.ERROR, message, {INTERNAL_ERROR: True, "trace": lines})
    return _result(run, Status.ERROR, message, outcome)


def not_run(run: CheckRun, status: Status, reason: str) -> Result:
    """The result of a check that was skipped or blocked."""
    return _result(run, status, reason, Outcome(status, reason))


def _result(run: CheckRun, status: Status, message: str, outcome: Outcome) -> Result:
    return Result(
        id=run.question.id,
        check=run.check.name,
        status=status,
        message=message,
        seeds=tuple(dict.fromkeys(trial.seed for trial in run.requested)),
        duration_s=round(run.duration_s, 3),
        evidence=jsonable(dict(outcome.evidence)),
        suspects=dict(outcome.suspects),
        reproducer=_reproducer(run.question),
        notes=tuple(outcome.notes),
    )


def _reproducer(question: Question) -> str:
    """A line that asks the same question again, on the command line where that can be."""
    spec, settings = question.spec, question.settings
    if spec.script or spec.target:
        subject = ["--script", spec.script] if spec.script else [spec.target]
        options = ["--as", question.contract, "--select", question.check]
        rest = ["--budget", str(settings.budget), "--seed", str(settings.seed)]
        return shlex.join(["rlcheck", "run", *subject, *options, *rest])
    return (
        f"rlcheck.check({spec.name}, {question.contract!r}, select=[{question.check!r}], "
        f"budget={str(settings.budget)!r}, seed={settings.seed})"
    )
