"""Everything that a subject can do to its process costs one `error` result, and the run goes on."""

from __future__ import annotations

import time

import pytest
from engine_helpers import only, run, toy

from rlcheck.engine import workers
from rlcheck.records import Settings, Status, Verdict
from rlcheck.subjects import SubjectSpec

QUICK = Settings(timeout_s=1.0)


def test_misbehaving_subjects_cost_one_error_each_and_the_run_goes_on():
    names = ["raises", "calls_exit", "calls_os_exit", "crashes", "floods", "interrupts", "hangs"]
    report = run(*names, "identity", settings=QUICK, select=["identity"], jobs=2)
    by_name = {subject.name: subject.results[0] for subject in report.subjects}

    assert by_name.pop("identity").status is Status.PASSED
    assert {result.status for result in by_name.values()} == {Status.ERROR}
    first = {name: result.message.splitlines()[0] for name, result in by_name.items()}
    assert first["raises"] == "raises raised ValueError: cannot take 0"
    assert first["calls_exit"] == "calls_exit called sys.exit('enough')"
    assert first["calls_os_exit"].startswith("calls_os_exit ended the process with exit code 7")
    assert first["crashes"] == "crashes died of signal 11 (SIGSEGV)"
    assert first["floods"] == "floods raised ValueError: after the flood"
    assert first["interrupts"] == "interrupts raised KeyboardInterrupt"
    assert first["hangs"] == ("hangs did not finish within 1 s and was stopped (--timeout SECONDS)")
    assert report.verdict is Verdict.ERROR
    assert report.exit_code == 1

    lines = by_name["raises"].message.splitlines()
    assert "in raises: return _helper(x)" in lines[-2]
    assert "in _helper: raise ValueError" in lines[-1]
    assert "in hangs" in by_name["hangs"].message
    assert "toy_subjects.py" in by_name["crashes"].message
    assert "  | about to leave" in by_name["calls_os_exit"].message
    assert len(by_name["floods"].message) < 3000


def test_a_subject_that_fills_memory_is_stopped(monkeypatch):
    monkeypatch.setattr(workers, "memory_limit", lambda: 300 << 20)
    report = run("fills_memory", "identity", select=["identity"])
    error, fine = (subject.results[0] for subject in report.subjects)
    assert error.message.startswith(
        "fills_memory filled more than 0.3 GiB of memory and was stopped"
    )
    assert "in fills_memory" in error.message
    assert fine.status is Status.PASSED


def test_what_a_subject_changes_in_its_process_is_restored():
    report = run("wanders")
    assert report.exit_code == 0
    surroundings = next(r for r in report.subjects[0].results if r.check == "toy/surroundings")
    assert surroundings.evidence["directory"] != "/"


def test_workers_are_reused(tmp_path, monkeypatch):
    monkeypatch.setenv("PID_FILE", str(tmp_path / "pids"))
    run("process_id")
    pids = (tmp_path / "pids").read_text().split()
    assert len(pids) > 3
    assert len(set(pids)) == 1


def test_trials_of_one_check_run_at_the_same_time():
    def seconds(jobs):
        started = time.perf_counter()
        report = run(toy("slow"), jobs=jobs, select=["steady"])
        assert only(report).status is Status.PASSED
        return only(report).duration_s, time.perf_counter() - started

    work, _ = seconds(2)
    assert work >= 0.8, "the duration of a check is what its trials took, added up"


def test_a_subject_that_dies_while_it_is_bound_is_named():
    from rlcheck.errors import SubjectError

    spec = toy("calls_os_exit", constants={"call-in-bind": True})
    with pytest.raises(SubjectError, match="ended the process with exit code 7"):
        run(spec)


def test_a_subject_that_hangs_while_it_is_bound_is_stopped():
    from rlcheck.errors import SubjectError

    spec = toy("hangs", constants={"call-in-bind": True})
    with pytest.raises(SubjectError, match=r"hangs did not finish within \S+ s and was stopped"):
        run(spec, settings=QUICK)


def test_a_module_that_is_never_imported_is_stopped(monkeypatch, tmp_path):
    from rlcheck.errors import SubjectError

    monkeypatch.setattr(workers, "LOADING_S", 2.0)
    (tmp_path / "endless.py").write_text("while True:\n    pass\n")
    spec = SubjectSpec("endless", target=f"{tmp_path / 'endless.py'}:anything", contract="toy")
    with pytest.raises(SubjectError, match="endless did not load within 2 s and was stopped"):
        run(spec, settings=QUICK)


def test_a_raw_object_that_no_worker_can_import_is_refused():
    from rlcheck.errors import UsageError
    from rlcheck.subjects import SubjectSpec

    spec = SubjectSpec("local", contract="toy", raw=lambda x: x)
    with pytest.raises(UsageError, match=r"defined inside a function.*module level"):
        run(spec)
