"""What is done to any trainer: move its policy, evaluate a batch, train it and watch its gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rlcheck.adapters.trl.tiny import quiet
from rlcheck.adapters.trl.token_model import Gradient, TokenModel, gradients_of


class Seen(NamedTuple):
    """What a trainer made of a batch."""

    loss: float
    gradient: Gradient


def setting(trainer: Any, name: str, default: float) -> float:
    """A setting of a trainer, wherever it keeps it."""
    value = getattr(trainer, name, getattr(getattr(trainer, "args", None), name, default))
    return float(default if value is None else value)


def settings_beyond(trainer: Any, usual: Mapping[str, Any]) -> list[str]:
    """`name = value` of every setting that differs from its usual value."""
    args = getattr(trainer, "args", None)
    given = {name: getattr(args, name, value) for name, value in usual.items()}
    return [f"{name} = {value}" for name, value in given.items() if value != usual[name]]


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


def evaluate_rows(trainer: Any, rows: Sequence[int]) -> Seen:
    """Loss and gradient of a batch of these rows of its dataset, as its own collator puts it together."""
    with quiet():
        loader = trainer.get_train_dataloader()
        batch = loader.collate_fn([trainer.train_dataset[row] for row in rows])
    return evaluate(trainer, batch)


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


def watch_policy(trainer: Any, every: int) -> list[TokenModel]:
    """Train as configured; copies of the policy after every so many steps."""
    from transformers import TrainerCallback

    found: list[TokenModel] = []

    class Watch(TrainerCallback):
        def on_step_end(self, args, state, control, model=None, **kwargs):
            if state.global_step % every == 0:
                found.append(TokenModel.of(model))

    trainer.add_callback(Watch())
    with quiet():
        trainer.train()
    return found
