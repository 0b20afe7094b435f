"""Self tests of the contracts on state and chance: every fault, and correct variants."""

from __future__ import annotations

from functools import partial
from importlib import import_module

from property_tests.scenario_contract import rows
from property_tests.scenario_variants import VARIANTS
from rlcheck.selftests import Row


def selftest(name: str) -> list[Row]:
    """One row for each faulty version and each correct variant of a contract."""
    scenario = import_module(f"property_tests.{name.replace('-', '_')}").SCENARIO
    return rows(scenario, VARIANTS[name])


# One a contract, for the entry points.
boltzmann = partial(selftest, "boltzmann")
epsilon_greedy = partial(selftest, "epsilon-greedy")
epsilon_schedule = partial(selftest, "epsilon-schedule")
polyak_update = partial(selftest, "polyak-update")
prioritised_replay = partial(selftest, "prioritised-replay")
replay_buffer = partial(selftest, "replay-buffer")
running_normaliser = partial(selftest, "running-normaliser")
ucb = partial(selftest, "ucb")
