"""Every fault of a contract is caught; no correct variant fails. One contract a test."""

import pytest

from property_tests.selftest import rows, spec

CONTRACTS = (
    "td-target",
    "q-learning-target",
    "double-q-target",
    "sarsa-target",
    "expected-sarsa-target",
    "soft-q-target",
    "discounted-returns",
    pytest.param("gae", marks=pytest.mark.slow),
    pytest.param("lambda-returns", marks=pytest.mark.slow),
    pytest.param("n-step-returns", marks=pytest.mark.slow),
    pytest.param("vtrace", marks=pytest.mark.slow),
    pytest.param("dueling-q", marks=pytest.mark.slow),
    pytest.param("policy-evaluation", marks=pytest.mark.slow),
    pytest.param("value-iteration", marks=pytest.mark.slow),
    pytest.param("tabular-update", marks=pytest.mark.slow),
    pytest.param("categorical-log-prob", marks=pytest.mark.slow),
    pytest.param("entropy", marks=pytest.mark.slow),
    pytest.param("gaussian-log-prob", marks=pytest.mark.slow),
    pytest.param("tanh-gaussian-log-prob", marks=pytest.mark.slow),
    pytest.param("advantage-normalisation", marks=pytest.mark.slow),
    pytest.param("potential-shaping", marks=pytest.mark.slow),
)
SINGLE_PRECISION = (
    "td-target",
    "discounted-returns",
    "double-q-target",
    "n-step-returns",
    "gaussian-log-prob",
    "gae",
)


@pytest.mark.parametrize("name", CONTRACTS)
def test_faults_are_caught_and_correct_variants_pass(name):
    found = rows(spec(name), size=60)
    assert not [row.implementation for row in found if row.fault and not row.failed]
    assert not [row for row in found if not row.fault and row.failed]
    faulty = [row for row in found if row.fault]
    assert sum(row.named == row.fault for row in faulty) >= 0.95 * len(faulty)


@pytest.mark.slow
@pytest.mark.parametrize("name", SINGLE_PRECISION)
def test_the_same_in_single_precision(name):
    found = rows(spec(name), size=60, precision="float32")
    faulty = [row for row in found if row.fault]
    missed = [row.implementation for row in faulty if not row.failed]
    assert len(missed) <= 0.02 * len(faulty), missed
    assert not [row for row in found if not row.fault and row.failed]
