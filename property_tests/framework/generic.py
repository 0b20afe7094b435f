"""The properties and faults that every pure function contract gets."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from property_tests.framework.models import Run
from property_tests.framework.records import Case, FaultyVersion, Mismatch, Model, Property

WELL_FORMED = "returns-what-it-should"
AGREEMENT = "agrees-with-the-definition"
INPUTS_CHANGED = "inputs-changed"
RANDOM = "random-answer"


def well_formed(run: Run, case: Case) -> Mismatch | None:
    """No exception, one finite real number an element."""
    called = run.called(case)  # what cannot be read raises Malformed
    got = called.outputs[0]
    if got.dtype.kind != "f" and not (got.dtype.kind in "iu" and agrees(run, case) is None):
        return Mismatch(
            f"real numbers expected, it returned {got.dtype}: fractions are lost",
            case,
            run.definition(case),
            got,
            (0,) * got.ndim,
            "type",
        )
    if np.isfinite(got).all():
        return None
    index = tuple(int(i) for i in np.argwhere(~np.isfinite(got))[0])
    return Mismatch(
        f"finite numbers expected for finite inputs, it returned {got[index]}",
        case,
        run.definition(case),
        got,
        index,
        "not-finite",
    )


def agrees(run: Run, case: Case) -> Mismatch | None:
    """The answer is the oracle's."""
    return run.compare(case, run.definition(case), "the answer departs from the definition")


def leaves_inputs(run: Run, case: Case) -> Mismatch | None:
    """The arguments hold the same numbers after the call as before."""
    mutated = run.called(case).mutated
    if not mutated:
        return None
    names = ", ".join(f"`{name}`" for name in mutated)
    return Mismatch(
        f"it changed its argument {names}: whoever uses that array afterwards gets other numbers; "
        f"work on a copy",
        case,
        kind="mutated",
        suspects=(INPUTS_CHANGED,),
    )


def repeats(run: Run, case: Case) -> Mismatch | None:
    """Two calls with the same arguments give the same answer, bit by bit."""
    first, second = run(case), run.anew(case).outputs[0]
    if np.array_equal(first, second, equal_nan=True):
        return None
    index = tuple(int(i) for i in np.argwhere(first != second)[0])
    return Mismatch(
        "two calls with the same arguments give different answers",
        case,
        first,
        second,
        index,
        "random",
        suspects=(RANDOM,),
    )


def sensitivity(name: str, one: Any, other: Any, explanation: str) -> Property:
    """The property that a hyper-parameter changes the answer wherever it changes the definition."""

    def holds(run: Run, case: Case) -> Mismatch | None:
        first, second = {**case, name: one}, {**case, name: other}
        tolerance = max(run.tolerance(first), run.tolerance(second))
        expected = run.definition(second) - run.definition(first)
        got = run(second) - run(first)
        if np.abs(expected).max() <= 10 * tolerance or np.abs(got).max() > tolerance:
            return None
        index = np.unravel_index(int(np.abs(expected).argmax()), expected.shape)
        message = f"`{name}` has no effect: between {one} and {other} the answer should change"
        return Mismatch(message, second, expected, got, tuple(int(i) for i in index))

    return Property(
        f"{name}-matters",
        f"`{name}` changes the answer wherever it changes the definition.",
        explanation,
        holds,
        varies=(name,),
    )


def generic_properties(pure: bool) -> tuple[Property, ...]:
    """Properties of every function contract; the first must hold for any other to be tried."""
    untouched = Property(
        "inputs-unchanged",
        "The arguments are left as they were.",
        "A function that writes into its arguments changes data that the caller still needs: "
        "the stored rollout, the next epoch's advantages. Nothing crashes; later losses are wrong.",
        leaves_inputs,
    )
    return (
        Property(
            WELL_FORMED,
            "Every valid input gives a finite real answer of the right shape.",
            "No exception, not None, no NaN, no lost fractions, and one element for each element of the "
            "definition, for one step as for many. A wrong shape broadcasts silently later on.",
            well_formed,
        ),
        Property(
            AGREEMENT,
            "The answer is that of the definition.",
            "Compared with a literal float64 transcription of the definition, within the rounding "
            "error of the function's own precision.",
            agrees,
        ),
        *((untouched,) if pure else ()),
        Property(
            "same-inputs-same-answer",
            "Two calls with the same arguments give the same answer.",
            "Targets and losses are functions of their arguments: hidden state or a random number "
            "makes them irreproducible and, on every update, slightly wrong.",
            repeats,
        ),
    )


def generic_faults(oracle: Model, first_input: str, pure: bool) -> tuple[FaultyVersion, ...]:
    """Faults of every function contract, made from its oracle."""
    changed = FaultyVersion(
        INPUTS_CHANGED,
        _changing(oracle, first_input),
        "the function writes into its arguments",
        "It computes in place, so that the caller's array holds other numbers afterwards.",
        "Copy the array before changing it, or write the result into a new one.",
        "in-place operators (`+=`, `*=`, `x[mask] = 0`, `add_`) on a parameter or a view of it",
    )
    return (
        *((changed,) if pure else ()),
        FaultyVersion(
            RANDOM,
            _random(oracle),
            "the answer is random, or depends on earlier calls",
            "Two calls with the same arguments differ: noise is added, uninitialised memory is "
            "read, or state is kept between calls.",
            "Make the function depend on its arguments only.",
            "np.empty or torch.empty that is not filled, dropout in training mode, a buffer kept "
            "between calls",
        ),
    )


def _changing(oracle: Model, name: str) -> Model:
    @functools.wraps(oracle)
    def changing(**inputs: Any) -> Any:
        answer = oracle(**inputs)
        if inputs[name].flags.writeable:
            inputs[name] += 1.0
        return answer

    return changing


def _random(oracle: Model) -> Model:
    @functools.wraps(oracle)
    def noisy(**inputs: Any) -> Any:
        answer = oracle(**inputs)
        first = answer[0] if isinstance(answer, tuple) else answer
        noise = np.random.default_rng().normal(scale=1e-3, size=np.shape(first))
        return (first + noise, *answer[1:]) if isinstance(answer, tuple) else first + noise

    return noisy
