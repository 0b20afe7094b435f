"""Builds the result of a check from what ended it: an outcome, a broken trial, a skip, a block."""

from __future__ import annotations

import hashlib
import json
import shlex
from dataclasses import asdict
from typing import Any

from rlcheck.engine import trace
from rlcheck.engine.jobs import JobFailure
from rlcheck.engine.jsonable import jsonable
from rlcheck.engine.plan import CheckRun, expected_failure
from rlcheck.records import Outcome, Result, Status
from rlcheck.subjects import SubjectSpec
from rlcheck.verdicts import INTERNAL_ERROR

REPLAYABLE = {Status.FAILED, Status.ERROR, Status.INCONCLUSIVE, Status.XFAILED}


def from_outcome(spec: SubjectSpec, contract: str, run: CheckRun, outcome: Outcome) -> Result:
    """The result of a check whose judge has spoken."""
    status, message = outcome.status, outcome.message
    reason = expected_failure(run.check.name, spec.expected_failures.items())
    if reason is not None and status is Status.FAILED:
        status, message = Status.XFAILED, f"expected to fail ({reason}): {message}"
    elif reason is not None and status is Status.PASSED:
        status = Status.XPASSED
        message = f"passed, but is expected to fail ({reason}); take it off the expected failures"
    return _result(spec, contract, run, status, message, outcome)


def from_failure(spec: SubjectSpec, contract: str, run: CheckRun, failure: JobFailure) -> Result:
    """The result of a check in one of whose trials the subject raised, hung or died."""
    reason, _, details = failure.message.partition("\n")
    evidence = {"failure": str(failure.kind), "reason": reason, "details": details.splitlines()}
    outcome = Outcome(Status.ERROR, failure.message, evidence)
    return _result(spec, contract, run, Status.ERROR, failure.message, outcome)


def from_judge_error(spec: SubjectSpec, contract: str, run: CheckRun, error: Exception) -> Result:
    """The result of a check whose own judge raised: a bug of the check, not of the subject."""
    message = (
        f"the check itself is broken, not {spec.name}: its judge raised {trace.sentence(error)}; "
        f"please report it to the authors of the contract {contract!r}"
    )
    outcome = Outcome(Status.ERROR, message, {INTERNAL_ERROR: True, "trace": _own_trace(error)})
    return _result(spec, contract, run, Status.ERROR, message, outcome)


def not_run(
    spec: SubjectSpec, contract: str, run: CheckRun, status: Status, message: str
) -> Result:
    """The result of a check that was skipped or blocked."""
    return _result(spec, contract, run, status, message, Outcome(status, message))


def spec_json(spec: SubjectSpec) -> dict[str, Any]:
    """Everything about a subject that can be stored (all but `raw`)."""
    return {key: value for key, value in asdict_without_raw(spec).items() if value}


def asdict_without_raw(spec: SubjectSpec) -> dict[str, Any]:
    """Fields of `spec` but the object itself, which is neither copied nor stored."""
    names = [name for name in SubjectSpec.__dataclass_fields__ if name != "raw"]
    return {name: getattr(spec, name) for name in names}


def result_id(spec: SubjectSpec, contract: str, run: CheckRun) -> str:
    """Short hash of subject, check and settings: the same question has the same id on every day."""
    fields = spec_json(spec)
    fields.pop("expected_failures", None)
    settings = {k: v for k, v in asdict(run.context.settings).items() if k != "timeout_s"}
    identity = [fields, contract, run.check.name, settings]
    text = json.dumps(identity, sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def _result(
    spec: SubjectSpec,
    contract: str,
    run: CheckRun,
    status: Status,
    message: str,
    outcome: Outcome,
) -> Result:
    return Result(
        id=result_id(spec, contract, run),
        check=run.check.name,
        status=status,
        message=message,
        seeds=tuple(dict.fromkeys(trial.seed for trial in run.requested)),
        duration_s=round(run.duration_s, 3),
        evidence=jsonable(dict(outcome.evidence)),
        suspects=dict(outcome.suspects),
        reproducer=_command(spec, contract, run),
        notes=tuple(outcome.notes),
    )


def _command(spec: SubjectSpec, contract: str, run: CheckRun) -> str:
    """A line that asks the same question again, on the command line where that can be."""
    seed, budget = run.context.settings.seed, run.context.settings.budget
    if spec.script or spec.target:
        subject = ["--script", spec.script] if spec.script else [spec.target]
        options = ["--as", contract, "--select", run.check.name, "--budget", str(budget)]
        return shlex.join(["rlcheck", "run", *subject, *options, "--seed", str(seed)])
    return (
        f"rlcheck.check({spec.name}, {contract!r}, select=[{run.check.name!r}], "
        f"budget={str(budget)!r}, seed={seed})"
    )


def _own_trace(error: Exception) -> list[str]:
    import traceback

    return "".join(traceback.format_exception(error)).splitlines()[-20:]
