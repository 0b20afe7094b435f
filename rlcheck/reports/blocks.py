"""The texts of the terminal report as pure functions: records in, styled lines out."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rlcheck.records import Diagnosis, Report, Result, Status, SubjectReport, Verdict
from rlcheck.reports.findings import Finding, counts, findings, leading, percent
from rlcheck.reports.values import short

MESSAGE_LINES = 40
"""Longer messages are cut: a subject may raise with pages of text."""

SURE = 0.9
"""A fault at least this probable is named without "probably"."""

INDENT = 16
"""Column in which texts with a label begin."""

STYLES = {
    Status.PASSED: "green",
    Status.FAILED: "bold red",
    Status.INCONCLUSIVE: "yellow",
    Status.ERROR: "bold red",
    Status.SKIPPED: "dim",
    Status.BLOCKED: "dim",
    Status.XFAILED: "yellow",
    Status.XPASSED: "bold red",
}
SYMBOLS = dict(zip(Status, "✓✗?!-■xX", strict=True))
PLAIN_SYMBOLS = dict(zip(Status, "+x?!-#xX", strict=True))

UNASKED = (Status.SKIPPED, Status.BLOCKED)
"""Statuses of checks that gave no verdict."""

HEADLINES = {
    Status.FAILED: "FAILED",
    Status.ERROR: "ERROR",
    Status.INCONCLUSIVE: "INCONCLUSIVE",
}


class Line(NamedTuple):
    """One line of the report and the style of the whole of it."""

    text: str = ""
    style: str = ""


def check_line(result: Result, unicode: bool = True, subject: str = "") -> Line:
    """What is shown as soon as a check has its verdict; of those without one see `unasked_lines`."""
    reason = result.message.partition("\n")[0]
    text = result.check
    if result.status is Status.XFAILED and reason:
        text += f": {reason}"
    elif result.duration_s >= 0.1:
        text += f"  {duration(result.duration_s)}"
    return _status_line(result.status, text, unicode, subject)


def unasked_lines(asked: Iterable[tuple[str, Result]], unicode: bool = True) -> list[Line]:
    """The checks that gave no verdict, one line a reason; `asked` are pairs of subject and result."""
    groups: dict[tuple[str, Status, str], list[str]] = {}
    for subject, result in asked:
        reason = result.message.partition("\n")[0]
        groups.setdefault((subject, result.status, reason), []).append(result.check)
    lines = []
    for (subject, status, reason), (first, *others) in groups.items():
        prefix = first.rpartition("/")[0] + "/"
        names = ", ".join([first, *(name.removeprefix(prefix) for name in others)])
        text = f"{names}: {reason}" if reason else names
        lines.append(_status_line(status, text, unicode, subject))
    return lines


def _status_line(status: Status, text: str, unicode: bool, subject: str) -> Line:
    symbol = (SYMBOLS if unicode else PLAIN_SYMBOLS)[status]
    where = f"{subject}: " if subject else ""
    return Line(f"  {symbol} {status.value:<12} {where}{text}", STYLES[status])


def duration(seconds: float) -> str:
    """`0.4 s`, `41 s`, `2 min 5 s`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"


def finding_lines(
    subject: SubjectReport, finding: Finding, width: int, verbose: bool
) -> list[Line]:
    """One cause: what was answered wrongly, what it is, the proof, where it sits, what to do."""
    first = finding.results[0]
    style = STYLES[finding.status]
    lines = [
        Line(),
        Line(f"{HEADLINES[finding.status]}  {subject.name}: {_headline(finding)}", style),
    ]
    # Where no fault is named, the headline is the check itself.
    lines += [Line(f"  {first.check}")] if finding.faults else []
    lines += _message(first)
    lines += _also(finding)
    for fault in finding.faults:
        named = f"{fault.fault}: " if len(finding.faults) > 1 else ""
        lines += _fault(fault, named, finding.results, width)
    if finding.others:
        listed = ", ".join(f"{d.fault} ({percent(d.probability)})" for d in finding.others[:3])
        lines += _labelled("Less likely", listed, width)
    if verbose and first.evidence:
        lines += [Line("  Evidence")]
        lines += [Line(f"    {key} = {short(value)}") for key, value in first.evidence.items()]
    if first.reproducer:
        lines.append(Line("  Reproduce".ljust(INDENT) + first.reproducer))
    names = [fault.fault for fault in finding.faults] or [first.check]
    lines += [Line("  Learn more".ljust(INDENT) + f"rlcheck explain {name}") for name in names]
    return lines


