"""The report for people: a line a check as it finishes, then every cause once, then the verdict.

Checks that gave no verdict come after those that did, one line a reason.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from rich.console import Console
from rich.status import Status as Spinner

from rlcheck import __version__
from rlcheck.engine.events import (
    CheckFinished,
    CheckStarted,
    Event,
    Progress,
    RunFinished,
    RunStarted,
    SubjectBound,
)
from rlcheck.records import Result
from rlcheck.reports.blocks import (
    UNASKED,
    Line,
    check_line,
    checks,
    report_lines,
    unasked_lines,
)
from rlcheck.reports.values import short

WIDTH = 100
HEARTBEAT_S = 15.0
"""Without a terminal (a CI log), a running check says so this often at most."""

QUIET, NORMAL, VERBOSE = -1, 0, 1


class TerminalReport:
    """Listens to a run and tells it to a person.

    Args:
        console: where to; its width and colours are respected.
        verbosity: QUIET leaves out the line a check, VERBOSE adds the evidence of failures.
    """

    def __init__(self, console: Console, verbosity: int = NORMAL) -> None:
        self._console = console
        self._verbosity = verbosity
        self._running: dict[tuple[str, str], str] = {}
        self._several = False
        self._spinner: Spinner | None = None
        self._last_word = time.monotonic()
        self._remarked: set[str] = set()
        self._unasked: list[tuple[str, Result]] = []

    def __call__(self, event: Event) -> None:
        """Tell one event."""
        match event:
            case RunStarted():
                self._header(event)
            case SubjectBound():
                self._subject(event)
            case CheckStarted(subject, check):
                self._running[subject, check] = ""
                self._show_progress()
            case Progress(subject, check, fraction, text):
                self._running[subject, check] = f" {fraction:.0%} {text}".rstrip()
                self._show_progress()
            case CheckFinished(subject, result):
                self._running.pop((subject, result.check), None)
                self._finished(subject * self._several, result)
                self._show_progress()
            case RunFinished(report, interrupted):
                self.close()
                self._print(unasked_lines(self._unasked, self._unicode))
                width = min(WIDTH, self._console.width) if self._console.is_terminal else WIDTH
                self._print(report_lines(report, width, self._verbosity >= VERBOSE))
                if interrupted:
                    self._print(interrupted_lines())

    def close(self) -> None:
        """Stop the spinner; the terminal is left as it was, whatever happened."""
        if self._spinner is not None:
            self._spinner.stop()
            self._spinner = None

    @property
    def _unicode(self) -> bool:
        return self._console.encoding.lower().startswith("utf")

    def _header(self, event: RunStarted) -> None:
        self._several = len(event.subjects) > 1
        what = event.subjects[0] if len(event.subjects) == 1 else f"{len(event.subjects)} subjects"
        line = f"rlcheck {__version__} · {what} · budget {event.budget} · seed {event.seed}"
        self._print([Line(line, "bold")])
        if self._console.is_terminal:
            self._spinner = self._console.status("loading")
            self._spinner.start()

    def _subject(self, event: SubjectBound) -> None:
        if self._verbosity == QUIET:
            return
        words = f"{event.subject} as {event.contract} · {checks(len(event.checks))}"
        conventions = ", ".join(f"{key} = {short(value)}" for key, value in event.dialect.items())
        lines = [Line(), Line(words, "bold")]
        lines += [Line(f"  conventions: {conventions}")] if conventions else []
        lines += [Line(f"  note: {note}", "yellow") for note in event.notes]
        self._print(lines)

    def _finished(self, subject: str, result: Result) -> None:
        if self._verbosity == QUIET:
            return
        if result.status in UNASKED:
            self._unasked.append((subject, result))
        else:
            self._print([check_line(result, self._unicode, subject)])
        self._remarks(result.notes)

    def _remarks(self, notes: Iterable[str]) -> None:
        """What a check remarks on, each remark once: several checks may share a reason."""
        new = [note for note in dict.fromkeys(notes) if note not in self._remarked]
        self._remarked.update(new)
        self._print([Line(f"      note: {note}", "yellow") for note in new])

    def _show_progress(self) -> None:
        if not self._running:
            if self._spinner is not None:
                self._spinner.update("judging")
            return
        (subject, check), text = list(self._running.items())[-1]
        more = f" (and {len(self._running) - 1} more)" if len(self._running) > 1 else ""
        words = f"{subject + ': ' if self._several else ''}{check}{text}{more}"
        if self._spinner is not None:
            # Square brackets of a name are no markup.
            self._spinner.update(words.replace("[", "\\["))
        elif self._verbosity > QUIET and time.monotonic() - self._last_word > HEARTBEAT_S:
            self._print([Line(f"  ... {words}", "dim")])

    def _print(self, lines: Iterable[Line]) -> None:
        self._last_word = time.monotonic()
        for line in lines:
            self._console.print(
                line.text, style=line.style, markup=False, highlight=False, soft_wrap=True
            )


def interrupted_lines() -> list[Line]:
    """What to say when the user pressed Ctrl-C."""
    return [
        Line("Interrupted: this is what finished. `rlcheck run ... --resume` goes on.", "yellow")
    ]
