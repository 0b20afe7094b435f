"""Looking at an agent without moving the random streams that it trains with."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gymnasium import spaces


@contextmanager
def preserved_rng(*preserved_spaces: spaces.Space) -> Iterator[None]:
    """Restore every global random stream on the way out, as it was on the way in.

    Covers `random`, `numpy.random`, and torch where the program has imported it (its CUDA streams
    only where CUDA is in use already: asking for them would start it).

    Args:
        preserved_spaces: Gymnasium spaces whose own generators are restored as well.
    """
    python_state = random.getstate()
    numpy_state = np.random.get_state()
    space_states = [space.np_random.bit_generator.state for space in preserved_spaces]
    torch = sys.modules.get("torch")
    torch_state = torch.get_rng_state() if torch else None
    cuda_states = torch.cuda.get_rng_state_all() if torch and torch.cuda.is_initialized() else None
    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
        for space, state in zip(preserved_spaces, space_states, strict=True):
            space.np_random.bit_generator.state = state
        if torch:
            torch.set_rng_state(torch_state)
            if cuda_states is not None:
                torch.cuda.set_rng_state_all(cuda_states)
