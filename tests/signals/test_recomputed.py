"""Logged metrics against what their raw data give."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import rlcheck
from rlcheck.errors import UsageError
from rlcheck.signals.recomputed import measured, recomputed


def raw(rng: np.random.Generator) -> dict:
    returns, log_ratio = rng.normal(50, 10, (16, 8)), rng.normal(-0.01, 0.2, (16, 8))
    old = rng.normal(-1, 0.3, (16, 8))
    values = returns + rng.normal(0, 5, (16, 8))
    return {
        "values": values,
        "returns": returns,
        "log_probs": old + log_ratio,
        "old_log_probs": old,
        "clip_range": 0.2,
    }


def watched(metric: str, formula) -> list[str]:
    """What a monitor says about a training that logs a metric by a formula."""
    rng = np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rlcheck.TrainingWarning)
        with rlcheck.monitor(6000) as watch:
            for i in range(60):
                given = raw(rng)
                watch.log(100 * i, {metric: formula(given)}, raw=given)
    return list(watch.warned)


def ratio(given: dict) -> np.ndarray:
    return np.exp(given["log_probs"] - given["old_log_probs"])


@pytest.mark.parametrize(
    ("metric", "formula"),
    [
        ("explained_variance", lambda g: 1 - np.var(g["returns"] - g["values"]) / np.var(g["returns"])),
        ("approx_kl", lambda g: (ratio(g) - 1 - np.log(ratio(g))).mean()),
        ("approx_kl", lambda g: 0.5 * (np.log(ratio(g)) ** 2).mean()),
        ("approx_kl", lambda g: (g["old_log_probs"] - g["log_probs"]).mean()),
        ("clip_fraction", lambda g: (np.abs(ratio(g) - 1) > 0.2).mean()),
        ("clip_fraction", lambda g: (np.abs(ratio(g)[:-1] - 1) > 0.2).mean()),  # nearly all samples
    ],
)  # fmt: skip
def test_what_is_right_is_left_alone(metric, formula):
    assert watched(metric, formula) == []


@pytest.mark.parametrize(
    ("metric", "formula", "fault"),
    [
        ("explained_variance", lambda g: 1 - np.var(g["returns"] - g["values"]) / np.var(g["values"]),
            "explained-variance-misreported"),
        ("approx_kl", lambda g: (ratio(g) - 1).mean(), "kl-misreported"),
        ("approx_kl", lambda g: ratio(g).mean(), "kl-misreported"),
        ("clip_fraction", lambda g: (ratio(g) > 1.2).mean(), "clip-fraction-misreported"),
        ("clip_fraction", lambda g: (np.abs(ratio(g)) > 0.2).mean(), "clip-fraction-misreported"),
    ],
)  # fmt: skip
def test_a_wrong_formula_is_named(metric, formula, fault):
    assert f"training-log/{fault}" in watched(metric, formula)


def test_tensors_of_any_layout_are_taken_without_their_graph():
    torch = pytest.importorskip("torch")
    given = raw(np.random.default_rng(1))
    tensors = {name: torch.tensor(value, requires_grad=True) for name, value in given.items()}
    tensors["clip_range"] = 0.2
    tensors["values"] = tensors["values"].reshape(-1, 1)
    for name, value in recomputed(given).items():
        assert recomputed(tensors)[name] == pytest.approx(value)


def test_misspelt_names_and_sizes_are_one_sentence():
    with pytest.raises(UsageError, match="expected some of values, returns"):
        recomputed({"value": [1.0]})
    with pytest.raises(UsageError, match="values holds 2 numbers and returns 3"):
        recomputed({"values": [1.0, 2.0], "returns": [1.0, 2.0, 3.0]})


def test_returns_without_variance_have_no_explained_variance():
    known = recomputed({"values": [1.0, 2.0], "returns": [3.0, 3.0]})
    assert not any("right" in name for name in known)


def test_raw_values_show_a_critic_that_is_not_trained():
    """A monitor takes the means of values and targets from the raw data."""
    rng = np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rlcheck.TrainingWarning)
        with rlcheck.monitor(6000) as watch:
            for i in range(60):
                values = {"values": rng.normal(0, 0.1, 64), "returns": rng.normal(30 + i, 8, 64)}
                watch.log(100 * i, {"episode_return": 30 + i + rng.normal()}, raw=values)
    assert "training-log/critic-not-trained" in watch.warned


def test_signals_that_raw_data_tell():
    rng = np.random.default_rng(0)
    advantages, change = rng.normal(size=64), rng.normal(size=64)
    known = measured(
        {
            "values": np.full(4, 2.0),
            "returns": np.full(4, 5.0),
            "td_errors": np.array([1.0, 2.0]),
            "advantages": advantages,
            "log_probs": change - 1.0,
            "old_log_probs": np.full(64, -1.0),
        }
    )
    assert known["value_mean"] == 2.0
    assert known["value_target_mean"] == 5.0
    assert known["td_error_mean"] == 1.5
    clipped = np.clip(change, -1, 1)
    cosine = advantages @ clipped / np.linalg.norm(advantages) / np.linalg.norm(clipped)
    assert known["advantage_logprob_correlation"] == pytest.approx(cosine)
    same = {"advantages": advantages, "log_probs": change, "old_log_probs": change}
    assert measured(same) == {}  # nothing changed: no direction
