"""The checks of one subject as callables, one for every pytest test."""

from __future__ import annotations

import atexit
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rlcheck import contracts, diagnosis, verdicts
from rlcheck.engine import plan
from rlcheck.engine.binding import importable
from rlcheck.engine.executors import Executor, InProcess
from rlcheck.engine.guard import preserved_state
from rlcheck.engine.journal import NoJournal
from rlcheck.engine.session import Session, SessionOptions
from rlcheck.engine.workers import WorkerPool
from rlcheck.errors import SubjectError
from rlcheck.failures import CheckFailure, failure_message
from rlcheck.records import Budget, Check, Result, Settings, Status
from rlcheck.subjects import SubjectSpec


@dataclass(slots=True)
class Suite:
    """The checks of one subject, run one by one as their tests come up.

    The subject is bound once, and a check that others require is run once.

    Args:
        spec: the subject, with its contract.
        settings: options of the run; `alpha` is the share of one stochastic check.
        isolate: run it in a worker process.
        pinned: names of settings that the caller gave, which options of pytest do not change.
    """

    spec: SubjectSpec
    settings: Settings
    isolate: bool = False
    pinned: frozenset[str] = frozenset()
    executor: Executor | None = None
    results: dict[str, Result] = field(default_factory=dict)

    def configure(self, options: Mapping[str, Any]) -> None:
        """Take options of the pytest command line for what the caller left open."""
        given = {name: value for name, value in options.items() if name not in self.pinned}
        if "budget" in given:
            given["budget"] = Budget(given["budget"])
        changed = replace(self.settings, **given)
        if changed != self.settings:
            self.settings, self.executor, self.results = changed, None, {}

    def result(self, check: Check) -> Result:
        """What `check` says; it is blocked if one that it requires fails."""
        if check.name not in self.results:
            required = [c for c in self._contract_checks() if c.name in check.requires]
            failed = [c.name for c in required if self.result(c).status in plan.BLOCKING]
            self.results[check.name] = (
                self._blocked(check, failed[0]) if failed else self._run(check)
            )
        return self.results[check.name]

    def _contract_checks(self) -> tuple[Check, ...]:
        return contracts.load(self.spec.contract).checks

    def _run(self, check: Check) -> Result:
        if self.executor is None:
            self.executor = self._new_executor()
        spec = importable(self.spec) if self.isolate else self.spec
        options = SessionOptions(select=(check.name,))
        with preserved_state(process=False):
            session = Session([spec], self.settings, (), self.executor, NoJournal(), options)
            report = session.run()
        if report.exit_code == verdicts.EXIT_INTERRUPTED:
            raise KeyboardInterrupt
        return report.subjects[0].results[0]

    def _new_executor(self) -> Executor:
        if not self.isolate:
            return InProcess()
        pool = WorkerPool(1)
        atexit.register(pool.close)
        return pool

    def _blocked(self, check: Check, by: str) -> Result:
        reason = f"needs {by}, which did not pass"
        return Result("", check.name, Status.BLOCKED, reason)


@dataclass(frozen=True, slots=True, repr=False)
class CheckItem:
    """One check of a subject; calling it raises if the check does not pass."""

    suite: Suite
    check: Check
    expected: bool = False

    is_rlcheck_item = True
    """What the pytest plugin knows it by."""

    def __call__(self) -> None:
        """Run the check.

        Raises:
            CheckFailure: it failed.
            SubjectError: the subject raised, hung or died.
            pytest.skip.Exception: it does not apply, is blocked, or came to no conclusion.
        """
        __tracebackhide__ = True
        import pytest

        result = self.suite.result(self.check)
        if result.status is Status.PASSED:
            return
        if result.status is Status.ERROR:
            raise SubjectError(result.message)
        if result.status is Status.FAILED:
            contract = contracts.load(self.suite.spec.contract)
            causes = diagnosis.combine([result], contract.faults)
            raise CheckFailure(failure_message(result, causes), result)
        kind = "" if result.status is Status.SKIPPED else f"{result.status}: "
        pytest.skip(kind + result.message.splitlines()[0])

    def __repr__(self) -> str:
        return f"<{self.check.name} of {self.suite.spec.name}>"

    def configure(self, options: Mapping[str, Any]) -> None:
        """Take options of the pytest command line for what the caller left open."""
        self.suite.configure(options)

    def properties(self) -> list[tuple[str, str]]:
        """What the test leaves in pytest's report; nothing before the check ran."""
        result = self.suite.results.get(self.check.name)
        if result is None:
            return []
        expected = {Status.FAILED: Status.XFAILED, Status.PASSED: Status.XPASSED}
        status = expected.get(result.status, result.status) if self.expected else result.status
        return [("rlcheck_check", result.check), ("rlcheck_status", str(status))]
