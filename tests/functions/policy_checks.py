"""Runs all checks of a contract on one function, as the engine does but without shrinking."""

from importlib import import_module

import pytest

from property_tests.framework.build import completed
from property_tests.framework.gradients import with_gradient
from property_tests.framework.trial_run import row
from rlcheck.contracts import Options


def few(faults, *kept):
    """The faults as parameters of a test; all but a few are for longer runs."""
    return [pytest.param(f, marks=() if f in kept else pytest.mark.slow) for f in faults]


def verdict(contract, raw, *, wrt="", examples=60, **options):
    """Names of the checks that fail, and the fault that is named."""
    spec = completed(import_module(f"property_tests.{contract.replace('-', '_')}").SPEC)
    chosen = Options(**options)
    subject = with_gradient(raw, spec, wrt, chosen) if wrt else raw
    found = row(spec, subject, implementation="subject", size=examples, options=chosen)
    return found.failed, found.named
