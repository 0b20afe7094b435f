"""Finds out how a subject wants to be called and which declared conventions it follows.

Every combination of array library, layout, flag type and convention is tried on the same inputs,
preferred ones first; the first that agrees with the definition on all of them is taken. Where none
does, the one under which the subject gives the answers of the definition or of a single faulty
version most often: a faulty function has conventions too, and they decide how its fault is named.
A convention is only ever one that the contract declares, so no fault can pass as one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from property_tests.framework.models import Fitted, Run, answers, answers_as_they_came, equal
from property_tests.framework.optional import CAPABILITY, arrays_left_out
from property_tests.framework.records import Case, Domain, FunctionContract, Outputs, PooledCases
from property_tests.framework.retracing import without_retracing
from property_tests.framework.search import FEW_SHAPES, pool
from rlcheck.contracts import Options
from rlcheck.errors import BindingError
from rlcheck.functions.arrays import Kind, epsilon
from rlcheck.functions.binding import Signature, bind_signature, name_of
from rlcheck.functions.calling import BoundFunction, Malformed, Plan
from rlcheck.functions.hints import installed, likely_kinds, sums_a_parameter
from rlcheck.functions.layouts import Layout
from rlcheck.suggest import did_you_mean

PROBES = 30
"""How many inputs decide, the richest of the pool: on poor ones too many forms agree."""

EVERY = 3
"""Of the probes, one in so many is compared with every faulty version."""

SOMETIMES = 0.2
"""Share of the inputs that a function answers which raises on the others; below it, it fits no form."""

SEVERAL = 3
"""So many batches that are answered rightly are no accident."""

PLAN_FIELDS = {
    "arrays": [str(kind) for kind in Kind],
    "layout": [str(layout) for layout in Layout],
    "flags": ["bool", "float"],
    "precision": ["float64", "float32"],
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One combination and what came of it.

    Args:
        fitted: the subject under it.
        outputs: its answers, None where a call went wrong.
        agreeing: how many of them are the definition's.
        problem: what was wrong with the first call, if anything was.
    """

    fitted: Fitted
    cases: PooledCases
    outputs: tuple[Outputs | None, ...]
    agreeing: int
    problem: Malformed | None = None

    @property
    def runs(self) -> bool:
        """Whether any call went through."""
        return any(output is not None for output in self.outputs)

    @property
    def answers(self) -> bool:
        """Whether a call gave an array at all, be it of a wrong shape."""
        return self.runs or (self.problem is not None and self.problem.kind == "shape")


def fit(raw: Any, contract: FunctionContract, options: Options) -> Fitted:
    """The subject, bound, with the plan and the conventions under which it makes most sense.

    Raises:
        BindingError: a name is missing or unknown, or no combination can be called at all.
    """
    raw = contract.wrap(raw, options)
    constants = dict(options.constants)
    hyper = {parameter.name for parameter in contract.parameters if parameter.hyper}
    signature = bind_signature(
        raw,
        contract.parameters,
        contract=contract.name,
        bind=options.bind,
        constants=constants,
    )
    if options.gamma is not None and "gamma" in hyper - signature.known:
        signature = replace(signature, fixed={"gamma": options.gamma, **signature.fixed})
    _require_hyper(raw, contract, signature)
    _check_pins(contract, options.dialect)
    attempts: list[Attempt] = []
    for forms in _passes(raw, contract, signature, options.dialect):
        for reading in _readings(raw, contract, options, signature):
            if reading is not signature and any(_likeness(a) >= (1.0, 1.0) for a in attempts):
                break  # a fault explains every answer: there is nothing to misread
            for fitted in _combinations(raw, contract, reading, options.dialect, forms):
                attempt = _try(fitted)
                if attempt.agreeing == len(attempt.cases):
                    return _unless_batch_fault(attempt, attempts)
                attempts.append(attempt)
        if any(
            attempt.runs if _more_layouts(contract, forms) else attempt.answers
            for attempt in attempts
        ):
            break
    return _best(raw, contract, attempts)


