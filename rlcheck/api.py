"""rlcheck from Python and pytest: `check`, `verify`, `parametrize`.

Everything runs in the caller's process, one check after another, so that closures, fixtures and
debuggers work; `isolate=True` takes a worker process instead. Neither changes the caller's random
streams, working directory, or torch settings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rlcheck import contracts, importing, verdicts
from rlcheck.engine import plan, session
from rlcheck.engine.guard import preserved_state
from rlcheck.failures import CheckFailure, CheckFailures, failures_of
from rlcheck.items import CheckItem, Suite
from rlcheck.records import Budget, Settings, SubjectReport
from rlcheck.subjects import SubjectSpec, invert

__all__ = ["CheckFailure", "CheckFailures", "check", "parametrize", "verify"]


def check(
    subject: Any,
    contract: str = "",
    *,
    dialect: Mapping[str, Any] | None = None,
    bind: Mapping[str, str] | None = None,
    constants: Mapping[str, Any] | None = None,
    gamma: float | None = None,
    budget: str = "standard",
    seed: int = 0,
    seeds: int | None = None,
    alpha: float = 0.01,
    device: str = "cpu",
    max_examples: int = 100,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    expected_failures: Mapping[str, str] | None = None,
    isolate: bool = False,
) -> SubjectReport:
    """Check one subject and return everything that was said; findings raise nothing.

    Args:
        subject: the function, class or factory itself, or a target as on the command line.
        contract: what it claims to be, such as "gae" or "agent"; "" infers it.
        dialect: conventions to pin instead of inferring them.
        bind: the subject's own name -> parameter of the contract, as in `--bind r=rewards`.
        constants: hyper-parameters by name.
        gamma: the discount that the subject uses where it accepts none.
        budget: "quick", "standard" or "thorough".
        seed: first seed; the same seed gives the same answer.
        seeds: seeds of every stochastic check; None lets each decide.
        alpha: rate of false alarms that the whole call may have.
        device: device that the subject is asked to use.
        max_examples: inputs that a property tries.
        select: globs of check names; none selects every check.
        ignore: globs of check names to leave out.
        expected_failures: check name or glob -> reason.
        isolate: run the subject in a worker process, which survives crashes and hangs.

    Returns:
        The subject's report: `verdict`, `results`, `diagnosis`, `dialect`, `notes`.

    Raises:
        UsageError: the subject does not fit the contract, or a name is misspelt.
    """
    spec = _spec(subject, contract, dialect, bind, constants, gamma, expected_failures)
    settings = Settings(
        budget=_budget(budget),
        seed=seed,
        seeds=seeds,
        alpha=alpha,
        gamma=gamma,
        device=device,
        max_examples=max_examples,
    )
    with preserved_state(process=False):
        report = session.run(
            [spec], settings, jobs=1, select=select, ignore=ignore, isolate=isolate
        )
    if report.exit_code == verdicts.EXIT_INTERRUPTED:
        raise KeyboardInterrupt
    return report.subjects[0]


def verify(
    subject: Any,
    contract: str = "",
    *,
    dialect: Mapping[str, Any] | None = None,
    bind: Mapping[str, str] | None = None,
    constants: Mapping[str, Any] | None = None,
    gamma: float | None = None,
    budget: str = "standard",
    seed: int = 0,
    seeds: int | None = None,
    alpha: float = 0.01,
    device: str = "cpu",
    max_examples: int = 100,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    expected_failures: Mapping[str, str] | None = None,
    isolate: bool = False,
    allow_inconclusive: bool = False,
) -> SubjectReport:
    """Check one subject and raise everything found at once; returns the report if it is verified.

    Args are those of `check`, and `allow_inconclusive`: whether a check without a conclusion is
    let through.

    Raises:
        CheckFailures: one `CheckFailure` for every check that did not pass, or a single one if
            nothing was verified.
        UsageError: the subject does not fit the contract, or a name is misspelt.
    """
    __tracebackhide__ = True
    report = check(
        subject,
        contract,
        dialect=dialect,
        bind=bind,
        constants=constants,
        gamma=gamma,
        budget=budget,
        seed=seed,
        seeds=seeds,
        alpha=alpha,
        device=device,
        max_examples=max_examples,
        select=select,
        ignore=ignore,
        expected_failures=expected_failures,
        isolate=isolate,
    )
    failures = failures_of(report, allow_inconclusive=allow_inconclusive)
    if failures is not None:
        raise failures
    return report


def parametrize(
    contract: str,
    subject: Any,
    *,
    expected_failures: Mapping[str, str] | None = None,
    dialect: Mapping[str, Any] | None = None,
    bind: Mapping[str, str] | None = None,
    constants: Mapping[str, Any] | None = None,
    gamma: float | None = None,
    budget: str | None = None,
    seed: int | None = None,
    seeds: int | None = None,
    alpha: float = 0.01,
    device: str | None = None,
    max_examples: int | None = None,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    isolate: bool = False,
) -> Callable[[Callable[..., Any]], Any]:
    """One pytest test for every check of a contract, with ids such as `lambda-zero-is-td-error`.

        @rlcheck.parametrize("gae", compute_gae)
        def test_gae(check):
            check()

    A check that does not apply, or came to no conclusion, skips its test with the reason.

    Args:
        contract: what the subject claims to be.
        subject: the function, class or factory itself, or a target as on the command line.
        expected_failures: check name or glob -> reason; such a test is a strict xfail.
        budget: as for `check`; None takes `--rlcheck-budget`, or "standard".
        seed: as for `check`; None takes `--rlcheck-seed`, or 0.
        device: as for `check`; None takes `--rlcheck-device`, or "cpu".
        max_examples: as for `check`; None takes `--rlcheck-profile`, or 100.
        dialect, bind, constants, gamma, seeds, alpha, select, ignore, isolate: as for `check`.

    Raises:
        UsageError: there is no such contract, or a name is misspelt.
    """
    import pytest

    importing.claim_own_packages()
    every = contracts.load(contract).checks
    names = [one.name for one in every]
    expected = expected_failures or {}
    for globs, option in ((select, "select"), (ignore, "ignore"), (expected, "expected_failures")):
        plan.require_known_globs(globs, names, option)
    chosen = [one for one in every if plan.is_selected(one.name, select, ignore)]

    given: dict[str, Any] = {
        "budget": budget and _budget(budget),
        "seed": seed,
        "device": device,
        "max_examples": max_examples,
    }
    pinned = {name: value for name, value in given.items() if value is not None}
    settings = Settings(seeds=seeds, alpha=alpha, gamma=gamma)
    settings = replace(settings, **pinned)
    drawing = sum(one.stochastic for one in chosen)
    suite = Suite(
        _spec(subject, contract, dialect, bind, constants, gamma, None),
        replace(settings, alpha=alpha / max(drawing, 1)),
        isolate,
        frozenset(pinned),
    )
    parameters = []
    for one in chosen:
        reason = plan.expected_failure(one.name, expected.items())
        marks = [pytest.mark.rlcheck(one.name)]
        if reason is not None:
            marks.append(pytest.mark.xfail(reason=reason, strict=True, raises=CheckFailure))
        item = CheckItem(suite, one, expected=reason is not None)
        parameters.append(pytest.param(item, id=one.name.partition("/")[2], marks=marks))
    return pytest.mark.parametrize("check", parameters)


def _spec(
    subject: Any,
    contract: str,
    dialect: Mapping[str, Any] | None,
    bind: Mapping[str, str] | None,
    constants: Mapping[str, Any] | None,
    gamma: float | None,
    expected_failures: Mapping[str, str] | None,
) -> SubjectSpec:
    is_target = isinstance(subject, str)
    return SubjectSpec(
        name=subject if is_target else _name_of(subject),
        target=subject if is_target else "",
        contract=contract,
        bind=invert(bind or {}, "bind"),
        constants=constants or {},
        dialect=dialect or {},
        gamma=gamma,
        expected_failures=expected_failures or {},
        raw=None if is_target else subject,
    )


def _name_of(subject: Any) -> str:
    name = getattr(subject, "__qualname__", None)
    return name.replace("<locals>.", "") if name else type(subject).__name__


def _budget(name: str) -> Budget:
    from rlcheck.errors import UsageError
    from rlcheck.suggest import did_you_mean

    try:
        return Budget(name)
    except ValueError:
        known = [str(budget) for budget in Budget]
        raise UsageError(f"there is no budget {name!r}{did_you_mean(name, known)}") from None
