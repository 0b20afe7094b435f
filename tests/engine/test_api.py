"""`rlcheck.check`, `rlcheck.verify` and `rlcheck.parametrize`."""

from __future__ import annotations

import os
import random
import subprocess
import sys

import numpy as np
import pytest
from engine_helpers import PLUGIN

import rlcheck
from rlcheck.errors import BindingError, UsageError
from rlcheck.records import Status, Verdict

pytest_plugins = ["pytester"]


def off_by_one(x):
    return x + 1


def test_check_returns_the_report_and_raises_nothing():
    report = rlcheck.check(off_by_one, "toy")
    assert report.verdict is Verdict.FAILED
    assert report.name == "off_by_one"
    assert report.diagnosis[0].fault == "toy/off-by-one"


def test_check_takes_a_target_and_infers_the_contract():
    report = rlcheck.check("toy_subjects:identity")
    assert (report.contract, report.verdict) == ("toy", Verdict.PASSED)


def test_verify_raises_one_group_with_everything_found():
    with pytest.raises(rlcheck.CheckFailures) as caught:
        rlcheck.verify(off_by_one, "toy", ignore=["toy/deep"])
    group = caught.value
    assert group.message == "off_by_one as toy: 1 of 4 checks did not pass; most likely adds one"
    (failure,) = group.exceptions
    assert isinstance(failure, AssertionError)
    assert str(failure).splitlines() == [
        "toy/identity failed: expected 0, got 1",
        "likely cause (90%): toy/off-by-one: adds one",
        "    fix: take it away",
        "reproduce: rlcheck.check(off_by_one, 'toy', select=['toy/identity'], "
        "budget='standard', seed=0)",
    ]
    assert group.report.verdict is Verdict.FAILED
    assert group.split(AssertionError)[0].report is group.report


def test_verify_returns_the_report_of_a_verified_subject():
    assert rlcheck.verify(lambda x: x, "toy").verdict is Verdict.PASSED


def test_verify_refuses_a_subject_of_which_nothing_was_verified():
    with pytest.raises(rlcheck.CheckFailures, match="nothing was verified"):
        rlcheck.verify(lambda x: x, "toy", select=["deep"])


def test_misspelt_names_are_usage_errors():
    with pytest.raises(UsageError, match="no contract 'tooy'; did you mean 'toy'"):
        rlcheck.check(off_by_one, "tooy")
    with pytest.raises(UsageError, match="no budget 'quik'; did you mean 'quick'"):
        rlcheck.check(off_by_one, "toy", budget="quik")
    with pytest.raises(UsageError, match="expected_failures 'toy/idnetity' matches no check"):
        rlcheck.parametrize("toy", off_by_one, expected_failures={"toy/idnetity": "x"})
    with pytest.raises(BindingError):
        rlcheck.check(3, "toy")


def test_a_run_in_process_leaves_global_state_alone():
    import torch

    def meddles(x):
        random.seed(1)
        np.random.seed(1)
        torch.manual_seed(1)
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        torch.set_num_threads(1 if threads > 1 else 2)
        os.chdir("/")
        os.environ["LEAK"] = "1"
        return x

    threads = torch.get_num_threads()
    directory = os.getcwd()
    random.seed(7), np.random.seed(7), torch.manual_seed(7)
    expected = random.random(), np.random.random(), torch.rand(1).item()
    random.seed(7), np.random.seed(7), torch.manual_seed(7)

    assert rlcheck.check(meddles, "toy").verdict is Verdict.PASSED

    assert (random.random(), np.random.random(), torch.rand(1).item()) == expected
    assert torch.get_default_dtype() is torch.float32
    assert torch.is_grad_enabled()
    assert torch.get_num_threads() == threads
    assert os.getcwd() == directory
    assert "LEAK" not in os.environ


def test_isolated_subjects_may_crash():
    import toy_subjects

    report = rlcheck.check(toy_subjects.crashes, "toy", select=["identity"], isolate=True)
    assert report.results[0].status is Status.ERROR
    assert "SIGSEGV" in report.results[0].message


def test_importing_rlcheck_and_the_plugin_is_light():
    program = (
        "import sys, rlcheck, rlcheck.pytest_plugin; "
        "print(sorted({'numpy', 'torch', 'hypothesis', 'gymnasium', 'scipy'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert found.stdout.strip() == "[]", found.stderr


TESTS = """
import rlcheck
from toy_subjects import identity, off_by_one, raises

@rlcheck.parametrize("toy", identity, ignore=["deep"])
def test_right(check):
    check()

@rlcheck.parametrize("toy", off_by_one, select=["identity", "steady"])
def test_wrong(check):
    check()

@rlcheck.parametrize("toy", off_by_one, select=["identity"], expected_failures={"identity": "known"})
def test_known(check):
    check()

@rlcheck.parametrize("toy", identity, select=["identity"], expected_failures={"identity": "known"})
def test_fixed(check):
    check()

@rlcheck.parametrize("toy", raises, select=["identity"], expected_failures={"identity": "known"})
def test_raises(check):
    check()

@rlcheck.parametrize("toy", identity, select=["deep"])
def test_deep(check):
    check()
"""


def test_parametrize_gives_one_test_a_check(pytester):
    pytester.syspathinsert(str(PLUGIN))
    pytester.makepyfile(TESTS)
    result = pytester.runpytest("-v", "-rs", "--strict-markers", "--junitxml=out.xml")
    result.stdout.fnmatch_lines(
        [
            "*::test_right[[]identity] PASSED*",
            "*::test_right[[]steady] PASSED*",
            "*::test_right[[]surroundings] PASSED*",
            "*::test_right[[]not-for-this] SKIPPED*",
            "*::test_wrong[[]identity] FAILED*",
            "*::test_wrong[[]steady] SKIPPED*",
            "*::test_known[[]identity] XFAIL*",
            "*::test_fixed[[]identity] FAILED*",
            "*::test_raises[[]identity] FAILED*",
            "*::test_deep[[]deep] SKIPPED*",
        ]
    )
    result.stdout.fnmatch_lines(["*likely cause (90%): toy/off-by-one: adds one*"])
    result.stdout.fnmatch_lines(["*: gamma is 0.5", "*: blocked: needs toy/identity, which*"])
    result.assert_outcomes(passed=3, failed=3, skipped=3, xfailed=1)
    xml = (pytester.path / "out.xml").read_text()
    assert '<property name="rlcheck_check" value="toy/identity"' in xml
    for status in ("passed", "failed", "blocked", "xfailed", "xpassed", "error", "skipped"):
        assert f'<property name="rlcheck_status" value="{status}"' in xml


def test_options_of_pytest_reach_the_checks(pytester):
    pytester.syspathinsert(str(PLUGIN))
    pytester.makepyfile(TESTS)
    result = pytester.runpytest("-v", "-k", "test_deep", "--rlcheck-budget=thorough")
    result.assert_outcomes(passed=1, deselected=9)


def test_checks_can_be_isolated(pytester):
    pytester.syspathinsert(str(PLUGIN))
    pytester.makepyfile(
        """
        import rlcheck, toy_subjects

        @rlcheck.parametrize("toy", toy_subjects.crashes, select=["identity"], isolate=True)
        def test_crash(check):
            check()
        """
    )
    result = pytester.runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*died of signal 11 (SIGSEGV)*"])
