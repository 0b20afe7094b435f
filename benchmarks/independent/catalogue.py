"""All subjects of this package."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

import benchmarks.independent as package
from benchmarks.independent.records import Subject


@cache
def subjects() -> tuple[Subject, ...]:
    """Every subject in every file beside this one, in the order in which they are written."""
    own = {__name__.rpartition(".")[2], "records"}
    names = sorted(m.name for m in pkgutil.iter_modules(package.__path__) if m.name not in own)
    modules = [importlib.import_module(f"{package.__name__}.{name}") for name in names]
    found = [v for module in modules for v in vars(module).values() if isinstance(v, Subject)]
    keys = [(s.contract, s.name) for s in found]
    twice = sorted({k for k in keys if keys.count(k) > 1})
    if twice:
        raise ValueError(f"names of subjects must differ within a contract; twice: {twice}")
    return tuple(found)
