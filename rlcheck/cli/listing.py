"""`rlcheck list`: what there is."""

from __future__ import annotations

from typing import Any

import click

KINDS = ("contracts", "checks", "faults", "subjects")


@click.command("list", short_help="List contracts, checks, faults or subjects.")
@click.argument("kind", metavar="|".join(KINDS))
@click.option(
    "--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True
)
def list_(kind: str, format_: str) -> None:
    """List every installed contract, check or fault, or every subject that has a name."""
    from rlcheck.errors import UsageError
    from rlcheck.suggest import did_you_mean

    if kind not in KINDS:
        raise UsageError(f"rlcheck list knows no {kind!r}{did_you_mean(kind, KINDS)}")
    rows = _rows(kind)
    if format_ == "json":
        import json

        click.echo(json.dumps(rows, indent=2))
    else:
        _print_table(rows, kind)


def _rows(kind: str) -> list[dict[str, Any]]:
    from rlcheck.cli import catalogue

    if kind == "subjects":
        return [
            {"name": s.name, "target": s.target, "contract": s.contract, "source": s.source}
            for s in catalogue.subjects()
        ]
    installed = catalogue.installed()
    if kind == "contracts":
        return [
            {"name": c.name, "title": c.title, "checks": len(c.checks), "faults": len(c.faults)}
            for c in installed
        ]
    if kind == "checks":
        return [
            {
                "name": check.name,
                "title": check.title,
                "contract": contract.name,
                "budget": check.budget.value,
                "catches": list(check.catches),
            }
            for contract, check in catalogue.checks(installed)
        ]
    return [
        {
            "name": fault.name,
            "title": fault.title,
            "contract": contract.name,
            "caught_by": catalogue.catching(fault, contract),
        }
        for contract, fault in catalogue.faults(installed)
    ]


def _print_table(rows: list[dict[str, Any]], kind: str) -> None:
    if not rows:
        hint = " (rlcheck init configures a first one)" if kind == "subjects" else ""
        click.echo(f"no {kind}{hint}")
        return
    texts = [
        [_cell(*item) for item in row.items() if not isinstance(item[1], list)] for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for row in texts:
        cells = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def _cell(key: str, value: Any) -> str:
    """Numbers carry their word: a table without headings has to speak for itself."""
    return f"{value} {key}" if isinstance(value, int) else str(value)
