"""The contract `training-log`: from a path to a diagnosis."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest
import small_logs as logs

import rlcheck
from rlcheck import contracts
from rlcheck.errors import UsageError
from rlcheck.records import Status, Verdict
from rlcheck.signals.contract import CAUSES, CONTRACT, DETECTORS
from rlcheck.signals.selftest import row
from rlcheck.signals.series import Log
from rlcheck.signals.synthetic import HEALTHY, KINDS, SICK, stationary


def write(log: Log, path: Path) -> Path:
    """A log as CSV in which every record has all signals."""
    names = list(log.signals)
    columns = [log.signals[name].values for name in names]
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["step", *names])
        rows.writerows(zip(log.signals[names[0]].steps, *columns, strict=True))
    return path


def story(name: str, seed: int = 0) -> Log:
    return next(one for one in (*SICK, *HEALTHY) if one.name == name).tell(
        np.random.default_rng(seed)
    )


@pytest.mark.parametrize("one", SICK, ids=lambda one: one.name)
def test_a_sick_training_is_caught_and_named(one):
    said = row(one.name, one.fault, one.tell(np.random.default_rng(7)))
    assert said.failed
    assert said.named == said.fault


@pytest.mark.parametrize("one", HEALTHY, ids=lambda one: one.name)
def test_a_healthy_training_passes(one):
    assert not row(one.name, "", one.tell(np.random.default_rng(7))).failed


@pytest.mark.parametrize("runs", [20, pytest.param(250, marks=pytest.mark.slow)])
def test_stationary_noise_raises_no_alarm(runs):
    """All detectors together: at most 1 % of runs, with room for one event in the small share."""
    rows = [
        row(f"{kind} {seed}", "", stationary(kind, seed)) for kind in KINDS for seed in range(runs)
    ]
    alarms = [one for one in rows if one.failed]
    assert len(alarms) <= max(0.01 * len(rows), 1), alarms


def test_every_fault_is_shown_by_some_check_and_told_by_a_story():
    caught = {name for check in CONTRACT.checks for name in check.catches}
    assert caught == {fault.name for fault in CONTRACT.faults}
    assert {f"training-log/{one.fault}" for one in SICK} == caught
    assert len(CAUSES) == len(set(CAUSES))
    assert all(f.explanation and f.fix and f.where and f.references for f in CAUSES[:-1])
    assert contracts.load("training-log") is CONTRACT


def test_a_path_is_a_log_and_its_diagnosis_names_window_and_remedy(tmp_path):
    path = write(story("divergences of whole nats"), tmp_path / "progress.csv")
    report = rlcheck.check(str(path))
    assert report.contract == "training-log"
    assert report.verdict is Verdict.FAILED
    first = report.diagnosis[0]
    assert first.fault == "training-log/kl-spikes"
    assert "learning rate" in first.fix
    result = next(r for r in report.results if r.check == "training-log/updates-stay-close")
    assert re.search(r"median divergence of an update is 1\.\d+ nats in steps \d", result.message)
    low, high = result.evidence["window"]
    assert 500 <= low < high == 100_000
    assert len(result.evidence["signals"]["approx_kl"]["steps"]) == 200
    assert "signals up to step 100,000" in report.notes[0]


def test_what_is_missing_is_skipped_with_the_reason(tmp_path):
    report = rlcheck.check(str(logs.sb3_progress(tmp_path / "progress.csv")))
    assert report.verdict is Verdict.PASSED
    said = {r.check.partition("/")[2]: (r.status, r.message) for r in report.results}
    assert said["gradients-flow"] == (Status.SKIPPED, "the log has no grad_norm")
    assert said["critic-explains-returns"][1] == "the log has no explained_variance"
    assert said["return-is-kept"][0] is Status.PASSED


def test_settings_and_names_of_the_user(tmp_path):
    path = tmp_path / "warehouse.csv"
    log = story("pickups up, shipped orders down")
    write(log, path)
    path.write_text(
        path.read_text()
        .replace("episode_return", "pickups")
        .replace("eval_return", "orders_shipped")
    )
    with pytest.raises(
        UsageError, match="no column that is known as a signal; it has orders_shipped"
    ):
        rlcheck.check(str(path))
    names = {"pickups": "episode_return", "orders_shipped": "eval_return"}
    report = rlcheck.check(str(path), bind=names)
    assert report.diagnosis[0].fault == "training-log/reward-hacking"


def test_unusual_settings_are_notes_and_never_failures(tmp_path):
    path = logs.sb3_progress(tmp_path / "progress.csv")
    report = rlcheck.check(str(path), constants={"learning_rate": 1.0, "ent_coef": -1})
    assert report.verdict is Verdict.PASSED
    assert any("learning_rate = 1 is unusual" in note for note in report.notes)
    assert any("entropy_coef = -1 is unusual" in note for note in report.notes)


def test_a_log_in_memory_is_a_subject_too():
    report = rlcheck.check(story("gradients of 0"), "training-log")
    assert report.diagnosis[0].fault == "training-log/gradients-zero"


def test_a_wandb_run_path_is_a_log_and_needs_a_login(monkeypatch, tmp_path):
    pytest.importorskip("wandb")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        UsageError, match="there is no file 'team/project/abc'; as a W&B run it needs"
    ):
        rlcheck.check("team/project/abc")


def test_the_known_goal_of_an_environment_decides_what_is_low():
    flat = story("a return that never moves").signals["episode_return"]
    stuck = Log({**story("PPO that learns").signals, "episode_return": flat})
    assert not row("flat, scale unknown", "", stuck).failed
    known = Log(stuck.signals, {"env_id": "CartPole-v1"})
    assert row("flat in CartPole", "return-stuck", known).named == "training-log/return-stuck"


def test_a_million_rows(tmp_path):
    """In bounded memory; the time is measured on the processor, since others may use it too."""
    import time
    import tracemalloc

    from rlcheck.signals.contract import diagnose_log
    from rlcheck.signals.readers.places import read
    from rlcheck.signals.recognising import recognise

    path = tmp_path / "long.csv"
    lines = "".join(f"{0.5 + i % 7},{100 + i % 11},{0.01 * (i % 3)}\n" for i in range(1000))
    with path.open("w") as file:
        file.write("entropy,episode_return,approx_kl\n")
        for _ in range(1000):
            file.write(lines)
    tracemalloc.start()
    start = time.process_time()
    findings = diagnose_log(recognise(read(str(path))))
    took = time.process_time() - start
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(findings) >= 5
    assert peak < 150e6
    assert took < 30  # tracing memory costs most of it


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda one: one.name)
def test_explanations_are_told(detector):
    assert detector.title.endswith(".")
    assert len(detector.explanation) > 60
    assert detector.faults
