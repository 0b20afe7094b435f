"""`--report wandb[:PROJECT]`: a report as part of a W&B run.

The active run is used where there is one, else a run of job type `rlcheck` is opened. It gets scalars
under `rlcheck/` with a step of their own, one table of all checks, charts, the verdict in the summary,
an alert for each failure, and the HTML report with the commands that repeat failures as an artifact.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rlcheck.errors import UsageError
from rlcheck.records import Report, Result, Status, SubjectReport
from rlcheck.reports import html
from rlcheck.reports import json as json_report
from rlcheck.reports.secrets import without_keys
from rlcheck.reports.wandb_charts import charts
from rlcheck.signals.readers.wandb_runs import logged_in

PROJECT = "rlcheck"
STEP = "rlcheck/step"
COLUMNS = ("subject", "check", "status", "message", "fault")
_OFFLINE = ("offline", "disabled", "dryrun")
_TITLE, _TEXT = 60, 1000


def require() -> None:
    """Refuse at once, not after the run, where nothing could be sent.

    Raises:
        UsageError: wandb is not installed, or nobody is logged in and the mode is not offline.
    """
    if importlib.util.find_spec("wandb") is None:
        raise UsageError(
            "--report wandb needs wandb, which is not installed; run pip install 'rlcheck[wandb]'"
        )
    offline = os.environ.get("WANDB_MODE", "").lower() in _OFFLINE
    if not (offline or _active() is not None or logged_in()):
        raise UsageError(
            "--report wandb: nobody is logged in to W&B; run `wandb login`, set WANDB_API_KEY, or "
            "set WANDB_MODE=offline and send the run later"
        )


def _active() -> Any:
    """The run that the program has open, without importing wandb for the question."""
    wandb = sys.modules.get("wandb")
    return getattr(wandb, "run", None)


class Destination:
    """A W&B run to report to; opened at the first use, and finished if it was opened here.

    Args:
        project: of a run that has to be opened; "" takes `rlcheck`.
    """

    def __init__(self, project: str = "") -> None:
        self._project = project
        self._run: Any = None
        self._ours = False
        self._alerted: set[str] = set()

    @property
    def run(self) -> Any:
        """The run."""
        if self._run is None:
            import wandb

            self._run, self._ours = wandb.run, wandb.run is None
            if self._ours:
                quiet = wandb.Settings(silent=True, console="off")
                self._run = wandb.init(
                    project=self._project or PROJECT, job_type="rlcheck", settings=quiet
                )
            self._run.define_metric(STEP, hidden=True)
            self._run.define_metric("rlcheck/*", step_metric=STEP)
        return self._run

    def scalars(self, step: float, values: dict[str, Any]) -> None:
        """Logs one row; in somebody else's run it joins the row that is being written."""
        row = {STEP: step, **{f"rlcheck/{name}": value for name, value in values.items()}}
        # Committing would advance the step of a run whose owner passes `step=` himself.
        self.run.log(row, commit=self._ours)

    def alert(self, subject: str, fault: str, text: str) -> None:
        """An alert of level ERROR, once for each fault of a subject."""
        title = f"{subject}: {fault}"
        if title in self._alerted:
            return
        self._alerted.add(title)
        short = without_keys(title)[:_TITLE]
        self.run.alert(title=short, text=without_keys(text)[:_TEXT], level="ERROR")

    def report(self, report: Report, interrupted: bool = False, step: float | None = None) -> None:
        """Everything that is said about a run of rlcheck.

        Args:
            report: what was said.
            interrupted: whether it ended early.
            step: of the training that was watched; None counts the subjects.
        """
        import wandb

        for number, subject in enumerate(report.subjects):
            self.scalars(float(number) if step is None else step, _counts(subject))
            self._alert_of(subject)
        table = wandb.Table(columns=list(COLUMNS), data=list(_rows(report)))
        self.run.log({"rlcheck/checks": table, **charts(report)}, commit=self._ours)
        faults = [one.diagnosis[0].fault for one in report.subjects if one.diagnosis]
        self.run.summary["rlcheck/verdict"] = report.verdict.value
        self.run.summary["rlcheck/exit_code"] = report.exit_code
        self.run.summary["rlcheck/fault"] = faults[0] if faults else ""
        self._artifact(report, interrupted)

    @property
    def where(self) -> str:
        """How to get to the run."""
        return self.run.url or f"offline; to send it: wandb sync {Path(self.run.dir).parent}"

    def finish(self) -> None:
        """Closes the run if it was opened here."""
        if self._run is not None and self._ours:
            self._run.finish()
        self._run = None

    def _alert_of(self, subject: SubjectReport) -> None:
        failed = [result for result in subject.results if _is_failure(result)]
        if not failed:
            return
        cause = subject.diagnosis[0].fault if subject.diagnosis else failed[0].check
        lines = [f"{result.check}: {_headline(result)}" for result in failed]
        self.alert(subject.name, cause, "\n".join(lines))

    def _artifact(self, report: Report, interrupted: bool) -> None:
        import wandb

        artifact = wandb.Artifact(f"rlcheck-{self.run.id}", type="rlcheck-report")
        with tempfile.TemporaryDirectory() as name:
            for file, text in _files(report, interrupted):
                path = Path(name) / file
                path.write_text(without_keys(text), encoding="utf-8", errors="backslashreplace")
                artifact.add_file(str(path))
        self.run.log_artifact(artifact)


def publish(report: Report, interrupted: bool, project: str) -> None:
    """Sends a report to the active run, or to one that is opened for it."""
    destination = Destination(project)
    try:
        destination.report(report, interrupted)
        print(f"W&B run: {destination.where}", file=sys.stderr)
    finally:
        destination.finish()


def _files(report: Report, interrupted: bool) -> Iterator[tuple[str, str]]:
    yield "report.json", json_report.render(report, interrupted)
    if _html_can_be_drawn():
        yield "report.html", html.render(report, interrupted)
    commands = [
        f"# {result.check}: {_headline(result)}\n{result.reproducer}\n"
        for subject in report.subjects
        for result in subject.results
        if _is_failure(result) and result.reproducer
    ]
    if commands:
        yield "reproduce.sh", "\n".join(commands)


def _html_can_be_drawn() -> bool:
    try:
        html.require()
    except UsageError:
        return False
    return True


def _counts(subject: SubjectReport) -> dict[str, int]:
    statuses = [result.status for result in subject.results]
    return {status.value: statuses.count(status) for status in Status}


def _rows(report: Report) -> Iterator[list[str]]:
    for subject in report.subjects:
        for result in subject.results:
            fault = max(result.suspects, key=lambda name: result.suspects[name], default="")
            row = (subject.name, result.check, result.status.value, result.message, fault)
            yield [without_keys(text) for text in row]


def _is_failure(result: Result) -> bool:
    return result.status in (Status.FAILED, Status.ERROR, Status.XPASSED)


def _headline(result: Result) -> str:
    return result.message.partition("\n")[0]
