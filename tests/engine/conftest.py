from __future__ import annotations

from pathlib import Path

import pytest

from rlcheck import contracts
from rlcheck.engine import session
from rlcheck.records import Settings
from rlcheck.subjects import SubjectSpec

PLUGIN = Path(__file__).parent / "plugin"


@pytest.fixture(autouse=True)
def toy_contract(monkeypatch):
    """The contract `toy` is installed, here and in worker processes, by its folder on the path."""
    monkeypatch.syspath_prepend(str(PLUGIN))
    contracts._entries.cache_clear()
    contracts.load.cache_clear()
    yield
    contracts._entries.cache_clear()
    contracts.load.cache_clear()


def toy(name: str, **fields) -> SubjectSpec:
    return SubjectSpec(name=name, target=f"toy_subjects:{name}", **({"contract": "toy"} | fields))


def run(*names_or_specs, settings=None, **options):
    specs = [toy(spec) if isinstance(spec, str) else spec for spec in names_or_specs]
    return session.run(specs, settings or Settings(), **({"jobs": 1} | options))


def statuses(report, subject: int = 0) -> dict[str, str]:
    return {r.check.split("/")[1]: r.status.value for r in report.subjects[subject].results}


def only(report):
    """The single result of a report."""
    (result,) = (result for subject in report.subjects for result in subject.results)
    return result
