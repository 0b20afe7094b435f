"""What torch networks are given and give while an agent learns, and the gradients that reach them.

Whatever an agent's code looks like, a loss pulls at a network through the gradient of its output. Hooks
on all modules see inputs, outputs and that gradient; they change nothing and draw no random number.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

MOST_PASSES = 64
"""Passes kept of one update; a rollout is not one."""


@dataclass
class Pass:
    """One call of a network on a batch of observations.

    Args:
        network: tells networks apart, by their first parameter.
        states: [B] index of each row's observation.
        outputs: [B, A].
        gradient: [B, A] of the loss by the outputs; None where no loss reached them.
    """

    network: int
    states: np.ndarray
    outputs: np.ndarray
    gradient: np.ndarray | None = None


class Passes:
    """The passes of the last updates, one list an optimiser's step.

    Args:
        decode: inputs [B, ...] -> state of each row [B]; None where they are no observations.
        n_outputs: A; networks with other outputs are left out.
        keep: updates kept.
    """

    def __init__(
        self, decode: Callable[[np.ndarray], np.ndarray | None], n_outputs: int, keep: int
    ) -> None:
        self.decode, self.n_outputs = decode, n_outputs
        self.updates: deque[list[Pass]] = deque(maxlen=keep)
        self._passes: list[Pass] = []
        self._alive: deque[Any] = deque(maxlen=MOST_PASSES)

    def forward(self, module: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """A module was called: a global forward hook."""
        shape = _batch_shape(output)
        if len(shape) != 2 or shape[0] < 2 or shape[1] != self.n_outputs:
            return
        if not inputs or not hasattr(inputs[0], "detach"):
            return
        # A network and its last layer return the same tensor.
        if any(output is other for other in self._alive):
            return
        states = self.decode(_batch(inputs[0]))
        first = next(iter(module.parameters()), None)
        if states is None or first is None or len(states) != shape[0]:
            return
        seen = Pass(id(first), states, _batch(output))
        if output.requires_grad:
            output.register_hook(_keep_gradient(seen))
        self._alive.append(output)
        self._passes = [*self._passes[1 - MOST_PASSES :], seen]

    def step(self, *_: Any) -> None:
        """An optimiser is about to step: a global hook."""
        passes, self._passes = self._passes, []
        self._alive.clear()
        last = self.updates[-1] if self.updates else []
        if _looks_ahead(last) and not _looks_ahead(passes):
            # A second optimiser of the same update, as for the second of two critics.
            last.extend(passes[: MOST_PASSES - len(last)])
        else:
            self.updates.append(passes)


def _batch_shape(tensor: Any) -> tuple[int, ...]:
    """The shape without leading ones, such as that of one seed among several."""
    shape = tuple(getattr(tensor, "shape", ()))
    return shape[1:] if len(shape) == 3 and shape[0] == 1 else shape


def _batch(tensor: Any) -> np.ndarray:
    """A copy of the numbers, in that shape."""
    return tensor.detach().cpu().numpy().reshape(_batch_shape(tensor)).copy()


def _looks_ahead(passes: list[Pass]) -> bool:
    """Whether there are outputs that no loss reached, as those of next states."""
    return any(one.gradient is None for one in passes)


def _keep_gradient(seen: Pass) -> Callable[[Any], None]:
    def keep(gradient: Any) -> None:
        added = _batch(gradient)
        seen.gradient = added if seen.gradient is None else seen.gradient + added

    return keep


@contextmanager
def watched_passes(passes: Passes) -> Iterator[None]:
    """Fill `passes` while the block runs; nothing happens where torch is not in use."""
    if "torch" not in sys.modules:
        yield
        return
    from torch.nn.modules.module import register_module_forward_hook
    from torch.optim.optimizer import register_optimizer_step_pre_hook

    hooks = [
        register_module_forward_hook(passes.forward),
        register_optimizer_step_pre_hook(passes.step),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
