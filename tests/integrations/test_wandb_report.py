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
from rlcheck.reports import json as json_report
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


SEEN = {
    "window": [1.0, 2.0],
    "signals": {"entropy <b>": {"steps": [0.0, 1.0, 2.0], "values": [1.0, 0.5, "nan"]}},
}


def report() -> Report:
    results = (
        Result(
            id="1",
            check="gae/a",
            status=Status.FAILED,
            message=f"off by 1; {KEY}",
            evidence=SEEN,
            reproducer="rlcheck replay 1",
        ),
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
    paths = folder.glob("wandb/offline-run-*/files/media/table/**/*.json")
    (path,) = [path for path in paths if "checks" in path.name]
    table = json.loads(path.read_text())
    assert table["columns"] == ["subject", "check", "status", "message", "fault"]
    assert [row[1:3] for row in table["data"]] == [["gae/a", "failed"], ["gae/b", "passed"]]


def test_charts_show_the_faults_and_what_the_failed_checks_saw(folder):
    publish()
    _, _, records = written(folder)
    charts = {
        item.nested_key[-1]: item.value_json
        for record in records
        for item in record.config.update
        if "visualize" in item.nested_key
    }
    assert {"rlcheck/faults", "rlcheck/evidence/gae/a/entropy <b>"} <= set(charts), sorted(charts)
    paths = [
        path
        for path in folder.glob("wandb/offline-run-*/files/media/table/**/*.json")
        if "evidence" in str(path)
    ]
    (table,) = [json.loads(path.read_text()) for path in paths]
    lines = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    assert [(one["lineKey"], one["lineVal"]) for one in lines] == [
        ("entropy <b>", 1.0),
        ("entropy <b>", 0.5),
        ("alarm", 0.5),
    ]


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


# --- rlcheck report push ---------------------------------------------------------------------------


@pytest.fixture
def server(monkeypatch):
    """W&B as far as a page needs it: what is asked of it, and the answers."""
    interface = pytest.importorskip("wandb_workspaces.reports.v2.interface")
    asked = []

    class Api:
        def __init__(self, **_):
            pass

        def artifact(self, name):
            asked.append(name)
            return self

        def download(self, root):
            (Path(root) / "report.json").write_text(json_report.render(report()))
            return root

        def projects(self, entity):
            return [type("Project", (), {"name": "rl"})]

    def answer(_, query, variables):
        asked.append(variables)
        if "spec" not in variables:
            return {"project": {"internalId": "7"}}
        view = {"id": "Vmlld3", "type": "runs", "name": "n", "displayName": "d", "description": ""}
        more = {"project": {"name": "rl", "entityName": "team"}, "spec": variables["spec"]}
        return {"upsertView": {"view": {**view, **more}}}

    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setattr(wandb, "Api", Api)
    monkeypatch.setattr(interface, "execute_graphql", answer)
    monkeypatch.setattr(interface, "get_app_url", lambda api: "https://wandb.ai")
    return asked


def test_push_makes_a_page_that_says_the_verdict_and_what_to_do(server, capsys):
    from rlcheck.cli import main

    assert main(["report", "push", "team/rl/abc"]) == 0
    assert capsys.readouterr().out.startswith("https://wandb.ai/team/rl/reports/")
    assert server[0] == "team/rl/rlcheck-abc:latest"
    (sent,) = [asked for asked in server if isinstance(asked, dict) and "spec" in asked]
    assert (sent["entityName"], sent["projectName"]) == ("team", "rl")
    assert sent["displayName"] == "rlcheck: failed: my:gae"
    for words in ("my:gae: failed", "gae/done-late (98%)", "It is late.", "Fix: Shift it."):
        assert words in sent["spec"]
    for words in ("off by 1", "rlcheck replay 1", "rlcheck/checks", "abc"):
        assert words in sent["spec"]
    assert KEY not in str(server)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("team/rl/abc", "nobody is logged in to W&B; run `wandb login`, or set WANDB_API_KEY"),
        ("https://wandb.ai/team/rl/runs/abc", "nobody is logged in to W&B"),
        ("abc", "expected a W&B run as ENTITY/PROJECT/RUN_ID, got 'abc'"),
    ],
)
def test_push_without_a_login_is_one_sentence(target, said, capsys):
    from rlcheck.cli import main

    assert main(["report", "push", target]) == 2
    shown = capsys.readouterr().err
    assert said in shown
    assert shown.count("\n") == 1


def test_push_that_is_refused_is_one_sentence_without_the_key(monkeypatch, capsys):
    from rlcheck.cli import main

    class Refusing:
        def __init__(self, **_):
            raise wandb.errors.CommError(f"401 for https://user:{KEY}@api.wandb.ai")

    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setattr(wandb, "Api", Refusing)
    assert main(["report", "push", "team/rl/abc"]) == 2
    shown = capsys.readouterr().err
    assert "no page could be made for team/rl/abc (CommError)" in shown
    assert KEY not in shown


def test_a_run_path_that_cannot_be_read_is_one_sentence_without_the_key(monkeypatch):
    class Refusing:
        def __init__(self, **_):
            raise wandb.errors.CommError(f"offline; {KEY}")

    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setattr(wandb, "Api", Refusing)
    with pytest.raises(UsageError, match="cannot be read \\(CommError\\)") as told:
        rlcheck.check("entity/project/abc123", "training-log")
    assert KEY not in str(told.value)
