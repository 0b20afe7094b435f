"""Worker processes: started once and reused, watched, killed when they must be, replaced.

A worker is a fresh Python process with a socket of its own, so nothing that one of them does, dying
in the middle of a message included, can hurt another. A subject is loaded once a worker: a job goes
to a worker that knows its subject, where there is one.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from pickle import UnpicklingError

from rlcheck.engine import deaths
from rlcheck.engine.executors import OnProgress
from rlcheck.engine.jobs import FailureKind, Hello, Job, JobFailure, Reply
from rlcheck.engine.limits import memory_limit, resident_size, trim

_TICK_S = 0.1
_OUTPUT_LIMIT = 1 << 20
LOADING_S = 120.0
"""Seconds that importing a subject may take at least: torch alone takes many on a busy machine."""
REAPED_S = 5.0

_ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass(slots=True, eq=False)
class Worker:
    """One process with its socket, its files and what it is doing."""

    process: subprocess.Popen
    connection: Connection
    output: Path
    stacks: Path
    subjects: set[int] = field(default_factory=set)
    job: Job | None = None
    loading: bool = False
    since: float = 0.0
    killed_for: FailureKind | None = None
    stack: str = ""

    def kill(self) -> None:
        """End the process and everything that it started."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it is gone, and so is every process of its group
        # An interrupt inside `Popen.poll` can leave its lock taken for good, so this wait has an end.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=REAPED_S)
        self.connection.close()

    def kill_for(self, reason: FailureKind) -> None:
        """End it because of what its job does, and keep the stack that it was in."""
        self.killed_for = reason
        try:
            self.stack = deaths.stack_of(self.process.pid, self.stacks)
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it ended by itself in the meantime


class WorkerPool:
    """An executor of `capacity` worker processes."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._folder = tempfile.TemporaryDirectory(prefix="rlcheck-workers-")
        self._workers: list[Worker] = []
        self._started = 0
        self._memory_limit = memory_limit()
        self._closing = threading.Event()
        # A thread: memory fills while the parent judges, too.
        self._watchdog = threading.Thread(target=self._watch, daemon=True)
        self._watchdog.start()

    def submit(self, job: Job) -> None:
        """Start a job on an idle worker, if possible one that knows the subject."""
        idle = self._idle_workers()
        knowing = [worker for worker in idle if job.subject in worker.subjects]
        if knowing:
            worker = knowing[0]
        elif idle and len(self._workers) >= self.capacity:
            worker = idle[0]
        else:
            worker = self._start()
        worker.subjects.add(job.subject)
        worker.loading, worker.since = True, time.monotonic()
        worker.job = job
        try:
            worker.connection.send(job)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it died while idle; `wait` sees that and says so

    def wait(self, on_progress: OnProgress) -> tuple[Job, Reply]:
        """The next finished job; one whose worker died or was killed comes back as a failure."""
        while True:
            busy = {w.connection: w for w in self._workers if w.job is not None}
            for connection in wait(list(busy), timeout=_TICK_S):
                worker = busy[connection]  # type: ignore[index]
                finished = self._read(worker, on_progress)
                if finished is not None:
                    return finished
            for worker in busy.values():
                ended = self._ended(worker)
                if ended is not None:
                    return ended

    def close(self) -> None:
        """Kill every worker."""
        self._closing.set()
        self._watchdog.join()
        for worker in self._workers:
            worker.kill()
        self._workers.clear()
        self._folder.cleanup()

    def _idle_workers(self) -> list[Worker]:
        idle = [worker for worker in self._workers if worker.job is None]
        gone = [w for w in idle if w.killed_for is not None or w.process.poll() is not None]
        for worker in gone:
            self._workers.remove(worker)
            worker.kill()
        return [worker for worker in idle if worker not in gone]

    def _start(self) -> Worker:
        self._started += 1
        folder = Path(self._folder.name)
        output = folder / f"{self._started}.output"
        stacks = folder / f"{self._started}.stacks"
        ours, theirs = socket.socketpair()
        environment = os.environ | dict.fromkeys(_ONE_THREAD, "1")
        environment |= {"PYTHONUNBUFFERED": "1", "PYTHONHASHSEED": "0", "MPLBACKEND": "Agg"}
        with theirs, output.open("ab") as sink:
            # -P: the user's folder joins the import path later, after rlcheck's own packages.
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "rlcheck.engine.worker_main", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                env=environment,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        connection = Connection(ours.detach())
        path = tuple(entry or os.getcwd() for entry in sys.path)
        connection.send(
            Hello(os.getcwd(), path, str(output), str(stacks), int(deaths.STACK_SIGNAL))
        )
        worker = Worker(process, connection, output, stacks)
        self._workers.append(worker)
        return worker

    def _read(self, worker: Worker, on_progress: OnProgress) -> tuple[Job, Reply] | None:
        job = worker.job
        assert job is not None, "an idle worker was read"
        try:
            kind, number, content = worker.connection.recv()
        except (EOFError, OSError, UnpicklingError):
            return self._died(worker)
        if number != job.number:
            return None  # a thread that an earlier trial left behind
        if kind == "progress":
            on_progress(job, *content)
        elif kind == "started":
            worker.loading, worker.since = False, time.monotonic()
        else:
            worker.job = None
            if isinstance(content, JobFailure) and content.kind is FailureKind.RAISED:
                content = deaths.with_output(content, worker.output)
            return job, content
        return None

    def _ended(self, worker: Worker) -> tuple[Job, Reply] | None:
        """The failure of a worker that is gone or over time, else None."""
        job = worker.job
        assert job is not None, "an idle worker was examined"
        if worker.process.poll() is not None and not worker.connection.poll():
            return self._died(worker)
        over_time = time.monotonic() - worker.since > _limit_s(job, loading=worker.loading)
        if over_time and not worker.killed_for:
            worker.kill_for(FailureKind.TIMEOUT)
            return self._died(worker)
        return None

    def _died(self, worker: Worker) -> tuple[Job, Reply]:
        job = worker.job
        assert job is not None, "an idle worker died in a job"
        duration_s = time.monotonic() - worker.since
        self._workers.remove(worker)
        worker.kill()
        kind = worker.killed_for or FailureKind.DIED
        stack = worker.stack or deaths.read_stack(worker.stacks)
        reasons = {
            FailureKind.TIMEOUT: deaths.timed_out(
                job, _limit_s(job, loading=worker.loading), loading=worker.loading
            ),
            FailureKind.MEMORY: deaths.out_of_memory(job, self._memory_limit),
            FailureKind.DIED: deaths.ended(job, worker.process.returncode),
        }
        failure = deaths.failure(kind, reasons[kind], stack, duration_s)
        return job, deaths.with_output(failure, worker.output)

    def _watch(self) -> None:
        while not self._closing.wait(_TICK_S):
            for worker in list(self._workers):
                if worker.killed_for is None and worker.process.returncode is None:
                    trim(worker.output, _OUTPUT_LIMIT)
                    if resident_size(worker.process.pid) > self._memory_limit:
                        worker.kill_for(FailureKind.MEMORY)


def _limit_s(job: Job, *, loading: bool) -> float:
    timeout_s = job.settings.timeout_s
    return max(timeout_s, LOADING_S) if loading else timeout_s


def core_count() -> int:
    """Cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
