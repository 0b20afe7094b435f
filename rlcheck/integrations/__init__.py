"""Callbacks that put `rlcheck.monitor` into the training loops of frameworks.

    from rlcheck.integrations import SB3Callback            # stable_baselines3: model.learn(callback=...)
    from rlcheck.integrations import TransformersCallback   # transformers, trl: Trainer(callbacks=[...])
    from rlcheck.integrations import LightningCallback      # lightning: Trainer(callbacks=[...])

Each takes what `rlcheck.monitor` takes, learns the length of the training and its hyper-parameters from
the framework, and keeps the monitor as `watch`. With `on_failure="stop"` the framework ends the training
in its own way: nothing is raised, and what comes after `learn` or `train` still runs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    LightningCallback: Any
    SB3Callback: Any
    TransformersCallback: Any

__all__ = ["LightningCallback", "SB3Callback", "TransformersCallback"]

_MODULES = {
    "LightningCallback": "rlcheck.integrations.lightning_trainer",
    "SB3Callback": "rlcheck.integrations.stable_baselines",
    "TransformersCallback": "rlcheck.integrations.transformers_trainer",
}


def __getattr__(name: str) -> Any:
    # A class must derive from its framework's, which is imported when the class is asked for.
    if name not in _MODULES:
        raise AttributeError(f"module 'rlcheck.integrations' has no attribute {name!r}")
    return importlib.import_module(_MODULES[name]).callback_class()
