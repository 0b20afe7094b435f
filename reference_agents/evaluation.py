"""Evaluation: whole episodes of a policy, all seeds and episodes side by side."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from reference_agents.envs import BatchedEnv


@torch.no_grad()
def evaluate(act: Callable[[Tensor], Tensor], env: BatchedEnv, max_steps: int = 10_000) -> Tensor:
    """Undiscounted return of the first episode of every environment.

    Args:
        act: observations [S, N, O] -> the environment's actions.
        env: N environments a seed; each gives one episode.
        max_steps: bound for episodes that do not end by themselves.

    Returns:
        [S, N] returns.
    """
    observations = env.reset()
    returns = torch.zeros((env.num_seeds, env.num_envs), dtype=torch.float64, device=env.device)
    alive = torch.ones_like(returns, dtype=torch.bool)
    for _ in range(max_steps):
        step = env.step(act(observations))
        returns += torch.where(alive, step.rewards.double(), 0.0)
        alive &= ~(step.terminated | step.truncated)
        observations = step.observations
        if not alive.any():
            break
    return returns
