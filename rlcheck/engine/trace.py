"""What to tell a user about an exception: the sentence, and the frames of their own code."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

import rlcheck

OWN_PACKAGES = ("rlcheck", "property_tests", "ladders", "reference_agents")
_HOME = Path(rlcheck.__file__).resolve().parent.parent
_FRAMES = 6


def sentence(error: BaseException) -> str:
    """`ValueError: the message`, on one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def user_frames(error: BaseException) -> list[traceback.FrameSummary]:
    """Frames from the first one outside rlcheck and the machinery that called it; may be empty."""
    frames = traceback.extract_tb(error.__traceback__)
    for start, frame in enumerate(frames):
        if is_foreign(frame.filename):
            return list(frames[start:])
    return []


def short_traceback(error: BaseException) -> str:
    """The last few frames from the user's code on, one a line."""
    frames = user_frames(error)
    lines = [format_frame(frame) for frame in frames]
    if len(lines) > _FRAMES:
        lines = [lines[0], f"... {len(lines) - _FRAMES} more frames", *lines[1 - _FRAMES :]]
    return "\n".join(f"  {line}" for line in lines)


def format_frame(frame: traceback.FrameSummary) -> str:
    """`file:line in function: source line`, with the path relative to the working directory."""
    return f"{relative(frame.filename)}:{frame.lineno} in {frame.name}: {frame.line}"


def relative(filename: str) -> str:
    """A path as the user would type it: relative inside the working directory."""
    inside = filename.startswith(os.getcwd() + os.sep)
    return os.path.relpath(filename) if inside else filename


def is_foreign(filename: str) -> bool:
    """Whether a frame of this file is neither rlcheck's nor of the machinery that calls a subject."""
    return not (_is_own(filename) or _is_machinery(filename))


def describe(error: BaseException) -> str:
    """The sentence, then where it was raised, seen from the user's code."""
    frames = short_traceback(error)
    return f"{sentence(error)}\n{frames}" if frames else sentence(error)


def _is_own(filename: str) -> bool:
    path = Path(filename)
    return any(path.is_relative_to(_HOME / package) for package in OWN_PACKAGES)


def _is_machinery(filename: str) -> bool:
    # Import machinery, and Hypothesis, which calls a check's inner function for it.
    return filename.startswith("<frozen") or any(
        part in Path(filename).parts for part in ("importlib", "hypothesis", "runpy.py")
    )
