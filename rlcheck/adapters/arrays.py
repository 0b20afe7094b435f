"""What users return, as NumPy arrays; what an action must look like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces

from rlcheck.errors import SubjectError


def to_numpy(value: Any) -> np.ndarray:
    """A torch tensor (on any device, with or without graph), JAX array, number or list as an array."""
    if hasattr(value, "detach"):
        return np.array(value.detach().cpu().numpy())
    if isinstance(value, (list, tuple)):
        return np.asarray([to_numpy(item) for item in value])
    return np.array(value)


def action_row_shape(space: spaces.Space) -> tuple[int, ...]:
    """Shape of one action; raises SubjectError for spaces that the ladder does not use."""
    if isinstance(space, spaces.Discrete):
        return ()
    if isinstance(space, spaces.Box):
        return tuple(space.shape)
    raise SubjectError(
        f"expected a Discrete or a Box action space, got {space}; wrap the environment to have one"
    )


def check_actions(actions: np.ndarray, space: spaces.Space, what: str) -> np.ndarray:
    """The actions, with the dtype of the space, if each is one that the space can execute.

    Box actions may lie outside the bounds, since clipping them is the usual last step of an agent.
    """
    if isinstance(space, spaces.Discrete):
        first, last = int(space.start), int(space.start + space.n - 1)
        fits = (actions == np.floor(actions)) & (actions >= first) & (actions <= last)
        expected = f"integers from {first} to {last}"
    else:
        fits = np.isfinite(actions)
        expected = "finite numbers"
    if not np.all(fits):
        raise SubjectError(
            f"{what} should return {expected} for the action space {space}, "
            f"it returned {actions[~fits].ravel()[0]}; check how the output becomes an action"
        )
    return actions.astype(space.dtype)


def named_arrays(value: Any) -> dict[str, np.ndarray]:
    """What a user's `parameters()` returned: a mapping, or arrays without names."""
    if isinstance(value, Mapping):
        return {str(name): to_numpy(array).copy() for name, array in value.items()}
    return {str(index): to_numpy(array).copy() for index, array in enumerate(value)}
