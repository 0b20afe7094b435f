"""Environments as tensors: S seeds times N copies advance in one step, on any device.

An environment is a frozen record of pure functions (`Dynamics`); `TensorEnv` holds the state, counts
the time limit and resets what has ended. Every environment of this package, Gymnasium's included,
has the same face (`BatchedEnv`), with `terminated` and `truncated` kept apart and the observation
that was really reached beside the one of the next episode.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import gymnasium
import torch
from torch import Tensor

from reference_agents.streams import SeedStreams

_BLOCK = 64  # steps whose random numbers are drawn together


class Step(NamedTuple):
    """What one step of S x N environments gives.

    Attributes:
        observations: [S, N, O] to act on next; of a new episode where the old one ended.
        final_observations: [S, N, O] of the state actually reached, before any reset.
        rewards: [S, N].
        terminated: [S, N] bool, the episode ended in a terminal state.
        truncated: [S, N] bool, the episode was cut, by a time limit for instance.
    """

    observations: Tensor
    final_observations: Tensor
    rewards: Tensor
    terminated: Tensor
    truncated: Tensor


class BatchedEnv(Protocol):
    """S seeds times N environments that advance together and reset themselves."""

    num_seeds: int
    num_envs: int
    observation_size: int
    observation_space: gymnasium.Space
    action_space: gymnasium.Space
    device: torch.device
    dtype: torch.dtype

    def reset(self) -> Tensor:
        """Starts a new episode everywhere; observations [S, N, O]."""

    def step(self, actions: Tensor) -> Step:
        """Advances everything by one step; actions [S, N] or [S, N, D]."""

    def state_dict(self) -> dict:
        """What `load_state_dict` needs to continue exactly here; empty where that cannot be had."""

    def load_state_dict(self, state: dict) -> None:
        """Continues from a stored state."""


@dataclass(frozen=True)
class Dynamics:
    """An environment as data and pure functions over any leading dimensions.

    Attributes:
        name: for messages.
        observation_space, action_space: of a single environment, as in Gymnasium.
        initial: uniform draws [..., reset_draws] -> state [..., D] of a new episode.
        step: (state, actions, uniform draws [..., step_draws]) -> (state, rewards, terminated).
        observe: state -> observation [..., O].
        reset_draws, step_draws: how many uniform numbers `initial` and `step` consume.
        max_steps: time limit that truncates an episode; None for none.
    """

    name: str
    observation_space: gymnasium.Space
    action_space: gymnasium.Space
    initial: Callable[[Tensor], Tensor]
    step: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]
    observe: Callable[[Tensor], Tensor]
    reset_draws: int
    step_draws: int = 0
    max_steps: int | None = None


class TensorEnv:
    """S seeds times N copies of one environment on a device.

    Args:
        dynamics: the environment.
        seeds: the S seeds; each seed's episodes are the same alone and among many.
        num_envs: N, copies a seed.
        device, dtype: of states, observations and rewards.
    """

    def __init__(
        self,
        dynamics: Dynamics,
        seeds: Sequence[int],
        num_envs: int,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.dynamics, self.num_seeds, self.num_envs = dynamics, len(seeds), num_envs
        self.device, self.dtype = torch.device(device), dtype
        self.observation_space = dynamics.observation_space
        self.action_space = dynamics.action_space
        self.observation_size = gymnasium.spaces.flatdim(dynamics.observation_space)
        self._reset_streams = SeedStreams(seeds, "env-reset", device, dtype)
        self._step_streams = SeedStreams(seeds, "env-step", device, dtype)
        self.reset()

    def reset(self) -> Tensor:
        """Starts a new episode everywhere; observations [S, N, O]."""
        draws = self._reset_streams.uniform(self.num_envs, self.dynamics.reset_draws)
        self.state = self.dynamics.initial(draws)
        self.elapsed = torch.zeros(
            (self.num_seeds, self.num_envs), dtype=torch.int64, device=self.device
        )
        # A block a reset: what follows depends on the number of resets only, never on how long
        # other seeds made the previous episodes last.
        self._step_streams.skip_to(self._reset_streams.counter)
        self._cursor = _BLOCK
        return self.dynamics.observe(self.state)

    def step(self, actions: Tensor) -> Step:
        """Advances everything by one step; actions [S, N] or [S, N, D]."""
        reset_draws, step_draws = self._next_draws()
        state, rewards, terminated = self.dynamics.step(self.state, actions, step_draws)
        self.elapsed += 1
        if self.dynamics.max_steps is None:
            truncated = torch.zeros_like(terminated)
        else:
            truncated = (self.elapsed >= self.dynamics.max_steps) & ~terminated
        ended = terminated | truncated
        fresh = self.dynamics.initial(reset_draws)
        self.state = torch.where(ended.unsqueeze(-1), fresh, state)
        self.elapsed.masked_fill_(ended, 0)
        observe = self.dynamics.observe
        return Step(observe(self.state), observe(state), rewards, terminated, truncated)

    def _next_draws(self) -> tuple[Tensor, Tensor]:
        if self._cursor == _BLOCK:
            width = self.dynamics.reset_draws + self.dynamics.step_draws
            self._draws = self._step_streams.uniform(_BLOCK, self.num_envs, width)
            self._cursor = 0
        draws = self._draws[:, self._cursor]
        self._cursor += 1
        return draws[..., : self.dynamics.reset_draws], draws[..., self.dynamics.reset_draws :]

    def state_dict(self) -> dict:
        """Everything that decides the future of every episode."""
        return {
            "state": self.state,
            "elapsed": self.elapsed,
            "cursor": self._cursor,
            "draws": self._draws if self._cursor < _BLOCK else None,
            "reset_streams": self._reset_streams.state_dict(),
            "step_streams": self._step_streams.state_dict(),
        }

    def load_state_dict(self, state: dict) -> None:
        """Continues from a stored state."""
        self.state, self.elapsed = state["state"].clone(), state["elapsed"].clone()
        self._cursor, self._draws = state["cursor"], state["draws"]
        self._reset_streams.load_state_dict(state["reset_streams"])
        self._step_streams.load_state_dict(state["step_streams"])
