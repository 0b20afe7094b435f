"""A folder with subjects, and the command line with the tiny contract installed in it."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import pytest
import tiny
from tiny_subjects import SUBJECTS

from rlcheck import contracts


@dataclass(frozen=True)
class Ran:
    """One call of the command line."""

    code: int
    out: str
    err: str


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "subjects.py").write_text(SUBJECTS)
    yield tmp_path
    for name in ("subjects", "empty"):
        sys.modules.pop(name, None)


@pytest.fixture
def rlcheck(folder, monkeypatch, capsys):
    """Call `rlcheck ARGS...` in this process, where subjects run too."""
    from rlcheck.cli import main
    from rlcheck.engine import session

    monkeypatch.setattr(contracts, "_entries", tiny.entries)
    contracts.load.cache_clear()
    run = session.run
    monkeypatch.setattr(session, "run", lambda *args, **kw: run(*args, **kw | {"isolate": False}))

    def call(*args: str) -> Ran:
        code = main(args)
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    yield call
    contracts.load.cache_clear()
