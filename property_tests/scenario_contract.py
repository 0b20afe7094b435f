"""Makes an `rlcheck` contract of a scenario: one check a property, and the naming of faults."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from property_tests.framework.diagnosis import AGAIN
from property_tests.framework.records import Case, FaultyVersion, Mismatch, PooledCases, Property
from property_tests.framework.search import pool, smallest
from property_tests.scenario_table import table
from property_tests.scenarios import Domain, Observation, Player, Scenario, cases_of, explains
from property_tests.scenarios import observations as shown_by
from rlcheck.adapters.rng import preserved_rng
from rlcheck.contracts import Bound, Contract, Options
from rlcheck.diagnosis import combine
from rlcheck.errors import BindingError
from rlcheck.functions.binding import name_of
from rlcheck.functions.calling import Malformed
from rlcheck.records import (
    Check,
    Context,
    Diagnosis,
    Evidence,
    Fault,
    Outcome,
    Result,
    Status,
    Trial,
    one_trial,
)
from rlcheck.selftests import Row
from rlcheck.suggest import did_you_mean

PLAYABLE = "can-be-played"
AGREEMENT = "agrees-with-the-definition"
CERTAIN, PARTLY = 0.99, 0.5
PROBES = 30


def build(scenario: Scenario) -> Contract:
    """The scenario as the engine, the command line and pytest use it."""
    faults = tuple(fault.catalogued(scenario.name) for fault in scenario.faults)
    return Contract(
        name=scenario.name,
        title=scenario.title,
        explanation=_explanation(scenario),
        checks=tuple(_check(scenario, prop) for prop in completed(scenario)),
        faults=faults,
        bind=lambda raw, options: _bind(scenario, raw, options),
        diagnose=lambda results: diagnose(scenario, faults, results),
        recognises=lambda raw: any(word in name_of(raw).lower() for word in scenario.words),
    )


def completed(scenario: Scenario) -> tuple[Property, ...]:
    """The properties of a scenario with those that every one has."""
    playable = Property(
        PLAYABLE,
        "Every step of a valid use goes through and returns what can be read.",
        "No exception, not None, no missing field: for one step as for many.",
        lambda run, case: run(case) and None,
    )
    agrees = Property(
        AGREEMENT,
        "It shows what the definition shows.",
        "Played side by side with an executable definition, step by step.",
        lambda run, case: scenario.differs(case, run(case), run.definition(case)),
    )
    return (playable, *scenario.properties, agrees)


def _explanation(scenario: Scenario) -> str:
    lines = [scenario.explanation.strip()]
    if scenario.error_rate:
        lines += ["", f"A correct subject fails with probability at most {scenario.error_rate:g}."]
    if scenario.conventions:
        lines += ["", "Declared conventions (the first is the default):"]
    for convention in scenario.conventions:
        options = " | ".join(map(str, convention.options))
        lines.append(f"  {convention.name}: {options}   {convention.meaning}")
    return "\n".join(lines)


def player_of(scenario: Scenario, raw: Any, options: Options) -> tuple[Player, tuple[str, ...]]:
    """The subject with its conventions, pinned or inferred, and remarks for the report."""
    pinned = _pinned(scenario, options.dialect)
    with preserved_rng():
        prepared = scenario.prepare(raw, options)
        domain = Domain(prepared.can, prepared.fixed)
        choices = [
            [pinned[c.name]] if c.name in pinned else list(c.options) for c in scenario.conventions
        ]
        named = [c.name for c in scenario.conventions]
        players = [
            Player(scenario, prepared.subject, domain, dict(zip(named, chosen, strict=True)))
            for chosen in itertools.product(*choices)
        ]
    return _likeliest(players), prepared.notes


def _likeliest(players: Sequence[Player]) -> Player:
    """The first that shows what the definition shows, else the one that a model explains best."""
    if len(players) == 1:
        return players[0]
    likeness = {}
    for player in players:
        cases = cases_of(player, 0, PROBES)
        own = sum(explains(player, player.scenario.definition, cases))
        if own == len(cases):
            return player
        models = [model for fault in player.scenario.faults for model in fault.models]
        likeness[player] = max(own + 0.5, *(sum(explains(player, m, cases)) for m in models))
    return max(players, key=likeness.__getitem__)


def _pinned(scenario: Scenario, dialect: Mapping[str, Any]) -> dict[str, Any]:
    known = {convention.name: convention.options for convention in scenario.conventions}
    for name, value in dialect.items():
        if name not in known:
            raise BindingError(
                f"the contract {scenario.name!r} declares no convention {name!r}"
                f"{did_you_mean(name, known)}"
            )
        if value not in known[name]:
            raise BindingError(
                f"the convention {name!r} of {scenario.name!r} is one of "
                f"{', '.join(map(str, known[name]))}, not {value!r}"
            )
    return dict(dialect)


def _bind(scenario: Scenario, raw: Any, options: Options) -> Bound:
    player, notes = player_of(scenario, raw, options)
    return Bound(player, {"can": sorted(player.domain.can)}, player.conventions, notes)


def _check(scenario: Scenario, prop: Property) -> Check:
    first = f"{scenario.name}/{PLAYABLE}"
    name = f"{scenario.name}/{prop.name}"
    every = tuple(f"{scenario.name}/{fault.name}" for fault in scenario.faults)
    return Check(
        name=name,
        title=prop.title,
        explanation=prop.explanation,
        trial=_trial(scenario, prop),
        judge=one_trial(_judge),
        applies=lambda facts, settings: next(
            (cost for can, cost in prop.needs.items() if can not in facts["can"]), None
        ),
        requires=() if name == first else (first,),
        stochastic=scenario.error_rate > 0,
        catches=every if prop.name == AGREEMENT else (),
        references=prop.references,
    )


def violation(prop: Property, player: Player, case: Case) -> Mismatch | None:
    """How the property fails on the case, a call that went wrong included."""
    try:
        return prop.holds(player, case)
    except Malformed as error:
        return Mismatch(str(error), case, kind=error.kind)


class _Replayed:
    """A player that looks up what was shown on the shared cases, and plays any other."""

    def __init__(self, player: Player, cases: Sequence[Case], shown: Sequence[Any]):
        self.player = player
        self.shown = {id(case): one for case, one in zip(cases, shown, strict=True)}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.player, name)

    def __call__(self, case: Case) -> Observation:
        found = self.shown.get(id(case))
        if isinstance(found, Malformed):
            raise found
        return self.player(case) if found is None else found


def replayed(player: Player, seed: int, size: int) -> Any:
    """The player with the shared cases played once for all properties."""
    cases = cases_of(player, seed, size)
    return _Replayed(player, cases, shown_by(player, cases))


def _trial(scenario: Scenario, prop: Property) -> Callable[..., Evidence]:
    def trial(player: Player, trial: Trial, context: Context) -> Evidence:
        seed, size = trial.seed, min(context.settings.max_examples, scenario.size)
        with warnings.catch_warnings(), preserved_rng():
            warnings.simplefilter("ignore")
            run = replayed(player, seed, size)
            found, tried = smallest(
                prop.cases or scenario.cases,
                player.domain,
                lambda case: violation(prop, run, case),
                seed=seed,
                size=size,
                shrinks=scenario.shrinks,
            )
            if found is None:
                return {"holds": True, "cases_tried": tried}
            return _shown(player, found, seed, size)

    return trial


def _shown(player: Player, found: Mismatch, seed: int, size: int) -> dict[str, Any]:
    name = player.scenario.name
    suspects = {f"{name}/{fault}": CERTAIN / len(found.suspects) for fault in found.suspects}
    proof: dict[str, list[str]] = {}
    if not suspects:
        suspects, equal, cases = suspected(player, seed, size)
        if equal:
            line = f"on all {cases} cases played it shows what this fault shows"
            proof = {fault: [line] for fault in suspects}
    return {
        "holds": False,
        "kind": found.kind,
        "message": found.message,
        "inputs": {key: np.asarray(value).tolist() for key, value in found.case.items()},
        "expected": None if found.expected is None else found.expected.tolist(),
        "got": None if found.got is None else found.got.tolist(),
        "first_different": None if found.at is None else list(found.at),
        "table": table(found),
        "suspects": suspects,
        "proof": proof,
        "can": sorted(player.domain.can),
    }


@lru_cache(maxsize=16)
def suspected(player: Player, seed: int, size: int) -> tuple[dict[str, float], bool, int]:
    """Fault -> probability from what was shown, whether it is exactly that, cases compared.

    Where several faults explain all of it, more cases may tell these apart.
    """
    scenario = player.scenario
    found = _suspected(player, scenario.faults, cases_of(player, seed, size))
    if not found[1] or len(found[0]) < 2:
        return found
    tied = [fault for fault in scenario.faults if f"{scenario.name}/{fault.name}" in found[0]]
    return _suspected(player, tied, cases_of(player, seed, size, more=AGAIN))


def _suspected(
    player: Player, faults: Sequence[FaultyVersion], cases: PooledCases
) -> tuple[dict[str, float], bool, int]:
    scenario = player.scenario
    right = explains(player, scenario.definition, cases)
    explained: dict[str, int] = {}
    equal: list[str] = []
    for fault in faults:
        matches = [explains(player, model, cases) for model in fault.models]
        explained[fault.name] = max(
            sum(same and not fine for same, fine in zip(own, right, strict=True)) for own in matches
        )
        if not all(right) and any(all(own) for own in matches):
            equal.append(fault.name)
    if equal:
        return {f"{scenario.name}/{n}": CERTAIN / len(equal) for n in equal}, True, len(cases)
    total = sum(explained.values())
    partly = {f"{scenario.name}/{n}": PARTLY * k / total for n, k in explained.items() if k}
    return partly, False, len(cases)


def _judge(evidence: Evidence, context: Context) -> Outcome:
    if evidence["holds"]:
        return Outcome(Status.PASSED, f"holds in {evidence['cases_tried']} cases", evidence)
    status = Status.ERROR if evidence["kind"] == "raised" else Status.FAILED
    message = "\n".join([evidence["message"], *evidence["table"]])
    return Outcome(status, message, evidence, evidence["suspects"])


def diagnose(
    scenario: Scenario, faults: Sequence[Fault], results: Sequence[Result]
) -> tuple[Diagnosis, ...]:
    """The faults that explain all results of a subject together, most probable first."""
    failed = [result for result in results if result.status in (Status.FAILED, Status.XFAILED)]
    certain = [r for r in failed if sum(r.suspects.values()) >= CERTAIN - 1e-6]
    if certain:
        # A property that names faults by itself knows more than the comparison of all that was
        # shown, and properties that say the same compared the same: one of each is enough.
        said = {tuple(sorted(result.suspects.items())): result for result in reversed(certain)}
        return combine(list(said.values()), faults)
    if not failed:
        return ()
    can = frozenset(failed[0].evidence.get("can", ()))
    violated = frozenset(result.check.split("/", 1)[1] for result in failed)
    ranking = _by_signature(scenario, can, violated, failed[0].suspects)
    return combine([replace(failed[0], suspects=ranking)], faults)


def _by_signature(
    scenario: Scenario, can: frozenset[str], violated: frozenset[str], partly: Mapping[str, float]
) -> dict[str, float]:
    weights = {}
    for fault in scenario.faults:
        own = signature(scenario, fault, can)
        overlap = len(own & violated) / len(own | violated)
        name = f"{scenario.name}/{fault.name}"
        weights[name] = overlap**2 + 2.0 * partly.get(name, 0.0)
    total, best = sum(weights.values()), max(weights.values(), default=0.0)
    return {name: 0.8 * w / total for name, w in weights.items() if best and w >= 0.25 * best}


@lru_cache(maxsize=256)
def signature(scenario: Scenario, fault: FaultyVersion, can: frozenset[str]) -> frozenset[str]:
    """Names of the properties that a faulty version violates."""
    conventions = {c.name: c.options[0] for c in scenario.conventions}
    prepared = scenario.prepare(scenario.as_subject(fault.model), Options())
    player = Player(scenario, prepared.subject, Domain(can), conventions)
    return frozenset(violations(player, 0, PROBES))


def violations(player: Player, seed: int, size: int) -> dict[str, Mismatch]:
    """Property -> how the subject violates it, without shrinking."""
    run, found = replayed(player, seed, size), {}
    for prop in completed(player.scenario):
        if not all(capability in player.domain for capability in prop.needs):
            continue
        shared = cases_of(player, seed, size)
        cases = shared if prop.cases is None else pool(prop.cases, player.domain, seed, size)
        first = next(filter(None, (violation(prop, run, case) for case in cases)), None)
        if first is not None:
            found[prop.name] = first
            if prop.name == PLAYABLE:
                break
    return found


def rows(scenario: Scenario, variants: Mapping[str, Any], size: int = 100) -> list[Row]:
    """Self test: one row for each faulty version and each correct variant."""
    planted = [
        (f"{fault.name} {number}", fault.name, scenario.as_subject(model))
        for fault in scenario.faults
        for number, model in enumerate(fault.models, start=1)
    ]
    correct = {"definition": scenario.as_subject(scenario.definition), **variants}
    subjects = planted + [(name, "", raw) for name, raw in correct.items()]
    return [row(scenario, raw, name, fault, size) for name, fault, raw in subjects]


def row(scenario: Scenario, raw: Any, implementation: str, fault: str = "", size: int = 100) -> Row:
    """Which properties a subject violates and which fault it is taken for."""
    prefix = f"{scenario.name}/"
    with warnings.catch_warnings(), preserved_rng():
        warnings.simplefilter("ignore")
        player, _ = player_of(scenario, raw, Options())
        found = violations(player, 0, size)
        direct = [name for mismatch in found.values() for name in mismatch.suspects]
        suspects = suspected(player, 0, size)[0] if found and not direct else {}
    best = max(suspects, key=lambda name: suspects[name], default="").removeprefix(prefix)
    named = direct[0] if direct else best
    return Row(
        implementation,
        prefix + fault if fault else "",
        tuple(prefix + name for name in found),
        prefix + named if named else "",
    )
