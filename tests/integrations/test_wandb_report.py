"""`--report wandb` and `report_to="wandb"`: the real package, offline; its file is read back."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

import rlcheck
from rlcheck.errors import UsageError
from rlcheck.records import Diagnosis, Report, Result, Status, SubjectReport, Verdict
from rlcheck.reports import files
from rlcheck.reports.secrets import without_keys

wandb = pytest.importorskip("wandb", reason="wandb is not installed")

KEY = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One folder for all tests: the package reads its settings from the environment once."""
    return tmp_path_factory.mktemp("wandb")


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path, home):
    """The folder in which offline runs appear, emptied."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(home))
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_DATA_DIR", str(home / "data"))
    monkeypatch.setenv("WANDB_CACHE_DIR", str(home / "cache"))
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    for old in (*home.glob("wandb/offline-run-*"), home / "data"):
        shutil.rmtree(old, ignore_errors=True)
    yield home
    if wandb.run is not None:
        wandb.run.finish()


def report() -> Report:
    results = (
        Result("1", "gae/a", Status.FAILED, f"off by 1; {KEY}", reproducer="rlcheck replay 1"),
        Result("2", "gae/b", Status.PASSED, "fine"),
    )
    cause = Diagnosis("gae/done-late", 0.98, "late", "It is late.", "Shift it.")
    subject = SubjectReport("my:gae", "gae", Verdict.FAILED, results, (cause,))
    return Report("0.1.0", Verdict.FAILED, 1, 1.5, (subject,))


def all_records(path: Path) -> list:
    """The records of a finished run; the process that writes them may be a little behind."""
    from wandb.proto import wandb_internal_pb2 as messages

    from rlcheck.signals.readers.wandb_files import Damage, _records

    for _ in range(100):
        records = []
        with contextlib.suppress(Damage):
            for data in _records(path.read_bytes()):
                records.append(messages.Record())
                records[-1].ParseFromString(data)
        if records and records[-1].HasField("exit"):
            return records
        time.sleep(0.2)
    raise AssertionError(f"{path} has no end")


def written(folder: Path):
    """What the only offline run under a folder holds: history rows, summary, and all records."""
    (path,) = folder.glob("wandb/offline-run-*/*.wandb")
    records = all_records(path)
    rows, summary = [], {}
    for record in records:
        if record.HasField("history"):
            items = record.history.item
            rows.append({i.key or "/".join(i.nested_key): json.loads(i.value_json) for i in items})
        for item in record.summary.update:
            summary[item.key or "/".join(item.nested_key)] = json.loads(item.value_json)
    return rows, summary, records


def publish(text: str = "wandb") -> None:
    (destination,) = files.parse([text])
    files.write(destination, report())


def test_a_run_is_opened_with_everything_in_it(folder, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    publish("wandb:my-project")
    assert wandb.run is None
    rows, summary, records = written(folder)
    run = next(record.run for record in records if record.HasField("run"))
    assert (run.project, run.job_type) == ("my-project", "rlcheck")
    counts = next(row for row in rows if "rlcheck/failed" in row)
    assert (counts["rlcheck/failed"], counts["rlcheck/passed"], counts["rlcheck/step"]) == (1, 1, 0)
    assert summary["rlcheck/verdict"] == "failed"
    assert summary["rlcheck/fault"] == "gae/done-late"
    metrics = [record.metric for record in records if record.HasField("metric")]
    assert any(one.step_metric == "rlcheck/step" for one in metrics)
    alerts = [record.alert for record in records if record.HasField("alert")]
    assert [one.title for one in alerts] == ["my:gae: gae/done-late"]
    artifacts = [record.artifact for record in records if record.HasField("artifact")]
    ours = next(one for one in artifacts if one.type == "rlcheck-report")
    names = {entry.path for entry in ours.manifest.contents}
    assert {"report.json", "report.html", "reproduce.sh"} <= names


def test_the_table_has_a_row_for_every_check(folder, capsys):
    publish()
    assert f"W&B run: offline; to send it: wandb sync {folder}/wandb/" in capsys.readouterr().err
    (path,) = folder.glob("wandb/offline-run-*/files/media/table/**/*.json")
    table = json.loads(path.read_text())
    assert table["columns"] == ["subject", "check", "status", "message", "fault"]
    assert [row[1:3] for row in table["data"]] == [["gae/a", "failed"], ["gae/b", "passed"]]


def test_no_key_appears_anywhere(folder, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    publish()
    (destination,) = files.parse([f"json:{folder / 'report.json'}"])
    files.write(destination, report())
    kept = [path for path in folder.rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if KEY.encode() in path.read_bytes()]


def test_the_key_of_wandb_login_is_known_too(tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine api.wandb.ai\n  login user\n  password {KEY}\n")
    monkeypatch.setenv("NETRC", str(netrc))
    assert without_keys(f"a {KEY} b") == "a *** b"


def test_the_active_run_is_used_and_left_open(folder):
    run = wandb.init(project="theirs", settings=wandb.Settings(silent=True, console="off"))
    run.log({"loss": 1.0}, step=10)
    publish()
    run.log({"loss": 2.0}, step=10)  # the step of the user's row has not moved
    assert wandb.run is run
    assert run.summary["rlcheck/verdict"] == "failed"
    run.finish()
    rows, _, _ = written(folder)
    (row,) = [row for row in rows if "loss" in row]
    assert row["loss"] == 2.0
    assert row["rlcheck/failed"] == 1


def test_a_monitor_reports_while_it_watches(folder):
    rng = np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rlcheck.TrainingWarning)
        with rlcheck.monitor(3000, report_to="wandb", config={"num_actions": 2}) as watch:
            for i in range(60):
                noise = rng.normal()
                metrics = {"entropy": 0.69 * 0.8**i, "episode_return": 20.0 - 0.1 * i + noise}
                watch.log(50 * i, metrics)
    assert wandb.run is None
    rows, summary, records = written(folder)
    watched = [
        (row["rlcheck/step"], row["rlcheck/warnings"]) for row in rows if "rlcheck/warnings" in row
    ]
    assert [step for step, _ in watched] == sorted(step for step, _ in watched)
    assert watched[0][1] == 0
    assert watched[-1][1] == 1
    assert summary["rlcheck/fault"] == "training-log/entropy-collapse"
    alerts = [record.alert.title for record in records if record.HasField("alert")]
    assert alerts == ["training: training-log/entropy-collapse"]


def test_nobody_logged_in_is_one_sentence(monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "online")
    with pytest.raises(UsageError, match="nobody is logged in to W&B; run `wandb login`"):
        files.parse(["wandb"])


def test_a_run_path_without_login_is_one_sentence():
    with pytest.raises(UsageError, match="nobody is logged in: run `wandb login`"):
        rlcheck.check("entity/project/abc123", "training-log")


def test_wandb_leaves_standard_output_to_others():
    assert len(files.parse(["wandb", "json"])) == 2
    with pytest.raises(UsageError, match="has no project after the colon"):
        files.parse(["wandb:"])
