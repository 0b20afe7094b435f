"""`rlcheck init`: a first test file and the configuration, both for the user to own."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import click

TEST_FILE = Path("tests/test_rl.py")

HEADER = '"""Is our reinforcement-learning code right? `rlcheck explain NAME` tells what a check is."""\n'

EMPTY_TEST = '''
import pytest
import rlcheck

pytestmark = pytest.mark.skip("import your own function below, then delete this line")


def compute_gae(rewards, values, last_value, dones, gamma, lam):
    """Stands for yours: `from my_pkg.returns import compute_gae`."""
    raise NotImplementedError


@rlcheck.parametrize("gae", compute_gae)
def test_gae(check):
    check()
'''

# An agent is trained by its checks: the quick budget keeps a test suite quick.
OPTIONS = {"agent": ', budget="quick"'}


@dataclass(frozen=True, slots=True)
class Found:
    """One subject: where it is, and what it looks like.

    Args:
        target: as `rlcheck run` takes it.
        contract: what it was recognised as.
        module: dotted name to import it from, "" if it is no Python object.
        attribute: its name there.
    """

    target: str
    contract: str
    module: str = ""
    attribute: str = ""


@click.command(short_help="Write a starter tests/test_rl.py and configuration.")
@click.argument("target", required=False)
@click.option("--as", "contract", metavar="CONTRACT", help="What the target claims to be.")
def init(target: str | None, contract: str | None) -> None:
    """Write tests/test_rl.py and configure the subjects of TARGET.

    TARGET is a module (my_pkg.returns), a file (train.py), or anything that `rlcheck run` takes; in
    a module or file, every function and class that looks like a subject is taken. Files that exist
    are left as they are.
    """
    found = _found(target, contract) if target else []
    importable = [subject for subject in found if subject.module]
    if importable or not target:
        _write_test(importable)
    _configure(found)
    if importable:
        click.echo(f"Now run: rlcheck run   or: python -m pytest {TEST_FILE}")


def _found(target: str, contract: str | None) -> list[Found]:
    from rlcheck import contracts, importing, targets
    from rlcheck.errors import UsageError
    from rlcheck.inference import infer_contract
    from rlcheck.suggest import did_you_mean

    if contract and contract not in contracts.names():
        close = did_you_mean(contract, contracts.names())
        raise UsageError(f"there is no contract {contract!r}{close}")
    importing.join_users_folder(Path.cwd())
    place, colon, attribute = target.rpartition(":")
    if colon:
        raw = targets.load(target)
        return [_subject(target, contract or infer_contract(raw, target), place, attribute)]
    if target.endswith(".py") and Path(target).is_file():
        return _of_module(importing.file_module(Path(target)), target)
    if re.fullmatch(r"[A-Za-z_][\w.]*", target) and not Path(target).exists():
        return _of_module(importing.named_module(target), target)
    return [Found(target, contract or infer_contract(targets.load(target), target))]


def _of_module(module: ModuleType, place: str) -> list[Found]:
    """Every public function and class defined in `module` that looks like one contract's subject."""
    from rlcheck.errors import UsageError
    from rlcheck.inference import infer_contract

    found = []
    for name, value in vars(module).items():
        own = getattr(value, "__module__", None) == module.__name__
        if name.startswith("_") or not own or not callable(value):
            continue
        try:
            contract = infer_contract(value, name)
        except UsageError:
            continue
        found.append(_subject(f"{place}:{name}", contract, place, name))
    if not found:
        raise UsageError(
            f"nothing in {place} looks like a subject of an installed contract; name it and say "
            f"what it is, as in rlcheck init {place}:NAME --as gae"
        )
    return found


def _subject(target: str, contract: str, place: str, attribute: str) -> Found:
    module = _dotted(Path(place).resolve()) if place.endswith(".py") else place
    return Found(target, contract, module, attribute)


def _dotted(file: Path) -> str:
    """Name under which a test imports `file`, given its place in a package."""
    parts, folder = [file.stem], file.parent
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    return ".".join(parts)


def _write_test(found: Sequence[Found]) -> None:
    text = HEADER + (_test_of(found) if found else EMPTY_TEST)
    try:
        TEST_FILE.parent.mkdir(exist_ok=True)
        with TEST_FILE.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        click.echo(f"{TEST_FILE} exists and is left as it is; a test would be:\n\n{text}")
    except OSError as error:
        from rlcheck.errors import UsageError

        raise UsageError(f"{TEST_FILE} cannot be written: {error.strerror}") from error
    else:
        click.echo(f"Wrote {TEST_FILE}")


def _test_of(found: Sequence[Found]) -> str:
    roots = {subject.attribute.partition(".")[0]: subject.module for subject in found}
    modules = sorted(set(roots.values()))
    imports = [
        f"from {module} import {', '.join(sorted(n for n, m in roots.items() if m == module))}"
        for module in modules
    ]
    tests = [
        f'\n\n@rlcheck.parametrize("{subject.contract}", {subject.attribute}'
        f"{OPTIONS.get(subject.contract, '')})\n"
        f"def test_{subject.attribute.replace('.', '_').lower()}(check):\n    check()\n"
        for subject in found
    ]
    return "\nimport rlcheck\n" + "\n".join(imports) + "\n" + "".join(tests)


def _configure(found: Sequence[Found]) -> None:
    from rlcheck import config as configuration

    path = Path(configuration.FILE_NAME)
    lines = _tables(found)
    if path.is_file() and configuration.load().path is None:
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write("\n" + lines)
        except OSError as error:
            from rlcheck.errors import UsageError

            raise UsageError(f"{path} cannot be written: {error.strerror}") from error
        click.echo(f"Added to {path}:\n\n{lines}")
        return
    why = "has [tool.rlcheck] and is left as it is" if path.is_file() else "does not exist here"
    click.echo(f"{path} {why}; lines to add:\n\n{lines}")


def _tables(found: Sequence[Found]) -> str:
    tables = ['[tool.rlcheck]\nbudget = "standard"\n']
    for subject in found:
        name = re.sub(r"\W+|_", "-", subject.attribute or subject.target).strip("-").lower()
        tables.append(
            f"[tool.rlcheck.subjects.{name}]\n"
            f"target = {json.dumps(subject.target)}\ncontract = {json.dumps(subject.contract)}\n"
        )
    return "\n".join(tables)
