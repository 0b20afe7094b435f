"""Libraries that some subjects of the tests are written in, and that need not be installed."""

import importlib.util

import pytest

NEEDS_JAX = pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason="JAX is not installed"
)


def in_jax(function, *, slow=True):
    """A subject in JAX as a parameter; slow, since JAX traces it anew for every shape of a batch."""
    marks = [NEEDS_JAX, pytest.mark.slow] if slow else [NEEDS_JAX]
    return pytest.param(function, marks=marks, id=function.__name__)
