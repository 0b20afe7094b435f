"""Whatever stands in a file: a log, or a sentence that says why not. Whatever it holds: a finding."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import small_logs as logs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rlcheck.errors import BindingError
from rlcheck.signals.contract import DETECTORS, diagnose_log
from rlcheck.signals.findings import Alarm, Clear, Doubt, Unknown
from rlcheck.signals.readers import places
from rlcheck.signals.recognising import recognise
from rlcheck.signals.series import Log, series
from rlcheck.signals.vocabulary import SIGNALS

FUZZ = settings(
    max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)

cells = st.one_of(
    st.floats(width=32).map(str),
    st.integers(-10, 10**400).map(str),
    st.sampled_from(
        ["", "NaN", "-inf", "None", "1e999", "0x1", "tensor(1.)", '"', "é", "\x00", "1,5"]
    ),
    st.text(max_size=5),
)


def reads(path):
    """A path gives a log, or one sentence."""
    raw, sentence = None, ""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            raw = places.read(str(path))
        except BindingError as error:
            sentence = str(error)
    if raw is None:
        assert "\n" not in sentence
        return
    assert all("\n" not in note and len(note) < 300 for note in raw.notes)
    for points in raw.columns.values():
        assert len(points.steps) == len(points.values) > 0
        assert np.all(np.diff(points.steps) >= 0)
    diagnose_log(recognise(raw))


@FUZZ
@given(st.lists(st.lists(cells, max_size=5), max_size=30))
def test_csv(tmp_path, rows):
    path = tmp_path / "a.csv"
    text = "\n".join(
        ",".join(row) for row in [["step", "episode_return", "loss", "entropy"], *rows]
    )
    path.write_text(text, encoding="utf-8", errors="replace")
    reads(path)


@FUZZ
@given(st.binary(max_size=400))
def test_bytes_under_every_name(tmp_path, data):
    pytest.importorskip("tensorboard")
    pytest.importorskip("wandb")
    for name in (
        "a.csv",
        "a.jsonl",
        "trainer_state.json",
        "events.out.tfevents.1.a",
        "run-a.wandb",
    ):
        path = tmp_path / name
        path.write_bytes(data)
        reads(path)
        path.unlink()


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.floats(), st.integers(), st.text(max_size=4)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["step", "loss", "config", "a/b", ""]), inner, max_size=4)
    ),
    max_leaves=10,
)


@FUZZ
@given(st.lists(json_values, max_size=20), st.booleans())
def test_json(tmp_path, records, lines):
    import json

    path = tmp_path / ("a.jsonl" if lines else "a.json")
    text = "\n".join(map(json.dumps, records)) if lines else json.dumps({"log_history": records})
    path.write_text(text)
    reads(path)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Bytes of real files, each under the name that its format needs."""
    pytest.importorskip("tensorboard")
    pytest.importorskip("wandb")
    folder = tmp_path_factory.mktemp("real")
    paths = [
        logs.events(folder / "events"),
        logs.wandb_run(folder, rows=40),
        logs.sb3_progress(folder / "progress.csv"),
        logs.json_lines(folder / "metrics.jsonl"),
        logs.trainer_state(folder / "trainer_state.json"),
    ]
    return [(path.name, path.read_bytes()) for path in paths]


@FUZZ
@given(data=st.data())
def test_real_files_cut_and_with_flipped_bits(tmp_path, real, data):
    name, content = data.draw(st.sampled_from(real))
    end = data.draw(st.integers(0, len(content)))
    damaged = bytearray(content[:end])
    for _ in range(data.draw(st.integers(0, 3))):
        if damaged:
            damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= 1 << data.draw(
                st.integers(0, 7)
            )
    path = tmp_path / name
    path.write_bytes(bytes(damaged))
    reads(path)
    path.unlink()


values = st.one_of(
    st.floats(),
    st.sampled_from([0.0, 1.0, np.nan, np.inf, -np.inf, 1e308, -1e308, 1e-320, 0.6931]),
)
names = st.sampled_from(
    [signal.name for signal in SIGNALS] + ["reward_component/a", "reward_component/b"]
)
a_series = st.lists(values, max_size=60).map(lambda drawn: series(sorted(range(len(drawn))), drawn))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.dictionaries(names, a_series, min_size=1, max_size=12))
def test_detectors_take_any_numbers(signals):
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # infinities minus infinities
        for detector, finding in diagnose_log(Log(signals)):
            assert isinstance(finding, Alarm | Clear | Doubt | Unknown), detector.name
            if isinstance(finding, Alarm):
                assert finding.window[0] <= finding.window[1]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.sampled_from(DETECTORS), st.integers(10, 40), st.floats(-1e6, 1e6))
def test_detectors_take_constant_signals(detector, count, value):
    signals = {signal.name: series(range(count), [value] * count) for signal in SIGNALS}
    diagnose_log(Log(signals))
