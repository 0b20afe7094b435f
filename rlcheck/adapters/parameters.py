"""The parameters that an agent holds in its attributes, and which of them are targets of which."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

Told = Callable[[str, Any], "Iterable[tuple[str, Any]] | None"]


def held_parameters(agent: Any) -> dict[str, np.ndarray]:
    """Copies of all torch parameters in the agent's attributes, targets included, each one once.

    A target tensor that is the online one stands under both names, so that the mistake can be seen.
    Where there are none: the pairs of plain arrays that are called a target and its online one, since
    any other array may be data.
    """
    torch = sys.modules.get("torch")
    tensors = {} if torch is None else _torch_parameters(agent, torch)
    return tensors or _array_pairs(agent)


def lagged(parameters: Iterable[str]) -> dict[str, str]:
    """Target tensor -> the online tensor of the same name without "target"."""
    names = set(parameters)
    pairs = {}
    for name in sorted(names):
        if "target" not in name:
            continue
        for online in (
            name.replace("_target", ""),
            name.replace("target_", ""),
            name.replace("target", "online"),
        ):
            if online != name and online in names:
                pairs[name] = online
                break
    return pairs


def _torch_parameters(agent: Any, torch: Any) -> dict[str, np.ndarray]:
    def told(name: str, value: Any) -> list[tuple[str, Any]] | None:
        if isinstance(value, torch.nn.Module):
            # Not the module's own method, which may take other arguments (TorchRL's losses).
            own = torch.nn.Module.named_parameters(value, remove_duplicate=False)
            return [(f"{name}.{tensor}".lstrip("."), parameter) for tensor, parameter in own]
        if isinstance(value, torch.Tensor):
            return [(name, value)] if value.requires_grad and value.is_leaf else []
        return None

    found: dict[str, np.ndarray] = {}
    seen: set[tuple[int, bool]] = set()
    for name, parameter in _held("", agent, told, depth=2):
        identity = id(parameter), "target" in name
        if identity not in seen and (identity[1] or (id(parameter), True) not in seen):
            seen.add(identity)
            found[name] = parameter.detach().cpu().numpy().copy()
    return found


def _array_pairs(agent: Any) -> dict[str, np.ndarray]:
    def told(name: str, value: Any) -> list[tuple[str, Any]] | None:
        if not hasattr(value, "__array__"):
            return None
        array = np.asarray(value)
        return [(name, array)] if array.dtype.kind == "f" and array.size > 1 else []

    arrays = dict(_held("", agent, told, depth=2))
    pairs = {t: o for t, o in lagged(arrays).items() if arrays[t].shape == arrays[o].shape}
    return {name: arrays[name].copy() for name in sorted({*pairs, *pairs.values()})}


def _held(prefix: str, value: Any, told: Told, depth: int) -> Iterator[tuple[str, Any]]:
    """What `told` makes of an object, of its attributes, and of lists and dicts among these."""
    named = told(prefix, value)
    if named is not None:
        yield from named
    elif depth > 0:
        held: Mapping[Any, Any] = {}
        if isinstance(value, Mapping):
            held = value
        elif isinstance(value, (list, tuple)):
            held = dict(enumerate(value))
        elif not prefix and hasattr(value, "__dict__"):
            held = vars(value)
        for name, item in held.items():
            yield from _held(f"{prefix}.{name}".lstrip("."), item, told, depth - 1)
