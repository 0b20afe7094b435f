"""Environments that open a window: named in one sentence, wherever the missing display shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from rlcheck.errors import SubjectError

T = TypeVar("T")

WORDS = (
    *("display", "video device", "video system", "x server", "x11", "xdg_runtime_dir"),
    *("opengl", "glfw", "egl", "gladloadgl"),
)
"""Parts of what SDL, GLFW, MuJoCo and Tk say where there is no display."""

REMEDY = (
    "open no window before render() asks for one, or set SDL_VIDEODRIVER=dummy or MUJOCO_GL=egl"
)


def is_about_a_display(error: Exception) -> bool:
    """Whether an error says that there is no display, or that it went away."""
    text = f"{type(error).__name__} {error}".lower()
    return any(word in text for word in WORDS)


def opens_a_window(env: Any) -> bool:
    """Whether every step is shown to people: slow, and one instance closes the window of another."""
    return getattr(env, "render_mode", None) == "human"


def without_display(call: Callable[[], T]) -> T:
    """The result of `call`; an error about a display says what to do about it.

    Raises:
        SubjectError: it needs a display.
    """
    try:
        return call()
    except Exception as error:  # SDL, GLFW and MuJoCo raise types of their own
        if not is_about_a_display(error):
            raise
        said = " ".join(str(error).split()) or type(error).__name__
        raise SubjectError(f"it needs a display ({said}); {REMEDY}") from error
