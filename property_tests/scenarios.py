"""Contracts on subjects with state or chance: buffers, normalisers, target networks, exploration.

Such a subject is not compared answer by answer. It is *played*: a case (a short list of steps) is
carried out on it, and what it showed is written down as an observation, a dict of arrays. The
definition and every faulty version are subjects of the same kind, so their observations of the same
case can be compared with the user's: equality on every case names the fault.
"""

from __future__ import annotations

import random
import sys
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from hypothesis import strategies as st

from property_tests.framework.records import (
    Case,
    Convention,
    Domain,
    FaultyVersion,
    Mismatch,
    PooledCases,
    Property,
)
from property_tests.framework.search import SHRINKS, pool
from rlcheck.adapters.rng import preserved_rng
from rlcheck.contracts import Options
from rlcheck.functions.calling import Malformed

Observation = Mapping[str, np.ndarray]
"""What a subject showed on one case; equal for equal subjects."""

ALPHA = 1e-6
"""Largest probability that a stochastic property fails a correct subject, over all its cases."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A raw subject in the form that a scenario plays.

    Args:
        subject: what `play` gets.
        can: capabilities, which decide on which data it is played.
        notes: remarks for the report.
        fixed: hyper-parameters whose value the subject does not take, and that value.
    """

    subject: Any
    can: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    fixed: tuple[tuple[str, Any], ...] = ()


def _no_conventions(subject: Any) -> Any:
    return subject


@dataclass(frozen=True, slots=True, eq=False)
class Scenario:
    """Everything that `scenario_contract.build` needs.

    Args:
        name, title, explanation: as in `rlcheck.contracts.Contract`.
        cases: domain -> what to carry out, shrinking to a short list of steps.
        prepare: (raw subject, options) -> the subject in the form that is played.
        play: (subject, facts) -> what it showed; facts are the case and the conventions.
        definition: the executable definition, a model.
        predict: (model, facts) -> what a subject with this semantics shows.
        differs: (case, observed, predicted) -> None where the two agree.
        properties: beside agreement with the definition.
        faults: wrong versions of the definition.
        as_subject: model -> a raw subject with its semantics, for self tests.
        conventions: the dialect; a convention is inferred when not pinned.
        words: parts of names by which a subject is recognised without `--as`.
        size: cases tried at most; stochastic scenarios need fewer.
        shrinks: attempts at a smaller counterexample; fewer where playing takes long.
        error_rate: of the stochastic properties, 0 where there is no chance.
    """

    name: str
    title: str
    explanation: str
    cases: Callable[[Domain], st.SearchStrategy[Case]]
    prepare: Callable[[Any, Options], Prepared]
    play: Callable[[Any, Case], Observation]
    definition: Any
    predict: Callable[[Any, Case], Observation]
    differs: Callable[[Case, Observation, Observation], Mismatch | None]
    properties: tuple[Property, ...]
    faults: tuple[FaultyVersion, ...]
    as_subject: Callable[[Any], Any] = _no_conventions
    conventions: tuple[Convention, ...] = ()
    words: tuple[str, ...] = ()
    size: int = 100
    shrinks: int = SHRINKS
    error_rate: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Player:
    """What properties call: a subject with its conventions; None plays `model` in its place."""

    scenario: Scenario
    subject: Any
    domain: Domain
    conventions: Mapping[str, Any] = field(default_factory=dict)
    model: Any = None

    def __call__(self, case: Case) -> Observation:
        """What the subject shows on the case; the same case is played once.

        Raises:
            Malformed: it raised, or returned something that cannot be read.
        """
        facts = self.facts(case)
        if self.subject is None:
            return self.scenario.predict(self.model, facts)
        return _played_once(self, _Facts(repr(sorted(facts.items())), facts))

    def facts(self, case: Case) -> dict[str, Any]:
        """The case and the conventions in one."""
        return {**case, **self.conventions}

    def definition(self, case: Case) -> Observation:
        """What a correct subject shows."""
        return self.scenario.predict(self.scenario.definition, self.facts(case))


@dataclass(frozen=True, slots=True)
class _Facts:
    """Facts that are told apart by what they say."""

    text: str
    facts: Case = field(compare=False)


@lru_cache(maxsize=4096)
def _played_once(player: Player, said: _Facts) -> Observation:
    """Properties that are shrunk one after the other come past the same cases."""
    return played(player.scenario, player.subject, said.facts)


