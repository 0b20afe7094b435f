"""Which array library a function probably works with, from its annotations and its code."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import sys
import textwrap
from typing import Any

from rlcheck.functions.arrays import Kind

_ANNOTATIONS = {
    "Tensor": Kind.TORCH,
    "ndarray": Kind.NUMPY,
    "NDArray": Kind.NUMPY,
    "ArrayLike": Kind.NUMPY,
    "jax": Kind.JAX,
    "jnp": Kind.JAX,
    "list": Kind.LIST,
    "List": Kind.LIST,
    "Sequence": Kind.LIST,
}
_MODULES = {"torch": Kind.TORCH, "jax": Kind.JAX, "numpy": Kind.NUMPY}


def likely_kinds(raw: Any) -> list[Kind]:
    """Libraries worth trying, most likely first; torch and JAX only where there is a sign of them."""
    found = [*_annotated(raw), *_used(raw)]
    if hasattr(raw, "named_parameters"):
        found.insert(0, Kind.TORCH)
    fallback = [Kind.NUMPY, Kind.LIST] if Kind.NUMPY in found else [Kind.LIST, Kind.NUMPY]
    if "torch" in sys.modules:  # a helper that it calls may need tensors
        fallback.append(Kind.TORCH)
    return list(dict.fromkeys(kind for kind in [*found, *fallback] if installed(kind)))


def installed(kind: Kind) -> bool:
    """Whether the library can be imported."""
    return kind is Kind.LIST or importlib.util.find_spec(kind.value) is not None


def sums_a_parameter(raw: Any) -> bool:
    """Whether it takes Python's `sum` of a whole argument: its author thought of a flat list."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(raw))))
    except (TypeError, OSError, SyntaxError):  # objects without code of their own
        return False
    own = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args]
    sums = [node for node in calls if isinstance(node.func, ast.Name) and node.func.id == "sum"]
    return any(getattr(node.args[0], "id", None) in own for node in sums)


def _annotated(raw: Any) -> list[Kind]:
    try:
        annotations = inspect.get_annotations(inspect.unwrap(getattr(raw, "__func__", raw)))
    except (TypeError, ValueError):  # objects that are no function have none
        return []
    texts = [value if isinstance(value, str) else repr(value) for value in annotations.values()]
    return [kind for word, kind in _ANNOTATIONS.items() if any(word in text for text in texts)]


def _used(raw: Any) -> list[Kind]:
    """Libraries that the function's code refers to, directly or through its module's helpers."""
    function = inspect.unwrap(getattr(raw, "forward", raw))
    function = getattr(function, "__func__", function)
    if not hasattr(function, "__code__"):
        function = vars(type(raw)).get("__call__")
    code = getattr(function, "__code__", None)
    if code is None:
        return []
    names, scope = _names(code), getattr(function, "__globals__", {})
    modules = {_top_module(scope[name]) for name in names if name in scope} | names
    return [kind for module, kind in _MODULES.items() if module in modules]


def _names(code: Any) -> set[str]:
    inner = [constant for constant in code.co_consts if hasattr(constant, "co_names")]
    # `import torch.nn.functional as F` inside a function names the whole path.
    own = {name.partition(".")[0] for name in code.co_names}
    return own.union(*map(_names, inner))


def _top_module(value: Any) -> str:
    name = value.__name__ if inspect.ismodule(value) else getattr(value, "__module__", "")
    return str(name).partition(".")[0]
