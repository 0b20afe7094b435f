"""`rlcheck selftest`: the matrix, the rate, the exit code."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from rlcheck import selftests
from rlcheck.selftests import Row, tally, upper_bound

GOOD = [
    Row("oracle"),
    Row("theirs"),
    Row("wrong", fault="late", failed=("d/a", "d/b"), named="late"),
    Row("wrong", fault="late", failed=("d/a",), named="early"),
    Row("wrong", fault="very-early", failed=("d/b",), named="very-early"),
]

SHOWN = """\
double

  late        caught 2/2    d/a, d/b 1/2
  very-early  caught 1/1    d/b

  detected: 3 of 3 (100%) of runs with a planted fault
  named right, first: 2 of 3 (67%)
  false alarms: 0 of 2 runs of correct implementations (rate below 77.6% with 95 % confidence)

"""


@pytest.fixture
def installed(monkeypatch):
    def install(rows):
        entry = SimpleNamespace(load=lambda: lambda: rows)
        monkeypatch.setattr(selftests, "found", lambda: {"double": entry} if rows else {})

    return install


def test_the_matrix(rlcheck, installed):
    installed(GOOD)
    ran = rlcheck("selftest")
    assert (ran.out, ran.code) == (SHOWN, 0)


def test_a_false_alarm_is_named(rlcheck, installed):
    installed([*GOOD, Row("SB3 PPO", failed=("d/a",))])
    ran = rlcheck("selftest", "double")
    assert "false alarms: 1 of 3" in ran.out
    assert "FALSE ALARM: SB3 PPO: d/a" in ran.out
    assert ran.code == 1


def test_an_escaped_fault_is_red(rlcheck, installed):
    installed([*GOOD, Row("wrong", fault="subtle")])
    ran = rlcheck("selftest")
    assert "subtle      MISSED" in ran.out
    assert ran.code == 1


def test_nothing_installed_verifies_nothing(rlcheck, installed):
    installed([])
    ran = rlcheck("selftest")
    assert (ran.code, ran.out) == (5, "no self test is installed: nothing was run\n")


def test_misspelt(rlcheck, installed):
    installed(GOOD)
    assert "did you mean 'double'?" in rlcheck("selftest", "duoble").err


def test_rates_are_claimed_with_their_bound():
    assert upper_bound(0, 40) == pytest.approx(0.072, abs=1e-3)
    assert upper_bound(0, 300) == pytest.approx(0.01, abs=1e-4)
    assert upper_bound(1, 300) == pytest.approx(0.0157, abs=1e-4)
    assert upper_bound(3, 3) == 1.0


def test_a_fault_that_escapes_once_is_missed():
    rows = [Row("w", fault="late", failed=("d/a",)), Row("w", fault="late")]
    assert tally(rows).missed == ("late",)
