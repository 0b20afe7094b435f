"""`rlcheck selftest`: what the harness catches, and how often it cries wolf."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rlcheck.selftests import Tally


@click.command(short_help="Detection matrix and false alarms of the checks themselves.")
@click.argument("contracts", metavar="[CONTRACT]...", nargs=-1)
def selftest(contracts: tuple[str, ...]) -> int:
    """Run the checks on implementations known to be right or wrong (default: every contract's).

    Exits with 1 if a fault escapes or a correct implementation is called wrong, with 5 if nothing
    was run.
    """
    from rlcheck import selftests
    from rlcheck.errors import UsageError
    from rlcheck.suggest import did_you_mean

    found = selftests.found()
    for name in contracts:
        if name not in found:
            raise UsageError(f"there is no self test {name!r}{did_you_mean(name, found)}")
    clean = True
    chosen = contracts or sorted(found)
    if not chosen:
        click.echo("no self test is installed: nothing was run")
        return 5
    for name in chosen:
        tally = selftests.tally(found[name].load()())
        click.echo(_text(name, tally) + "\n")
        clean = clean and not tally.missed and not tally.false_alarms
    return 0 if clean else 1


def _text(name: str, tally: Tally) -> str:
    """The matrix of one contract: a line a fault, with the checks that catch it."""
    from rlcheck.selftests import upper_bound

    total = sum(tally.runs.values())
    lines = [name, ""]
    width = max((len(fault) for fault in tally.faults), default=0)
    for fault, checks in tally.faults.items():
        runs = tally.runs[fault]
        by = [f"{c} {n}/{runs}" if n < runs else c for c, n in checks.items() if c]
        caught = f"caught {checks['']}/{runs}" if checks[""] else "MISSED"
        lines.append(f"  {fault:<{width}}  {caught:<12}  {', '.join(by)}".rstrip())
    if total:
        lines += ["", f"  detected: {_share(tally.caught, total)} of runs with a planted fault"]
        lines.append(f"  named right, first: {_share(tally.named, total)}")
    if tally.correct:
        alarms = len(tally.false_alarms)
        bound = upper_bound(alarms, tally.correct)
        lines.append(
            f"  false alarms: {alarms} of {tally.correct} runs of correct implementations "
            f"(rate below {bound:.1%} with 95 % confidence)"
        )
    for row in tally.false_alarms:
        lines.append(f"    FALSE ALARM: {row.implementation}: {', '.join(row.failed)}")
    return "\n".join(lines)


def _share(count: int, total: int) -> str:
    return f"{count} of {total} ({count / total:.0%})"
