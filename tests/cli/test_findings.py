"""One cause is told once."""

from __future__ import annotations

from rlcheck.records import Diagnosis, Report, Result, Status, SubjectReport, Verdict
from rlcheck.reports.blocks import check_line, duration, report_lines
from rlcheck.reports.findings import findings, percent


def result(check: str, status: Status = Status.FAILED, message: str = "", **more) -> Result:
    return Result(id=check, check=check, status=status, message=message or check, **more)


def diagnosis(fault: str, probability: float, **more) -> Diagnosis:
    return Diagnosis(fault, probability, f"title of {fault}", "what", "do", **more)


def subject(*results: Result, faults=()) -> SubjectReport:
    return SubjectReport("mine", "double", Verdict.FAILED, results, tuple(faults))


def text(report: SubjectReport, verbose: bool = False) -> str:
    whole = Report("0.1.0", report.verdict, 1, 75.0, (report,))
    return "\n".join(line.text for line in report_lines(whole, 100, verbose))


def test_failures_of_one_fault_are_one_finding():
    report = subject(
        result("d/weak", suspects={"late": 0.4}),
        result("d/strong", suspects={"late": 0.9}),
        result("d/other"),
        faults=[diagnosis("late", 0.9), diagnosis("early", 0.1)],
    )
    found = findings(report)
    assert [[r.check for r in finding.results] for finding in found] == [
        ["d/strong", "d/weak"],
        ["d/other"],
    ]
    shown = text(report)
    assert "FAILED  mine: late (90 %)" in shown
    assert "1 more with the same cause: d/weak" in shown
    assert "Less likely   early (10 %)" in shown
    assert shown.count("title of late") == 2


def test_independent_faults_are_told_one_by_one():
    report = subject(
        result("d/a", suspects={"late": 0.9}),
        result("d/b", suspects={"early": 0.8, "late": 0.0}),
        result("d/c", suspects={"early": 0.6}),
        result("d/known", Status.XFAILED, suspects={"odd": 0.9}),
        faults=[diagnosis("late", 0.9), diagnosis("early", 0.4), diagnosis("odd", 0.1)],
    )
    found = findings(report)
    assert [[r.check for r in one.results] for one in found] == [["d/a"], ["d/b", "d/c"]]
    shown = text(report)
    assert "FAILED  mine: late (90 %)" in shown
    assert "FAILED  mine: early (80 %)" in shown
    assert "Less likely   odd (10 %)" in shown


def test_equally_probable_faults_of_different_failures_are_two_causes():
    report = subject(
        result("d/a", suspects={"late": 0.9}),
        result("d/b", suspects={"early": 0.9}),
        faults=[diagnosis("late", 0.5), diagnosis("early", 0.5)],
    )
    assert [one.faults[0].fault for one in findings(report)] == ["late", "early"]


def test_faults_that_cannot_be_told_apart_are_told_together():
    suspects = {"late": 0.5, "early": 0.5}
    report = subject(
        result("d/a", suspects=suspects), faults=[diagnosis("late", 0.5), diagnosis("early", 0.5)]
    )
    shown = text(report)
    assert "FAILED  mine: late or early (50 % each; no evidence tells them apart)" in shown
    assert "What it is    late: title of late" in shown
    assert "rlcheck explain late" in shown
    assert "rlcheck explain early" in shown


def test_an_expected_failure_lends_its_diagnosis_to_nobody():
    report = subject(
        result("d/known", Status.XFAILED, suspects={"late": 0.9}),
        result("d/new"),
        faults=[diagnosis("late", 0.9)],
    )
    (finding,) = findings(report)
    assert finding.faults == ()
    assert [r.check for r in finding.results] == ["d/new"]


def test_a_contracts_own_diagnosis_speaks_of_all_failures():
    report = subject(result("d/a"), result("d/b"), faults=[diagnosis("late", 1.0)])
    (finding,) = findings(report)
    assert len(finding.results) == 2


def test_the_same_error_is_told_once():
    crash = "it raised RuntimeError"
    report = subject(*(result(f"d/{n}", Status.ERROR, crash) for n in range(9)))
    assert len(findings(report)) == 1
    assert "8 more with the same message: d/1, d/2, d/3, d/4, d/5, d/6 and 2 more" in text(report)


def test_the_proof_does_not_repeat_the_message():
    report = subject(
        result("d/a", message="got 1, expected 2", suspects={"late": 1.0}),
        faults=[diagnosis("late", 1.0, proof=("d/a: got 1, expected 2", "0.9 * 1 = 0.9"))],
    )
    shown = text(report)
    assert shown.count("got 1, expected 2") == 1
    assert "  Proof\n    0.9 * 1 = 0.9\n" in shown


def test_long_messages_are_cut():
    report = subject(result("d/a", message="\n".join(f"line {n}" for n in range(100))))
    shown = text(report)
    assert "line 39" in shown
    assert "line 40" not in shown
    assert "... 60 more lines in the JSON report" in shown


def test_xpassed_says_what_is_odd():
    assert "d/a was expected to fail and passes" in text(subject(result("d/a", Status.XPASSED)))


def test_symbols_without_unicode():
    assert check_line(result("d/a"), unicode=False).text == "  x failed       d/a"


def test_words():
    assert [duration(s) for s in (0.04, 9.96, 59.4, 125)] == [
        "0.0 s",
        "10.0 s",
        "59 s",
        "2 min 5 s",
    ]
    assert [percent(p) for p in (1.0, 0.999, 0.98, 0.5, 0.001)] == [
        "100 %",
        "> 99 %",
        "98 %",
        "50 %",
        "< 1 %",
    ]
