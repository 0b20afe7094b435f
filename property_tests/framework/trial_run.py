"""All properties of a contract on one subject, without shrinking: for self tests."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Sequence
from typing import Any

from property_tests.framework.diagnosis import applies, compare_with_faults
from property_tests.framework.inference import fitted as fit
from property_tests.framework.models import Fitted, Run, evaluate
from property_tests.framework.records import FunctionContract, Model, Property
from property_tests.framework.search import pool
from rlcheck.contracts import Options
from rlcheck.functions.calling import Malformed
from rlcheck.selftests import Row


def as_subject(
    contract: FunctionContract,
    model: Model,
    takes: Sequence[str] = (),
    precision: str = "float64",
) -> Model:
    """A model as a user's function: with all parameters of the oracle, whichever it looks at.

    Args:
        contract: what it claims to be.
        model: an oracle or a faulty version.
        takes: the parameters to have, where not all.
        precision: dtype of what it returns.
    """

    def subject(**inputs: Any) -> Any:
        outputs = tuple(output.astype(precision) for output in evaluate(model, inputs))
        return outputs if len(outputs) > 1 else outputs[0]

    signature = inspect.signature(contract.oracle)
    if takes:
        kind = inspect.Parameter.KEYWORD_ONLY
        signature = inspect.Signature([inspect.Parameter(name, kind) for name in takes])
    subject.__signature__ = signature  # type: ignore[attr-defined]
    subject.__name__ = subject.__qualname__ = contract.oracle.__name__
    # Models compute on arrays, whatever their code looks like: the annotation says so.
    subject.__annotations__ = {"return": "np.ndarray"}
    return subject


def row(
    contract: FunctionContract,
    raw: Any,
    *,
    implementation: str,
    fault: str = "",
    seed: int = 0,
    size: int = 100,
    options: Options | None = None,
) -> Row:
    """Which properties the subject violates, and the fault that its answers point at most.

    Args:
        contract: with its generic properties (`build.completed`).
        raw: the subject, bound as a user's function is.
        implementation: what the row calls it.
        fault: name of the planted fault, "" for a correct implementation.
        seed, size: which inputs, how many.
        options: how to bind it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = fit(raw, contract, options or Options())
        failed, direct = [], ""
        for prop in contract.properties:
            if applies(prop, fitted.domain):
                violated, suspect = _violates(fitted, prop, seed, size)
                failed += [prop.name] * violated
                direct = direct or suspect
        named = direct or (_named(fitted, seed, size) if failed else "")
    return Row(implementation, fault, tuple(failed), named)


def _violates(fitted: Fitted, prop: Property, seed: int, size: int) -> tuple[bool, str]:
    """Whether the property fails on some input, and the fault that it names by itself."""
    for one in prop.subjects(fitted):
        run = Run(one)
        for case in pool(prop.cases or fitted.contract.cases, one.domain, seed, size):
            try:
                found = prop.holds(run, case)
            except Malformed:
                return True, ""
            if found is not None:
                return True, next(iter(found.suspects), "")
    return False, ""


def _named(fitted: Fitted, seed: int, size: int) -> str:
    suspects = compare_with_faults(fitted, seed, size).suspects(fitted.contract.name)
    best = max(suspects, key=lambda name: suspects[name], default="")
    return best.removeprefix(f"{fitted.contract.name}/")
