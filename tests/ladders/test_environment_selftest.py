"""The planted faults: each of the catalogue at least once, and caught and named in a sample."""

import pytest

from ladders import environment_selftest
from ladders.environment import CONTRACT
from ladders.faulty import FAULTY
from rlcheck.selftests import tally

CATALOGUE = {fault.name.removeprefix("environment/") for fault in CONTRACT.faults}


def test_every_fault_of_the_catalogue_is_planted():
    assert {planted.faults[0] for planted in FAULTY.values()} == CATALOGUE


def test_planted_faults_are_those_of_the_catalogue():
    assert {name for planted in FAULTY.values() for name in planted.faults} <= CATALOGUE


SAMPLE = ("cartpole-four-values", "frozenlake-shaped-at-the-end", "pendulum-actions-overwritten")


@pytest.mark.slow
def test_a_row_names_the_fault_and_the_checks_that_failed(monkeypatch):
    monkeypatch.setattr(environment_selftest, "FAULTY", {name: FAULTY[name] for name in SAMPLE})
    monkeypatch.setattr(environment_selftest, "SINGLE", ("FrozenLake-v1",))
    monkeypatch.setattr(environment_selftest, "VECTORS", ())
    counted = tally(environment_selftest.rows())
    assert (counted.caught, counted.named, counted.correct) == (len(SAMPLE), len(SAMPLE), 1)
    assert not counted.false_alarms