def _headline(finding: Finding) -> str:
    if not finding.faults:
        first = finding.results[0]
        expected = first.status is Status.XPASSED
        return first.check + (" was expected to fail and passes" if expected else "")
    sure = percent(finding.faults[0].probability)
    names = " or ".join(fault.fault for fault in finding.faults)
    if len(finding.faults) > 1:
        return f"{names} ({sure} each; no evidence tells them apart)"
    return f"{names} ({sure})"


def _message(result: Result) -> list[Line]:
    lines = result.message.splitlines()
    shown = [Line(f"    {line}") for line in lines[:MESSAGE_LINES]]
    if len(lines) > MESSAGE_LINES:
        shown.append(Line(f"    ... {len(lines) - MESSAGE_LINES} more lines in the JSON report"))
    return shown


def _also(finding: Finding) -> list[Line]:
    others = [result.check for result in finding.results[1:]]
    if not others:
        return []
    cause = "the same cause" if finding.faults else "the same message"
    return [Line(f"  {len(others)} more with {cause}: {_listed(others)}")]


def _listed(names: Sequence[str], limit: int = 6) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def _fault(fault: Diagnosis, named: str, results: Iterable[Result], width: int) -> list[Line]:
    told = [result.message.partition("\n")[0] for result in results]
    # A proof that only repeats a message told above says nothing new.
    proof = [line for line in fault.proof if not any(first and first in line for first in told)]
    lines = _labelled("What it is", named + fault.title, width)
    if proof:
        lines += [Line("  Proof"), *(Line(f"    {line}") for line in proof)]
    lines += _labelled("What happens", fault.explanation, width)
    lines += _labelled("Usually in", fault.where, width)
    lines += _labelled("Fix", fault.fix, width)
    return lines


def _labelled(label: str, text: str, width: int) -> list[Line]:
    if not text:
        return []
    indent = " " * INDENT
    wrapped = textwrap.wrap(
        " ".join(text.split()), max(width, 40), initial_indent=indent, subsequent_indent=indent
    )
    first = f"  {label}".ljust(INDENT) + wrapped[0][INDENT:]
    return [Line(first), *(Line(line) for line in wrapped[1:])]


def report_lines(report: Report, width: int, verbose: bool) -> list[Line]:
    """Everything that is told once the run is over, findings first, the verdict last."""
    lines: list[Line] = []
    for subject in report.subjects:
        for finding in findings(subject):
            lines += finding_lines(subject, finding, width, verbose)
    results = [result for subject in report.subjects for result in subject.results]
    lines += [Line(), Line(f"{counts(results)}   in {duration(report.duration_s)}", "bold")]
    return lines + verdict_lines(report)


def verdict_lines(report: Report) -> list[Line]:
    """The verdict in plain words, and what to do next."""
    subjects: dict[Verdict, list[SubjectReport]] = {verdict: [] for verdict in Verdict}
    for subject in report.subjects:
        subjects[subject.verdict].append(subject)
    lines = [Line(_verified(subject), "green") for subject in subjects[Verdict.PASSED]]
    for verdict, words, style in (
        (Verdict.EMPTY, "Nothing was verified", "yellow"),
        (Verdict.INCONCLUSIVE, "Inconclusive: nothing failed, not everything is clear", "yellow"),
        (Verdict.ERROR, "Not verified: it raised, hung or died", "bold red"),
    ):
        lines += [Line(f"{words}: {subject.name}", style) for subject in subjects[verdict]]
    lines += [Line(_wrong(subject), "bold red") for subject in subjects[Verdict.FAILED]]
    if not report.subjects:
        lines.append(Line("Nothing was verified: no subject was checked", "yellow"))
    if report.verdict is Verdict.PASSED:
        lines.append(Line("`rlcheck selftest` shows which faults these checks would have caught."))
    if report.verdict is Verdict.INCONCLUSIVE:
        lines.append(Line("A larger --budget or more --seeds may settle it; see above."))
    return lines


def _wrong(subject: SubjectReport) -> str:
    faults = leading(subject.diagnosis)
    if not faults:
        return f"Wrong: {subject.name}"
    titles = " or ".join(f"{fault.title.rstrip('.')} ({fault.fault})" for fault in faults)
    probably = "" if sum(fault.probability for fault in faults) >= SURE else "probably: "
    return f"Wrong: {subject.name}: {probably}{titles}"


def _verified(subject: SubjectReport) -> str:
    statuses = [result.status for result in subject.results]
    passed = statuses.count(Status.PASSED)
    not_run = len([s for s in statuses if s in (Status.SKIPPED, Status.BLOCKED)])
    rest = f"; {not_run} did not run, for the reasons above" if not_run else ""
    return f"Verified: {subject.name} passes {checks(passed)} of {subject.contract}{rest}"


def checks(count: int) -> str:
    """`1 check`, `4 checks`."""
    return f"{count} check{'' if count == 1 else 's'}"
