"""Imports a user's module by name or by path, and explains in one sentence why it cannot be."""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import rlcheck
from rlcheck.engine import trace
from rlcheck.errors import TargetError, UsageError
from rlcheck.suggest import did_you_mean

_HOME = Path(rlcheck.__file__).resolve().parent.parent


def claim_own_packages() -> None:
    """Load rlcheck's own top-level packages, so that no folder of the same name stands in for one.

    Raises:
        UsageError: one of them resolves to a folder of somebody else.
    """
    for name in trace.OWN_PACKAGES:
        if importlib.util.find_spec(name) is None:
            continue  # a part that is not installed cannot be mixed up
        module = importlib.import_module(name)
        # A folder without __init__.py is a namespace package: it has a path and no file.
        folder = Path(next(iter(module.__path__))).resolve()
        if folder != _HOME / name:
            raise UsageError(
                f"the folder {folder} shadows rlcheck's own package {name!r}; rename it, or run "
                "rlcheck from a folder that does not hold it"
            )


def shadowed_folders(folder: Path) -> tuple[str, ...]:
    """Remarks on packages in `folder` that rlcheck's own packages of the same name hide."""
    if folder.resolve() == _HOME:
        return ()
    return tuple(
        f"your folder {folder / name} is hidden by rlcheck's own package {name!r}; "
        "give it another name if the code under test imports it"
        for name in trace.OWN_PACKAGES
        if (folder / name).is_dir() or (folder / f"{name}.py").is_file()
    )


def join_users_folder(folder: Path) -> None:
    """Put `folder` first on the import path, like `python -m`, after loading our own packages."""
    claim_own_packages()
    text = str(folder.resolve())
    if text not in sys.path:
        sys.path.insert(0, text)


def named_module(name: str) -> ModuleType:
    """Import `pkg.module`.

    Raises:
        TargetError: there is none (with close matches), or importing it raised.
    """
    with errors_explained(f"module {name!r}"):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise
            raise _no_module(name, error.name) from error


def file_module(path: Path) -> ModuleType:
    """Import a file under the name that it has in its package, like pytest does.

    Raises:
        TargetError: importing it raised.
    """
    path = path.resolve()
    root, parts = path.parent, [path.stem]
    while (root / "__init__.py").is_file():
        parts.insert(0, root.name)
        root = root.parent
    join_users_folder(root)
    name = ".".join(parts)
    if len(parts) > 1:
        return named_module(name)
    known = sys.modules.get(name)
    if known is not None and _file_of(known) != path:
        # A loaded module has this name already (`random.py`): keep both.
        name = f"{name}_of_{path.parent.name}"
        known = sys.modules.get(name)
    return known if known is not None else _load_file(name, path)


def attribute(module: ModuleType, dotted: str, place: str) -> Any:
    """`module.a.b` for `a.b`.

    Raises:
        TargetError: it has no such attribute; the message offers close matches.
    """
    found: Any = module
    for name in dotted.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            # What the module merely imports is no likely target, unless it defines nothing.
            names = [known for known in dir(found) if not known.startswith("_")]
            own = [known for known in names if _defined_in(getattr(found, known, None), module)]
            holder = place if found is module else f"{place}:{found.__name__}"
            raise TargetError(
                f"{holder} has no attribute {name!r}{did_you_mean(name, own or names)}"
            ) from None
    return found


def target_of(raw: Any, name: str) -> str:
    """The target by which another process can import `raw`.

    Raises:
        UsageError: it cannot be imported.
    """
    module = sys.modules.get(getattr(raw, "__module__", None) or "")
    dotted = getattr(raw, "__qualname__", "")
    if module is None or not dotted:
        raise UsageError(
            f"{name} is an object, which a worker process cannot import; hand over a function or "
            "class at module level, or leave out isolate=True"
        )
    if "<" in dotted:
        raise UsageError(
            f"{name} is defined inside a function, where a worker process cannot import it; move "
            "it to module level, or leave out isolate=True"
        )
    file = getattr(module, "__file__", None)
    return f"{file if module.__name__ == '__main__' and file else module.__name__}:{dotted}"


def source_digest(raw: Any) -> str:
    """Hash of the file that defines `raw`, "" where no file does."""
    try:
        file = inspect.getsourcefile(raw)
    except TypeError:  # neither function nor class: an id, a path, a command
        return ""
    if file is None or not Path(file).is_file():
        return ""
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()[:16]


def public_names_of_file(path: Path) -> list[str]:
    """Names of the functions and classes that a file defines, without running it."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError):
        return []
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    names = [node.name for node in tree.body if isinstance(node, definitions)]
    return [name for name in names if not name.startswith("_")]


@contextmanager
def errors_explained(what: str) -> Iterator[None]:
    """Turn whatever importing raises into a TargetError: a sentence and the user's last line."""
    try:
        yield
    except UsageError:
        raise
    except ModuleNotFoundError as error:
        raise TargetError(
            f"importing {what} needs the module {error.name!r}, which is not installed here"
            f"{_last_line(error)}"
        ) from error
    except SyntaxError as error:
        raise TargetError(
            f"importing {what} failed, {error.filename}:{error.lineno} is not valid Python: "
            f"{error.msg}"
        ) from error
    except SystemExit as error:
        raise TargetError(
            f"importing {what} called sys.exit({error.code!r}){_last_line(error)}; "
            'put what runs the program under `if __name__ == "__main__":`'
        ) from error
    except Exception as error:
        raise TargetError(
            f"importing {what} raised {trace.sentence(error)}{_last_line(error)}"
        ) from error


def _last_line(error: BaseException) -> str:
    frames = trace.user_frames(error)
    return f" ({trace.format_frame(frames[-1])})" if frames else ""


def _no_module(name: str, missing: str) -> TargetError:
    parent, _, last = missing.rpartition(".")
    path = getattr(sys.modules.get(parent), "__path__", None) if parent else sys.path
    if path is None:
        return TargetError(f"{parent!r} is a module, not a package: it has no {last!r} in it")
    close = did_you_mean(last, {module.name for module in pkgutil.iter_modules(path)})
    # Without a close match the list would be every module on the path.
    hint = close if "did you mean" in close else ""
    inside = f" in {parent!r}" if parent else f" (looked in {Path.cwd()} and on the import path)"
    return TargetError(f"there is no module {last!r}{inside}{hint}")


def _load_file(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise TargetError(f"{path} cannot be imported: it is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with errors_explained(str(path)):
            spec.loader.exec_module(module)
    except TargetError:
        del sys.modules[name]
        raise
    return module


def _file_of(module: ModuleType) -> Path | None:
    file = getattr(module, "__file__", None)
    return Path(file).resolve() if file else None


def _defined_in(value: Any, module: ModuleType) -> bool:
    return getattr(value, "__module__", None) == module.__name__
