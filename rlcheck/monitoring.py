"""`rlcheck.monitor`: watches a training while it runs, and says what goes wrong while it can be helped.

    with rlcheck.monitor(total_steps=100_000, config={"env_id": "CartPole-v1"}) as watch:
        for step in ...:
            watch.log(step, {"entropy": entropy, "episode_return": returns, "approx_kl": kl})

Only numbers that are logged anyway are looked at: no random stream, no gradient and no parameter is
touched, and twenty signals take at most 2 MB however long the training is. `docs/monitoring.md` shows a
session.
"""

from __future__ import annotations

import sys
import sysconfig
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from rlcheck import verdicts
from rlcheck.errors import TrainingStopped, TrainingWarning, UsageError
from rlcheck.records import Report, SubjectReport
from rlcheck.reports import files
from rlcheck.signals import faults, hyper_parameters
from rlcheck.signals.findings import PREFIX, Alarm
from rlcheck.signals.history import History
from rlcheck.signals.recognising import recognise
from rlcheck.signals.recomputed import measured, recomputed
from rlcheck.signals.series import RawLog, series
from rlcheck.signals.watching import BY_NAME, Watching
from rlcheck.subjects import invert

ACTIONS = ("warn", "stop")
_NO_REASON_TO_STOP = frozenset({faults.THROUGHPUT.name.removeprefix(PREFIX)})
_NAMES_SHOWN = 8
SUBJECT = "training"
_OTHERS = (str(Path(__file__).parent), sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))
"""Folders of rlcheck and of installed packages."""


def monitor(
    total_steps: float | None = None,
    *,
    on_failure: str = "warn",
    report_to: str | Sequence[str] = (),
    config: Mapping[str, Any] | None = None,
    bind: Mapping[str, str] | None = None,
) -> Monitor:
    """A context manager whose `log(step, metrics)` feeds the detectors of `training-log`.

    Args:
        total_steps: planned length of the training; without it, faults that only the second half of a
            training can show ("has not learned yet") are told at the end.
        on_failure: "warn" gives one `TrainingWarning` a fault; "stop" also ends the training, by a
            `TrainingStopped` raised from `log`.
        report_to: reports to write at the end, as on the command line: "html:report.html", "wandb", ...
        config: hyper-parameters and `env_id`, by the names of any known framework; they sharpen the
            judgement (`num_actions`, `gamma`, `n_epochs`, ...).
        bind: your name -> signal, for metrics whose names no framework uses.

    Raises:
        UsageError: an unknown value of `on_failure`, a report that cannot be written, or a name in
            `bind` that is no signal.
    """
    if on_failure not in ACTIONS:
        raise UsageError(f'on_failure: expected "warn" or "stop", got {on_failure!r}')
    if total_steps is not None and not total_steps > 0:
        raise UsageError(f"total_steps: expected a positive number or None, got {total_steps!r}")
    names = invert(bind or {}, "bind")
    # Misspelt signals are told now, not at the first look.
    recognise(RawLog({column: series([], []) for column in names.values()}), names)
    reports = [report_to] if isinstance(report_to, str) else list(report_to)
    return Monitor(
        History(names, config or {}), Watching(total_steps), on_failure, files.parse(reports)
    )


