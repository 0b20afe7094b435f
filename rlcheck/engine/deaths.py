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


def timed_out(job: Job, limit_s: float, *, loading: bool) -> str:
    """The sentence about a subject that took too long."""
    doing = "load" if loading else "finish"
    return (
        f"{job.spec.name} did not {doing} within {limit_s:g} s and was stopped (--timeout SECONDS)"
    )


def out_of_memory(job: Job, memory_limit: int) -> str:
    """The sentence about a subject that filled memory."""
    size = f"{memory_limit / 2**30:.1f} GiB"
    return f"{job.spec.name} filled more than {size} of memory and was stopped"


def ended(job: Job, exit_code: int | None) -> str:
    """The sentence about a process that ended by itself."""
    name = job.spec.name
    if exit_code is None or exit_code >= 0:
        how = "os._exit, or a crash in native code"
        return f"{name} ended the process with exit code {exit_code} ({how})"
    try:
        known = signal.Signals(-exit_code).name
    except ValueError:
        known = "unknown"
    cause = "; the system does that when memory runs out" if -exit_code == signal.SIGKILL else ""
    return f"{name} died of signal {-exit_code} ({known}){cause}"


def failure(kind: FailureKind, reason: str, stack: str, duration_s: float) -> JobFailure:
    """The failure with the user's frames that the worker was in."""
    return JobFailure(kind, "\n".join([reason, *_user_frames(stack)]), duration_s)


def with_output(failed: JobFailure, output: Path) -> JobFailure:
    """The failure with the last lines that the subject printed."""
    text = output.read_text(errors="replace") if output.exists() else ""
    lines = [line for line in text.splitlines() if line.strip()][-_OUTPUT_LINES:]
    if not lines:
        return failed
    printed = [f"  | {line[:_LINE_LENGTH]}" for line in lines]
    return replace(failed, message="\n".join([failed.message, "  its last output:", *printed]))


def _user_frames(stack: str) -> list[str]:
    """Frames of a fault handler's text in calling order, without rlcheck's own and the importer's."""
    frames = [match.groupdict() for match in _FRAME.finditer(stack)][::-1]
    foreign = [frame for frame in frames if trace.is_foreign(frame["file"])]
    return [
        f"  {trace.relative(frame['file'])}:{frame['line']} in {frame['function']}"
        for frame in foreign[-_FRAMES:]
    ]