def _readings(
    raw: Any, contract: FunctionContract, options: Options, signature: Signature
) -> Iterator[Signature]:
    """The signature, and what it is if a name of two meanings has the less usual one."""
    yield signature
    for own, word in signature.arguments.items():
        if not word.perhaps or word.perhaps in signature.names or own in _stated(options):
            continue
        other = bind_signature(
            raw,
            contract.parameters,
            contract=contract.name,
            bind={**options.bind, word.perhaps: own},
            constants=dict(options.constants),
        )
        yield replace(other, fixed={**signature.fixed, **other.fixed})


def _stated(options: Options) -> set[str]:
    """Names of which the user has said what they are."""
    return {*options.bind, *options.bind.values()}


def _unless_batch_fault(agreeing: Attempt, earlier: list[Attempt]) -> Fitted:
    """The form that agrees, unless it is for one trajectory and hides a fault that mixes a batch.

    A function for `[T]` may well run on `[T, B]` and answer nonsense; but one that gives exactly the
    answers of a faulty version there is a function for `[T, B]` with that fault, and so is one that
    answers every batch and names numbers of a row in the plural, or is right on some batches.
    """
    plan, function = _plan(agreeing), agreeing.fitted.function
    if plan.layout is Layout.SINGLE and function and sums_a_parameter(function.raw):
        return agreeing.fitted
    # What runs on nested lists is not to be judged by what it makes of arrays.
    alike = [attempt for attempt in earlier if _plan(attempt).kind is plan.kind]
    for attempt in alike:
        mixes = attempt.runs and attempt.agreeing and plan.layout is Layout.SINGLE
        if mixes and (
            _speaks_of_rows(attempt)
            or _right_on_a_batch(attempt)
            or _likeness(attempt) >= (1.0, 1.0)
        ):
            return attempt.fitted
        if plan.layout is not Layout.AS_WRITTEN and _misshapen_by_a_fault(attempt):
            return attempt.fitted
    return agreeing.fitted


def _speaks_of_rows(attempt: Attempt) -> bool:
    """Whether it takes `rewards`, where one transition has a reward, and answers all batches."""
    function = attempt.fitted.function
    named = dict(function.signature.arguments) if function else {}
    if any("T" in word.axes for word in named.values()):
        return False  # a trajectory has several of everything
    plural = any(word.axes == "B" and name.endswith("s") for name, word in named.items())
    return plural and all(output is not None for output in attempt.outputs)


def _right_on_a_batch(attempt: Attempt) -> bool:
    """Whether it answers all batches, and some of several columns rightly.

    A function for one trajectory that is given a batch raises, or is wrong whenever the columns differ.
    """
    if any(output is None for output in attempt.outputs):
        return False
    agreement = _agreement(attempt.fitted, attempt.cases, attempt.outputs)
    several = [_columns(attempt.fitted.contract, case) > 1 for case in attempt.cases]
    return sum(map(all, zip(agreement, several, strict=True))) >= SEVERAL


def _columns(contract: FunctionContract, case: Case) -> int:
    """Size of the batch axis of a trajectory, 1 where there is none."""
    for parameter in contract.parameters:
        if parameter.axes.startswith("TB") and parameter.name in case:
            return int(np.shape(case[parameter.name])[1])
    return 1


def _plan(attempt: Attempt) -> Plan:
    return attempt.fitted.function.plan if attempt.fitted.function else Plan()


def _misshapen_by_a_fault(attempt: Attempt) -> bool:
    """Whether batches get answers of a wrong shape, and exactly those of one faulty version."""
    contract, run, cases = attempt.fitted.contract, Run(attempt.fitted), attempt.cases
    given = answers_as_they_came(run, cases)
    right = run.answers_of(contract.oracle, cases)
    if not any(
        a is not None and a[0].shape != b[0].shape for a, b in zip(given, right, strict=True)
    ):
        return False
    tolerances = [run.tolerance(case) for case in cases]
    return any(
        all(
            own is not None and equal(own, its, slack)
            for own, its, slack in zip(given, run.answers_of(model, cases), tolerances, strict=True)
        )
        for fault in contract.faults
        for model in fault.models
    )


