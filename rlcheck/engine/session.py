"""One run: bind every subject, run the trials of its checks, judge them, stream what happens."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import rlcheck
from rlcheck import contracts, diagnosis, importing, verdicts
from rlcheck.contracts import Contract
from rlcheck.engine import plan, results
from rlcheck.engine.events import (
    CheckFinished,
    CheckStarted,
    Event,
    Listener,
    Progress,
    RunFinished,
    RunStarted,
    SubjectBound,
    SubjectFinished,
)
from rlcheck.engine.executors import Executor, InProcess
from rlcheck.engine.jobs import BindReply, FailureKind, Job, JobFailure, Reply, TrialReply
from rlcheck.engine.journal import Journal, NoJournal
from rlcheck.engine.plan import CheckRun
from rlcheck.engine.workers import WorkerPool, core_count
from rlcheck.errors import BindingError, RlcheckError, SubjectError, TargetError, UsageError
from rlcheck.records import (
    Diagnosis,
    More,
    Report,
    Result,
    Settings,
    Status,
    SubjectReport,
    Trial,
)
from rlcheck.subjects import SubjectSpec

_STOPPED = "not run: the run stopped at its first failure (-x)"
_USAGE = {
    FailureKind.TARGET: TargetError,
    FailureKind.BINDING: BindingError,
    FailureKind.USAGE: UsageError,
}


def run(
    specs: Sequence[SubjectSpec],
    settings: Settings | None = None,
    listeners: Sequence[Listener] = (),
    *,
    jobs: int | None = None,
    store: str | Path | None = None,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    exit_first: bool = False,
    resume: bool = False,
    isolate: bool = True,
    allow_inconclusive: bool = False,
) -> Report:
    """Check every subject and return everything that was said.

    Args:
        specs: the subjects.
        settings: options that checks look at.
        listeners: called with every event, in order.
        jobs: worker processes at most; None takes one a core.
        store: folder in which finished trials and results are kept at once; None keeps nothing.
        select: globs of check names to run; none selects every check.
        ignore: globs of check names to leave out.
        exit_first: stop after the first check that failed or raised.
        resume: take over what the last interrupted run in `store` finished.
        isolate: run subjects in worker processes; False runs them here, one after another.
        allow_inconclusive: whether a run with nothing worse than inconclusive exits with 0.

    Raises:
        UsageError: a subject cannot be loaded or bound, or a glob matches no check.
        StoreError: `store` cannot be written.
    """
    settings = settings or Settings()
    if isolate:
        specs = [_importable(spec) for spec in specs]
    journal: Journal = NoJournal()
    executor: Executor = WorkerPool(jobs or core_count()) if isolate else InProcess()
    options = SessionOptions(tuple(select), tuple(ignore), exit_first, allow_inconclusive)
    return Session(specs, settings, listeners, executor, journal, options).run()


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """Which checks run and when to stop."""

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    exit_first: bool = False
    allow_inconclusive: bool = False


@dataclass(slots=True)
class SubjectRun:
    """One subject while its checks are under way."""

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


@dataclass(slots=True)
class Session:
    """The loop of one run; see `run`."""

    specs: Sequence[SubjectSpec]
    settings: Settings
    listeners: Sequence[Listener]
    executor: Executor
    journal: Journal
    options: SessionOptions
    subjects: list[SubjectRun] = field(default_factory=list)
    queue: deque[tuple[SubjectRun, CheckRun, Trial]] = field(default_factory=deque)
    running: dict[int, tuple[SubjectRun, CheckRun, Trial]] = field(default_factory=dict)
    job_count: int = 0
    stopped: bool = False

    def run(self) -> Report:
        """Run everything; after an interrupt the report holds what finished."""
        started = time.perf_counter()
        interrupted = False
        try:
            self._start()
            self._work()
        except KeyboardInterrupt:
            interrupted = True
        finally:
            self.executor.close()
        report = self._report(time.perf_counter() - started, interrupted)
        self.journal.finish(report, interrupted=interrupted)
        self._emit(RunFinished(report, interrupted))
        return report

    def _emit(self, event: Event) -> None:
        for listener in self.listeners:
            listener(event)

    # Binding

    def _start(self) -> None:
        names = tuple(spec.name for spec in self.specs)
        self._emit(
            RunStarted(self.journal.run_id, names, self.settings.seed, str(self.settings.budget))
        )
        try:
            importing.claim_own_packages()
            replies = self._bind_all()
            self._plan_all(replies)
        except BaseException:
            self.journal.discard()
            raise

    def _bind_all(self) -> dict[int, BindReply]:
        waiting = deque(enumerate(self.specs))
        replies: dict[int, BindReply] = {}
        out = 0
        while waiting or out:
            while waiting and out < self.executor.capacity:
                index, spec = waiting.popleft()
                self.executor.submit(
                    Job(self._number(), index, spec, self.settings, contract=spec.contract)
                )
                out += 1
            job, reply = self.executor.wait(self._no_progress)
            out -= 1
            replies[job.subject] = _require_bound(job.spec, reply)
        return replies

    def _plan_all(self, replies: dict[int, BindReply]) -> None:
        share = replace(self.settings, alpha=self.settings.alpha / max(len(self.specs), 1))
        for index, spec in enumerate(self.specs):
            bound = replies[index]
            contract = contracts.load(bound.contract)
            every = [check.name for check in contract.checks]
            plan.require_known_globs(
                spec.expected_failures, every, f"{spec.name}: the expected failure"
            )
            checks, skipped = plan.plan_checks(
                contract, bound, share, self.options.select, self.options.ignore
            )
            self.subjects.append(SubjectRun(index, spec, contract, bound, checks, skipped))
        known = [check.name for subject in self.subjects for check in subject.contract.checks]
        plan.require_known_globs(self.options.select, known, "--select")
        plan.require_known_globs(self.options.ignore, known, "--ignore")
        for subject in self.subjects:
            self._emit(
                SubjectBound(
                    subject.spec.name,
                    subject.contract.name,
                    tuple(run.check.name for run in subject.checks),
                    dict(subject.bound.dialect),
                    subject.bound.notes,
                )
            )

    # Trials and judges

    def _work(self) -> None:
        while True:
            self._settle()
            if self.stopped:
                return self._skip_unfinished()
            self._submit()
            if not self.running:
                break
            job, reply = self.executor.wait(self._progress)
            self._receive(job, reply)
        unfinished = [c.check.name for s in self.subjects for c in s.checks if c.result is None]
        if unfinished:
            raise RlcheckError(f"checks require each other in a circle: {', '.join(unfinished)}")

    def _settle(self) -> None:
        """Judge and start every check that can be, until nothing changes any more."""
        changed = True
        while changed and not self.stopped:
            changed = False
            for subject in self.subjects:
                for run in subject.checks:
                    if run.result is None and not run.pending:
                        changed |= self._step(subject, run)
                if subject.report is None and len(subject.results) == len(subject.checks):
                    self._finish_subject(subject)

    def _step(self, subject: SubjectRun, run: CheckRun) -> bool:
        """Take a check with no pending trial one step further; False if it has to wait."""
        name = subject.contract.name
        if run.requested:
            self._judge(subject, run)
        elif reason := subject.skipped.get(run.check.name):
            self._skip(subject, run, Status.SKIPPED, reason)
        elif blocking := plan.blocker(run.check, subject.checks):
            self._skip(subject, run, Status.BLOCKED, f"needs {blocking}, which did not pass")
        elif not plan.is_ready(run.check, subject.checks):
            return False
        elif known := self.journal.known_result(subject.spec, run.check.name):
            run.result = known
            self.journal.record_result(subject.spec, name, run.context.settings, known)
            self._emit(CheckFinished(subject.spec.name, known))
        else:
            self._judge(subject, run)
        return True

    def _judge(self, subject: SubjectRun, run: CheckRun) -> None:
        started = time.perf_counter()
        name = subject.contract.name
        try:
            said = run.check.judge(run.seen(), run.context)
            if isinstance(said, More):
                return self._request(subject, run, said)
            run.duration_s += time.perf_counter() - started
            result = results.from_outcome(subject.spec, name, run, said)
        except Exception as error:
            result = results.from_judge_error(subject.spec, name, run, error)
        self._finish_check(subject, run, result)

    def _request(self, subject: SubjectRun, run: CheckRun, more: More) -> None:
        new = [trial for trial in more.trials if trial.key not in run.evidence]
        if not new:
            raise RlcheckError(f"the judge of {run.check.name} asks for no trial that is new")
        for trial in new:
            run.requested.append(trial)
            known = self.journal.known_trial(subject.spec, run.check.name, trial)
            if known is not None:
                run.evidence[trial.key] = known
            else:
                run.pending.add(trial.key)
                self.queue.append((subject, run, trial))
        if run.started and more.reason:
            self._emit(Progress(subject.spec.name, run.check.name, 0.0, more.reason))

    def _submit(self) -> None:
        while self.queue and len(self.running) < self.executor.capacity:
            subject, run, trial = self.queue.popleft()
            if not run.started:
                run.started = True
                self._emit(CheckStarted(subject.spec.name, run.check.name))
            job = Job(
                self._number(),
                subject.index,
                subject.spec,
                run.context.settings,
                subject.contract.name,
                run.check.name,
                trial,
                run.context.facts,
            )
            self.running[job.number] = (subject, run, trial)
            self.executor.submit(job)

    def _receive(self, job: Job, reply: Reply) -> None:
        subject, run, trial = self.running.pop(job.number)
        if isinstance(reply, TrialReply):
            run.duration_s += reply.duration_s
            run.evidence[trial.key] = reply.evidence
            run.pending.discard(trial.key)
            self.journal.record_trial(
                subject.spec, job.check, trial, reply.evidence, reply.duration_s
            )
            return
        assert isinstance(reply, JobFailure), "a trial was answered like a bind job"
        if run.result is None:
            run.duration_s += reply.duration_s
            # Other trials of a broken check would break alike.
            self.queue = deque(item for item in self.queue if item[1] is not run)
            name = subject.contract.name
            self._finish_check(subject, run, results.from_failure(subject.spec, name, run, reply))

    def _progress(self, job: Job, fraction: float, text: str) -> None:
        self._emit(Progress(job.spec.name, job.check, min(max(fraction, 0.0), 1.0), text))

    def _no_progress(self, job: Job, fraction: float, text: str) -> None:
        """Binding shows no progress."""

    def _number(self) -> int:
        self.job_count += 1
        return self.job_count

    # Results

    def _skip(self, subject: SubjectRun, run: CheckRun, status: Status, reason: str) -> None:
        result = results.not_run(subject.spec, subject.contract.name, run, status, reason)
        self._finish_check(subject, run, result)

    def _finish_check(self, subject: SubjectRun, run: CheckRun, result: Result) -> None:
        if self.journal.run_id and result.status in results.REPLAYABLE:
            result = replace(result, reproducer=f"rlcheck replay {result.id}")
        run.result = result
        name = subject.contract.name
        self.journal.record_result(subject.spec, name, run.context.settings, result)
        self._emit(CheckFinished(subject.spec.name, result))
        if self.options.exit_first and result.status in verdicts.FAILING:
            self.stopped = True

    def _skip_unfinished(self) -> None:
        for subject in self.subjects:
            for run in subject.checks:
                if run.result is None:
                    self._skip(subject, run, Status.SKIPPED, _STOPPED)
            if subject.report is None:
                self._finish_subject(subject)

    def _finish_subject(self, subject: SubjectRun) -> None:
        subject.report = self._subject_report(subject)
        self._emit(SubjectFinished(subject.report))

    def _subject_report(self, subject: SubjectRun) -> SubjectReport:
        spec, bound, done = subject.spec, subject.bound, subject.results
        remarks = [*bound.notes, *(note for result in done for note in result.notes)]
        gamma = self.settings.gamma if spec.gamma is None else spec.gamma
        return SubjectReport(
            name=spec.name,
            contract=subject.contract.name,
            verdict=verdicts.subject_verdict(done),
            results=done,
            diagnosis=_diagnose(subject.contract, done),
            dialect=bound.dialect,
            gamma=bound.facts.get("gamma") if gamma is None else gamma,
            notes=tuple(dict.fromkeys(remarks)),
        )

    def _report(self, duration_s: float, interrupted: bool) -> Report:
        reports = tuple(
            subject.report or self._subject_report(subject) for subject in self.subjects
        )
        return Report(
            version=rlcheck.__version__,
            verdict=verdicts.run_verdict(reports),
            exit_code=verdicts.exit_code(
                reports,
                allow_inconclusive=self.options.allow_inconclusive,
                interrupted=interrupted,
            ),
            duration_s=round(duration_s, 3),
            subjects=reports,
            run_id=self.journal.run_id,
            seed=self.settings.seed,
        )


def _importable(spec: SubjectSpec) -> SubjectSpec:
    """The same subject without the object itself, for processes that have to import it."""
    if spec.raw is None:
        return spec
    return replace(spec, target=importing.target_of(spec.raw, spec.name), raw=None)


def _require_bound(spec: SubjectSpec, reply: Reply) -> BindReply:
    """The reply to a bind job, or the error that a worker met, raised again here."""
    if isinstance(reply, BindReply):
        return reply
    assert isinstance(reply, JobFailure), "a bind job was answered like a trial"
    error = _USAGE.get(reply.kind, SubjectError)
    raise error(reply.message)


def _diagnose(contract: Contract, done: tuple[Result, ...]) -> tuple[Diagnosis, ...]:
    if contract.diagnose is not None:
        return contract.diagnose(done)
    return diagnosis.combine(done, contract.faults, contract.checks)
