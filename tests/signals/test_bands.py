"""The healthy range that a plot shows beside an alarm."""

from __future__ import annotations

from rlcheck.signals.bands import USUAL, healthy_band
from rlcheck.signals.findings import Alarm
from rlcheck.signals.series import series
from rlcheck.signals.vocabulary import BY_NAME


def test_usual_ranges_are_of_known_signals_and_possible():
    for name, (low, high) in USUAL.items():
        assert BY_NAME[name].low <= low < high <= BY_NAME[name].high


def test_without_a_usual_range_the_run_before_the_alarm_counts():
    points = series(range(100), [1.0] * 50 + [900.0] * 50)
    alarm = Alarm("gradients-exploding", "", (50, 99), healthy={"q_mean": (0, 5)})
    assert healthy_band("grad_norm", points, alarm) == (1.0, 1.0, "before the alarm")
    assert healthy_band("grad_norm", points, Alarm("", "", (3, 99))) is None
    assert healthy_band("episode_return", points, alarm) is None
    assert healthy_band("approx_kl", points, alarm).label == "usual"
    assert healthy_band("q_mean", points, alarm) == (0, 5, "healthy")
