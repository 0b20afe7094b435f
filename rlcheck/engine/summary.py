"""From finished checks to the report of a subject, and of the run."""

from __future__ import annotations

from collections.abc import Sequence

import rlcheck
from rlcheck import diagnosis, verdicts
from rlcheck.engine.plan import SubjectRun
from rlcheck.records import Diagnosis, Report, Settings, SubjectReport


def subject_report(
    subject: SubjectRun, settings: Settings, remarks: tuple[str, ...] = ()
) -> SubjectReport:
    """Everything said about one subject, and the faults that would explain it."""
    spec, bound, done = subject.spec, subject.bound, subject.results
    notes = [*remarks, *bound.notes, *(note for result in done for note in result.notes)]
    gamma = settings.gamma if spec.gamma is None else spec.gamma
    return SubjectReport(
        name=spec.name,
        contract=subject.contract.name,
        verdict=verdicts.subject_verdict(done),
        results=done,
        diagnosis=_diagnose(subject),
        dialect=bound.dialect,
        gamma=bound.facts.get("gamma") if gamma is None else gamma,
        notes=tuple(dict.fromkeys(notes)),
    )


def run_report(
    subjects: Sequence[SubjectReport],
    settings: Settings,
    *,
    run_id: str,
    duration_s: float,
    interrupted: bool,
    allow_inconclusive: bool,
) -> Report:
    """Everything said in a run."""
    code = verdicts.exit_code(
        subjects, allow_inconclusive=allow_inconclusive, interrupted=interrupted
    )
    return Report(
        version=rlcheck.__version__,
        verdict=verdicts.run_verdict(subjects),
        exit_code=code,
        duration_s=round(duration_s, 3),
        subjects=tuple(subjects),
        run_id=run_id,
        seed=settings.seed,
    )


def _diagnose(subject: SubjectRun) -> tuple[Diagnosis, ...]:
    contract = subject.contract
    if contract.diagnose is not None:
        return contract.diagnose(subject.results)
    return diagnosis.combine(subject.results, contract.faults, contract.checks)
