"""Torch modules with given parameters and buffers, and what they hold, without a torch import here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

Arrays = Mapping[str, np.ndarray]


def make_module(parameters: Arrays, buffers: Arrays) -> Any:
    """A `torch.nn.Module` in float64 that holds copies of these arrays under their names."""
    import torch

    module = torch.nn.Module()
    for name, value in parameters.items():
        module.register_parameter(name, torch.nn.Parameter(torch.tensor(value)))
    for name, value in buffers.items():
        module.register_buffer(name, torch.tensor(value))
    return module


def set_tensors(tensors: Mapping[str, Any], values: Arrays) -> None:
    """Writes arrays into tensors or arrays of the same names, in place, as an optimiser does."""
    for name, value in values.items():
        tensor = tensors[name]
        if hasattr(tensor, "detach"):
            tensor = tensor.detach()
        tensor[...] = _like(tensor, value)


def _like(tensor: Any, value: np.ndarray) -> Any:
    return tensor.new_tensor(value) if hasattr(tensor, "new_tensor") else value


def named_tensors(module: Any) -> dict[str, Any]:
    """Parameters and buffers of a module by name."""
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def make_tensor(value: np.ndarray, *, trained: bool = False) -> Any:
    """A tensor with a copy of the array."""
    import torch

    return torch.tensor(value, requires_grad=trained)
