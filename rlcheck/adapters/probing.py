"""Two tiny environments on which a subject is built once, to learn what it returns and supports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from rlcheck.adapters.protocol import Task
from rlcheck.adapters.rng import preserved_rng
from rlcheck.errors import RlcheckError, SubjectError

ACTION_FORMS = ("discrete", "continuous")


class ProbeEnv(gymnasium.Env):
    """One-step episodes over four one-hot observations; enough for any constructor."""

    def __init__(self, form: str) -> None:
        self.observation_space = spaces.Box(0.0, 1.0, (4,), np.float32)
        self.action_space = (
            spaces.Discrete(2) if form == "discrete" else spaces.Box(-1.0, 1.0, (1,), np.float32)
        )

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Draw one of the four observations."""
        super().reset(seed=seed)
        return np.eye(4, dtype=np.float32)[self.np_random.integers(4)], {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Reward 1 and the end."""
        return np.zeros(4, np.float32), 1.0, True, False, {}


@dataclass(frozen=True, slots=True)
class Probe:
    """What building a subject showed.

    Args:
        action_forms: the forms of action that it could be built for.
        product: what was built first.
    """

    action_forms: tuple[str, ...]
    product: Any


def probe(build: Callable[[Task], Any], name: str) -> Probe:
    """Build the subject for discrete and for continuous actions, leaving all random streams alone.

    Raises:
        SubjectError: it could be built for neither; the message holds what it raised.
    """
    forms: list[str] = []
    products: list[Any] = []
    first_error: Exception | None = None
    for form in ACTION_FORMS:
        task = Task("", lambda form=form: ProbeEnv(form))  # type: ignore[misc]
        try:
            with preserved_rng():
                products.append(build(task))
        except RlcheckError:
            raise
        except Exception as error:  # refusing a kind of action is any exception of the user's code
            first_error = first_error or error
            continue
        forms.append(form)
    if not forms:
        raise SubjectError(
            f"{name} could be built neither for discrete nor for continuous actions on a small "
            f"environment with observations in Box(4); with discrete ones it raised {first_error!r}"
        ) from first_error
    return Probe(tuple(forms), products[0])
