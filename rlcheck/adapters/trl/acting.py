"""What is done to any trainer: move its policy, evaluate a batch, train it and watch its gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from rlcheck.adapters.trl.tiny import quiet
from rlcheck.adapters.trl.token_model import Gradient, gradients_of


class Seen(NamedTuple):
    """What a trainer made of a batch."""

    loss: float
    gradient: Gradient


def setting(trainer: Any, name: str, default: float) -> float:
    """A setting of a trainer, wherever it keeps it."""
    value = getattr(trainer, name, getattr(getattr(trainer, "args", None), name, default))
    return float(default if value is None else value)


def move(trainer: Any, seed: int, scale: float) -> None:
    """Add noise to the policy, and to it alone, so that it differs from its reference."""
    import torch

    noise = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in trainer.model.parameters():
            parameter.add_(scale * torch.randn(parameter.shape, generator=noise))


def evaluate(trainer: Any, batch: Mapping[str, Any]) -> Seen:
    """Loss and gradient of a batch, in training mode."""
    with quiet():
        trainer.model.train()
        trainer.model.zero_grad()
        loss = trainer.compute_loss(trainer.model, batch)
        loss.backward()
    return Seen(float(loss.detach()), gradients_of(trainer.model))


def train(trainer: Any) -> list[Gradient]:
    """Train as configured; the gradients that each step of the optimiser was given."""
    from transformers import TrainerCallback

    found: list[Gradient] = []

    class Watch(TrainerCallback):
        def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
            found.append(gradients_of(model))

    trainer.add_callback(Watch())
    with quiet():
        trainer.train()
    return found
