"""Short ways to check the subjects of `plugin/toy_subjects.py`."""

from __future__ import annotations

from pathlib import Path

from rlcheck.engine import session
from rlcheck.records import Settings
from rlcheck.subjects import SubjectSpec

PLUGIN = Path(__file__).parent / "plugin"


def toy(name: str, **fields) -> SubjectSpec:
    return SubjectSpec(name, **({"target": f"toy_subjects:{name}", "contract": "toy"} | fields))


def run(*names_or_specs, settings=None, **options):
    specs = [toy(spec) if isinstance(spec, str) else spec for spec in names_or_specs]
    return session.run(specs, settings or Settings(), **({"jobs": 1} | options))


def statuses(report, subject: int = 0) -> dict[str, str]:
    return {r.check.split("/")[1]: r.status.value for r in report.subjects[subject].results}


def only(report):
    """The single result of a report."""
    (result,) = (result for subject in report.subjects for result in subject.results)
    return result
