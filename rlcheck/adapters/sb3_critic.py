"""Known critics in the place of those of SAC, TD3 and DDPG, and what `train()` makes of them.

Online critics that hold nothing but a level b have a loss whose only minimum is the target of the
rows in the memory. So a step of `train()` moves b towards the target, whatever the loss, and the level at
which it stands still is the target.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from gymnasium import spaces
from scipy.optimize import brentq
from torch import nn

from rlcheck.adapters.protocol import CriticProbe, Row
from rlcheck.adapters.sb3_fit import fill_replay, silent_logger, steady_rate
from rlcheck.adapters.sb3_view import View

WIDEST, TOLERANCE = 50.0, 1e-3
BATCH = 256
COLDEST = -30.0
"""Log temperature at which an entropy weighs nothing."""


class Level(nn.Module):
    """Says one number of everything, or of one observation only and 0 of others."""

    def __init__(self, value: float, where: torch.Tensor | None = None) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(float(value)))
        self.where = where

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """[N, 1]; the inputs, observation and action, get a gradient of zero."""
        nothing = 0.0 * inputs.sum(dim=1, keepdim=True)
        if self.where is None:
            return self.value + nothing
        there = (inputs[:, : len(self.where)] == self.where).all(dim=1, keepdim=True)
        return self.value * there + nothing


class Ramp(nn.Module):
    """Says `slope` times the action, the last of its inputs."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(float(slope)))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """[N, 1]."""
        return self.slope * inputs[:, -1:]


def critic_probe_of(seen: View) -> CriticProbe | None:
    """The probe of a model with critics of one continuous action, None for others."""
    model: Any = seen.model
    online, copies = (
        getattr(getattr(model, name, None), "q_networks", ())
        for name in ("critic", "critic_target")
    )
    space = model.action_space
    one = isinstance(space, spaces.Box) and space.shape == (1,)
    plain = seen.same_units and getattr(model, "n_steps", 1) == 1
    if not one or not plain or not online or len(online) != len(copies) or not model.replay_buffer:
        return None
    count, learned = len(online), isinstance(getattr(model, "log_ent_coef", None), torch.Tensor)

    def target(
        row: Row, said: Sequence[float], temperature: float, beside: Row | None = None
    ) -> float | None:
        _weigh_entropy(model, temperature)
        return _pulled_to(seen, row, said, beside)

    def climb(rows: Sequence[Row], slope: float, updates: int) -> None:
        _weigh_entropy(model, 0.0)
        for _ in range(updates):
            _train_once(seen, rows, lambda: Ramp(slope), [lambda: Ramp(slope)] * count)

    def warmed(row: Row) -> tuple[float, float]:
        _weigh_entropy(model, 1.0)
        _train_once(seen, [row], lambda: Level(0.0), [lambda: Level(0.0)] * count)
        return model.log_ent_coef.item(), float(model.target_entropy)

    soft = hasattr(model.actor, "action_log_prob")
    return CriticProbe(count, soft, target, climb, warmed if learned else None)


def _pulled_to(seen: View, row: Row, said: Sequence[float], beside: Row | None) -> float | None:
    """The level at which the online critics stand still, None where they have none."""
    rows = [row] if beside is None else [row, beside]
    where = None if beside is None else torch.as_tensor(row.observation).flatten()

    def pull(level: float) -> float:
        said_by = [partial(Level, one) for one in said]
        moved = _train_once(seen, rows, lambda: Level(level, where), said_by)
        return sum(net.value.item() - level for net in moved)

    if not pull(-WIDEST) > 0 > pull(WIDEST):
        return None
    return float(brentq(pull, -WIDEST, WIDEST, xtol=TOLERANCE))


def _train_once(
    seen: View,
    rows: Sequence[Row],
    online: Callable[[], nn.Module],
    targets: Sequence[Callable[[], nn.Module]],
) -> list[Any]:
    """One gradient step on these rows with these critics; the online ones as they are afterwards."""
    model: Any = seen.model
    nets = [online() for _ in targets]
    for critic, made in ((model.critic, nets), (model.critic_target, [one() for one in targets])):
        critic.q_networks = nn.ModuleList(made).to(model.device)
        # Each is registered under a name of its own as well, which would keep the old one.
        for index, net in enumerate(critic.q_networks):
            setattr(critic, f"qf{index}", net)
    model.critic.optimizer = torch.optim.SGD(model.critic.parameters(), lr=1e-3)
    with silent_logger(model), steady_rate(model):
        fill_replay(seen, rows)
        model.train(gradient_steps=1, batch_size=BATCH)
        model.replay_buffer.reset()
    return nets


def _weigh_entropy(model: Any, temperature: float) -> None:
    """The temperature, learned or not, as `train()` will read it next."""
    if isinstance(getattr(model, "log_ent_coef", None), torch.Tensor):
        weight = torch.tensor(temperature).log() if temperature > 0 else torch.tensor(COLDEST)
        model.log_ent_coef.data.fill_(float(weight))
    if hasattr(model, "ent_coef_tensor"):
        model.ent_coef_tensor = torch.tensor(float(temperature), device=model.device)
