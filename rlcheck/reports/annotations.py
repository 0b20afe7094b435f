"""Annotations on GitHub: one line a cause, shown beside the job and in its log.

The format is a workflow command, `::error title=TITLE::MESSAGE`; GitHub shows ten of a step at most.
"""

from __future__ import annotations

import os
import sys

from rlcheck.engine.events import Event, RunFinished
from rlcheck.records import Report, Status
from rlcheck.reports.findings import findings

MOST = 10
ACTIONS_VARIABLE = "GITHUB_ACTIONS"
LEVELS = {Status.FAILED: "error", Status.ERROR: "error", Status.INCONCLUSIVE: "warning"}


def in_actions() -> bool:
    """Whether this run is a step of a GitHub job."""
    return os.environ.get(ACTIONS_VARIABLE) == "true"


def annotate(event: Event) -> None:
    """Listen to one event; at the end write to standard error, which holds no report."""
    if isinstance(event, RunFinished):
        print("\n".join(lines(event.report)), file=sys.stderr)


def lines(report: Report) -> list[str]:
    """The worst causes first; where there are more than ten, the last line says how many."""
    causes = [(subject, finding) for subject in report.subjects for finding in findings(subject)]
    causes.sort(key=lambda pair: LEVELS[pair[1].status])
    found = []
    for subject, finding in causes:
        first = finding.results[0]
        name = " or ".join(fault.fault for fault in finding.faults) or first.check
        message = first.message + "".join(f"\nFix: {fault.fix}" for fault in finding.faults)
        title = _property(f"rlcheck {subject.name}: {name}")
        found.append(f"::{LEVELS[finding.status]} title={title}::{_data(message)}")
    if len(found) > MOST:
        more = f"{len(found) - MOST + 1} more in the job summary"
        found[MOST - 1 :] = [f"::warning title=rlcheck::{more}"]
    return found


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
