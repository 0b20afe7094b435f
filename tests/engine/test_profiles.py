"""Profiles of the pytest plugin, and what the plugin costs where nobody uses it."""

import subprocess
import sys

import pytest

USERS_TEST = """
import rlcheck
from hypothesis import given, settings, strategies as st

def returns(rewards, gamma):
    total, out = 0.0, []
    for reward in reversed(rewards):
        total = reward + gamma * total
        out.append(total)
    return out[::-1]

@rlcheck.parametrize("discounted-returns", returns, select=["*/gamma-zero*"])
def test_returns(check):
    print("tried", check.suite.settings.max_examples)
    check()

@rlcheck.parametrize("discounted-returns", returns, select=["*/gamma-zero*"], max_examples=7)
def test_pinned(check):
    print("pinned", check.suite.settings.max_examples)
    check()

def test_of_the_user():
    print("own", settings.default.max_examples)
"""


def run(folder, *options, check=True):
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=check).stdout


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_users.py").write_text(USERS_TEST)
    return tmp_path


@pytest.mark.slow
def test_a_profile_sets_how_many_inputs_are_tried(folder):
    shown = run(folder, "--rlcheck-profile=dev")
    assert "tried 25" in shown
    assert "pinned 7" in shown
    assert "own 25" in shown


@pytest.mark.slow
def test_the_users_own_profile_wins_for_the_users_tests(folder):
    shown = run(folder, "--rlcheck-profile=nightly", "--hypothesis-profile=default")
    assert "tried 1000" in shown
    assert "own 100" in shown


def test_the_plugin_loads_next_to_nothing(folder):
    (folder / "test_users.py").write_text("def test_nothing():\n    pass\n")
    (folder / "conftest.py").write_text(
        "import sys\n"
        "def pytest_sessionfinish():\n"
        "    print('loaded', *sorted(m for m in sys.modules))\n"
    )
    without, with_plugin = (
        set(next(line for line in run(folder, *options).splitlines() if "loaded" in line).split())
        for options in (("-p", "no:rlcheck"), ())
    )
    assert with_plugin - without <= {"rlcheck", "rlcheck.pytest_plugin"}