def _passes(
    raw: Any, contract: FunctionContract, signature: Signature, pinned: Mapping[str, Any]
) -> Iterator[dict[str, list[Any]]]:
    """Forms of call to try together; a later pass is for functions that no earlier one can call."""
    has_flags = any(parameter.flags for parameter in signature.arguments.values())
    likely = likely_kinds(raw)
    unlikely = [Kind.TORCH] if Kind.TORCH not in likely and installed(Kind.TORCH) else []
    passes = itertools.product(("float64", "float32"), (likely, unlikely), _layouts(contract))
    for precision, kinds, layouts in passes:
        forms: dict[str, list[Any]] = {
            "precision": [precision],
            "layout": layouts,
            "arrays": kinds,
            "flags": ["bool", "float"] if has_flags else ["bool"],
        }
        yield forms | {name: [pinned[name]] for name in forms if name in pinned}


def _layouts(contract: FunctionContract) -> list[list[Layout]]:
    if not contract.batch_decides:
        return [list(contract.layouts)]
    batches: list[Layout] = [each for each in contract.layouts if each is not Layout.SINGLE]
    return [batches, [layout for layout in contract.layouts if layout is Layout.SINGLE]]


def _more_layouts(contract: FunctionContract, forms: Mapping[str, list[Any]]) -> bool:
    """Whether a form without a batch axis is still to be tried."""
    return contract.batch_decides and forms["layout"] == _layouts(contract)[0]


def _combinations(
    raw: Any,
    contract: FunctionContract,
    signature: Signature,
    pinned: Mapping[str, Any],
    forms: Mapping[str, list[Any]],
) -> Iterator[Fitted]:
    function = BoundFunction(raw, signature, contract.outputs, contract.parameters)
    spoken = _spoken_conventions(contract, signature.names, pinned)
    for precision, layout, kind, flags in itertools.product(*forms.values()):
        plan = Plan(Kind(kind), Layout(layout), flags, precision)
        for conventions in spoken:
            can = contract.domain(signature.names, conventions)
            if plan.layout is Layout.SINGLE:
                can -= {"batch"}
            if plan.kind is Kind.JAX:
                can |= {FEW_SHAPES}
            domain = Domain(can, tuple(sorted(signature.fixed.items())))
            bound = replace(function, plan=plan)
            yield Fitted(contract, bound, domain, conventions, precision)


def _spoken_conventions(
    contract: FunctionContract, taken: frozenset[str], pinned: Mapping[str, Any]
) -> list[dict[str, Any]]:
    options = [
        [pinned[c.name]]
        if c.name in pinned
        else list(c.options if c.only(taken) else c.options[:1])
        for c in contract.conventions
    ]
    names = [convention.name for convention in contract.conventions]
    return [dict(zip(names, chosen, strict=True)) for chosen in itertools.product(*options)]


def _try(fitted: Fitted) -> Attempt:
    contract, run = fitted.contract, Run(fitted)
    cases = _probes(contract, fitted.domain)
    try:
        # The richest input decides quickly whether the form can be called at all.
        called = run.called(cases[0])
    except Malformed as problem:
        return Attempt(fitted, cases, (None,) * len(cases), 0, problem)
    else:
        fitted = without_retracing(fitted, cases[0])
        run = Run(fitted)
        outputs = answers(run, cases)
        fitted = replace(fitted, precision=_precision(called.precision, outputs, fitted))
        fitted = _with_outputs(fitted, outputs)
    agreement = _agreement(fitted, cases, outputs)
    single = replace(fitted, precision="float32")
    if not all(agreement) and _rounds_to_single(fitted.domain, cases, agreement):
        coarser = _agreement(single, cases, outputs)
        if all(coarser):
            fitted, agreement = single, coarser
    return Attempt(fitted, cases, tuple(outputs), sum(agreement))


