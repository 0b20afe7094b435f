"""`rlcheck replay`: ask a stored failure again."""

from __future__ import annotations

import click


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
    from rlcheck.engine.replay import replay as ask_again
    from rlcheck.reports.terminal import TerminalReport

    people = TerminalReport(Console(no_color=no_color or None, emoji=False), verbose)
    try:
        again = ask_again(configuration.load().results_dir, id_, [people])
    finally:
        people.close()
    if again.answer:
        click.echo(f"\n{again.answer}")
    return again.report.exit_code
