"""What a function contract is made of: domain, property, faulty version, convention."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from rlcheck.contracts import Options
from rlcheck.functions.binding import Facts, Parameter
from rlcheck.functions.calling import Output
from rlcheck.functions.layouts import Layout
from rlcheck.records import Fault

Array = np.ndarray
Case = Mapping[str, Any]
"""Canonical inputs of one call: parameter name -> array or number. Never written to."""


class SharedCase(dict[str, Any]):
    """A case that several properties see; told apart by identity, so answers can be kept."""

    __slots__ = ()
    __hash__ = object.__hash__  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return self is other


class PooledCases(tuple[Case, ...]):
    """Cases that are generated once and shared; told apart by identity, so answers can be kept."""

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


Outputs = tuple[Array, ...]
Model = Callable[..., Any]
"""A function of canonical inputs by name, such as an oracle: one array, or a tuple of them."""


@dataclass(frozen=True, slots=True)
class Domain:
    """On which data the parameters that a function names determine the answer.

    Args:
        can: capabilities such as `truncation`, `batch`; a contract chooses its own words.
        fixed: hyper-parameters whose value the function does not take, and that value.
    """

    can: frozenset[str]
    fixed: tuple[tuple[str, Any], ...] = ()

    def __contains__(self, capability: str) -> bool:
        return capability in self.can

    def varies(self, name: str) -> bool:
        """Whether the harness may choose this hyper-parameter."""
        return name not in dict(self.fixed)

    def hyper(self, name: str, choices: Sequence[Any]) -> st.SearchStrategy[Any]:
        """Values to try for a hyper-parameter, simplest first."""
        fixed = dict(self.fixed)
        return st.just(fixed[name]) if name in fixed else st.sampled_from(choices)


class Mismatch(NamedTuple):
    """How one property fails on one case.

    Args:
        message: one sentence, what should hold and does not.
        case: the inputs to show.
        expected: what the definition says, or None where nothing is compared.
        got: what came.
        at: index where the two first differ.
        kind: `value`, or what was wrong with the call itself.
        suspects: faults that this violation names by itself.
    """

    message: str
    case: Case
    expected: Array | None = None
    got: Array | None = None
    at: tuple[int, ...] | None = None
    kind: str = "value"
    suspects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Property:
    """Something that holds for every correct subject of a contract, whatever the input.

    Args:
        name: kebab-case, for what holds; the check is called `contract/name`.
        title: one sentence.
        explanation: the equation, why it matters, what training looks like where it fails.
        holds: (run, case) -> None, or how it fails. `run(case)` is the subject's main output.
        cases: domain -> inputs to try; None takes those of the contract.
        needs: capability -> what is lost where the subject lacks it.
        varies: hyper-parameters that the property must be free to choose.
        references: links.
        other_calls: subject -> the same one, called in the other ways in which the property is tried;
            None tries it as the subject is called everywhere.
    """

    name: str
    title: str
    explanation: str
    holds: Callable[[Any, Case], Mismatch | None]
    cases: Callable[[Domain], st.SearchStrategy[Case]] | None = None
    needs: Mapping[str, str] = field(default_factory=dict)
    varies: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    other_calls: Callable[[Any], tuple[Any, ...]] | None = None

    def subjects(self, fitted: Any) -> tuple[Any, ...]:
        """The subject in every way of calling it that the property is about."""
        return (fitted,) if self.other_calls is None else self.other_calls(fitted)


@dataclass(frozen=True, slots=True)
class FaultyVersion:
    """A mistake, with its executable wrong semantics.

    Args:
        name: kebab-case, without the contract.
        model: the wrong version of the oracle, with the same parameters.
        title, explanation, fix, where, references, aliases: as in `rlcheck.records.Fault`.
        variants: further wrong versions that go by the same name.
        takes: what a function must take, and no more, for the mistake to be possible; all by default.
    """

    name: str
    model: Model
    title: str
    explanation: str
    fix: str
    where: str = ""
    references: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    variants: tuple[Model, ...] = ()
    takes: tuple[str, ...] = ()

    @property
    def models(self) -> tuple[Model, ...]:
        """Every wrong version of this name."""
        return (self.model, *self.variants)

    def catalogued(self, contract: str) -> Fault:
        """The catalogue entry."""
        return Fault(
            name=f"{contract}/{self.name}",
            title=self.title,
            explanation=self.explanation,
            fix=self.fix,
            where=self.where,
            references=self.references,
            aliases=tuple(f"{contract}/{alias}" for alias in self.aliases),
        )


@dataclass(frozen=True, slots=True)
class Convention:
    """A point on which correct libraries differ; the first option is the default.

    `only` tells from the names that a function takes whether it may differ on this point at all.
    """

    name: str
    options: tuple[Any, ...]
    meaning: str = ""
    only: Callable[[frozenset[str]], bool] = lambda names: True


def default_tolerance(case: Case, epsilon: float) -> float:
    """Rounding error of a sum of products along the longest axis of the inputs.

    A recursion of n steps makes about n roundings of terms of at most n times the largest input,
    each relative to epsilon; 16 covers the few operations of a step.
    """
    arrays = [np.asarray(value) for value in case.values()]
    reals = [array for array in arrays if array.dtype.kind == "f" and array.size]
    steps = max((max(array.shape, default=1) for array in arrays), default=1)
    largest = max((float(np.abs(array).max()) for array in reals), default=0.0)
    return 16.0 * epsilon * steps**2 * (1.0 + largest)


def _as_returned(outputs: Outputs, facts: Facts) -> Outputs:
    return outputs


def _as_it_is(raw: Any, options: Options) -> Any:
    return raw


def _nothing_settled(raw: Any, contract: FunctionContract, options: Options) -> tuple[Any, Options]:
    return raw, options


def _nothing_to_say(names: frozenset[str]) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True, slots=True, eq=False)
class FunctionContract:
    """Everything that `build` needs to make a contract for functions.

    Args:
        name, title, explanation: as in `rlcheck.contracts.Contract`.
        parameters: the vocabulary; those without `make` are the canonical inputs.
        outputs: what is returned, the first one being compared by most properties.
        oracle: the definition, literally, on canonical inputs by name (and conventions by name).
        domain: (names bound, conventions) -> capabilities; raises BindingError.
        cases: domain -> inputs to try, represented so that shrinking leaves a short list of steps.
        properties: beside those that every contract gets (see `generic.py`).
        faults: wrong versions of the oracle.
        conventions: the dialect.
        read: (what the function returned, facts) -> canonical outputs, undoing conventions.
        layouts: arrangements of axes that are tried, preferred first.
        batch_decides: whether a function that runs on batches is one for batches, so that a layout
            without a batch axis is for functions that no other can call.
        tolerance: (case, epsilon of the subject's precision) -> largest rounding error.
        notes: names bound -> remarks for the report.
        pure: whether the arguments must be left as they were.
        words: parts of function names by which a subject is recognised without `--as`.
        lazily: whether conventions are found as in `inference.py`; a function that takes one of them
            as a parameter is then tested under its default only.
        wrap: (subject, options) -> the subject, returning what can be read as `outputs`.
        settle: (subject, contract, options) -> both with what a single probe tells of the conventions.
    """

    name: str
    title: str
    explanation: str
    parameters: tuple[Parameter, ...]
    outputs: tuple[Output, ...]
    oracle: Model
    domain: Callable[[frozenset[str], Facts], frozenset[str]]
    cases: Callable[[Domain], st.SearchStrategy[Case]]
    properties: tuple[Property, ...]
    faults: tuple[FaultyVersion, ...]
    conventions: tuple[Convention, ...] = ()
    read: Callable[[Outputs, Facts], Outputs] = _as_returned
    layouts: tuple[Layout, ...] = (Layout.AS_WRITTEN, Layout.BATCH_FIRST, Layout.SINGLE)
    batch_decides: bool = False
    tolerance: Callable[[Case, float], float] = default_tolerance
    notes: Callable[[frozenset[str]], tuple[str, ...]] = _nothing_to_say
    pure: bool = True
    words: tuple[str, ...] = ()
    wrap: Callable[[Any, Options], Any] = _as_it_is
    lazily: bool = False
    settle: Callable[[Any, FunctionContract, Options], tuple[Any, Options]] = _nothing_settled
