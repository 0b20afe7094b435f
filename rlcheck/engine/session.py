"""One run: bind every subject, run the trials of its checks, judge them, stream what happens."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rlcheck import contracts, verdicts
from rlcheck.engine import binding, plan, results, summary
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
from rlcheck.engine.jobs import BindReply, Job, JobFailure, Reply, TrialReply
from rlcheck.engine.journal import Journal, NoJournal
from rlcheck.engine.plan import CheckRun, SubjectRun
from rlcheck.engine.store import Store
from rlcheck.engine.workers import WorkerPool, core_count
from rlcheck.errors import RlcheckError
from rlcheck.records import More, Report, Result, Settings, Status, Trial
from rlcheck.subjects import SubjectSpec

_STOPPED = "not run: the run stopped at its first failure (-x)"


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

    An interrupt (Ctrl-C) ends the run, and the report holds what finished.

    Args:
        specs: the subjects.
        settings: options that checks look at.
        listeners: called with every event, in order.
        jobs: worker processes at most; None takes one a core.
        store: folder in which finished trials and results are kept at once; None keeps nothing.
        select: globs of check names to run; none selects every check.
        ignore: globs of check names to leave out.
        exit_first: stop after the first check that failed or raised.
        resume: go on with the last run in `store` that did not finish.
        isolate: run subjects in worker processes; False runs them here, one after another.
        allow_inconclusive: whether a run with nothing worse than inconclusive exits with 0.

    Raises:
        UsageError: a subject cannot be loaded or bound, or a glob matches no check.
        SubjectError: a subject's process died while it was loaded.
        StoreError: `store` cannot be written.
    """
    settings = settings or Settings()
    if isolate:
        specs = [binding.importable(spec) for spec in specs]
    journal: Journal = NoJournal()
    if store is not None:
        kept = Store(store)
        journal = kept.resume_run(specs, settings) if resume else kept.new_run(specs, settings)
    executor: Executor = WorkerPool(jobs or core_count()) if isolate else InProcess()
    options = SessionOptions(tuple(select), tuple(ignore), exit_first, allow_inconclusive)
    try:
        return Session(specs, settings, listeners, executor, journal, options).run()
    finally:
        executor.close()


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """Which checks run and when to stop."""

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    exit_first: bool = False
    allow_inconclusive: bool = False


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
        names = tuple(spec.name for spec in self.specs)
        budget = str(self.settings.budget)
        self._emit(RunStarted(self.journal.run_id, names, self.settings.seed, budget))
        try:
            self._bind()
            self._work()
        except KeyboardInterrupt:
            interrupted = True
        reports = [
            subject.report or summary.subject_report(subject, self.settings, self.journal.notes)
            for subject in self.subjects
        ]
        report = summary.run_report(
            reports,
            self.settings,
            run_id=self.journal.run_id,
            duration_s=time.perf_counter() - started,
            interrupted=interrupted,
            allow_inconclusive=self.options.allow_inconclusive,
        )
        self.journal.finish(report, interrupted=interrupted)
        self._emit(RunFinished(report, interrupted))
        return report

    def _emit(self, event: Event) -> None:
        for listener in self.listeners:
            listener(event)

    def _bind(self) -> None:
        try:
            replies = binding.bind_all(self.executor, self.specs, self.settings)
            # Every subject gets its share of alpha here, every check of it in `plan_checks`.
            share = replace(self.settings, alpha=self.settings.alpha / max(len(self.specs), 1))
            for spec, bound in zip(self.specs, replies, strict=True):
                self.subjects.append(self._planned(spec, bound, share))
            known = [check.name for s in self.subjects for check in s.contract.checks]
            plan.require_known_globs(self.options.select, known, "--select")
            plan.require_known_globs(self.options.ignore, known, "--ignore")
        except RlcheckError:
            self.journal.discard()
            raise
        for subject in self.subjects:
            checks = tuple(run.check.name for run in subject.checks)
            dialect, notes = dict(subject.bound.dialect), subject.bound.notes
            self._emit(
                SubjectBound(subject.spec.name, subject.contract.name, checks, dialect, notes)
            )

    def _planned(self, spec: SubjectSpec, bound: BindReply, share: Settings) -> SubjectRun:
        contract = contracts.load(bound.contract)
        every = [check.name for check in contract.checks]
        plan.require_known_globs(
            spec.expected_failures, every, f"{spec.name}: the expected failure"
        )
        options = self.options
        checks, skipped = plan.plan_checks(
            spec, contract, bound, share, options.select, options.ignore
        )
        return SubjectRun(len(self.subjects), spec, contract, bound, checks, skipped)

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
            raise RuntimeError(f"checks require each other in a circle: {', '.join(unfinished)}")

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
        if run.requested:
            self._judge(subject, run)
        elif reason := subject.skipped.get(run.check.name):
            self._finish_check(subject, run, results.not_run(run, Status.SKIPPED, reason))
        elif blocking := plan.blocker(run.check, subject.checks):
            reason = f"needs {blocking}, which did not pass"
            self._finish_check(subject, run, results.not_run(run, Status.BLOCKED, reason))
        elif not plan.is_ready(run.check, subject.checks):
            return False
        elif known := self.journal.known_result(run.question):
            run.result = known
            self._emit(CheckFinished(subject.spec.name, known))
        else:
            self._judge(subject, run)
        return True

    def _judge(self, subject: SubjectRun, run: CheckRun) -> None:
        started = time.perf_counter()
        try:
            said = run.check.judge(run.seen(), run.context)
            if isinstance(said, More):
                return self._request(subject, run, said)
            run.duration_s += time.perf_counter() - started
            result = results.from_outcome(run, said)
        except Exception as error:
            result = results.from_judge_error(run, error)
        self._finish_check(subject, run, result)

    def _request(self, subject: SubjectRun, run: CheckRun, more: More) -> None:
        new = [t for t in dict.fromkeys(more.trials) if t.key not in run.evidence]
        if not new:
            raise ValueError("it asks for more trials, and names none that is new")
        for trial in new:
            run.requested.append(trial)
            known = self.journal.known_trial(run.question, trial)
            if known is not None:
                run.evidence[trial.key], seconds = known
                run.duration_s += seconds
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
            self.job_count += 1
            job = Job(
                self.job_count,
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
            self.journal.record_trial(run.question, trial, reply.evidence, reply.duration_s)
            return
        assert isinstance(reply, JobFailure), "a trial was answered like a bind job"
        if run.result is None:
            run.duration_s += reply.duration_s
            # Other trials of a broken check would break alike.
            self.queue = deque(item for item in self.queue if item[1] is not run)
            self._finish_check(subject, run, results.from_failure(run, reply))

    def _progress(self, job: Job, fraction: float, text: str) -> None:
        self._emit(Progress(job.spec.name, job.check, min(max(fraction, 0.0), 1.0), text))

    def _finish_check(self, subject: SubjectRun, run: CheckRun, result: Result) -> None:
        if self.journal.run_id and result.status in verdicts.REPLAYABLE:
            result = replace(result, reproducer=f"rlcheck replay {result.id}")
        run.result = result
        self.journal.record_result(run.question, result)
        self._emit(CheckFinished(subject.spec.name, result))
        if self.options.exit_first and result.status in verdicts.FAILING:
            self.stopped = True

    def _skip_unfinished(self) -> None:
        for subject in self.subjects:
            for run in subject.checks:
                if run.result is None:
                    self._finish_check(subject, run, results.not_run(run, Status.SKIPPED, _STOPPED))
            if subject.report is None:
                self._finish_subject(subject)

    def _finish_subject(self, subject: SubjectRun) -> None:
        subject.report = summary.subject_report(subject, self.settings, self.journal.notes)
        self._emit(SubjectFinished(subject.report))
