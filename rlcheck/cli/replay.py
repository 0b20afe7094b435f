"""`rlcheck replay`: ask a stored failure again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rlcheck.engine.store import StoredFailure
    from rlcheck.records import Report, Result
    from rlcheck.reports.terminal import TerminalReport


@click.command(short_help="Run a stored failure again: FIXED or FAILED.")
@click.argument("id_", metavar="[ID]", required=False, default="")
@click.option("-v", "--verbose", count=True, help="Also the evidence.")
@click.option("--no-color", is_flag=True, help="No colours (also: NO_COLOR=1).")
def replay(id_: str, verbose: int, no_color: bool) -> int:
    """Run the failure ID again with the same settings and seeds (default: the last one).

    The first characters of an ID are enough. Exits with 0 if it is fixed, with 1 if it still fails.
    """
    from rich.console import Console

    from rlcheck import config as configuration
    from rlcheck.engine.store import Store
    from rlcheck.reports.terminal import TerminalReport

    stored = Store(configuration.load().results_dir).failure(id_)
    people = TerminalReport(Console(no_color=no_color or None, emoji=False), verbose)
    try:
        report = _ask_again(stored, people)
    finally:
        people.close()
    (result,) = report.subjects[0].results if report.subjects else (stored.result,)
    if report.exit_code != 130:
        click.echo(f"\n{_answer(stored.result, result)}")
    return report.exit_code


def _ask_again(stored: StoredFailure, people: TerminalReport) -> Report:
    from dataclasses import replace

    from rlcheck.engine import session
    from rlcheck.errors import UsageError

    spec = stored.spec
    if not (spec.target or spec.script):
        raise UsageError(
            f"the failure {stored.result.id} was found by a Python program or a test, where "
            f"{spec.name} lives; run that again"
        )
    # An expected failure that is replayed shall say what it does, not what was expected of it.
    spec = replace(spec, contract=stored.contract, expected_failures={})
    return session.run([spec], stored.settings, [people], jobs=1, select=[stored.result.check])


def _answer(before: Result, now: Result) -> str:
    from rlcheck.records import Status

    name = f"{before.id} {before.check}"
    if now.status is Status.PASSED:
        return f"FIXED  {name}"
    words = now.status.value.upper()
    first = before.message.partition("\n")[0]
    if first == now.message.partition("\n")[0]:
        return f"{words}  {name}: as before"
    return f"{words}  {name}: differently; before, it was {before.status.value}: {first}"
