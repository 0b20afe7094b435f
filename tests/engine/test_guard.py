"""The serving guard: when it falls back, what it counts, and the shadow mode."""

import numpy as np
import pytest

import rlcheck

TRAINING = np.random.default_rng(0).normal(size=(2000, 3))


def act(observation):
    return int(np.sum(observation) > 0)


def safe(observation):
    return 7


def test_a_healthy_policy_acts_and_is_counted():
    guarded = rlcheck.guard(act, safe, observations=TRAINING)
    actions = [guarded(row) for row in TRAINING[:500]]
    assert guarded.counts["policy"] >= 498
    assert actions.count(7) == guarded.counts["fallback"]
    assert guarded.fallback_rate <= 0.004


@pytest.mark.parametrize(
    ("observation", "reason"),
    [
        ([np.nan, 0, 0], "observation-not-finite"),
        ([50.0, 0, 0], "unlike-training"),
        ([0.0, 0.0], "unlike-training"),
        ([3.2, 3.2, 3.2], "unlike-training"),
    ],
)
def test_strange_observations_go_to_the_fallback(observation, reason):
    guarded = rlcheck.guard(act, safe, observations=TRAINING)
    assert guarded(np.array(observation)) == 7
    assert guarded.counts[reason] == 1
    assert guarded.recent[0].reason == reason


def test_an_exception_goes_to_the_fallback():
    guarded = rlcheck.guard(lambda observation: 1 / 0, safe)
    assert guarded(np.zeros(3)) == 7
    assert "ZeroDivisionError" in guarded.recent[0].detail


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"values": lambda o: [1e6, 0], "value_range": (-100, 100)}, "values-out-of-range"),
        ({"values": lambda o: [np.nan, 0]}, "values-out-of-range"),
        ({"probabilities": lambda o: [0.7, 0.7]}, "probabilities-invalid"),
        ({"probabilities": lambda o: [0.5, 0.5], "least_probability": 0.6}, "undecided"),
        ({"probabilities": lambda o: [1.0, 0.0], "most_probability": 0.999}, "overconfident"),
    ],
)
def test_unhealthy_outputs_go_to_the_fallback(options, reason):
    guarded = rlcheck.guard(act, safe, **options)
    assert guarded(np.zeros(3)) == 7
    assert guarded.counts[reason] == 1


def test_a_candidate_runs_in_the_shadow_and_never_acts():
    guarded = rlcheck.guard(act, safe, candidate=lambda observation: 1)
    actions = [guarded(row) for row in TRAINING[:100]]
    assert actions == [act(row) for row in TRAINING[:100]]
    assert guarded.counts["disagreements"] == actions.count(0)
    assert guarded.disagreements[0].shadow == 1
    assert guarded.disagreement_rate == actions.count(0) / 100


def test_a_candidate_that_raises_disturbs_nothing():
    guarded = rlcheck.guard(act, safe, candidate=lambda observation: 1 / 0)
    assert guarded(np.ones(3)) == 1
    assert guarded.counts["shadow-exception"] == 1


def test_every_decision_is_logged():
    lines = []
    guarded = rlcheck.guard(act, safe, log=lines.append)
    guarded(np.ones(3))
    assert lines[0]["used"] == "policy"
    assert lines[0]["action"] == 1


def test_dictionaries_are_compared_by_their_names():
    training = [{"b": row[:2], "a": float(row[2])} for row in TRAINING]
    guarded = rlcheck.guard(lambda o: 1, safe, observations=training)
    assert guarded({"a": 0.0, "b": np.zeros(2)}) == 1
    assert guarded({"a": 50.0, "b": np.zeros(2)}) == 7
    assert guarded.recent[-1].detail.startswith("observation[0] is 50")


def test_what_is_no_observation_goes_to_the_fallback():
    guarded = rlcheck.guard(act, safe, observations=TRAINING)
    assert guarded(None) == guarded("east") == guarded({"a": object()}) == 7
    assert guarded.counts["observation-unreadable"] + guarded.counts["observation-not-finite"] == 3


def test_images_are_told_apart_without_a_covariance():
    images = np.random.default_rng(0).integers(0, 100, size=(50, 40, 40), dtype=np.uint8)
    guarded = rlcheck.guard(lambda o: 1, safe, observations=images, tolerance=0.5)
    assert guarded.seen.whitening.shape == (1600,)
    assert guarded(images[0]) == 1
    assert guarded(np.full((40, 40), 255, np.uint8)) == 7


def test_what_cannot_be_used_is_refused_in_one_sentence():
    with pytest.raises(TypeError, match="policy: expected a function observation -> action"):
        rlcheck.guard(3, safe)
    with pytest.raises(ValueError, match="low < high"):
        rlcheck.guard(act, safe, value_range=(1, 0))
    with pytest.raises(ValueError, match="at least two finite training observations"):
        rlcheck.guard(act, safe, observations=[[1.0]])
