"""A script of a few lines that shows a counterexample without rlcheck."""

from __future__ import annotations

from typing import Any

from property_tests.framework.models import Fitted, Run
from property_tests.framework.records import Mismatch
from rlcheck.functions.arrays import Kind

_IMPORTS = {Kind.NUMPY: "import numpy as np", Kind.TORCH: "import torch", Kind.JAX: ""}


def script(fitted: Fitted, found: Mismatch) -> str:
    """Calls the subject on the counterexample and prints what it returns beside the definition.

    Empty for a model of the contract, and for an object that no import statement reaches.
    """
    function = fitted.function
    if function is None:
        return ""
    name, source = _import(function.raw)
    if not source:
        return ""
    library = _IMPORTS.get(function.plan.kind, "")
    call = function.written_call(Run(fitted).facts(found.case))
    lines = [line for line in (library, source) if line]
    lines += ["", f"print({name}{call})"]
    if found.expected is not None:
        lines.append(f"# expected: {found.expected.tolist()}")
    return "\n".join([*lines, ""])


def _import(raw: Any) -> tuple[str, str]:
    module, name = getattr(raw, "__module__", ""), getattr(raw, "__qualname__", "")
    if not module or not name or "<" in name or "." in name:
        return "", ""
    return name, f"from {module} import {name}"
