"""The installed program in processes of its own: workers, the results folder, signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_subjects import SUBJECTS

PROGRAM = [sys.executable, "-c", "import sys; from rlcheck.cli import main; sys.exit(main())"]

SLOW = """
import pathlib, time

def slow(x):
    pathlib.Path("started").touch()
    time.sleep(300)
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with subjects, and the tiny contract installed as packages are: by entry point."""
    installed = tmp_path / "installed"
    metadata = installed / "tiny-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[rlcheck.contracts]\ndouble = tiny:DOUBLE\n")
    (installed / "tiny.py").write_text((Path(__file__).parent / "tiny.py").read_text())
    monkeypatch.setenv("PYTHONPATH", str(installed))
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "subjects.py").write_text(SUBJECTS + SLOW)
    return folder


def call(project: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *args], cwd=project, capture_output=True, text=True, timeout=120
    )


def test_a_failure_is_stored_replayed_and_fixed(project):
    ran = call(project, "run", "subjects.py:triple", "--as", "double")
    assert ran.returncode == 1, ran.stderr
    assert "Reproduce     rlcheck replay " in ran.stdout
    again = call(project, "replay")
    assert again.returncode == 1, again.stderr
    assert again.stdout.splitlines()[-1].startswith("FAILED  ")
    assert again.stdout.endswith("double/is-twice: as before\n")
    (project / "subjects.py").write_text("def triple(x): return 2 * x\n")
    inner = project / "inner"
    inner.mkdir()
    (inner / "pyproject.toml").write_text("[tool.rlcheck]\nresults-dir = '../.rlcheck'\n")
    fixed = call(inner, "replay")
    assert fixed.returncode == 0, fixed.stderr
    assert fixed.stdout.splitlines()[-1].startswith("FIXED  ")


def test_replay_without_a_store(project):
    ran = call(project, "replay", "7f3a91")
    assert ran.returncode == 2
    assert ran.stderr.startswith("Error: there is no stored failure")


def test_interrupt_and_resume(project):
    program = [*PROGRAM, "run", "subjects.py:slow", "subjects.py:double", "--as", "double"]
    running = subprocess.Popen(
        program,
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A test run in the background of a shell ignores SIGINT, and its children would too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    for line in running.stdout:
        if (project / "started").exists() or "subjects.py:double: double/sure" in line:
            break
    running.send_signal(signal.SIGINT)
    try:
        out, err = running.communicate(timeout=120)
    finally:
        running.kill()
    assert running.returncode == 130, err
    assert "--resume" in out
    (project / "subjects.py").write_text(SUBJECTS + "def slow(x): return 2 * x\n")
    args = ("run", "subjects.py:slow", "subjects.py:double", "--as", "double", "--resume")
    resumed = call(project, *args)
    assert resumed.returncode == 0, resumed.stderr


def test_output_without_unicode_is_still_output(project):
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    ran = subprocess.run(
        [*PROGRAM, "run", "subjects.py:triple", "--as", "double"],
        cwd=project,
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
    )
    assert ran.returncode == 1, ran.stderr
    assert "  x failed       double/is-twice" in ran.stdout


def test_a_reader_that_goes_away_is_no_error(project):
    ran = subprocess.run(
        f"{sys.executable} -c 'from rlcheck.cli import main; main()' list checks | head -n 1",
        shell=True,
        cwd=project,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "Traceback" not in ran.stderr
    assert "Broken" not in ran.stderr


def test_unwritable_results_folder(project):
    (project / ".rlcheck").write_text("a file is in the way")
    ran = call(project, "run", "subjects.py:double", "--as", "double")
    assert ran.returncode == 2
    assert ran.stderr.startswith("Error: ")
    assert ".rlcheck" in ran.stderr
    assert ran.stderr.count("\n") == 1
