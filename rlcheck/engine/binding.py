"""The first step of a run: load and bind every subject, so that usage errors come before any work."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from rlcheck import importing
from rlcheck.engine.executors import Executor
from rlcheck.engine.jobs import BindReply, FailureKind, Job, JobFailure, Reply
from rlcheck.errors import BindingError, SubjectError, TargetError, UsageError
from rlcheck.records import Settings
from rlcheck.subjects import SubjectSpec

_ERRORS = {
    FailureKind.TARGET: TargetError,
    FailureKind.BINDING: BindingError,
    FailureKind.USAGE: UsageError,
}


def bind_all(
    executor: Executor, specs: Sequence[SubjectSpec], settings: Settings
) -> list[BindReply]:
    """What binding tells about each subject, in order.

    Raises:
        UsageError: one cannot be loaded or bound; the same type that was raised beside the subject.
        SubjectError: its process died while it was loaded.
    """
    importing.claim_own_packages()
    waiting = deque(enumerate(specs))
    replies: dict[int, BindReply] = {}
    out = 0
    while waiting or out:
        while waiting and out < executor.capacity:
            index, spec = waiting.popleft()
            # Numbers of trials count up from 1, those of bind jobs down from -1.
            executor.submit(Job(-1 - index, index, spec, settings, contract=spec.contract))
            out += 1
        job, reply = executor.wait(lambda job, fraction, text: None)
        out -= 1
        replies[job.subject] = _require_bound(reply)
    return [replies[index] for index in range(len(specs))]


def importable(spec: SubjectSpec) -> SubjectSpec:
    """The same subject without the object itself, for processes that have to import it.

    Raises:
        UsageError: it cannot be imported.
    """
    if spec.raw is None:
        return spec
    return replace(spec, target=importing.target_of(spec.raw, spec.name), raw=None)


def _require_bound(reply: Reply) -> BindReply:
    if isinstance(reply, BindReply):
        return reply
    assert isinstance(reply, JobFailure), "a bind job was answered like a trial"
    raise _ERRORS.get(reply.kind, SubjectError)(reply.message)
