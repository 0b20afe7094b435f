"""Checks of arguments that broadcasting would otherwise let pass."""

from __future__ import annotations

from torch import Tensor


def expect_same_shape(name: str, reference: Tensor, **others: Tensor) -> None:
    """Require every other tensor to have the shape of `reference`.

    A column against a row broadcasts to a square without a word, and the loss still falls a little.

    Raises:
        ValueError: naming the argument, the expected shape, the given one and the remedy.
    """
    for other, tensor in others.items():
        if tensor.shape != reference.shape:
            raise ValueError(
                f"`{other}` must have the shape of `{name}`, {tuple(reference.shape)}, "
                f"it has {tuple(tensor.shape)}; reshape it so that its entries line up"
            )


def expect_last_axis(name: str, reference: Tensor, **others: Tensor) -> None:
    """Require every other tensor to have the shape of `reference` without its last axis.

    Raises:
        ValueError: naming the argument, the expected shape, the given one and the remedy.
    """
    for other, tensor in others.items():
        if tensor.shape != reference.shape[:-1]:
            raise ValueError(
                f"`{other}` must have the shape of `{name}` without its last axis, "
                f"{tuple(reference.shape[:-1])}, it has {tuple(tensor.shape)}; "
                f"give one entry for each row of `{name}`"
            )


def expect_positive(name: str, value: float) -> None:
    """Require a number to be positive.

    Raises:
        ValueError: naming the argument, the expected range and the given value.
    """
    if not value > 0:
        raise ValueError(f"`{name}` must be positive, it is {value}; give a number above 0")


def expect_in_range(name: str, value: float, low: float, high: float) -> None:
    """Require a number to lie in a closed interval.

    Raises:
        ValueError: naming the argument, the expected range and the given value.
    """
    if not low <= value <= high:
        raise ValueError(
            f"`{name}` must lie in [{low:g}, {high:g}], it is {value}; give a number between them"
        )


def expect_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Require one of a closed set of names.

    Raises:
        ValueError: naming the argument, the choices and the given value.
    """
    if value not in choices:
        raise ValueError(f"`{name}` must be one of {', '.join(choices)}, it is {value!r}")


def expect_finite(keep: Tensor | None = None, /, **tensors: Tensor) -> None:
    """Require numbers to be finite, where a mask keeps them: NaN would train without a word.

    Raises:
        ValueError: naming the argument and the remedy.
    """
    for name, tensor in tensors.items():
        kept = tensor if keep is None else tensor.masked_fill(~keep, 0.0)
        if not kept.isfinite().all():
            where = "" if keep is None else " where the mask keeps it"
            raise ValueError(
                f"`{name}` must be finite{where}, it holds NaN or infinity; mend what made it"
            )
