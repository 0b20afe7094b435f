"""A short Markdown summary, made for pull requests and the job summary of GitHub Actions."""

from __future__ import annotations

from rlcheck.records import Report, SubjectReport
from rlcheck.reports.findings import Finding, counts, findings, percent

MESSAGE_LINES = 20


def render(report: Report, interrupted: bool = False) -> str:
    """The whole report as Markdown text."""
    partial = " (interrupted: what finished)" if interrupted else ""
    lines = [f"## rlcheck: {report.verdict.value}{partial}", ""]
    lines += ["| subject | contract | verdict | checks |", "|---|---|---|---|"]
    for subject in report.subjects:
        cells = (f"`{subject.name}`", subject.contract, f"**{subject.verdict.value}**")
        row = (*cells, counts(subject.results))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |")
    for subject in report.subjects:
        for finding in findings(subject):
            lines += ["", *_finding(subject, finding)]
    lines += ["", f"rlcheck {report.version} · seed {report.seed} · {report.duration_s:.1f} s"]
    return "\n".join(lines) + "\n"


def _finding(subject: SubjectReport, finding: Finding) -> list[str]:
    first = finding.results[0]
    title = " or ".join(
        f"`{d.fault}`: {d.title} ({percent(d.probability)})" for d in finding.faults
    )
    lines = [f"### {finding.status.value}: `{subject.name}`: {title or f'`{first.check}`'}", ""]
    lines += _fenced(first.message.splitlines()[:MESSAGE_LINES])
    for fault in finding.faults:
        proof = [line for line in fault.proof if first.message.partition("\n")[0] not in line]
        lines += _fenced(proof)
        lines += [f"- **Usually sits**: {fault.where}"] if fault.where else []
        lines += [f"- **Fix**: {fault.fix}"] if fault.fix else []
    lines.append("- **Checks**: " + ", ".join(f"`{result.check}`" for result in finding.results))
    lines += [f"- **Reproduce**: `{first.reproducer}`"] if first.reproducer else []
    return lines


def _fenced(lines: list[str]) -> list[str]:
    return ["```text", *(line.replace("```", "'''") for line in lines), "```", ""] if lines else []
