"""Random generators of the frameworks that a function may ask for, by seed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any


def torch_generator(seed: int) -> Any:
    """A `torch.Generator` of its own."""
    import torch

    return torch.Generator().manual_seed(seed)


def jax_keys(seed: int) -> Iterator[Any]:
    """A fresh JAX key for every call."""
    import jax

    key = jax.random.PRNGKey(seed)
    return (jax.random.fold_in(key, i) for i in itertools.count())
