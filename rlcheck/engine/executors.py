"""Who runs jobs: this process, one after another, or worker processes (see workers.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from rlcheck.engine.jobs import Job, Reply
from rlcheck.engine.runner import Runner

OnProgress = Callable[[Job, float, str], None]


class Executor(Protocol):
    """Takes at most `capacity` jobs at once and gives replies back, in the order they finish."""

    capacity: int

    def submit(self, job: Job) -> None:
        """Start a job."""
        ...

    def wait(self, on_progress: OnProgress) -> tuple[Job, Reply]:
        """The next finished job, waiting for it; at least one must have been submitted."""
        ...

    def close(self) -> None:
        """Stop the jobs that are running."""
        ...


class InProcess:
    """Runs one job at a time in this process, so that the caller's fixtures and debuggers work."""

    capacity = 1

    def __init__(self) -> None:
        self._runner = Runner()
        self._job: Job | None = None

    def submit(self, job: Job) -> None:
        """Start a job."""
        self._job = job

    def wait(self, on_progress: OnProgress) -> tuple[Job, Reply]:
        """Run the job."""
        job, self._job = self._job, None
        assert job is not None, "wait() without a submitted job"
        return job, self._runner.run(job, lambda fraction, text: on_progress(job, fraction, text))

    def close(self) -> None:
        """Nothing runs between two calls of `wait`."""
