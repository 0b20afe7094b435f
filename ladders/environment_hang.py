"""An alarm for code that does not come back: interrupts Python code, loops and sleeps alike."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from rlcheck.errors import SubjectError

PATIENCE_S = 60.0
"""Longer than a first step that imports or compiles takes; the engine's own timeout is ten minutes."""

T = TypeVar("T")


def in_time(call: Callable[[], T], what: str, seconds: float | None = None) -> T:
    """The result of `call`, or an error in one sentence where it hangs.

    Only the main thread of a POSIX process can set an alarm; elsewhere the engine's timeout ends it.

    Raises:
        SubjectError: it did not return in time.
    """
    seconds = PATIENCE_S if seconds is None else seconds
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
        return call()

    def ring(number: int, frame: Any) -> None:
        raise SubjectError(
            f"{what} did not return within {seconds:g} s: it hangs, or waits for input"
        )

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return call()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
