"""What Stable-Baselines3's own environment checker says."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import warnings
from typing import Any


def installed() -> bool:
    """Whether Stable-Baselines3 can be imported, without importing it."""
    return importlib.util.find_spec("stable_baselines3") is not None


def messages_of_check_env(env: Any) -> tuple[str, list[str]]:
    """What `check_env` raised ("" for nothing) and the texts of its warnings.

    Args:
        env: a Gymnasium environment; it is stepped and reset.
    """
    from stable_baselines3.common.env_checker import check_env

    raised = ""
    printed = io.StringIO()
    with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stdout(printed):
        warnings.simplefilter("always")
        try:
            check_env(env, warn=True, skip_render_check=True)
        except Exception as error:  # AssertionError, TypeError, ValueError, whatever the env raises
            raised = str(error) or type(error).__name__
    return raised, list(dict.fromkeys(str(warning.message) for warning in caught))
