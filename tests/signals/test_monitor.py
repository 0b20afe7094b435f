"""`rlcheck.monitor`: what is told, when, and that nothing else changes."""

from __future__ import annotations

import json
import random
import re
import warnings

import numpy as np
import pytest

import rlcheck
from rlcheck.errors import UsageError
from rlcheck.signals import history, watching
from rlcheck.signals.series import Log, series
from rlcheck.signals.synthetic import HEALTHY, KINDS, SICK, stationary

COLLAPSE = "training-log/entropy-collapse"


def records(log: Log):
    """The records of a log in the order in which a training would have logged them."""
    rows: dict[float, dict[str, float]] = {}
    for name, points in log.signals.items():
        for step, value in zip(points.steps.tolist(), points.values.tolist(), strict=True):
            rows.setdefault(step, {})[name] = value
    return sorted(rows.items())


def story(fault: str) -> Log:
    return next(one for one in SICK if one.fault == fault).tell(np.random.default_rng(0))


def replay(log: Log, total: bool = True, **options) -> rlcheck.monitor:
    rows = records(log)
    length = rows[-1][0] if total else None
    with rlcheck.monitor(length, config=log.config, **options) as watch:
        for step, metrics in rows:
            watch.log(step, metrics)
    return watch


def quietly(log: Log, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rlcheck.TrainingWarning)
        return replay(log, **options)


def test_a_collapse_is_told_once_with_steps_numbers_and_the_fix():
    with pytest.warns(rlcheck.TrainingWarning) as told:
        watch = replay(story("entropy-collapse"))
    assert list(watch.warned) == [COLLAPSE]
    assert len(told) == 1
    text = str(told[0].message)
    assert "[training-log/entropy-collapse]" in text
    assert re.search(r"seen at step 1\d,\d00 \(1\d% of the run\): the entropy is ", text)
    assert "fix: Raise the entropy coefficient" in text
    assert "rlcheck explain training-log/entropy-collapse" in text


def test_an_unusual_setting_is_named_with_the_first_fault():
    sick = story("entropy-collapse")
    with pytest.warns(rlcheck.TrainingWarning, match="entropy_coef = -2 is unusual"):
        replay(Log(sick.signals, {**sick.config, "ent_coef": -2.0}))


def test_stop_raises_out_of_the_loop_and_leaves_the_report(tmp_path):
    path = tmp_path / "report.json"
    with pytest.raises(rlcheck.TrainingStopped, match="entropy-collapse"):
        replay(story("entropy-collapse"), on_failure="stop", report_to=f"json:{path}")
    report = json.loads(path.read_text())
    assert report["verdict"] == "failed"
    subject = report["subjects"][0]
    assert subject["name"] == "training"
    assert subject["diagnosis"][0]["fault"] == COLLAPSE
    assert subject["notes"][0].startswith(f"{COLLAPSE} was told at step 1")


@pytest.mark.slow
@pytest.mark.parametrize("one", SICK, ids=lambda one: one.name)
def test_a_sick_training_is_told_at_its_end_at_the_latest(one):
    watch = quietly(one.tell(np.random.default_rng(3)))
    assert f"training-log/{one.fault}" in watch.warned


@pytest.mark.slow
@pytest.mark.parametrize("total", [True, False], ids=["known length", "unknown length"])
@pytest.mark.parametrize("one", HEALTHY, ids=lambda one: one.name)
def test_a_healthy_training_is_left_alone(one, total):
    assert not quietly(one.tell(np.random.default_rng(7)), total=total).warned


@pytest.mark.slow
def test_stationary_noise_is_left_alone():
    """All looks of all runs together: at most 1 % of runs."""
    loud = [
        (kind, seed)
        for kind in KINDS
        for seed in range(40)
        if quietly(stationary(kind, seed)).warned
    ]
    assert len(loud) <= 0.01 * 40 * len(KINDS), loud


def test_nan_is_told_at_the_third():
    watch = rlcheck.monitor(total_steps=1000)
    for step in range(50):
        watch.log(step, {"loss": 1.0 + step % 3})
    watch.log(50, {"loss": float("nan")})
    watch.log(51, {"loss": float("nan")})
    with pytest.warns(rlcheck.TrainingWarning, match="not-finite"):
        watch.log(52, {"loss": float("nan")})
    watch.close()


