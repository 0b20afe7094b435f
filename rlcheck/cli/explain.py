"""`rlcheck explain`: what a check, a fault or a contract is, always under the same headings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rlcheck.contracts import Contract
    from rlcheck.records import Check, Fault

WIDTH = 96


@click.command(short_help="Explain a check, a fault or a contract.")
@click.argument("name")
def explain(name: str) -> None:
    """Explain the check, fault or contract NAME.

    The part after the slash is enough where it names one thing only.
    """
    from rlcheck.cli import catalogue
    from rlcheck.errors import UsageError
    from rlcheck.suggest import did_you_mean

    pages = _pages(catalogue.installed())
    found = [text for names, text in pages if name in names]
    if not found:
        found = [text for names, text in pages if any(n.endswith(f"/{name}") for n in names)]
    if not found:
        known = [known for names, _ in pages for known in names]
        raise UsageError(
            f"there is no check, fault or contract {name!r}{did_you_mean(name, known)}"
        )
    click.echo("\n\n".join(found))


def _pages(installed: list[Contract]) -> list[tuple[tuple[str, ...], str]]:
    """Every page with all names that lead to it."""
    from rlcheck.cli import catalogue

    pages: list[tuple[tuple[str, ...], str]] = []
    for contract in installed:
        pages.append(((contract.name,), _contract_page(contract)))
    for _, check in catalogue.checks(installed):
        pages.append(((check.name,), _check_page(check)))
    for contract, fault in catalogue.faults(installed):
        text = _fault_page(fault, catalogue.catching(fault, contract))
        pages.append(((fault.name, *fault.aliases), text))
    return pages


def _fault_page(fault: Fault, caught_by: Sequence[str]) -> str:
    return _page(
        f"{fault.name} (fault)",
        fault.title,
        [
            ("What happens", fault.explanation),
            ("Where it usually sits", fault.where),
            ("How to fix", fault.fix),
            ("Caught by", _listed(caught_by)),
            ("References", _listed(fault.references)),
        ],
    )


def _check_page(check: Check) -> str:
    return _page(
        f"{check.name} (check)",
        check.title,
        [
            ("What it checks", check.explanation),
            ("Runs", _when(check)),
            ("Faults it can show", _listed(check.catches)),
            ("References", _listed(check.references)),
        ],
    )


def _when(check: Check) -> str:
    after = f", after {', '.join(check.requires)}" if check.requires else ""
    kind = "over several seeds" if check.stochastic else "with one seed"
    return f"from budget {check.budget} on, {kind}{after}"


def _contract_page(contract: Contract) -> str:
    return _page(
        f"{contract.name} (contract)",
        contract.title,
        [
            ("What must hold", contract.explanation),
            ("Checks", _titled(contract.checks)),
            ("Faults", _titled(contract.faults)),
        ],
    )


def _page(heading: str, title: str, sections: Sequence[tuple[str, str]]) -> str:
    blocks = [f"{heading}\n{title}"]
    for label, text in sections:
        blocks.append(f"{label}\n{_indented(text or 'nothing is recorded yet')}")
    return "\n\n".join(blocks)


def _listed(names: Sequence[str]) -> str:
    return "\n".join(names)


def _titled(entries: Sequence[Check] | Sequence[Fault]) -> str:
    return _listed([f"{entry.name}: {entry.title}" for entry in entries])


def _indented(text: str) -> str:
    """Wrap long lines and keep short ones: equations and lists stand in lines of their own."""
    import inspect
    import textwrap

    lines: list[str] = []
    for line in inspect.cleandoc(text).splitlines():
        spaces = " " * (2 + len(line) - len(line.lstrip()))
        lines += textwrap.wrap(
            line.strip(),
            WIDTH,
            initial_indent=spaces,
            subsequent_indent=spaces,
            break_long_words=False,
            break_on_hyphens=False,
        ) or [""]
    return "\n".join(lines)
