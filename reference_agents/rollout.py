"""Rollouts of S x N environments, and the episodes that end in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from reference_agents.envs import BatchedEnv


class Rollout(NamedTuple):
    """T steps of S x N environments, time first.

    Attributes:
        observations: [T, S, N, O] acted on.
        actions: [T, S, N] or [T, S, N, D] as the policy drew them.
        rewards: [T, S, N].
        next_observations: [T, S, N, O] really reached by step t, before any reset.
        terminated, truncated: [T, S, N] bool, mark the end of step t.
    """

    observations: Tensor
    actions: Tensor
    rewards: Tensor
    next_observations: Tensor
    terminated: Tensor
    truncated: Tensor


@torch.no_grad()
def collect(
    env: BatchedEnv,
    act: Callable[[Tensor, int], Tensor],
    to_env: Callable[[Tensor], Tensor],
    observations: Tensor,
    num_steps: int,
) -> tuple[Rollout, Tensor]:
    """Acts for `num_steps` steps.

    Args:
        env: the environments, in the state that `observations` shows.
        act: (observations [S, N, O], step) -> the policy's actions.
        to_env: the policy's actions as the environment takes them.
        observations: [S, N, O] to start from.
        num_steps: T.

    Returns:
        The rollout and the observations to go on from.
    """
    rows = []
    for t in range(num_steps):
        actions = act(observations, t)
        step = env.step(to_env(actions))
        rows.append((observations, actions, step.rewards, step.final_observations, *step[3:]))
        observations = step.observations
    return Rollout(*(torch.stack(column) for column in zip(*rows, strict=True))), observations


def seed_major(tensor: Tensor) -> Tensor:
    """[T, S, N, ...] -> [S, T * N, ...]: the rows of each seed, in the same order for every tensor."""
    return tensor.transpose(0, 1).flatten(1, 2)


class Episodes:
    """Undiscounted return and length of the episodes that end, averaged for each seed.

    Args:
        num_seeds, num_envs: S and N.
    """

    def __init__(self, num_seeds: int, num_envs: int) -> None:
        self.returns = np.zeros((num_seeds, num_envs))
        self.lengths = np.zeros((num_seeds, num_envs))

    def update(self, rewards: Tensor, ended: Tensor) -> dict[str, np.ndarray]:
        """Takes in steps [T, S, N]; gives the means [S] over the episodes ended, NaN without any."""
        count, total, steps = (np.zeros(len(self.returns)) for _ in range(3))
        for reward, end in zip(rewards.cpu().double().numpy(), ended.cpu().numpy(), strict=True):
            self.returns += reward
            self.lengths += 1
            if end.any():
                count += end.sum(axis=1)
                total += np.where(end, self.returns, 0.0).sum(axis=1)
                steps += np.where(end, self.lengths, 0.0).sum(axis=1)
                self.returns[end] = self.lengths[end] = 0.0
        count[count == 0] = np.nan
        return {"episode_return": total / count, "episode_length": steps / count}

    def state_dict(self) -> dict[str, Tensor]:
        """The episodes in progress."""
        return {"returns": torch.tensor(self.returns), "lengths": torch.tensor(self.lengths)}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Continues the stored episodes."""
        self.returns = state["returns"].numpy().copy()
        self.lengths = state["lengths"].numpy().copy()
