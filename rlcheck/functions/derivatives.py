"""Gradients of a subject's loss by the subject's own library, imported where the subject brought it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rlcheck.functions import arrays


def first(returned: Any) -> Any:
    """The loss: the first element of what the function returned."""
    return arrays.elements(returned, ("loss",))[0]


def by_torch(call: Callable[..., Any], *given: Any) -> Any:
    """(loss, gradients) of a torch function at `given`; the loss alone where it has no graph."""
    import torch

    with torch.enable_grad():
        leaves = [value.detach().clone().requires_grad_() for value in given]
        passed = [leaf.clone() for leaf in leaves]  # a leaf could not be changed in place
        loss = first(call(*passed))
        found: Any = [None] * len(leaves)
        if getattr(loss, "requires_grad", False):
            found = torch.autograd.grad(loss.sum(), leaves, allow_unused=True)
    for value, after in zip(given, passed, strict=True):
        if after.shape == value.shape:
            value.copy_(after.detach())  # where it was changed in place, that must show
    if loss is None:
        return loss
    gradients = [
        leaf.detach() * 0.0 if gradient is None else gradient
        for leaf, gradient in zip(leaves, found, strict=True)
    ]
    return loss, *gradients


def by_jax(call: Callable[..., Any], *given: Any) -> Any:
    """(loss, gradients) of a JAX function at `given`."""
    import jax

    def total(*values: Any) -> Any:
        loss = first(call(*values))
        return loss.sum(), loss

    every = tuple(range(len(given)))
    (_, loss), gradients = jax.value_and_grad(total, every, has_aux=True)(*given)
    return loss, *gradients
