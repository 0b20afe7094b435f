"""What the algorithms share: an optimiser, a stream of randomness, and the loop over updates."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

Metrics = dict[str, float]


class Trainer:
    """Loop over updates; an algorithm's file derives from it and adds `iterate`.

    Args:
        groups: modules to train, each with its learning rate.
        seed: of everything random in the training.
        anneal: lets the learning rates fall linearly to 0 over each call of `learn`.
        max_grad_norm: bound on the gradient norm of all modules together.
    """

    def __init__(
        self,
        groups: Sequence[tuple[nn.Module, float]],
        *,
        seed: int,
        anneal: bool,
        max_grad_norm: float,
    ) -> None:
        self.parameters = [p for module, _ in groups for p in module.parameters()]
        self.device = self.parameters[0].device
        self.optimiser = torch.optim.Adam(
            [{"params": list(module.parameters()), "lr": lr} for module, lr in groups]
        )
        self.rates = [lr for _, lr in groups]
        self.generator = torch.Generator(self.device).manual_seed(seed)
        self.anneal, self.max_grad_norm = anneal, max_grad_norm
        self.samples = 0  # responses drawn and judged so far

    def iterate(self) -> Metrics:
        """One round of drawing and learning."""
        raise NotImplementedError

    def learn(self, rounds: int, callback: Callable[[Metrics], None] | None = None) -> None:
        """Takes a number of rounds; `callback` gets the metrics of each."""
        for k in range(rounds):
            if self.anneal:
                for group, lr in zip(self.optimiser.param_groups, self.rates, strict=True):
                    group["lr"] = lr * (1.0 - k / rounds)
            metrics = self.iterate()
            if callback is not None:
                callback(metrics)

    def draw(self, count: int, size: int) -> Tensor:
        """[size] row numbers in [0, count) in random order, each as often as the others, or once more."""
        every = torch.arange(count, device=self.device).repeat(size // count)
        rest = torch.randperm(count, generator=self.generator, device=self.device)[: size % count]
        rows = torch.cat([every, rest])
        return rows[torch.randperm(size, generator=self.generator, device=self.device)]

    def step(self, loss: Tensor) -> float:
        """One gradient step; returns the gradient norm before clipping."""
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.parameters, self.max_grad_norm)
        self.optimiser.step()
        return float(norm)
