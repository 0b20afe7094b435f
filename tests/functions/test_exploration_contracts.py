"""Epsilon-greedy, Boltzmann and UCB: correct rules pass, faulty ones are named.

None of the subjects shares code with the catalogue.
"""

import importlib.util

import exploration_subjects as subjects
import pytest

import rlcheck
from property_tests import boltzmann, epsilon_greedy, ucb
from property_tests.scenario_contract import row
from rlcheck.errors import UsageError

CORRECT = [
    pytest.param(
        module,
        function,
        id=f"{module.SCENARIO.name}: {name}",
        # JAX takes a millisecond for what NumPy does in a microsecond, unless it is compiled.
        marks=[pytest.mark.slow] if name == "jax" else [],
    )
    for module, functions in (
        (epsilon_greedy, subjects.EPSILON_GREEDY),
        (boltzmann, subjects.BOLTZMANN),
        (ucb, subjects.UCB),
    )
    for name, function in functions.items()
    if name != "jax" or importlib.util.find_spec("jax")
]
FAULTY = [
    pytest.param(
        module,
        function,
        fault,
        id=f"{module.SCENARIO.name}: {function.__name__}",
        # Of every rule a few; the others are for longer runs.
        marks=[pytest.mark.slow] if number >= 5 else [],
    )
    for module, functions in (
        (epsilon_greedy, subjects.FAULTY_EPSILON_GREEDY),
        (boltzmann, subjects.FAULTY_BOLTZMANN),
        (ucb, subjects.FAULTY_UCB),
    )
    for number, (function, fault) in enumerate(functions.items())
]


@pytest.mark.parametrize(("module", "function"), CORRECT)
def test_correct_rules_pass(module, function):
    assert row(module.SCENARIO, function, "").failed == ()


@pytest.mark.parametrize(("module", "function", "fault"), FAULTY)
def test_faulty_rules_are_named(module, function, fault):
    found = row(module.SCENARIO, function, "")
    assert found.failed
    names = (fault,) if isinstance(fault, str) else fault
    assert found.named.partition("/")[2] in names


def test_a_fixed_epsilon_is_stated():
    def tenth(q_values):
        return subjects.dqn_script_action(q_values, 0.1)

    with pytest.raises(UsageError, match="--set epsilon=VALUE"):
        rlcheck.check(tenth, "epsilon-greedy")
    assert rlcheck.check(tenth, "epsilon-greedy", constants={"epsilon": 0.1}).verdict == "passed"
    wrong = rlcheck.check(tenth, "epsilon-greedy", constants={"epsilon": 0.5})
    assert wrong.verdict == "failed"


def test_the_counterexample_is_one_state_and_says_what_came():
    found = rlcheck.check(subjects.short_range, "epsilon-greedy")
    message = next(r.message for r in found.results if r.check.endswith("is-uniform"))
    assert "times in" in message
    assert found.diagnosis[0].fault == "epsilon-greedy/last-action-never-explored"


@pytest.mark.parametrize("scenario", [m.SCENARIO for m in (epsilon_greedy, boltzmann, ucb)])
def test_every_fault_has_an_entry_of_its_own(scenario):
    names = [fault.name for fault in scenario.faults]
    assert len(set(names)) == len(names) >= 8
    assert all(f.title and f.explanation and f.fix and f.where for f in scenario.faults)
