"""The HTML report: one file that needs no network, for people who were not there.

It tells the verdict, what to fix first, the ladder of checks, every cause with its evidence, what was
*not* verified, and in which environment the run took place. Needs `pip install 'rlcheck[html]'`.
"""

from __future__ import annotations

import base64
import platform
from importlib import metadata
from typing import Any, NamedTuple

from rlcheck.errors import UsageError
from rlcheck.records import Report, Result, Status, SubjectReport
from rlcheck.reports import plots
from rlcheck.reports.blocks import SYMBOLS, duration
from rlcheck.reports.findings import Finding, counts, findings, percent

PACKAGES = (
    *("torch", "gymnasium", "numpy", "scipy", "hypothesis", "stable-baselines3", "jax"),
    *("transformers", "trl", "wandb", "torchrl", "lightning"),
)
NOT_VERIFIED = (Status.SKIPPED, Status.BLOCKED, Status.INCONCLUSIVE, Status.ERROR, Status.XFAILED)


class Card(NamedTuple):
    """One cause as the template shows it.

    Args:
        finding: the cause.
        first: the result that is told in full.
        headline, details: the first line of its message, and the others.
        proofs: fault -> its proof, without what the headline says already.
        picture: data URI, or "".
    """

    finding: Finding
    first: Result
    headline: str
    details: str
    proofs: dict[str, str]
    picture: str


def require() -> None:
    """Refuse at once, not after the run, where the libraries that draw and fill in are missing.

    Raises:
        UsageError: jinja2 or matplotlib is not installed.
    """
    for package in ("jinja2", "matplotlib"):
        try:
            metadata.version(package)
        except metadata.PackageNotFoundError:
            raise UsageError(
                f"--report html needs {package}, which is not installed; "
                "run pip install 'rlcheck[html]'"
            ) from None


def render(report: Report, interrupted: bool = False) -> str:
    """The whole report as one HTML document; every text in it is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("rlcheck.reports", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "duration": duration}
    return environment.get_template("report.html.j2").render(
        report=report,
        interrupted=interrupted,
        subjects=[_subject(subject) for subject in report.subjects],
        symbols=SYMBOLS,
        versions=versions(),
    )


def _subject(subject: SubjectReport) -> dict[str, Any]:
    return {
        "said": subject,
        "cards": [_card(finding) for finding in findings(subject)],
        "counts": counts(subject.results),
        "not_verified": [r for r in subject.results if r.status in NOT_VERIFIED],
    }


def _card(finding: Finding) -> Card:
    first = finding.results[0]
    drawn = plots.evidence_svg(first.evidence)
    picture = ""
    if drawn:
        picture = "data:image/svg+xml;base64," + base64.b64encode(drawn.encode()).decode()
    headline, _, details = first.message.partition("\n")
    proofs = {
        fault.fault: "\n".join(line for line in fault.proof if not headline or headline not in line)
        for fault in finding.faults
    }
    return Card(finding, first, headline, details, proofs, picture)


def versions() -> dict[str, str]:
    """Interpreter, machine and the packages of the field that are installed."""
    found = {"Python": platform.python_version(), "machine": platform.platform(terse=True)}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
