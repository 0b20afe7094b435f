"""What finished is on disk: resuming, replaying, and damaged or unwritable folders."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from engine_helpers import PLUGIN, only, run, toy

from rlcheck.engine.replay import replay
from rlcheck.engine.store import Store
from rlcheck.errors import StoreError, UsageError
from rlcheck.records import Settings, Status


def lines(store: Path, number: str = "0001") -> list[dict]:
    text = (store / "runs" / number / "events.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def state(store: Path, number: str = "0001") -> dict:
    return json.loads((store / "runs" / number / "run.json").read_text())


def mark_interrupted(store: Path, number: str = "0001") -> None:
    """As if the process had been killed: the run is not over, and its process is gone."""
    content = state(store, number) | {"state": "running", "process": 2**22 + 1}
    (store / "runs" / number / "run.json").write_text(json.dumps(content))


def test_a_run_is_stored_as_it_goes(tmp_path):
    report = run("off_by_one", isolate=False, store=tmp_path / "out")
    store = tmp_path / "out"
    assert report.run_id == "0001"
    assert (store / ".gitignore").read_text() == "*\n"
    assert (store / "latest").read_text() == "0001\n"
    assert state(store)["state"] == "finished"
    kinds = [(line["event"], line["check"]) for line in lines(store)]
    assert ("trial", "toy/identity") in kinds
    assert ("result", "toy/steady") in kinds
    failed = report.subjects[0].results[0]
    assert failed.reproducer == f"rlcheck replay {failed.id}"
    assert [path.stem for path in (store / "failures").iterdir()] == [failed.id]
    run("identity", isolate=False, store=store)
    assert state(store, "0002")["exit_code"] == 0


def test_an_interrupt_keeps_what_finished_and_resume_does_the_rest(tmp_path, monkeypatch):
    program = f"""
