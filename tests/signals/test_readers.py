"""Readers: what each format gives, and what becomes of files that are damaged."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pytest
import small_logs as logs

from rlcheck.errors import BindingError
from rlcheck.signals.readers import json_files, places, wandb_runs
from rlcheck.signals.recognising import recognise
from rlcheck.signals.series import MOST_POINTS, Gatherer, RawLog, in_order, series


def said(log, words):
    return [note for note in log.notes if words in note]


# --- formats --------------------------------------------------------------------------------------


def test_sb3_progress_has_its_sign_and_its_steps(tmp_path):
    raw = places.read(str(logs.sb3_progress(tmp_path / "progress.csv")))
    log = recognise(raw)
    assert not raw.notes
    assert log.sources["entropy"] == "train/entropy_loss"
    assert log["entropy"].values[0] == pytest.approx(0.685)
    assert log["entropy"].steps[0] == 1024  # the first row has no entropy, which is not NaN
    assert log["episode_return"].steps[0] == 512
    assert set(log.signals) == {"episode_return", "entropy", "approx_kl"}


def test_monitor_counts_steps_by_lengths_and_names_its_environment(tmp_path):
    log = recognise(places.read(str(logs.monitor(tmp_path / "monitor.csv"))))
    assert log.config["env_id"] == "CartPole-v1"
    assert list(log["episode_return"].steps[:3]) == [20, 41, 63]
    assert log["episode_length"].values[2] == 22


def test_json_lines_nest(tmp_path):
    log = recognise(places.read(str(logs.json_lines(tmp_path / "metrics.jsonl"))))
    assert log["entropy"].values[10] == pytest.approx(0.68)
    assert log["episode_return"].steps[-1] == 3900


def test_trainer_state_of_trl(tmp_path):
    log = recognise(places.read(str(logs.trainer_state(tmp_path / "trainer_state.json"))))
    assert log.sources == {"loss": "loss", "reward_margin": "rewards/margins"}
    assert log["reward_margin"].values[-1] == pytest.approx(3.9)


def test_of_several_checkpoints_the_last_history_counts(tmp_path):
    import os

    for step, rows in ((10, 10), (40, 40)):
        (tmp_path / f"checkpoint-{step}").mkdir()
        path = logs.trainer_state(tmp_path / f"checkpoint-{step}" / "trainer_state.json", rows)
        os.utime(path, (step, step))
    log = places.read(str(tmp_path))
    assert len(log.columns["loss"]) == 40
    assert not said(log, "runs")


def test_tensorboard_events_with_cleanrl_settings(tmp_path):
    pytest.importorskip("tensorboard")
    path = logs.events(tmp_path)
    log = recognise(places.read(str(tmp_path)))
    assert log.config == {"gamma": 0.98, "env_id": "CartPole-v1"}
    assert log["episode_return"].values[-1] == 59
    assert len(places.read(str(path)).columns) == 2


def test_wandb_offline_run(tmp_path):
    pytest.importorskip("wandb")
    path = logs.wandb_run(tmp_path)
    for target in (path, path.parent, tmp_path):
        raw = places.read(str(target))
        log = recognise(raw)
        assert not raw.notes
        assert log.config == {"gamma": 0.98}
        assert len(log["episode_return"]) == 3000
        assert log["episode_return"].steps[-1] == 299_900
        assert log["entropy"].values[7] == 0.5
    cut = tmp_path / "cut.wandb"
    cut.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    raw = places.read(str(cut))
    assert len(raw.columns["charts/episodic_return"]) > 500
    assert said(raw, "cut.wandb is damaged or cut off after")
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 255
    cut.write_bytes(bytes(damaged))
    assert said(places.read(str(cut)), "does not fit its checksum")


def test_a_wandb_run_path_asks_for_a_login(monkeypatch, tmp_path):
    pytest.importorskip("wandb")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    with pytest.raises(BindingError, match="nobody is logged in: run `wandb login`"):
        places.read("entity/project/abc123")
    rows = [{"_step": i, "global_step": 10 * i, "episodic_return": 1.0 * i} for i in range(5)]
    raw = wandb_runs.from_history(rows, {"lr": 1e-3})
    assert list(raw.columns["episodic_return"].steps) == [0, 10, 20, 30, 40]


def test_settings_in_a_json_file_beside_the_log(tmp_path):
    logs.json_lines(tmp_path / "metrics.jsonl")
    config = {
        "env": "CartPole-v1",
        "seed": "0",
        "settings": {"lr": 0.001, "epochs": 4, "gamma": 0.95},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    log = recognise(places.read(str(tmp_path)))
    assert log.config["learning_rate"] == 0.001
    assert log.config["env_id"] == "CartPole-v1"
    assert log.config["gamma"] == 0.95


# --- damage ---------------------------------------------------------------------------------------


def test_a_cut_event_file_gives_what_stands_before_the_cut(tmp_path):
    pytest.importorskip("tensorboard")
    path = logs.events(tmp_path / "a")
    whole = path.read_bytes()
    cut = tmp_path / "events.out.tfevents.1.cut"
    cut.write_bytes(whole[: len(whole) // 2])
    raw = places.read(str(cut))
    assert 10 < len(raw.columns["losses/approx_kl"]) < 30
    assert said(raw, "is damaged or cut off after")
    noise = bytearray(whole)
    noise[len(whole) // 2] ^= 255
    cut.write_bytes(bytes(noise))
    assert said(places.read(str(cut)), "is damaged or cut off after")


def test_a_restarted_run_replaces_what_it_repeats(tmp_path):
    pytest.importorskip("tensorboard")
    logs.events(tmp_path, rows=40)
    logs.events(tmp_path, rows=60, start=30)
    raw = places.read(str(tmp_path))
    steps = raw.columns["losses/approx_kl"].steps
    assert list(steps) == [100.0 * i for i in range(60)]
    assert said(raw, "steps go back 1 time: 10 records that were logged again left out")


def test_ragged_rows_and_texts(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(
        "step,episode_return,loss,loss\n1,1.0,0.5,9\n2,2.0\n3,3.0,NaN,9,9\n4,oops,inf,9\n5,,None,9\n\n"
    )
    raw = places.read(str(path))
    assert list(raw.columns["episode_return"].values) == [1, 2, 3]
    assert list(raw.columns["episode_return"].steps) == [1, 2, 3]
    assert np.isnan(raw.columns["loss"].values[1])
    assert np.isinf(raw.columns["loss"].values[2])
    assert said(raw, "2 of 5 rows of log.csv have too many or too few cells")
    assert said(raw, "1 cells of episode_return are no numbers: left out")


def test_json_lines_give_the_same_as_a_table_and_one_by_one(tmp_path, monkeypatch):
    records = [
        {"step": at, "loss": 0.1 * at, "updates": at, "a/b": float("nan")} for at in range(40)
    ]
    records[21] = {"step": 21, "loss": "0.5", "flag": True, "huge": 10**400}
    path = tmp_path / "metrics.jsonl"
    path.write_text("\n\n".join(map(json.dumps, records)) + "\n")
    found = []
    for chunk in (1, 4, 4096):
        monkeypatch.setattr(json_files, "_CHUNK", chunk)
        found.append(json_files.read_json_lines(path))
    assert list(found[0].columns["loss"].values) == [
        0.1 * at if at != 21 else 0.5 for at in range(40)
    ]
    for other in found[1:]:
        assert other.columns.keys() == found[0].columns.keys()
        for name, points in found[0].columns.items():
            np.testing.assert_array_equal(points.steps, other.columns[name].steps)
            np.testing.assert_array_equal(points.values, other.columns[name].values)


def test_cut_json_lines(tmp_path):
    path = logs.json_lines(tmp_path / "metrics.jsonl")
    path.write_text(path.read_text()[:-20] + "\n[1, 2]\n")
    raw = places.read(str(path))
    assert len(raw.columns["episode_return"]) == 39
    assert said(raw, "2 of 41 lines of metrics.jsonl are cut or no JSON objects: left out")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("", None, "holds no training log; looked for TensorBoard event files"),
        ("a.csv", "", "holds no numbers over time .a.csv is empty"),
        ("a.csv", "1,2\n3,4\n", "a.csv has no header that names its columns"),
        ("a.csv", "x,y\nred,blue\n", "holds no numbers over time"),
        ("a.txt", "hello", "is none of the logs that can be read"),
        ("a.json", '{"a": 1}', "a.json holds no list of records"),
        ("a.jsonl", "\n\n", "holds no numbers over time"),
        ("run.wandb", "nothing", "does not begin like a W&B file"),
    ],
)
def test_nothing_to_read_is_one_sentence(tmp_path, name, text, message):
    if name.endswith("wandb"):
        pytest.importorskip("wandb")
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    with pytest.raises(BindingError, match=message) as caught:
        places.read(str(path))
    assert "\n" not in str(caught.value)


def test_of_several_runs_the_newest_is_read_and_the_others_are_named(tmp_path):
    import os

    for age, name in enumerate(("old", "new")):
        (tmp_path / name).mkdir()
        os.utime(logs.json_lines(tmp_path / name / "metrics.jsonl", 30 + age), (age, age))
    raw = places.read(str(tmp_path))
    assert len(raw.columns["episode_return"]) == 31
    assert said(
        raw, "holds 2 runs; this is the newest, new; give the path of another to see it: old"
    )


# --- series ---------------------------------------------------------------------------------------


def test_a_counter_that_starts_again_each_epoch_is_replaced_by_the_record_number():
    points, note = in_order(series([0, 1, 2] * 5, range(15)))
    assert list(points.steps) == list(range(15))
    assert note == "steps go back 4 times: records are numbered instead"


def test_a_gatherer_keeps_an_unbiased_sample_and_the_last_point():
    gatherer = Gatherer()
    count = 10 * MOST_POINTS
    for start in range(0, count, 1000):
        steps = np.arange(start, start + 1000, dtype=float)
        gatherer.add(steps, steps % 2)
    kept = gatherer.series()
    assert MOST_POINTS / 2 < len(kept) <= 2 * MOST_POINTS + 1
    assert kept.values.mean() == pytest.approx(0.5, abs=0.02)  # every 8th would give 0 or 1
    assert np.all(np.diff(kept.steps) > 0)
    assert kept.steps[-1] == count - 1


def test_the_memory_of_a_gatherer_is_bounded():
    gatherer = Gatherer()
    tracemalloc.start()
    for start in range(0, 3_000_000, 10_000):
        gatherer.add(np.arange(start, start + 10_000.0), np.zeros(10_000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20e6


def test_the_users_own_names():
    raw = RawLog({"pickups": series([1, 2], [3, 4]), "shipped": series([1, 2], [4, 3])})
    log = recognise(raw, {"episode_return": "pickups", "eval_return": "shipped"}, {"gamma": 0.9})
    assert log.sources == {"episode_return": "pickups", "eval_return": "shipped"}
    assert log.config == {"gamma": 0.9}
    with pytest.raises(BindingError, match="no signal 'entrop'; did you mean 'entropy'"):
        recognise(raw, {"entrop": "pickups"})
    with pytest.raises(BindingError, match="no column 'pickup'; did you mean 'pickups'"):
        recognise(raw, {"reward": "pickup"})