@pytest.mark.parametrize("one", HEALTHY[:2], ids=lambda one: one.name)
def test_a_training_that_learns_is_left_alone(one):
    assert not quietly(one.tell(np.random.default_rng(5))).warned


def test_a_dip_that_recovers_is_not_told():
    with rlcheck.monitor() as watch:
        for step in range(1000):
            low = 300 <= step < 330
            noise = np.sin(1.7 * step)
            level = 5.0 if low else min(400.0, 2.0 * step) + 20.0
            watch.log(step, {"episode_return": level + noise})
    assert not watch.warned


def test_faults_of_what_has_not_happened_yet_wait_for_half_of_the_run():
    watching_flat = watching.Watching(200_000)
    kept = history.History({}, {"env_id": "CartPole-v1"})
    for record in range(100):
        kept.add(2_040.0 * record, {"episode_return": 20.0 + record % 7})
        assert not watching_flat.look(kept.log(), record + 1, 2_040.0 * record)
    assert [one.fault for one in watching_flat.last_look(kept.log())] == ["return-stuck"]


def test_memory_is_bounded_and_looks_are_few(monkeypatch):
    monkeypatch.setattr(watching, "diagnose_log", lambda log: [])
    kept, schedule, looks = history.History({}, {}), watching.Watching(None), []
    for record in range(60_000):
        kept.add(record, {"entropy": 0.5, f"made up {record}": 1.0})
        if schedule.due(kept.records):
            looks.append(record)
            schedule.look(Log({}), kept.records, record)
    assert len(kept.log().signals["entropy"]) <= 2 * history.MOST + 1
    assert kept.log().signals["entropy"].steps[-1] == 59_999
    assert len(kept._columns) == history.MOST_COLUMNS
    assert len(looks) < 250


def test_no_random_stream_moves():
    import torch

    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    before = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    quietly(story("entropy-collapse"))
    assert random.getstate() == before[0]
    assert np.array_equal(np.random.get_state()[1], before[1])
    assert torch.equal(torch.get_rng_state(), before[2])


def test_tensors_keep_their_graph_and_what_is_no_number_is_left_out():
    torch = pytest.importorskip("torch")
    loss = torch.tensor(2.0, requires_grad=True) * 3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert history.as_number(loss) == 6.0
    loss.backward()
    assert history.as_number(np.float32(0.5)) == 0.5
    assert history.as_number(torch.ones(3)) is None
    assert [history.as_number(odd) for odd in ("1", None, True, [1], {})] == [None] * 5


def test_names_of_no_framework_are_bound_or_asked_for():
    watch = rlcheck.monitor()
    watch.log(0, {"pickups": 1.0})
    with pytest.warns(rlcheck.TrainingWarning, match=r"none of the metrics \(pickups\)"):
        watch.close()
    watch = rlcheck.monitor(bind={"pickups": "episode_return"})
    watch.log(0, {"pickups": 1.0})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        watch.close()
    with pytest.raises(UsageError, match="there is no signal 'episode_retrun'"):
        rlcheck.monitor(bind={"pickups": "episode_retrun"})


def test_misspelt_options_are_told_before_the_training(tmp_path):
    with pytest.raises(UsageError, match='expected "warn" or "stop", got \'halt\''):
        rlcheck.monitor(on_failure="halt")
    with pytest.raises(UsageError, match="total_steps: expected a positive number"):
        rlcheck.monitor(total_steps=0)
    with pytest.raises(UsageError, match="no known format"):
        rlcheck.monitor(report_to="htlm:x.html")


def test_a_mistake_of_a_detector_does_not_end_a_training(monkeypatch):
    def broken(log):
        raise ZeroDivisionError("of ours")

    monkeypatch.setattr(watching, "diagnose_log", broken)
    flat = Log({"entropy": series(range(40), [0.5] * 40)})
    with pytest.warns(rlcheck.TrainingWarning, match="could not judge") as told:
        replay(flat)
    assert len(told) == 1


def test_after_an_exception_of_the_training_nothing_is_judged():
    watch = rlcheck.monitor()
    for step, metrics in records(story("return-stuck")):
        watch.log(step, metrics)
    watch.__exit__(KeyError, KeyError("of the user's"), None)
    assert not watch.warned
