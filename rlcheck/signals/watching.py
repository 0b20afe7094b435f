"""When to look at a running training, and when an alarm is worth a warning.

A detector is made for a finished run. Asked again and again while a run goes on, it would raise its
voice at every dip that recovers, so three rules stand in between:

    looks       at growing distances (each after 5 % more records, and at least 3), so that all looks
                together cost no more than twenty times the last one
    an alarm    becomes a warning once every look has confirmed it while the run grew by a quarter
    "not yet"   (a return that has not risen, a critic that explains nothing, values that have not
                settled) is a fault of a run that is half over or more, not of one that has just begun;
                without a known length it is told at the end

Numbers that stay NaN do not come back: they are told at the third.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from rlcheck.records import Fault
from rlcheck.signals import faults, faults_language
from rlcheck.signals.contract import CAUSES, diagnose_log
from rlcheck.signals.findings import PREFIX, Alarm
from rlcheck.signals.series import Log

FIRST_LOOK = 10
"""Records before the first look: no detector says anything about fewer."""

_APART = 3
_EVERY = 1.05
_HOLD = 1.25
_LOOKS = 3
_EARLIEST = 0.1
"""Fraction of a run of known length before which only NaN is told: beginnings are wild."""

_NOT_YET: dict[str, float] = {
    faults.RETURN_STUCK.name: 0.5,
    faults.RETURN_CONSTANT.name: 0.5,
    faults.CRITIC_USELESS.name: 0.5,
    faults.CRITIC_UNTRAINED.name: 0.5,
    faults.POLICY_UNIFORM.name: 0.5,
    faults_language.STUCK_AT_LOG2.name: 0.5,
    faults_language.NO_SIGNAL.name: 0.5,
    faults_language.KL_FLAT_REWARD.name: 0.5,
    faults.OVERESTIMATION.name: 0.5,
    faults.Q_DIVERGENCE.name: 0.75,  # values grow as long as an agent learns
}
"""Fraction of a run from which on something that has not happened yet is a fault."""

BY_NAME: dict[str, Fault] = {fault.name: fault for fault in CAUSES}


class Watching:
    """Turns what detectors say at each look into warnings, each fault once.

    Args:
        total_steps: planned length of the training, None where nobody knows.
    """

    def __init__(self, total_steps: float | None) -> None:
        self.total_steps = total_steps
        self._next = FIRST_LOOK
        self._since: dict[str, tuple[int, int]] = {}  # fault -> records at its first look, looks
        self.warned: dict[str, Alarm] = {}

    def due(self, records: int) -> bool:
        """Whether it is time for another look."""
        return records >= self._next

    def look(self, log: Log, records: int, step: float, at_once: bool = False) -> list[Alarm]:
        """The alarms that have become worth a warning, causes before consequences.

        Args:
            log: everything so far.
            records: how many records that is.
            step: the last step.
            at_once: a signal has just stopped being finite.
        """
        self._next = max(records + _APART, math.ceil(records * _EVERY))
        found = _alarms(log)
        self._since = {
            name: (self._since.get(name, (records, 0))[0], self._since.get(name, (0, 0))[1] + 1)
            for name in found
        }
        ripe = {name for name in found if self._ripe(name, records, step, at_once)}
        return self._new({name: alarm for name, alarm in found.items() if name in ripe})

    def last_look(self, log: Log) -> list[Alarm]:
        """The alarms that the finished training raises and that were not told before."""
        return self._new(_alarms(log))

    def _new(self, found: Mapping[str, Alarm]) -> list[Alarm]:
        new = [name for name in BY_NAME if name in found and name not in self.warned]
        self.warned |= {name: found[name] for name in new}
        return [found[name] for name in new]

    def _ripe(self, name: str, records: int, step: float, at_once: bool) -> bool:
        if name == faults.NOT_FINITE.name and at_once:
            return True
        since, looks = self._since[name]
        held = looks >= _LOOKS and records >= _HOLD * since
        if self.total_steps is None:
            return held and name not in _NOT_YET
        return held and step >= _NOT_YET.get(name, _EARLIEST) * self.total_steps


def _alarms(log: Log) -> dict[str, Alarm]:
    return {
        PREFIX + finding.fault: finding
        for _, finding in diagnose_log(log)
        if isinstance(finding, Alarm)
    }
