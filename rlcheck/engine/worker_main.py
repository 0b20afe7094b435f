"""What a worker process runs: `python -P -m rlcheck.engine.worker_main FD`.

It answers one job after another over the socket that it inherited, and ends when the parent does.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path

from rlcheck.engine import trace
from rlcheck.engine.jobs import FailureKind, Hello, Job, JobFailure, Reply
from rlcheck.engine.runner import Runner

_PARENT_CHECK_S = 1.0
_PROGRESS_EVERY_S = 0.1


def main(file_descriptor: int) -> None:
    """Answer jobs until the parent hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    connection = Connection(file_descriptor)
    hello: Hello = connection.recv()
    os.chdir(hello.directory)
    sys.path[:] = hello.import_path
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    # Unbuffered and never closed: the parent reads it after this process is gone.
    stacks = os.open(hello.stack_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    faulthandler.enable(stacks, all_threads=False)
    faulthandler.register(hello.stack_signal, stacks, all_threads=False)
    runner = Runner()
    while True:
        try:
            job: Job = connection.recv()
        except (EOFError, ConnectionError):
            return
        _empty(stacks, Path(hello.output_file))
        reply = _answer(runner, job, connection)
        for stream in (sys.stdout, sys.stderr):
            if stream is not None and not stream.closed:
                stream.flush()
        connection.send(("reply", job.number, reply))


def _answer(runner: Runner, job: Job, connection: Connection) -> Reply:
    last = 0.0

    def progress(fraction: float, text: str) -> None:
        nonlocal last
        if time.monotonic() - last >= _PROGRESS_EVERY_S:
            last = time.monotonic()
            connection.send(("progress", job.number, (float(fraction), str(text))))

    try:
        return runner.run(job, progress, lambda: connection.send(("started", job.number, None)))
    except BaseException as error:  # a subject may raise KeyboardInterrupt, or worse, by itself
        return JobFailure(FailureKind.RAISED, f"{job.spec.name} raised {trace.describe(error)}")


def _empty(stacks: int, output: Path) -> None:
    """Forget the output of earlier jobs, so that an error shows what belongs to it."""
    os.ftruncate(stacks, 0)
    os.truncate(output, 0)


def _end_with_parent(parent: int) -> None:
    """A worker in the middle of a trial would outlive a parent that was killed."""
    while os.getppid() == parent:
        time.sleep(_PARENT_CHECK_S)
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    main(int(sys.argv[1]))
