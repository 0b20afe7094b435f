"""JAX functions that compile anew in every call: run operation by operation where that is faster.

`lax.scan` over a function that is defined inside the subject is compiled in each call of the subject,
since the inner function is a new one each time. That takes a tenth of a second, for a loop
of a few steps over a few numbers; run step by step the same loop takes milliseconds.
"""

from __future__ import annotations

import time
from dataclasses import replace

from property_tests.framework.models import Fitted
from property_tests.framework.records import Case
from rlcheck.functions.arrays import Kind
from rlcheck.functions.calling import BoundFunction, Malformed

QUICK = 0.01
"""Seconds of a call that needs no compilation, or hardly any."""


def without_retracing(fitted: Fitted, case: Case) -> Fitted:
    """The subject, run step by step where calls are slow even for shapes that it has seen."""
    function = fitted.function
    if function is None or function.plan.kind is not Kind.JAX:
        return fitted
    facts = {**case, **fitted.conventions}
    as_it_is = _seconds(function, facts)
    if as_it_is < QUICK:
        return fitted
    stepwise = replace(function, plan=replace(function.plan, stepwise=True))
    return replace(fitted, function=stepwise) if _seconds(stepwise, facts) < as_it_is else fitted


def _seconds(function: BoundFunction, facts: Case) -> float:
    """CPU time of a call with arguments of shapes that have been seen."""
    try:
        function(facts)
        start = time.process_time()
        function(facts)
    except Malformed:
        return float("inf")
    return time.process_time() - start
