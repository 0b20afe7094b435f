"""Environments with one planted fault each: wrappers and subclasses of well-known ones.

    FAULTY["cartpole-ends-at-200"].make()      the environment
    FAULTY["cartpole-ends-at-200"].faults      ("time-limit-as-termination",)

They show what the contract `environment` can do: `rlcheck selftest environment`, and the benchmark
`benchmarks/environments.py`.
"""

from ladders.faulty.chances import CHANCES
from ladders.faulty.forms import FORMS
from ladders.faulty.goals import GOALS
from ladders.faulty.planted import Planted
from ladders.faulty.vectors import VECTORS

__all__ = ["FAULTY", "Planted"]

FAULTY: dict[str, Planted] = {**FORMS, **CHANCES, **GOALS, **VECTORS}