import signal, sys; sys.path.insert(0, {str(PLUGIN)!r})
# A shell that started these tests in the background has its children ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
from rlcheck.engine import session
from rlcheck.records import Settings
from rlcheck.subjects import SubjectSpec
specs = [SubjectSpec(n, f"toy_subjects:{{n}}", "toy") for n in ("identity", "hangs")]
report = session.run(specs, Settings(), jobs=1, store="out", select=["identity"])
sys.exit(report.exit_code)
"""
    process = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path)
    events = tmp_path / "out" / "runs" / "0001" / "events.jsonl"
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not (
        events.exists() and '"event": "result"' in events.read_text()
    ):
        time.sleep(0.05)
    with pytest.raises(StoreError, match="run 0001 is still going on in process"):
        run("identity", store=tmp_path / "out", resume=True)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130
    assert state(tmp_path / "out")["state"] == "interrupted"

    pids = tmp_path / "pids"
    monkeypatch.setenv("PID_FILE", str(pids))
    report = run(
        "identity", "slow", store=tmp_path / "out", resume=True, select=["identity"], isolate=False
    )
    assert report.run_id == "0001"
    assert report.exit_code == 0
    # The stored answers are for a run of two subjects, so the share of alpha is the same.
    assert any("resumed run 0001: 1 result and 1 trial" in n for n in report.subjects[0].notes)
    identities = [line for line in lines(tmp_path / "out") if line["subject"] == "identity"]
    assert [line["event"] for line in identities] == ["trial", "result"]
    assert state(tmp_path / "out")["state"] == "finished"


def test_stored_trials_are_not_run_again_and_damage_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PID_FILE", str(tmp_path / "pids"))
    store = tmp_path / "out"
    first = run("process_id", isolate=False, store=store, select=["steady"])
    events = store / "runs" / "0001" / "events.jsonl"
    kept = events.read_text().splitlines(keepends=True)
    assert len(kept) == 5, "four trials and a result"
    events.write_text("".join(["not json\n", *kept[:3], kept[3][:20]]))
    mark_interrupted(store)
    calls = len((tmp_path / "pids").read_text().split())

    second = run("process_id", isolate=False, store=store, select=["steady"], resume=True)
    assert len((tmp_path / "pids").read_text().split()) == calls + 1
    assert only(second).status is Status.PASSED
    assert only(second).evidence == only(first).evidence
    assert any("2 damaged lines" in note for note in second.subjects[0].notes)
    assert run("identity", isolate=False, store=store).run_id == "0002"


def test_finished_work_does_not_count_after_an_edit(tmp_path):
    source = tmp_path / "mine.py"
    source.write_text("def f(x):\n    return x\n")
    store = tmp_path / "out"
    spec = toy("f", target=f"{source}:f")
    run(spec, store=store, select=["identity"])
    mark_interrupted(store)
    source.write_text("def f(x):\n    return x + 1\n")
    report = run(spec, store=store, select=["identity"], resume=True)
    assert only(report).status is Status.FAILED


def test_nothing_to_resume(tmp_path):
    with pytest.raises(UsageError, match="no interrupted run"):
        run("identity", isolate=False, store=tmp_path, resume=True)


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot write results to .*; make that folder writable"):
        run("identity", isolate=False, store=tmp_path / "file" / "out")


def test_a_damaged_run_is_one_sentence(tmp_path):
    run("identity", isolate=False, store=tmp_path)
    (tmp_path / "runs" / "0001" / "run.json").write_text("{")
    with pytest.raises(StoreError, match=r"run\.json: it is damaged; delete it"):
        run("identity", isolate=False, store=tmp_path, resume=True)
    assert run("identity", isolate=False, store=tmp_path).run_id == "0002"


def test_a_run_that_never_began_leaves_nothing(tmp_path):
    with pytest.raises(UsageError):
        run("not_a_function", isolate=False, store=tmp_path)
    assert list((tmp_path / "runs").iterdir()) == []


def test_replay_says_failed_then_fixed_then_error(tmp_path):
    source = tmp_path / "mine.py"
    source.write_text("def f(x):\n    return x + 1\n")
    store = tmp_path / "out"
    spec = toy("f", target=f"{source}:f")
    report = run(spec, store=store, select=["steady"], settings=Settings(seed=3))
    identity = only(report).id

    again = replay(store, identity[:4])
    assert again.answer == f"FAILED  {identity} toy/steady: as before"
    assert again.result.id == identity
    assert again.result.seeds == only(report).seeds == (3, 4, 5, 6)
    assert again.result.evidence == only(report).evidence
    assert again.stored.trials[0] == {"seed": 3, "steps": 0, "variant": ""}
    source.write_text("def f(x):\n    return x\n")
    assert replay(store).answer == f"FIXED  {identity} toy/steady"
    source.write_text("def f(x):\n    return 1 / 0\n")
    assert replay(store).answer.startswith(f"ERROR  {identity} toy/steady: differently")


def test_replay_of_an_unknown_or_damaged_failure(tmp_path):
    with pytest.raises(UsageError, match="no stored failure"):
        replay(tmp_path)
    report = run("off_by_one", isolate=False, store=tmp_path, select=["identity"])
    identity = only(report).id
    with pytest.raises(UsageError, match="there is no stored failure 'zzz'"):
        replay(tmp_path, "zzz")
    path = tmp_path / "failures" / f"{identity}.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({"version": "9.9"}))
    with pytest.raises(StoreError, match=r"another version of rlcheck \(9\.9, this is"):
        replay(tmp_path)
    path.write_text(json.dumps(content)[:50])
    with pytest.raises(StoreError, match="it is damaged"):
        Store(tmp_path).failure()


def test_the_last_failure_is_the_one_recorded_last(tmp_path):
    run("off_by_one", isolate=False, store=tmp_path, select=["identity"])
    last = run("off_by_one", isolate=False, store=tmp_path, select=["steady"])
    first = next(p for p in (tmp_path / "failures").iterdir() if p.stem != only(last).id)
    os.utime(first, (1, 1))
    assert Store(tmp_path).failure().result.check == "toy/steady"


def test_workers_end_with_a_parent_that_was_killed(tmp_path, monkeypatch):
    monkeypatch.setenv("PID_FILE", str(tmp_path / "pids"))
    (tmp_path / "stuck.py").write_text(
        "import os, time\n"
        "def stuck(x):\n"
        "    open(os.environ['PID_FILE'], 'w').write(str(os.getpid()))\n"
        "    time.sleep(60)\n"
    )
    program = f"""
import sys; sys.path.insert(0, {str(PLUGIN)!r})
from rlcheck.engine import session
from rlcheck.subjects import SubjectSpec
session.run([SubjectSpec("stuck", "stuck.py:stuck", "toy")], jobs=1)
"""
    process = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path)
    deadline = time.monotonic() + 30
    pids = tmp_path / "pids"
    while time.monotonic() < deadline and not (pids.exists() and pids.read_text()):
        time.sleep(0.05)
    process.kill()
    process.wait()
    worker = int(pids.read_text())
    while time.monotonic() < deadline and Path(f"/proc/{worker}/stat").exists():
        time.sleep(0.1)
    assert not Path(f"/proc/{worker}/stat").exists()
