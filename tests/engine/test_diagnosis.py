"""The default diagnosis, and from results to exit codes."""

from __future__ import annotations

import pytest

from rlcheck.diagnosis import combine
from rlcheck.records import Check, Fault, Result, Status, SubjectReport, Verdict
from rlcheck.verdicts import INTERNAL_ERROR, exit_code, run_verdict, subject_verdict

FAULTS = (
    Fault("late", "one step late", "...", "shift it", aliases=("delayed",)),
    Fault("swapped", "swapped", "...", "swap them"),
    Fault("sign", "wrong sign", "...", "flip it"),
)


def result(status=Status.FAILED, suspects=None, check="c/one", evidence=None):
    return Result(
        "id", check, status, f"{check} said so", suspects=suspects or {}, evidence=evidence or {}
    )


def probabilities(*results, checks=()):
    return {d.fault: round(d.probability, 2) for d in combine(results, FAULTS, checks)}


def test_one_failed_check_hands_over_its_own_posterior():
    assert probabilities(result(suspects={"late": 0.7, "sign": 0.2})) == {"late": 0.7, "sign": 0.2}


def test_faults_that_nothing_tells_apart_stand_together_with_the_same_probability():
    found = combine([result(suspects={"swapped": 0.49, "late": 0.49})], FAULTS)
    assert [d.fault for d in found] == ["late", "swapped"], "in the order of the catalogue"
    assert found[0].probability == found[1].probability


def test_a_second_check_narrows_down():
    found = probabilities(
        result(suspects={"late": 0.45, "swapped": 0.45}),
        result(suspects={"late": 0.45, "sign": 0.45}, check="c/two"),
    )
    assert next(iter(found)) == "late"
    assert found["late"] > 0.8


def test_a_passed_check_that_could_have_shown_a_fault_counts_against_it():
    passed = result(Status.PASSED, check="c/two")
    check = Check("c/two", "", "", None, None, catches=("late",))
    both = result(suspects={"late": 0.45, "swapped": 0.45})
    assert next(iter(probabilities(both, passed, checks=(check,)))) == "swapped"


def test_earlier_names_count_for_the_fault_and_unknown_ones_are_shown():
    (found,) = combine([result(suspects={"delayed": 0.9})], FAULTS)
    assert (found.fault, found.fix) == ("late", "shift it")
    assert found.proof == ("c/one: c/one said so",)
    (unknown,) = combine([result(suspects={"never-heard-of": 0.9})], FAULTS)
    assert unknown.title == "never heard of"


def test_what_passed_or_points_nowhere_names_no_fault():
    assert combine([result(Status.PASSED, {"late": 0.9}), result()], FAULTS) == ()


@pytest.mark.parametrize(
    ("statuses", "verdict", "code"),
    [
        (["passed"], Verdict.PASSED, 0),
        (["passed", "skipped", "xfailed"], Verdict.PASSED, 0),
        (["passed", "failed", "error"], Verdict.FAILED, 1),
        (["passed", "xpassed"], Verdict.FAILED, 1),
        (["passed", "error", "inconclusive"], Verdict.ERROR, 1),
        (["passed", "inconclusive"], Verdict.INCONCLUSIVE, 4),
        (["skipped", "blocked", "xfailed"], Verdict.EMPTY, 5),
        ([], Verdict.EMPTY, 5),
    ],
)
def test_verdicts_and_exit_codes(statuses, verdict, code):
    results = tuple(result(Status(status)) for status in statuses)
    assert subject_verdict(results) is verdict
    assert exit_code([SubjectReport("s", "c", verdict, results)]) == code


def test_special_exit_codes():
    def subject(*results):
        return SubjectReport("s", "c", subject_verdict(results), results)

    unclear = subject(result(Status.INCONCLUSIVE))
    assert exit_code([unclear], allow_inconclusive=True) == 5
    assert exit_code([subject(result(Status.PASSED)), unclear], allow_inconclusive=True) == 0
    assert exit_code([subject(result(Status.PASSED))], interrupted=True) == 130
    broken = subject(result(Status.ERROR, evidence={INTERNAL_ERROR: True}))
    assert exit_code([broken]) == 3
    assert run_verdict([subject(), subject(result(Status.PASSED))]) is Verdict.PASSED
