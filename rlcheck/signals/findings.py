"""What a detector is: a pure function from a log to an alarm, an all-clear, a doubt, or "cannot tell".

A detector sees arrays only, so the same function reads a finished file and watches a running training:

    finding = detector.look(log)          # Alarm | Clear | Doubt | Unknown
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from rlcheck.records import Fault
from rlcheck.signals.series import Log

PREFIX = "training-log/"

RETURN_SIGNALS = ("episode_return", "reward", "success_rate")
"""What counts as the return of a training, the first that a log has."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """A pathology with the window that shows it.

    Args:
        fault: name of the fault, without the contract.
        message: what was expected and what came, with numbers.
        window: first and last step of the stretch that shows it.
        numbers: those of the message, for programs.
        strength: how surely it is this fault, in [0, 1].
        healthy: signal -> the range in which it would have raised no alarm, for plots.
    """

    fault: str
    message: str
    window: tuple[float, float]
    numbers: Mapping[str, float] = field(default_factory=dict)
    strength: float = 0.9
    healthy: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Clear:
    """Nothing wrong was seen; `notes` are remarks for the report."""

    message: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unknown:
    """The log has the signals, and yet not what it takes to judge."""

    reason: str


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something that a fault would explain, and a training that is young or unlucky as well."""

    reason: str


Finding = Alarm | Clear | Doubt | Unknown


@dataclass(frozen=True, slots=True)
class Need:
    """A signal that a detector looks at: any one of `signals`, with at least `least` values."""

    signals: tuple[str, ...]
    least: int = 20

    def missing(self, counts: Mapping[str, int]) -> str:
        """What the log lacks, in words; "" if it lacks nothing."""
        present = [name for name in self.signals if name in counts]
        if not present:
            return f"the log has no {' or '.join(self.signals)}"
        longest = max(present, key=lambda name: counts[name])
        if counts[longest] < self.least:
            return f"{longest} has {counts[longest]} values, {self.least} are needed"
        return ""


def need(*signals: str, least: int = 20) -> Need:
    """A need for any one of some signals."""
    return Need(signals, least)


RETURN = need(*RETURN_SIGNALS, least=10)


@dataclass(frozen=True, slots=True)
class Detector:
    """One property that holds in every healthy training, and how to see that it does not.

    Args:
        name: of the property that holds, without the contract.
        title: the property in one sentence.
        explanation: what is computed, and why it separates healthy runs from sick ones.
        needs: signals without which it cannot look.
        look: the pure function.
        faults: what it can show, likeliest first.
        shows: signals whose course belongs to the evidence.
    """

    name: str
    title: str
    explanation: str
    needs: tuple[Need, ...]
    look: Callable[[Log], Finding]
    faults: tuple[Fault, ...]
    shows: tuple[str, ...] = ()
    references: tuple[str, ...] = ()

    def missing(self, counts: Mapping[str, int]) -> str:
        """Why it cannot look at a log with these signals and numbers of values; "" if it can."""
        reasons = [reason for one in self.needs if (reason := one.missing(counts))]
        return "; ".join(reasons)


def counts(log: Log) -> dict[str, int]:
    """How many finite values the log has of each signal."""
    return {name: len(points.finite()) for name, points in log.signals.items()}


def steps(window: tuple[float, float]) -> str:
    """`steps 1,000 to 5,000`."""
    return f"steps {window[0]:,.0f} to {window[1]:,.0f}"


def show(value: float) -> str:
    """A number as a person wants to read it."""
    if value != 0 and (abs(value) >= 1e6 or abs(value) < 1e-3):
        return f"{value:.2g}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
