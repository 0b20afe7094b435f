"""Gradients of a subject's loss by the subject's own library, imported where the subject brought it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rlcheck.functions import arrays


def first(returned: Any) -> Any:
    """The loss: the first element of what the function returned."""
    return arrays.elements(returned, ("loss",))[0]


def by_torch(call: Callable[[Any], Any], given: Any) -> Any:
    """(loss, gradient) of a torch function at `given`; the loss alone where it has no graph."""
    import torch

    with torch.enable_grad():
        leaf = given.detach().clone().requires_grad_()
        passed = leaf.clone()  # a leaf could not be changed in place, which other code may do
        loss = first(call(passed))
        gradient = None
        if getattr(loss, "requires_grad", False):
            (gradient,) = torch.autograd.grad(loss.sum(), leaf, allow_unused=True)
    if passed.shape == given.shape:
        given.copy_(passed.detach())  # where it was changed in place, that must show
    return loss if loss is None else (loss, leaf.detach() * 0.0 if gradient is None else gradient)


def by_jax(call: Callable[[Any], Any], given: Any) -> Any:
    """(loss, gradient) of a JAX function at `given`."""
    import jax

    loss = first(call(given))
    return loss, jax.grad(lambda value: first(call(value)).sum())(given)