def played(scenario: Scenario, subject: Any, facts: Case) -> Observation:
    """What the subject shows, with its exceptions as `Malformed`.

    Subjects that draw from the global random streams do so from a seed made from the case: the same
    case gives the same answer, and different cases independent ones.
    """
    try:
        with np.errstate(all="ignore"), preserved_rng():
            _seed(zlib.crc32(repr(sorted(facts.items())).encode()))
            return scenario.play(subject, facts)
    except Malformed:
        raise
    except Exception as error:
        text = " ".join(str(error).split())
        raise Malformed("raised", f"it raised {type(error).__name__}: {text}") from error


def _seed(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(seed)


@lru_cache(maxsize=64)
def observations(player: Player, cases: PooledCases) -> tuple[Observation | Malformed, ...]:
    """What the subject shows on every case of a pool, played once for all properties."""
    return tuple(_attempt(player, case) for case in cases)


def _attempt(player: Player, case: Case) -> Observation | Malformed:
    try:
        return player(case)
    except Malformed as error:
        return error


@lru_cache(maxsize=512)
def predictions(
    scenario: Scenario, model: Any, cases: PooledCases, conventions: tuple[tuple[str, Any], ...]
) -> tuple[Observation, ...]:
    """What a model shows on every case of a pool, played once."""
    return tuple(scenario.predict(model, {**case, **dict(conventions)}) for case in cases)


def explains(player: Player, model: Any, cases: PooledCases) -> list[bool]:
    """On which cases the subject shows what the model shows."""
    conventions = tuple(sorted(player.conventions.items()))
    shown = zip(
        cases,
        observations(player, cases),
        predictions(player.scenario, model, cases, conventions),
        strict=True,
    )
    return [
        not isinstance(own, Malformed) and player.scenario.differs(case, own, its) is None
        for case, own, its in shown
    ]


def cases_of(player: Player, seed: int, size: int, *, more: int = 1) -> PooledCases:
    """The cases that all properties share, or `more` times as many."""
    most = more * min(size, player.scenario.size)
    return pool(player.scenario.cases, player.domain, seed, most)


def exactly(slack: float = 0.0) -> Callable[[Case, Observation, Observation], Mismatch | None]:
    """`differs` of deterministic observations: every array equal, up to `slack` times its size."""

    def differs(case: Case, observed: Observation, predicted: Observation) -> Mismatch | None:
        for name, expected in predicted.items():
            got = observed[name]
            found = difference(case, name, got, expected, slack)
            if found is not None:
                return found
        return None

    return differs


def difference(
    case: Case, name: str, got: np.ndarray, expected: np.ndarray, slack: float
) -> Mismatch | None:
    """None where two arrays are equal, else where they first differ."""
    label = name.replace("_", " ")
    if got.shape != expected.shape:
        message = f"{label}: expected {len(expected)} of them, got {len(got)}"
        return Mismatch(message, case, expected, got, None)
    with np.errstate(invalid="ignore"):
        same = np.abs(got - expected) <= slack * (1.0 + np.abs(expected))
    same |= (got == expected) | (np.isnan(got) & np.isnan(expected))
    if same.all():
        return None
    at = tuple(int(i) for i in np.unravel_index(int(np.argmin(same)), same.shape))
    return Mismatch(f"{label} depart from the definition", case, expected, got, at)


def surprise(counts: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """n KL(count / n || p) of each outcome, as a coin that shows it or not.

    By Chernoff's bound a correct sampler exceeds t with probability at most 2 exp(-t), for every n,
    so a test that rejects above log(2 * tests / ALPHA) has error rate ALPHA over all its tests. An
    outcome of probability 0 that occurs has infinite surprise.
    """
    n = counts.sum()
    share = counts / n
    with np.errstate(divide="ignore", invalid="ignore"):
        hit = np.where(share > 0, share * np.log(share / probabilities), 0.0)
        miss = np.where(share < 1, (1 - share) * np.log((1 - share) / (1 - probabilities)), 0.0)
    return n * (hit + miss)


def likely(counts: np.ndarray, probabilities: np.ndarray, tests: int) -> bool:
    """Whether counts can come from these probabilities, with error rate ALPHA over `tests`."""
    # A probability within rounding of 1 stands for 1.
    certain = np.clip(np.round(probabilities, 12), 0.0, 1.0)
    return bool(surprise(counts, certain).max() <= np.log(2.0 * tests * len(counts) / ALPHA))
