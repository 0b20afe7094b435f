"""Self tests: what the checks of a contract say about implementations whose correctness is known.

A contract's package may name one function in the entry-point group `rlcheck.selftests`:

    [project.entry-points."rlcheck.selftests"]
    gae = "property_tests.gae:selftest"          # () -> list[Row]

It runs the contract's checks on correct implementations and on faulty ones, and returns one row a
run. `rlcheck selftest` prints them as the detection matrix and the false-alarm rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

GROUP = "rlcheck.selftests"


@dataclass(frozen=True, slots=True)
class Row:
    """One run of a contract's checks on one implementation.

    Args:
        implementation: what was checked, such as "oracle" or "SB3 PPO with ReLU".
        fault: name of the planted fault, "" for a correct implementation.
        failed: names of the checks that failed.
        named: the fault that the diagnosis put first, "" for none.
        inconclusive: names of the checks that could not decide.
    """

    implementation: str
    fault: str = ""
    failed: tuple[str, ...] = ()
    named: str = ""
    inconclusive: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tally:
    """The two numbers that say how good the checks of a contract are.

    Args:
        faults: fault -> check -> in how many runs with the fault the check failed.
        runs: fault -> runs.
        caught: runs with a fault in which some check failed.
        named: runs with a fault whose diagnosis put it first.
        correct: runs of correct implementations.
        false_alarms: those in which a check failed.
    """

    faults: dict[str, dict[str, int]]
    runs: dict[str, int]
    caught: int
    named: int
    correct: int
    false_alarms: tuple[Row, ...]

    @property
    def missed(self) -> tuple[str, ...]:
        """Faults that no check caught in some run."""
        return tuple(name for name, checks in self.faults.items() if checks[""] < self.runs[name])


def found() -> dict[str, EntryPoint]:
    """Every installed self test by name, without importing any."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def tally(rows: Sequence[Row]) -> Tally:
    """Count detections and false alarms; under the check name "" stands "any check"."""
    faults: dict[str, dict[str, int]] = {}
    runs: dict[str, int] = {}
    planted = [row for row in rows if row.fault]
    for row in planted:
        checks = faults.setdefault(row.fault, {"": 0})
        runs[row.fault] = runs.get(row.fault, 0) + 1
        for check in (*row.failed, *([""] if row.failed else [])):
            checks[check] = checks.get(check, 0) + 1
    correct = [row for row in rows if not row.fault]
    return Tally(
        faults=faults,
        runs=runs,
        caught=sum(bool(row.failed) for row in planted),
        named=sum(row.named == row.fault for row in planted),
        correct=len(correct),
        false_alarms=tuple(row for row in correct if row.failed),
    )


def upper_bound(events: int, runs: int, confidence: float = 0.95) -> float:
    """The largest rate that `events` of `runs` does not contradict: 0 of 40 shows 7 %.

    One-sided Clopper-Pearson bound: p with P(Binomial(runs, p) <= events) = 1 - confidence.
    """
    if events >= runs:
        return 1.0
    if events == 0:
        return 1.0 - (1.0 - confidence) ** (1.0 / runs)
    from scipy.stats import beta

    return float(beta.ppf(confidence, events + 1, runs - events))
