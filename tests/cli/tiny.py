"""Contracts small enough to know every answer by heart: is a function the double of its argument?"""

from __future__ import annotations

from types import SimpleNamespace

from rlcheck.contracts import Bound, Contract, Options
from rlcheck.errors import BindingError
from rlcheck.records import Budget, Check, Fault, Outcome, Status, one_trial

TRIPLED = Fault(
    name="double/tripled",
    title="the function multiplies by three",
    explanation="Every result is 3/2 of what it should be, so that nothing crashes and all is wrong.",
    fix="Multiply by two.",
    where="where the factor is written, twice in most code bases",
    references=("https://example.org/paper", "https://example.org/bug"),
    aliases=("double/triple",),
)
HALVED = Fault("double/halved", "the function divides by two", "Too small.", "Multiply by two.")


def _values(subject, trial, context):
    context.progress(0.5, "asking")
    return {"got": [float(subject(x)) for x in (1.0, 2.0)]}


def _judge_values(evidence, context):
    got = evidence["got"]
    if got == [2.0, 4.0]:
        return Outcome(Status.PASSED, "f(x) = 2 x", evidence)
    suspects = {"double/tripled": 0.98} if got == [3.0, 6.0] else {}
    table = "    x        1.00  2.00\n    expected 2.00  4.00\n    got      " + "  ".join(
        f"{value:.2f}" for value in got
    )
    return Outcome(Status.FAILED, f"f(x) should be 2 x\n{table}", evidence, suspects)


def _judge_sign(evidence, context):
    if evidence["got"][0] > 0:
        return Outcome(Status.PASSED, "f(1) > 0", evidence)
    return Outcome(Status.FAILED, "f(1) should be positive", evidence)


def _judge_sure(evidence, context):
    if evidence["got"][0] == 2.5:
        return Outcome(Status.INCONCLUSIVE, "2.5 is neither; 3 more seeds would tell", evidence)
    return Outcome(Status.PASSED, "sure", evidence)


def _check(name, judge, **more):
    return Check(
        name, f"{name} holds", "f(x) = 2 x\n\nA long story.", _values, one_trial(judge), **more
    )


def _bind(raw, options: Options) -> Bound:
    if not callable(raw):
        raise BindingError(f"the contract 'double' needs a function, it got {type(raw).__name__}")
    return Bound(raw, {}, {"unit": "one"} | dict(options.dialect), ())


DOUBLE = Contract(
    name="double",
    title="twice the argument",
    explanation="f(x) = 2 x for every x.",
    checks=(
        _check("double/positive", _judge_sign),
        _check(
            "double/is-twice",
            _judge_values,
            requires=("double/positive",),
            catches=("double/tripled", "double/halved"),
            references=("https://example.org/paper",),
        ),
        _check("double/sure", _judge_sure, requires=("double/positive",)),
        _check("double/at-length", _judge_sign, budget=Budget.THOROUGH),
    ),
    faults=(TRIPLED, HALVED),
    bind=_bind,
)


def entries() -> dict:
    """What stands for the installed entry points."""
    return {"double": SimpleNamespace(name="double", value="tiny:DOUBLE", load=lambda: DOUBLE)}
