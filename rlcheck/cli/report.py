"""`rlcheck report`: what is done with a report after the run."""

from __future__ import annotations

import click


@click.group(short_help="Pages about finished runs.")
def report() -> None:
    """Publish what rlcheck has said."""


@report.command(short_help="A W&B Report page about a run.")
@click.argument("run", metavar="RUN")
def push(run: str) -> int:
    """Make a W&B Report page about RUN, ENTITY/PROJECT/RUN_ID, and print its address.

    RUN is a W&B run that rlcheck has reported to (--report wandb, report_to="wandb").
    """
    from rlcheck.reports.wandb_page import push

    click.echo(push(run))
    return 0
