"""Self test of the contract `environment`: planted faults, and environments without any."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import rlcheck
from ladders.faulty import FAULTY
from rlcheck.records import Status
from rlcheck.selftests import Row

SINGLE = (
    *("CartPole-v1", "Acrobot-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Pendulum-v1"),
    *("Blackjack-v1", "CliffWalking-v1", "CliffWalkingSlippery-v1", "FrozenLake-v1"),
    *("FrozenLake8x8-v1", "Taxi-v4", "rlcheck/WarehouseFixed-v0", "rlcheck/GridWorldSolvable-v0"),
)
"""Correct environments that need nothing but Gymnasium."""

AMPLE = {"seconds": 600.0}
"""For all play: these environments need seconds, and a busy machine shall not cut them short."""

VECTORS = ("CartPole-v1", "FrozenLake-v1")


def vectorised(name: str, mode: AutoresetMode) -> Callable[[], SyncVectorEnv]:
    """What makes three of an environment at a time."""
    return lambda: SyncVectorEnv([lambda: gymnasium.make(name)] * 3, autoreset_mode=mode)


def rows() -> list[Row]:
    """One row a faulty environment, by its first name, and one a correct environment."""
    found = []
    for name, planted in FAULTY.items():
        options = {"constants": {**planted.constants, **AMPLE}, "gamma": planted.gamma}
        failed, named = _said(planted.make, options)
        first = planted.faults[0]
        right = named.removeprefix("environment/") in planted.faults
        found.append(
            Row(name, f"environment/{first}", failed, f"environment/{first}" if right else named)
        )
    ample = {"constants": AMPLE}
    found += [Row(name, failed=_said(name, ample)[0]) for name in SINGLE]
    for name in VECTORS:
        for mode in AutoresetMode:
            made = vectorised(name, mode)
            found.append(Row(f"{name} x 3, {mode.name}", failed=_said(made, ample)[0]))
    return found


def _said(subject: Any, options: Mapping[str, Any]) -> tuple[tuple[str, ...], str]:
    """The checks that failed or could not go on, and the fault that was named first."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Stable-Baselines3's checker only remarks; without it nothing imports torch.
        report = rlcheck.check(
            subject,
            "environment",
            ignore=["environment/usable-by-stable-baselines3"],
            **options,
        )
    bad = (Status.FAILED, Status.ERROR)
    failed = tuple(result.check for result in report.results if result.status in bad)
    return failed, next((diagnosis.fault for diagnosis in report.diagnosis), "")
