"""What a list of agents with known truth says about each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class FaultyAgent:
    """An agent with one injected fault.

    Args:
        name: unique, `family-what-is-wrong`.
        base: the correct agent that it departs from.
        faults: the right names for the fault, best first; any other of them is equally right.
        factory: `make(env, *, seed, gamma=0.99)`, possibly with more named options.
        description: one line: what the code does wrong.
        continuous: whether it needs a Box action space.
    """

    name: str
    base: str
    faults: tuple[str, ...]
    factory: Callable[..., Any]
    description: str
    continuous: bool = False


@dataclass(frozen=True, slots=True)
class CorrectAgent:
    """An agent without a fault.

    Args:
        name: unique.
        factory: as in `FaultyAgent`.
        description: one line.
        slow: whether a tiny problem may need more than 20,000 steps, so that "not yet" is right.
        continuous: whether it needs a Box action space.
    """

    name: str
    factory: Callable[..., Any]
    description: str
    slow: bool = False
    continuous: bool = False
