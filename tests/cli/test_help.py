"""The command line before it does anything: help, versions, misspelt words."""

from __future__ import annotations

import subprocess
import sys

import pytest

import rlcheck as package

HEAVY = ("numpy", "torch", "rich", "hypothesis", "scipy", "gymnasium")


def modules_after(args: str) -> set[str]:
    """Top-level modules loaded by `rlcheck ARGS` in a fresh interpreter."""
    program = (
        "import sys, io\nfrom rlcheck.cli import main\n"
        f"out, sys.stdout = sys.stdout, io.StringIO()\nmain({args.split()!r})\n"
        "print(*{name.partition('.')[0] for name in sys.modules}, file=out)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("args", ["--help", "run --help", "--version"])
def test_help_loads_nothing_heavy(args):
    loaded = modules_after(args)
    assert "click" in loaded
    assert not loaded & set(HEAVY)


def test_help_names_every_command_and_exit_code(rlcheck):
    ran = rlcheck("--help")
    assert ran.code == 0
    for command in ("run", "list", "explain", "replay", "report", "init", "selftest"):
        assert f"\n  {command} " in ran.out
    for code in ("0 verified", "1 a check failed", "4 inconclusive", "5 nothing verified"):
        assert code in ran.out


def test_version(rlcheck):
    assert rlcheck("--version").out == f"rlcheck {package.__version__}\n"


def test_misspelt_command(rlcheck):
    ran = rlcheck("explian", "gae")
    assert ran.code == 2
    assert "there is no command 'explian'; did you mean 'explain'" in ran.err


def test_misspelt_option(rlcheck):
    ran = rlcheck("run", "subjects.py:double", "--budgett", "quick")
    assert ran.code == 2
    assert "--budget" in ran.err


def test_console_script_is_installed():
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from rlcheck.cli import main; sys.exit(main(['lsit']))",
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "did you mean 'list'?" in done.stderr
    assert done.stdout == ""
