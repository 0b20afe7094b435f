"""The inputs of contracts as strategies, for users' own property tests."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, find, given, settings
from hypothesis.errors import NoSuchExample

from rlcheck import contracts, strategies
from rlcheck.errors import UsageError

DOCS = Path(__file__).parents[2] / "docs" / "property_tests.md"
FEW = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))


def test_the_documented_example_runs():
    (example,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    names = {}
    exec(example, names)
    tests = [value for name, value in names.items() if name.startswith("test_")]
    assert len(tests) == 2
    for test in tests:
        FEW(test)()


@FEW
@given(strategies.rollouts())
def test_rollouts_are_consistent(rollout):
    assert set(rollout) == {"rewards", "values", "next_values", "terminated", "truncated"}
    ended = rollout["terminated"] | rollout["truncated"]
    inside = ~ended[:-1]
    assert (rollout["next_values"][:-1][inside] == rollout["values"][1:][inside]).all()


def test_what_a_function_takes_limits_the_data():
    plain = strategies.cases("gae", takes=("rewards", "values", "last_value"), gamma=0.9, lam=1.0)
    shrunk = find(plain, lambda inputs: len(inputs["rewards"]) > 1, settings=FEW)
    assert set(shrunk) == {"rewards", "values", "last_value"}
    assert (shrunk["rewards"] == 0).all()


def test_truncation_needs_both_flags():
    only_one = strategies.cases("gae", takes=("rewards", "next_values", "values", "terminated"))
    both = strategies.rollouts()
    assert find(both, lambda inputs: inputs["truncated"].any(), settings=FEW)["truncated"].any()
    with pytest.raises(NoSuchExample):
        find(only_one, lambda inputs: "truncated" in inputs, settings=FEW)


def test_hyper_parameters_can_be_fixed():
    drawn = find(strategies.transitions(gamma=0.7), lambda inputs: True, settings=FEW)
    assert drawn["gamma"] == 0.7
    assert set(drawn) == {"rewards", "next_values", "terminated", "truncated", "gamma"}


@pytest.mark.skipif("value-iteration" not in contracts.names(), reason="needs its contract")
def test_mdps_have_probabilities():
    drawn = find(strategies.mdps(gamma=0.9), lambda inputs: True, settings=FEW)
    assert np.allclose(drawn["transitions"].sum(axis=-1), 1.0)


def test_arrays_belong_to_the_caller():
    drawn = find(strategies.rollouts(), lambda inputs: True, settings=FEW)
    drawn["rewards"] += 1.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: strategies.cases("gea"), "no contract 'gea'; did you mean 'gae'"),
        (lambda: strategies.cases("gae", takes=("reward",)), "no parameter 'reward'.*'rewards'"),
        (lambda: strategies.cases("gae", gama=0.9), "no hyper-parameter 'gama'.*'gamma'"),
        (lambda: strategies.cases("agent"), "has no inputs to draw"),
    ],
)
def test_what_cannot_be_drawn_is_explained(call, message):
    with pytest.raises(UsageError, match=message):
        call()


def test_the_module_loads_nothing_heavy():
    code = (
        "import sys, rlcheck; rlcheck.strategies;"
        "print([m for m in ('numpy', 'hypothesis', 'property_tests') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
