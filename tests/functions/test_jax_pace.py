"""JAX functions: compiled for a few shapes only, and not anew in every call."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from property_tests.framework.fit import fit
from property_tests.framework.models import Run
from property_tests.framework.records import Domain
from property_tests.framework.retracing import without_retracing
from property_tests.framework.search import FEW_SHAPES, SHAPES, pool
from property_tests.gae import SPEC
from rlcheck.contracts import Options
from rlcheck.functions.arrays import Kind


def test_few_shapes_range_from_small_to_large():
    every = Domain(frozenset({"batch", "termination", "end-flag", "bootstrap"}))
    few = replace(every, can=every.can | {FEW_SHAPES})
    wide = {case["rewards"].shape for case in pool(SPEC.cases, every, 0, 60)}
    narrow = [case["rewards"].shape for case in pool(SPEC.cases, few, 0, 60)]
    assert len(wide) > SHAPES
    assert 2 < len(set(narrow)) <= SHAPES
    assert min(np.prod(list(wide), axis=1)) == min(np.prod(narrow, axis=1))
    assert max(np.prod(narrow, axis=1)) > 6


def scanned(rewards, values, next_values, terminated, truncated, gamma, lam):
    jax = pytest.importorskip("jax")
    jnp = jax.numpy
    kept = 1.0 - (terminated | truncated)
    deltas = rewards + gamma * (1.0 - terminated) * next_values - values

    def step(carry, row):
        carry = row[0] + gamma * lam * row[1] * carry
        return carry, carry

    return jax.lax.scan(step, jnp.zeros_like(deltas[0]), (deltas, kept), reverse=True)[1]


def test_a_loop_that_compiles_in_every_call_is_run_step_by_step():
    pytest.importorskip("jax")
    fitted = fit(scanned, SPEC, Options(dialect={"arrays": "jax"}))
    assert fitted.function.plan.kind is Kind.JAX
    assert fitted.function.plan.stepwise
    case = pool(SPEC.cases, fitted.domain, 0, 30)[0]
    plain = replace(fitted.function, plan=replace(fitted.function.plan, stepwise=False))
    as_it_is = Run(replace(fitted, function=plain))(case)
    np.testing.assert_allclose(Run(fitted)(case), as_it_is, rtol=1e-6, atol=1e-6)


def test_what_cannot_be_run_step_by_step_is_run_as_it_is():
    jax = pytest.importorskip("jax")

    def empty_loop(rewards, gamma):
        jnp = jax.numpy
        carry, _ = jax.lax.scan(lambda c, x: (c, x), rewards, jnp.zeros((0, 1)))
        return carry

    from property_tests.discounted_returns import SPEC as returns

    fitted = fit(empty_loop, returns, Options(dialect={"arrays": "jax"}))
    stepwise = replace(fitted.function, plan=replace(fitted.function.plan, stepwise=True))
    case = pool(returns.cases, fitted.domain, 0, 30)[0]
    got = Run(replace(fitted, function=stepwise))(case)
    np.testing.assert_allclose(got, case["rewards"], rtol=1e-6)


def test_other_libraries_are_left_alone():
    fitted = fit(
        lambda rewards, values, next_values, terminated, gamma, lam: rewards * 1.0, SPEC, Options()
    )
    case = pool(SPEC.cases, fitted.domain, 0, 30)[0]
    assert without_retracing(fitted, case) is fitted
