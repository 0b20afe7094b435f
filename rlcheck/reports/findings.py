"""What a person needs to be told about a subject: one finding a cause, however many checks show it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rlcheck.records import Diagnosis, Result, Status, SubjectReport

FAILURES = (Status.FAILED, Status.XPASSED)
TIE = 0.005
"""Probabilities that differ by less are one: no evidence tells these faults apart."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One cause, and the results that it explains.

    Args:
        status: `failed`, `error` or `inconclusive`.
        results: the one told in full first.
        faults: what it is, most probable first; several where no evidence tells them apart.
        others: further faults that would explain it less well.
    """

    status: Status
    results: tuple[Result, ...]
    faults: tuple[Diagnosis, ...] = ()
    others: tuple[Diagnosis, ...] = ()


def findings(report: SubjectReport) -> list[Finding]:
    """Everything in `report` that is not a plain pass, grouped by cause, worst first."""
    failed = [result for result in report.results if result.status in FAILURES]
    inconclusive = [r for r in report.results if r.status is Status.INCONCLUSIVE]
    errors = [result for result in report.results if result.status is Status.ERROR]
    found: list[Finding] = []
    if failed and report.diagnosis:
        diagnosed = _diagnosed(report)
        found += [diagnosed] if diagnosed.results else []
        failed = [result for result in failed if result not in diagnosed.results]
    found += _by_message(Status.FAILED, failed)
    found += _by_message(Status.ERROR, errors)
    found += _by_message(Status.INCONCLUSIVE, inconclusive)
    return found


def leading(diagnosis: Sequence[Diagnosis]) -> tuple[Diagnosis, ...]:
    """The most probable faults: more than one where no evidence tells them apart."""
    return tuple(d for d in diagnosis if diagnosis[0].probability - d.probability < TIE)


def _diagnosed(report: SubjectReport) -> Finding:
    """The leading faults with every failure that points at one of them, strongest first."""
    faults = leading(report.diagnosis)
    names = {fault.fault for fault in faults}

    def strength(result: Result) -> float:
        return max((result.suspects.get(name, 0.0) for name in names), default=0.0)

    pointing = sorted((r for r in report.results if strength(r) > 0), key=strength, reverse=True)
    if not pointing:
        # The contract's own diagnosis looks at evidence beyond suspects: it speaks of all failures.
        pointing = list(report.results)
    failed = tuple(result for result in pointing if result.status in FAILURES)
    others = tuple(other for other in report.diagnosis if other not in faults)
    return Finding(Status.FAILED, failed, faults, others)


def _by_message(status: Status, results: Iterable[Result]) -> list[Finding]:
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(result.message, []).append(result)
    return [Finding(status, tuple(group)) for group in groups.values()]


def counts(results: Iterable[Result]) -> str:
    """`12 passed · 1 failed · 2 blocked`, in the order that matters."""
    statuses = [result.status for result in results]
    parts = [f"{statuses.count(s)} {s.value}" for s in Status if s in statuses]
    return " · ".join(parts) or "no check ran"


def percent(probability: float) -> str:
    """`98 %`; never 100 % or 0 % for what is only nearly so."""
    if probability >= 0.995:
        return "> 99 %" if probability < 1 else "100 %"
    return f"{probability:.0%}".replace("%", " %") if probability >= 0.005 else "< 1 %"