def _agreement(fitted: Fitted, cases: PooledCases, outputs: Sequence[Outputs | None]) -> list[bool]:
    """On which inputs the answer is the definition's."""
    run = Run(fitted)
    right = run.answers_of(fitted.contract.oracle, cases)
    return [
        own is not None and equal(own, its, run.tolerance(case))
        for case, own, its in zip(cases, outputs, right, strict=True)
    ]


def _rounds_to_single(domain: Domain, cases: PooledCases, agreement: Sequence[bool]) -> bool:
    """Whether answers are right wherever single precision has every number, and wrong elsewhere only.

    `gamma * (1 - dones.float())` rounds gamma before it meets numbers of double precision: not what a
    rollout in single precision would notice. A mistake is there for gamma = 0.5 as for 0.9. Where gamma
    is the function's own, and none of single precision, this cannot be asked.
    """
    if not all(_is_single(value) for _, value in domain.fixed):
        return True
    exact = [all(map(_is_single, case.values())) for case in cases]
    return any(exact) and all(
        same for same, is_exact in zip(agreement, exact, strict=True) if is_exact
    )


def _is_single(value: Any) -> bool:
    """Whether single precision has these very numbers; what is no number cannot be rounded."""
    array = np.asarray(value)
    return array.dtype.kind != "f" or bool(
        np.all(array.astype(np.float32).astype(np.float64) == array)
    )


@lru_cache(maxsize=64)
def _probes(contract: FunctionContract, domain: Domain) -> PooledCases:
    cases = sorted(pool(contract.cases, domain, 0, 100), key=_richness, reverse=True)
    return PooledCases(cases[:PROBES])


def _with_outputs(fitted: Fitted, outputs: list[Outputs | None]) -> Fitted:
    """The domain with the capability `output NAME` for each optional output that is returned."""
    returned = max(len(output) for output in outputs if output is not None)
    names = {f"output {output.name}" for output in fitted.contract.outputs[1:returned]}
    if fitted.function is not None and arrays_left_out(fitted.function):
        names |= {CAPABILITY}
    return replace(fitted, domain=replace(fitted.domain, can=fitted.domain.can | names))


def _richness(case: Case) -> int:
    """How many numbers of a case are not zero, and how many axes are longer than one."""
    return sum(int(np.count_nonzero(value)) for value in case.values())


def _precision(declared: str, outputs: list[Outputs | None], fitted: Fitted) -> str:
    """The floating-point type to which answers are exact, also where it is only used inside."""
    coarse = max((declared, fitted.precision), key=epsilon)
    if coarse != "float64":
        return coarse
    first = [output[0] for output in outputs if output is not None]
    if all(np.array_equal(a, a.astype(np.float32), equal_nan=True) for a in first):
        return "float32"
    return "float64"


def _best(raw: Any, contract: FunctionContract, attempts: list[Attempt]) -> Fitted:
    running = [attempt for attempt in attempts if attempt.runs]
    if not running:
        # An answer of the wrong shape or type is a finding; a function that always raises is none.
        answering = [a for a in attempts if a.problem and a.problem.kind != "raised"]
        sometimes = _running_sometimes(attempts)
        if answering or sometimes:
            return (answering[0] if answering else sometimes[0]).fitted
        # What a list lacks says little about a function of arrays.
        natural = next((a for a in attempts if _plan(a).kind is not Kind.LIST), attempts[0])
        raise BindingError(_why_not(raw, contract, natural))
    scores: list[tuple[bool, bool, float, float]] = []
    for number, attempt in enumerate(running):
        twin = next((k for k, other in enumerate(running[:number]) if _same(other, attempt)), None)
        scores.append(_score(attempt) if twin is None else scores[twin])
    return running[scores.index(max(scores))].fitted


