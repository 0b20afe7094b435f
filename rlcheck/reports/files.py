"""`--report FORMAT[:PATH]`: where reports for programs go, and the listener that writes them.

Without a path the report goes to standard output and the report for people to standard error, so
that `rlcheck run --report json | jq` works.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rlcheck.engine.events import Event, RunFinished
from rlcheck.errors import UsageError
from rlcheck.records import Report
from rlcheck.reports.secrets import without_keys
from rlcheck.suggest import did_you_mean

WANDB = "wandb"
FORMATS = ("json", "junit", "markdown", "html", WANDB)
SUMMARY_VARIABLE = "GITHUB_STEP_SUMMARY"


@dataclass(frozen=True, slots=True)
class Destination:
    """One report to write.

    Args:
        format: one of `FORMATS`.
        path: of the file, None for standard output, and for W&B.
        append: whether the file is added to.
        project: of a W&B run that has to be opened, "" for the usual one.
    """

    format: str
    path: Path | None
    append: bool = False
    project: str = ""

    @property
    def to_stdout(self) -> bool:
        """Whether it goes to standard output."""
        return self.path is None and self.format != WANDB


def parse(texts: Sequence[str]) -> list[Destination]:
    """Read `--report` values and see to it that every file can be written, before anything runs.

    Raises:
        UsageError: an unknown format, a folder that cannot be written, or two reports for
            standard output.
    """
    destinations = [_parse_one(text) for text in texts]
    if sum(destination.to_stdout for destination in destinations) > 1:
        raise UsageError(
            "only one report can go to standard output; give the others a path, "
            "as in --report junit:rlcheck.xml"
        )
    return destinations


def _parse_one(text: str) -> Destination:
    name, colon, path = text.partition(":")
    if name not in FORMATS:
        raise UsageError(f"--report {name!r} is no known format{did_you_mean(name, FORMATS)}")
    if name == "html":
        importlib.import_module("rlcheck.reports.html").require()
    if colon and not path:
        what, example = ("project", "PROJECT") if name == WANDB else ("path", "FILE")
        raise UsageError(f"--report {text!r} has no {what} after the colon; give {name}:{example}")
    if name == WANDB:
        importlib.import_module("rlcheck.reports.weights_and_biases").require()
        return Destination(name, None, project=path)
    if not path or path == "-":
        return Destination(name, None)
    _check_writable(Path(path), name)
    return Destination(name, Path(path))


def _check_writable(path: Path, name: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        existed = path.exists()
        with path.open("a", encoding="utf-8"):
            pass
        if not existed:
            path.unlink()
    except OSError as error:
        raise UsageError(
            f"the {name} report cannot be written to {path}: {error.strerror}; "
            "give a path that can be written"
        ) from error


def job_summary() -> list[Destination]:
    """The Markdown summary that GitHub Actions shows for a job, where the run is such a job."""
    path = os.environ.get(SUMMARY_VARIABLE)
    return [Destination("markdown", Path(path), append=True)] if path else []


def renderer(name: str) -> Callable[[Report, bool], str]:
    """The function that renders format `name`."""
    return importlib.import_module(f"rlcheck.reports.{name}").render


class ReportFiles:
    """Writes every report when the run has finished, also after an interrupt."""

    def __init__(self, destinations: Sequence[Destination]) -> None:
        self._destinations = destinations

    def __call__(self, event: Event) -> None:
        """Listen to one event."""
        if not isinstance(event, RunFinished):
            return
        for destination in self._destinations:
            write(destination, event.report, event.interrupted)


def write(destination: Destination, report: Report, interrupted: bool = False) -> None:
    """Write one report; where that fails, a warning on standard error says so."""
    if destination.format == WANDB:
        _send(destination, report, interrupted)
        return
    _write(destination, without_keys(renderer(destination.format)(report, interrupted)))


def _send(destination: Destination, report: Report, interrupted: bool) -> None:
    from wandb.errors import Error

    from rlcheck.reports import weights_and_biases

    try:
        weights_and_biases.publish(report, interrupted, destination.project)
    except (Error, OSError) as error:
        # Its message may hold a URL or a header, hence only the kind of error is shown.
        _warn(f"the report could not be sent to W&B ({type(error).__name__})")


def _write(destination: Destination, text: str) -> None:
    if destination.path is None:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    try:
        mode = "a" if destination.append else "w"
        # A subject's message may hold half a character; the report is written all the same.
        with destination.path.open(mode, encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError as error:
        # The run is over and its results are stored: a lost report must not hide the verdict.
        _warn(
            f"the {destination.format} report could not be written to {destination.path}: "
            f"{error.strerror}"
        )


def _warn(text: str) -> None:
    print(f"Warning: {text}", file=sys.stderr)