class Monitor:
    """A watched training; made by `rlcheck.monitor`.

    Attributes:
        warned: fault name -> the alarm that was told, in order.
        stopped: whether a fault has ended the training.
    """

    def __init__(
        self,
        history: History,
        watching: Watching,
        on_failure: str,
        destinations: Sequence[files.Destination],
    ) -> None:
        self._history = history
        self._watching = watching
        self._on_failure = on_failure
        self._files = [one for one in destinations if one.format != files.WANDB]
        self._runs = [_wandb_run(one) for one in destinations if one.format == files.WANDB]
        self._began = time.monotonic()
        self._told: list[str] = []
        self._broken = False
        self._closed = False
        self.stopped = False

    @property
    def warned(self) -> Mapping[str, Alarm]:
        """Every fault that was told, with the numbers that show it."""
        return self._watching.warned

    def log(
        self, step: float, metrics: Mapping[str, Any], raw: Mapping[str, Any] | None = None
    ) -> None:
        """Takes the metrics of one step; names that stand for no signal are ignored.

        Args:
            step: of the training.
            metrics: name -> number.
            raw: arrays from which metrics were computed, so that they are computed again: `values`,
                `returns` and `td_errors` of the critic, `log_probs`, `old_log_probs`, `advantages`
                and `clip_range` of the policy.

        Raises:
            TrainingStopped: a fault was seen, and `on_failure` is "stop".
            UsageError: a name in `raw` that is none of these, or arrays of different sizes.
        """
        history, watching = self._history, self._watching
        known = {**measured(raw), **metrics, **recomputed(raw)} if raw else metrics
        failing = history.add(float(step), known)
        if failing or watching.due(history.records):
            self._tell(self._look(failing))

    def close(self, finished: bool = True) -> None:
        """Ends the watch: a last look if the training came to its end, then the reports."""
        if self._closed:
            return
        self._closed = True
        if finished and not self.stopped:
            self._tell(self._look(last=True), may_stop=False)
            self._warn_of_unknown_names()
        if self._files or self._runs:
            self._report(interrupted=not finished)

    def report(self) -> Report:
        """What all checks of `training-log` say about everything logged so far."""
        from rlcheck import __version__, api

        subject = api.check(self._history.log(), "training-log")
        # Nobody can look at this log again: it was in memory.
        results = tuple(replace(result, reproducer="") for result in subject.results)
        notes = (*self._told, *subject.notes)
        subject = replace(subject, name=SUBJECT, notes=notes, results=results)
        return _report_of(subject, __version__, time.monotonic() - self._began)

    def _report(self, interrupted: bool) -> None:
        report = self.report()
        for destination in self._files:
            files.write(destination, report, interrupted)
        for run in self._runs:
            run.report(report, interrupted, self._history.last_step)
            run.finish()

    def __enter__(self) -> Monitor:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close(finished=kind is None)

    def _look(self, failing: bool = False, last: bool = False) -> list[Alarm]:
        history = self._history
        try:
            log = history.log()
            if last:
                return self._watching.last_look(log)
            found = self._watching.look(log, history.records, history.last_step, failing)
        except Exception as error:  # a mistake of ours must not end somebody's training
            if not self._broken:
                self._broken = True
                text = f"rlcheck could not judge this training ({type(error).__name__}: {error})"
                warn(text)
            return []
        for run in self._runs:
            run.scalars(history.last_step, {"warnings": len(self.warned)})
        return found

    def _tell(self, alarms: Sequence[Alarm], may_stop: bool = True) -> None:
        if not alarms:
            return
        name, text = PREFIX + alarms[0].fault, self._words(alarms)
        self._told.append(f"{name} was told at {self._when()}")
        for run in self._runs:
            run.alert(SUBJECT, name, text)
        serious = any(alarm.fault not in _NO_REASON_TO_STOP for alarm in alarms)
        if may_stop and serious and self._on_failure == "stop":
            self.stopped = True
            raise TrainingStopped(text)
        warn(text)

    def _words(self, alarms: Sequence[Alarm]) -> str:
        first, name = alarms[0], PREFIX + alarms[0].fault
        fault = BY_NAME[name]
        also = ", ".join(alarm.fault for alarm in alarms[1:])
        lines = [
            f"{fault.title} [{name}]",
            f"seen at {self._when()}: {first.message}",
            f"fix: {fault.fix}",
        ]
        if also:
            lines.append(f"probably caused by it: {also}")
        if not self._told:  # unusual settings are often the cause
            lines += hyper_parameters.advice(self._history.log())
        return "\n  ".join([*lines, f"more: rlcheck explain {name}"])

    def _when(self) -> str:
        step, total = self._history.last_step, self._watching.total_steps
        share = f" ({min(step / total, 1.0):.0%} of the run)" if total else ""
        return f"step {step:,.0f}{share}"

    def _warn_of_unknown_names(self) -> None:
        history = self._history
        if history.records or not history.unknown:
            return
        names = ", ".join(history.unknown[:_NAMES_SHOWN])
        text = (
            f"rlcheck.monitor knows none of the metrics ({names}) and has watched nothing; say what "
            'they are, as in bind={"my_reward": "episode_return"}'
        )
        warn(text)


def warn(text: str) -> None:
    """A `TrainingWarning` that shows the user's own line, such as the call of `learn`."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_OTHERS):
        frame, level = frame.f_back, level + 1
    warnings.warn(text, TrainingWarning, stacklevel=level)


def _wandb_run(destination: files.Destination) -> Any:
    from rlcheck.reports.weights_and_biases import Destination

    return Destination(destination.project)


def _report_of(subject: SubjectReport, version: str, duration_s: float) -> Report:
    subjects = (subject,)
    return Report(
        version=version,
        verdict=verdicts.run_verdict(subjects),
        exit_code=verdicts.exit_code(subjects),
        duration_s=duration_s,
        subjects=subjects,
    )