def _running_sometimes(attempts: list[Attempt]) -> list[Attempt]:
    """Those that raise on some inputs only, the richest of them included; the best first."""

    def answered(attempt: Attempt) -> float:
        given = answers(Run(attempt.fitted), attempt.cases)
        return sum(output is not None for output in given) / len(given)

    shares = [answered(attempt) for attempt in attempts]
    order = sorted(range(len(attempts)), key=lambda k: -shares[k])
    return [attempts[k] for k in order if shares[k] >= SOMETIMES]


def _same(one: Attempt, other: Attempt) -> bool:
    """Whether two attempts asked the same and got the same."""
    if one.cases is not other.cases or one.fitted.conventions != other.fitted.conventions:
        return False
    return all(
        (a is None) == (b is None) and (a is None or b is None or np.array_equal(a[0], b[0]))
        for a, b in zip(one.outputs, other.outputs, strict=True)
    )


def _score(attempt: Attempt) -> tuple[bool, bool, float, float]:
    """What explains every answer first, then the default conventions, then what explains most."""
    likeness, given = _likeness(attempt)
    spoken, declared = attempt.fitted.conventions, attempt.fitted.contract.conventions
    usual = all(spoken[convention.name] == convention.options[0] for convention in declared)
    return likeness >= 1.0, usual, likeness, given


def _likeness(attempt: Attempt) -> tuple[float, float]:
    """Share of the answers that one model gives, the definition first; share that came at all."""
    contract, run = attempt.fitted.contract, Run(attempt.fitted)
    given = [output for output in attempt.outputs if output is not None]
    counts = [attempt.agreeing + 0.5]
    tolerances = [run.tolerance(case) for case in attempt.cases]
    few = slice(None, None, EVERY)
    for model in (model for fault in contract.faults for model in fault.models):
        answers_of = run.answers_of(model, attempt.cases)
        known = zip(attempt.outputs[few], answers_of[few], tolerances[few], strict=True)
        same = sum(own is not None and equal(own, its, slack) for own, its, slack in known)
        counts.append(EVERY * same)
    return max(counts) / len(attempt.cases), len(given) / len(attempt.cases)


def _require_hyper(raw: Any, contract: FunctionContract, signature: Signature) -> None:
    for parameter in contract.parameters:
        if parameter.hyper and parameter.name not in signature.known:
            raise BindingError(
                f"{name_of(raw)} does not name the hyper-parameter {parameter.name!r} of the "
                f"contract {contract.name!r}; say which value it uses with "
                f"--set {parameter.name}=VALUE, or which parameter means it with --bind"
            )


def _check_pins(contract: FunctionContract, pinned: Mapping[str, Any]) -> None:
    known = PLAN_FIELDS | {c.name: list(c.options) for c in contract.conventions}
    for name, value in pinned.items():
        if name not in known:
            raise BindingError(
                f"the contract {contract.name!r} declares no convention {name!r}"
                f"{did_you_mean(name, known)}"
            )
        if value not in known[name]:
            choices = ", ".join(map(str, known[name]))
            raise BindingError(
                f"the convention {name!r} of {contract.name!r} is one of {choices}, not {value!r}"
            )


def _why_not(raw: Any, contract: FunctionContract, attempt: Attempt) -> str:
    """What the most natural form raised."""
    function = attempt.fitted.function
    layout = function.plan.layout if function else Layout.AS_WRITTEN
    names = function.signature.arguments if function else {}
    given = ", ".join(f"{n}: {p.describe(layout)}" for n, p in names.items())
    return (
        f"{name_of(raw)} cannot be called as {contract.name!r}: {attempt.problem}; it was given "
        f"{given}, as arrays, tensors and lists, in every layout; where it takes something else, "
        f"wrap it in a function that does"
    )
