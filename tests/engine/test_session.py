"""Planning, judging and reporting, in this process."""

from __future__ import annotations

import pytest
from engine_helpers import only, run, statuses, toy

from rlcheck.engine.events import CheckFinished, CheckStarted, Progress, RunFinished, RunStarted
from rlcheck.errors import BindingError, UsageError
from rlcheck.records import Budget, Settings, Status, Verdict
from rlcheck.subjects import SubjectSpec


def test_a_correct_subject_passes():
    report = run("identity", isolate=False)
    assert statuses(report) == {
        "identity": "passed",
        "steady": "passed",
        "surroundings": "passed",
        "deep": "skipped",
        "not-for-this": "skipped",
    }
    subject = report.subjects[0]
    reasons = {result.check: result.message for result in subject.results}
    assert reasons["toy/deep"] == (
        "needs budget thorough, this run has standard (--budget thorough)"
    )
    assert reasons["toy/not-for-this"] == "gamma is 0.5"
    assert (report.verdict, report.exit_code) == (Verdict.PASSED, 0)
    assert subject.gamma == 0.5
    assert subject.dialect == {"kind": "plain"}
    assert "bound" in subject.notes


def test_a_failure_blocks_what_requires_it_and_is_diagnosed():
    report = run("off_by_one", isolate=False)
    found = statuses(report)
    assert (found["identity"], found["steady"]) == ("failed", "blocked")
    assert (report.verdict, report.exit_code) == (Verdict.FAILED, 1)
    (diagnosis,) = report.subjects[0].diagnosis
    assert diagnosis.fault == "toy/off-by-one"
    assert diagnosis.probability == pytest.approx(0.9)
    assert diagnosis.fix == "take it away"
    assert diagnosis.proof == ("toy/identity: expected 0, got 1",)


def test_a_requirement_that_was_not_selected_does_not_block():
    report = run("off_by_one", isolate=False, select=["toy/steady"])
    assert only(report).status is Status.FAILED


def test_events_come_in_order():
    seen = []
    run("identity", isolate=False, listeners=[seen.append])
    assert isinstance(seen[0], RunStarted)
    assert isinstance(seen[-1], RunFinished)
    started = [event.check for event in seen if isinstance(event, CheckStarted)]
    finished = [event.result.check for event in seen if isinstance(event, CheckFinished)]
    assert started[0] == "toy/identity"
    assert len(started) == 3
    assert len(finished) == 5
    assert any(isinstance(event, Progress) and event.text == "halfway" for event in seen)


def test_alpha_is_shared_out_over_subjects_and_stochastic_checks():
    report = run("identity", "slow", isolate=False, select=["steady"])
    assert report.subjects[0].results[0].evidence["alpha"] == pytest.approx(0.005)


def test_a_sequential_check_sees_its_trials_in_the_order_asked_for():
    result = only(run("off_by_one", isolate=False, select=["steady"], settings=Settings(seed=5)))
    assert result.seeds == (5, 6, 7, 8)
    assert result.evidence["wrong"] == [5, 6, 7, 8]


def test_the_same_seed_gives_the_same_answer_and_id():
    def draw(seed):
        result = only(
            run("identity", isolate=False, select=["identity"], settings=Settings(seed=seed))
        )
        return result.id, result.evidence["draw"]

    assert draw(3) == draw(3)
    assert draw(3) != draw(4)


@pytest.mark.parametrize(
    ("name", "status", "exit_code"),
    [("off_by_one", Status.XFAILED, 5), ("identity", Status.XPASSED, 1)],
)
def test_expected_failures_are_strict(name, status, exit_code):
    spec = toy(name, expected_failures={"toy/identity": "known"})
    report = run(spec, isolate=False, select=["identity"])
    assert only(report).status is status
    assert "known" in only(report).message
    assert report.exit_code == exit_code


def test_exit_first_skips_the_rest():
    report = run("off_by_one", "identity", isolate=False, exit_first=True)
    assert statuses(report, 1)["identity"] == "skipped"
    assert "-x" in report.subjects[1].results[0].message


def test_a_run_that_verifies_nothing_is_not_green():
    report = run("identity", isolate=False, select=["deep"])
    assert (report.verdict, report.exit_code) == (Verdict.EMPTY, 5)


def test_budget_thorough_includes_everything():
    report = run("identity", isolate=False, settings=Settings(budget=Budget.THOROUGH))
    assert statuses(report)["deep"] == "passed"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"select": ["toy/identiti"]}, "--select 'toy/identiti' matches no check.*'toy/identity'"),
        ({"ignore": ["x/*"]}, "--ignore 'x/\\*' matches no check"),
    ],
)
def test_a_glob_that_matches_nothing_is_an_error(options, message):
    with pytest.raises(UsageError, match=message):
        run("identity", isolate=False, **options)


def test_a_misspelt_expected_failure_is_an_error():
    spec = toy("identity", expected_failures={"toy/identitty": "known"})
    with pytest.raises(UsageError, match="did you mean 'toy/identity'"):
        run(spec, isolate=False)


@pytest.mark.parametrize("isolate", [False, True])
def test_a_subject_of_the_wrong_shape_is_a_binding_error(isolate):
    with pytest.raises(BindingError, match="a toy is a function of one argument, this is a int"):
        run("not_a_function", isolate=isolate)


def test_a_broken_judge_is_an_internal_error_and_the_run_goes_on(monkeypatch):
    from dataclasses import replace

    import toy_contract

    first, *others = toy_contract.CONTRACT.checks
    broken = replace(first, judge=toy_contract._broken_judge)
    contract = replace(toy_contract.CONTRACT, checks=(broken, *others))
    monkeypatch.setattr(toy_contract, "CONTRACT", contract)
    report = run("identity", isolate=False)
    result = report.subjects[0].results[0]
    assert result.status is Status.ERROR
    assert "its judge raised RuntimeError: the judge is broken" in result.message
    assert statuses(report)["deep"] == "skipped"
    assert report.exit_code == 3


def test_a_raising_subject_in_process_costs_one_error():
    report = run(SubjectSpec("f", contract="toy", raw=lambda x: 1 // 0), isolate=False)
    assert statuses(report)["identity"] == "error"
    assert "ZeroDivisionError" in report.subjects[0].results[0].message
