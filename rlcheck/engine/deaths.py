"""What to tell a user about a worker that ended in the middle of a job."""

from __future__ import annotations

import os
import re
import signal
import time
from dataclasses import replace
from pathlib import Path

from rlcheck.engine import trace
from rlcheck.engine.jobs import FailureKind, Job, JobFailure

STACK_SIGNAL = signal.SIGUSR1
"""A worker writes the stack of its main thread when it gets this signal, whatever it is doing."""

_STACK_WAIT_S = 0.5
_FRAMES = 5
_OUTPUT_LINES = 5
_LINE_LENGTH = 200
_FRAME = re.compile(r'^  File "(?P<file>.+)", line (?P<line>\d+) in (?P<function>.+)$', re.M)


def stack_of(pid: int, stacks: Path) -> str:
    """The stack that a running worker is in, as its fault handler writes it."""
    os.kill(pid, STACK_SIGNAL)
    deadline = time.monotonic() + _STACK_WAIT_S
    while not (text := read_stack(stacks)) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.02)
    return read_stack(stacks) or text


def read_stack(stacks: Path) -> str:
    """What the fault handler of a worker wrote, "" if nothing."""
    return stacks.read_text(errors="replace") if stacks.exists() else ""


def failure(
    job: Job,
    kind: FailureKind,
    exit_code: int | None,
    stack: str,
    duration_s: float,
    memory_limit: int,
) -> JobFailure:
    """Why the worker that ran `job` ended, with the user's frames that it was in."""
    name = job.spec.name
    if kind is FailureKind.TIMEOUT:
        doing = "finish" if job.check else "load"
        reason = (
            f"{name} did not {doing} within {job.settings.timeout_s:g} s and was stopped "
            "(--timeout SECONDS)"
        )
    elif kind is FailureKind.MEMORY:
        reason = f"{name} filled more than {memory_limit / 2**30:.1f} GiB of memory and was stopped"
    else:
        reason = f"{name} {_end(exit_code)}"
    frames = _user_frames(stack)
    return JobFailure(kind, "\n".join([reason, *frames]), duration_s)


def with_output(failed: JobFailure, output: Path) -> JobFailure:
    """The failure with the last lines that the subject printed."""
    text = output.read_text(errors="replace") if output.exists() else ""
    lines = [line for line in text.splitlines() if line.strip()][-_OUTPUT_LINES:]
    if not lines:
        return failed
    printed = [f"  | {line[:_LINE_LENGTH]}" for line in lines]
    return replace(failed, message="\n".join([failed.message, "  its last output:", *printed]))


def _end(exit_code: int | None) -> str:
    if exit_code is None or exit_code >= 0:
        return f"ended the process with exit code {exit_code} (os._exit, or a crash in native code)"
    try:
        known = signal.Signals(-exit_code).name
    except ValueError:
        known = "unknown"
    cause = ""
    if -exit_code == signal.SIGKILL:
        cause = "; the system does that when memory runs out"
    return f"died of signal {-exit_code} ({known}){cause}"


def _user_frames(stack: str) -> list[str]:
    """Frames of a fault handler's text in calling order, from the user's code on."""
    frames = [match.groupdict() for match in _FRAME.finditer(stack)][::-1]
    start = next(
        (i for i, frame in enumerate(frames) if trace.is_foreign(frame["file"])), len(frames)
    )
    return [
        f"  {trace.relative(frame['file'])}:{frame['line']} in {frame['function']}"
        for frame in frames[start:][-_FRAMES:]
    ]
