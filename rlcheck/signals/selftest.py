"""Self test of the contract `training-log`: made-up sick trainings, and healthy ones."""

from __future__ import annotations

import numpy as np

from rlcheck.records import Result, Status
from rlcheck.selftests import Row
from rlcheck.signals.contract import diagnose, diagnose_log
from rlcheck.signals.findings import PREFIX, Alarm
from rlcheck.signals.series import Log
from rlcheck.signals.synthetic import HEALTHY, KINDS, SICK, stationary

STATIONARY = 25
"""Stationary logs of each kind; `tests/signals` looks at ten times as many."""


def rows(seeds: int = 3) -> list[Row]:
    """One row a made-up training."""
    found = []
    for story in (*SICK, *HEALTHY):
        for seed in range(seeds):
            log = story.tell(np.random.default_rng(seed))
            found.append(row(f"{story.name}, seed {seed}", story.fault, log))
    for kind in KINDS:
        found += [
            row(f"{kind} noise {seed}", "", stationary(kind, seed)) for seed in range(STATIONARY)
        ]
    return found


def row(implementation: str, fault: str, log: Log) -> Row:
    """What the contract says about one log."""
    alarms = [
        Result(
            id="",
            check=PREFIX + detector.name,
            status=Status.FAILED,
            message=finding.message,
            suspects={PREFIX + finding.fault: finding.strength},
        )
        for detector, finding in diagnose_log(log)
        if isinstance(finding, Alarm)
    ]
    named = diagnose(alarms)
    return Row(
        implementation=implementation,
        fault=fault and PREFIX + fault,
        failed=tuple(result.check for result in alarms),
        named=named[0].fault if named else "",
    )
