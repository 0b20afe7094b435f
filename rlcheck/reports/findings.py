"""What a person needs to be told about a subject: one finding a cause, however many checks show it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

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
        found += [one for one in diagnosed if one.results]
        told = {id(result) for one in diagnosed for result in one.results}
        failed = [result for result in failed if id(result) not in told]
    found += _by_message(Status.FAILED, failed)
    found += _by_message(Status.ERROR, errors)
    found += _by_message(Status.INCONCLUSIVE, inconclusive)
    return found


def leading(diagnosis: Sequence[Diagnosis]) -> tuple[Diagnosis, ...]:
    """The most probable faults: more than one where no evidence tells them apart."""
    return tuple(d for d in diagnosis if diagnosis[0].probability - d.probability < TIE)


def _diagnosed(report: SubjectReport) -> list[Finding]:
    """The leading faults with every failure that points at one of them, then what else is true.

    A failure that points at none of the leading faults has another cause: its own most probable fault
    is told beside them, with the probability that its checks give it.
    """
    faults = _of_one_cause(leading(report.diagnosis), report.results)
    names = {fault.fault for fault in faults}
    pointing = _pointing(report.results, names)
    if not pointing:
        # The contract's own diagnosis looks at evidence beyond suspects: it speaks of all failures.
        pointing = list(report.results)
    rest = [result for result in report.results if result not in pointing]
    separate = _separate(report.diagnosis, rest)
    apart = names | {finding.faults[0].fault for finding in separate}
    others = tuple(other for other in report.diagnosis if other.fault not in apart)
    failed = tuple(result for result in pointing if result.status in FAILURES)
    return [Finding(Status.FAILED, failed, faults, others), *separate]


def _of_one_cause(
    faults: tuple[Diagnosis, ...], results: Sequence[Result]
) -> tuple[Diagnosis, ...]:
    """Those of equally probable faults that explain something that the first of them explains."""
    shown = _pointing(results, {faults[0].fault})
    if not shown:
        return faults
    return tuple(
        fault
        for fault in faults
        if fault is faults[0]
        or any(_strength(result, {fault.fault}) > 0 for result in shown)
        or not _pointing(results, {fault.fault})
    )


def _separate(diagnosis: Sequence[Diagnosis], results: Sequence[Result]) -> list[Finding]:
    """One finding a fault of the diagnosis, for failures that the leading faults do not explain."""
    groups: dict[str, list[Result]] = {}
    known = {fault.fault: fault for fault in diagnosis}
    for result in results:
        own = [name for name in known if _strength(result, {name}) > 0]
        if own and result.status in FAILURES:
            groups.setdefault(max(own, key=lambda name: result.suspects[name]), []).append(result)
    found = []
    for name in (name for name in known if name in groups):
        shown = _pointing(groups[name], {name})
        fault = replace(known[name], probability=_strength(shown[0], {name}))
        found.append(Finding(Status.FAILED, tuple(shown), (fault,)))
    return found


def _pointing(results: Sequence[Result], names: Collection[str]) -> list[Result]:
    """The results that point at one of these faults, the surest first."""
    pointing = [result for result in results if _strength(result, names) > 0]
    return sorted(pointing, key=lambda result: -_strength(result, names))


def _strength(result: Result, names: Collection[str]) -> float:
    return max((result.suspects.get(name, 0.0) for name in names), default=0.0)


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
