"""rlcheck tells whether reinforcement-learning code is wrong, which mistake it is, and why."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlcheck.api import CheckFailures, check, parametrize, verify
    from rlcheck.errors import TrainingStopped, TrainingWarning
    from rlcheck.monitoring import monitor
    from rlcheck.serving import guard

__version__ = "0.1.0"
__all__ = [
    "CheckFailures",
    "TrainingStopped",
    "TrainingWarning",
    "__version__",
    "check",
    "guard",
    "monitor",
    "parametrize",
    "verify",
]
_ELSEWHERE = {
    "TrainingStopped": "rlcheck.errors",
    "TrainingWarning": "rlcheck.errors",
    "guard": "rlcheck.serving",
    "monitor": "rlcheck.monitoring",
}


def __getattr__(name: str) -> Any:
    # Imported on first use: `import rlcheck` and the pytest plugin stay free of numpy and friends.
    if name in _ELSEWHERE:
        return getattr(importlib.import_module(_ELSEWHERE[name]), name)
    if name in __all__:
        import rlcheck.api

        return getattr(rlcheck.api, name)
    if name == "strategies":
        return importlib.import_module("rlcheck.strategies")
    raise AttributeError(f"module 'rlcheck' has no attribute {name!r}")
