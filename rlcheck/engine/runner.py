"""Runs jobs beside the subject: loads and binds it once, then trial after trial."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from rlcheck import contracts, importing, targets
from rlcheck.contracts import Bound, Options
from rlcheck.engine import trace
from rlcheck.engine.guard import preserved_state, seed_globals
from rlcheck.engine.jobs import BindReply, FailureKind, Job, JobFailure, Reply, TrialReply
from rlcheck.engine.jsonable import jsonable
from rlcheck.errors import BindingError, SubjectError, TargetError, UsageError
from rlcheck.inference import infer_contract
from rlcheck.records import Check, Context
from rlcheck.subjects import ScriptCommand, SubjectSpec

ReportProgress = Callable[[float, str], None]


class Runner:
    """Executes jobs in this process and keeps every subject that it bound."""

    def __init__(self) -> None:
        self._bound: dict[int, tuple[str, Bound]] = {}
        self._sources: dict[int, str] = {}

    def run(
        self, job: Job, progress: ReportProgress, on_ready: Callable[[], None] = lambda: None
    ) -> Reply:
        """The answer to `job`; an exception of the subject comes back as a `JobFailure`.

        Args:
            job: what to do.
            progress: handed to the trial.
            on_ready: called once the subject is imported, and again before the trial starts: what
                follows is the subject's own time.
        """
        started = time.perf_counter()
        try:
            contract, bound = self._bind(job, on_ready)
            if not job.check:
                facts, dialect = jsonable(dict(bound.facts)), jsonable(dict(bound.dialect))
                source = self._sources[job.subject]
                return BindReply(contract, facts, dialect, tuple(bound.notes), source)
            on_ready()
            return _trial(job, bound, progress)
        except UsageError as error:
            return JobFailure(_usage_kind(error), str(error))
        except SubjectError as error:
            return JobFailure(FailureKind.RAISED, str(error), time.perf_counter() - started)
        except (Exception, SystemExit) as error:
            message = _raised(job, error)
            return JobFailure(FailureKind.RAISED, message, time.perf_counter() - started)

    def _bind(self, job: Job, on_ready: Callable[[], None]) -> tuple[str, Bound]:
        if job.subject not in self._bound:
            spec = job.spec
            # What importing user's modules does to the process (a variable, a path) has to stay.
            with preserved_state(process=spec.raw is not None):
                raw = load(spec)
                # Binding calls the subject, which may hang as it may in a trial.
                on_ready()
                name = job.contract or spec.contract or infer_contract(raw, spec.name)
                self._bound[job.subject] = name, _bind_raw(raw, name, job)
                self._sources[job.subject] = importing.source_digest(raw)
        return self._bound[job.subject]


def load(spec: SubjectSpec) -> Any:
    """The raw object that `spec` describes, as a contract's `bind` receives it."""
    if spec.raw is not None:
        return spec.raw
    return ScriptCommand(spec.script) if spec.script else targets.load(spec.target)


def check_named(contract: str, name: str) -> Check:
    """The check called `name` of `contract`."""
    return next(check for check in contracts.load(contract).checks if check.name == name)


def _bind_raw(raw: Any, name: str, job: Job) -> Bound:
    spec, settings = job.spec, job.settings
    options = Options(
        bind=spec.bind,
        constants=spec.constants,
        dialect=spec.dialect,
        gamma=settings.gamma if spec.gamma is None else spec.gamma,
        device=settings.device,
    )
    contract = contracts.load(name)
    seed_globals(settings.seed)
    try:
        bound = contract.bind(raw, options)
    except UsageError:
        raise
    except (Exception, SystemExit) as error:
        raise BindingError(
            f"{spec.name} cannot be bound to the contract {name!r}: trying it raised "
            f"{trace.describe(error)}"
        ) from error
    hidden = importing.shadowed_folders(Path.cwd()) if spec.target else ()
    return replace(bound, notes=(*bound.notes, *hidden))


def _trial(job: Job, bound: Bound, progress: ReportProgress) -> TrialReply:
    check = check_named(job.contract, job.check)
    started = time.perf_counter()
    with preserved_state(), tempfile.TemporaryDirectory(prefix="rlcheck-") as scratch:
        seed_globals(job.trial.seed)
        context = Context(job.settings, job.facts, progress, scratch)
        evidence = jsonable(check.trial(bound.subject, job.trial, context))
    return TrialReply(evidence, time.perf_counter() - started)


def _usage_kind(error: UsageError) -> FailureKind:
    if isinstance(error, TargetError):
        return FailureKind.TARGET
    return FailureKind.BINDING if isinstance(error, BindingError) else FailureKind.USAGE


def _raised(job: Job, error: BaseException) -> str:
    if isinstance(error, SystemExit):
        code = error.code if error.code is not None else 0
        return f"{job.spec.name} called sys.exit({code!r})\n{trace.short_traceback(error)}".rstrip()
    if not job.check:
        return f"{job.spec.name} could not be loaded: {trace.describe(error)}"
    if not trace.user_frames(error):
        # Nothing of the user's is on the stack: usually a result that the check cannot digest.
        return f"{job.check} could not use what {job.spec.name} returned: {trace.sentence(error)}"
    return f"{job.spec.name} raised {trace.describe(error)}"
