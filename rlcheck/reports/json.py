"""The JSON report, schema 1: stable, other programs read it."""

from __future__ import annotations

import json
from typing import Any

from rlcheck.records import Diagnosis, Report, Result, SubjectReport
from rlcheck.reports.values import strict

SCHEMA = 1


def render(report: Report, interrupted: bool = False) -> str:
    """The whole report as JSON text that strict parsers read, with a final newline."""
    return json.dumps(as_dict(report, interrupted), indent=2, allow_nan=False) + "\n"


def as_dict(report: Report, interrupted: bool = False) -> dict[str, Any]:
    """The report in JSON types; floats that are not finite become the strings nan, inf and -inf."""
    fields = {
        "schema": SCHEMA,
        "version": report.version,
        "verdict": report.verdict.value,
        "exit_code": report.exit_code,
        "duration_s": report.duration_s,
        "run_id": report.run_id,
        "seed": report.seed,
        "interrupted": interrupted,
        "subjects": [_subject(subject) for subject in report.subjects],
    }
    return strict(fields)


def _subject(subject: SubjectReport) -> dict[str, Any]:
    return {
        "name": subject.name,
        "contract": subject.contract,
        "verdict": subject.verdict.value,
        "dialect": subject.dialect,
        "gamma": subject.gamma,
        "notes": subject.notes,
        "results": [_result(result) for result in subject.results],
        "diagnosis": [_diagnosis(diagnosis) for diagnosis in subject.diagnosis],
    }


def _result(result: Result) -> dict[str, Any]:
    return {
        "id": result.id,
        "check": result.check,
        "status": result.status.value,
        "seeds": result.seeds,
        "duration_s": result.duration_s,
        "message": result.message,
        "evidence": result.evidence,
        "reproducer": result.reproducer,
        "suspects": result.suspects,
        "notes": result.notes,
    }


def _diagnosis(diagnosis: Diagnosis) -> dict[str, Any]:
    return {
        "fault": diagnosis.fault,
        "probability": diagnosis.probability,
        "title": diagnosis.title,
        "explanation": diagnosis.explanation,
        "fix": diagnosis.fix,
        "where": diagnosis.where,
        "proof": diagnosis.proof,
        "references": diagnosis.references,
    }
