"""The labelled real trainings: what has once been right stays right."""

from __future__ import annotations

import pytest

from benchmarks.training_groups import (
    FIFTH_TEST,
    FIRST_TEST,
    FOURTH_TEST,
    HALVES,
    SECOND_TEST,
    SECOND_TUNING,
    SIXTH_TEST,
    TEST,
    THIRD_TEST,
    THIRD_TUNING,
    TUNING,
)
from benchmarks.training_halves import GROUPS, UNSEEN
from benchmarks.training_runs import runs, runs_file
from rlcheck.signals.findings import PREFIX
from rlcheck.signals.hyper_parameters import advice, recognised
from rlcheck.signals.selftest import row
from rlcheck.signals.series import Log


def test_the_halves_share_no_seed_and_the_unseen_environments_are_in_the_test_half_only():
    seeds = {half: {seed for g in GROUPS if g.half == half for seed in g.seeds} for half in HALVES}
    assert sum(len(own) for own in seeds.values()) == len(set().union(*seeds.values()))
    assert not {group.env for group in GROUPS if group.half != TEST} & set(UNSEEN)
    for half in HALVES:
        names = [group.name for group in GROUPS if group.half == half]
        assert len(names) == len(set(names))


def test_settings_of_healthy_trainings_are_usual_ones():
    for group in (group for group in GROUPS if not group.faults):
        settings = {"gae_lambda" if k == "lam" else k: v for k, v in group.settings.items()}
        unusual = [a for a in advice(Log({}, recognised(settings))) if "unusual" in a]
        assert unusual == [], group.name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("half", "least"),
    [
        (TUNING, 0.97),
        (FIRST_TEST, 0.97),
        (SECOND_TEST, 0.95),
        (THIRD_TEST, 0.88),
        (FOURTH_TEST, 0.83),
        (SECOND_TUNING, 0.85),
        (FIFTH_TEST, 0.95),
        (SIXTH_TEST, 0.95),
        (THIRD_TUNING, 0.9),
        (TEST, 0.93),
    ],
)
def test_runs_that_have_been_seen(half, least):
    assert runs_file(half).stat().st_size < 2e6
    said = [(run.group, row("", "", run.log).named.removeprefix(PREFIX)) for run in runs(half)]
    assert [group.name for group, name in said if name and not group.faults] == []
    named = [name in group.faults for group, name in said if group.faults]
    assert sum(named) >= least * len(named)
