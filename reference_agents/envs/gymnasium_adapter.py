"""Any Gymnasium environment behind the same face as the tensor environments.

Environments are stepped through Gymnasium's vector interface in same-step autoreset mode, the one
that reports the observation really reached beside the one of the next episode.
"""

from __future__ import annotations

from collections.abc import Sequence

import gymnasium
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from torch import Tensor

from reference_agents.envs.tensor_env import Step


class GymnasiumEnvs:
    """S seeds times N environments of a Gymnasium vector environment, as one batched environment.

    Args:
        envs: a vector environment of S * N copies, seed-major, in same-step autoreset mode.
        seeds: the S seeds; copy j of seed s is first reset with a seed derived from s and j only.
        device, dtype: of the tensors handed out.

    Raises:
        ValueError: another autoreset mode, or copies that do not divide by the seeds.
        TypeError: observations that are neither a Box nor Discrete, or actions likewise.
    """

    def __init__(
        self,
        envs: VectorEnv,
        seeds: Sequence[int],
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if envs.metadata.get("autoreset_mode") != AutoresetMode.SAME_STEP:
            raise ValueError(
                "A vector environment must be in same-step autoreset mode, which keeps the final "
                "observation: create it with autoreset_mode=AutoresetMode.SAME_STEP."
            )
        if envs.num_envs % len(seeds):
            raise ValueError(
                f"{envs.num_envs} environments cannot be shared equally by {len(seeds)} seeds."
            )
        self.envs, self.num_seeds = envs, len(seeds)
        self.num_envs = envs.num_envs // len(seeds)
        self.observation_space = envs.single_observation_space
        self.action_space = envs.single_action_space
        for space, what in (
            (self.observation_space, "Observations"),
            (self.action_space, "Actions"),
        ):
            if not isinstance(space, gymnasium.spaces.Box | gymnasium.spaces.Discrete):
                raise TypeError(f"{what} must be a Box or Discrete space, not {space}.")
        self.observation_size = gymnasium.spaces.flatdim(self.observation_space)
        self.device, self.dtype = torch.device(device), dtype
        # Copy 0 gets the seed itself, as the user would reset a single environment.
        self._first_seeds: list[int] | None = [
            (int(seed) + 1_000_003 * copy) % 2**31
            for seed in seeds
            for copy in range(self.num_envs)
        ]

    def reset(self) -> Tensor:
        """Starts a new episode everywhere; observations [S, N, O]."""
        # Vector environments take a list of seeds, whatever their annotation says.
        observations, _ = self.envs.reset(seed=self._first_seeds)  # type: ignore[arg-type]
        self._first_seeds = None
        return self._encode(observations)

    def step(self, actions: Tensor) -> Step:
        """Advances everything by one step; actions [S, N] or [S, N, D].

        Raises:
            ValueError: the environment returned a reward that is not a finite number.
        """
        taken = actions.detach().cpu().numpy().reshape(self.envs.action_space.shape)
        if isinstance(self.action_space, gymnasium.spaces.Discrete):
            taken = taken + self.action_space.start
        observations, rewards, terminated, truncated, infos = self.envs.step(taken)
        if not np.isfinite(rewards).all():
            bad = rewards[~np.isfinite(rewards)][0]
            raise ValueError(
                f"The environment returned the reward {bad}; rewards must be finite numbers."
            )
        reached = observations
        if "final_obs" in infos:
            reached = observations.copy()
            for copy in np.flatnonzero(terminated | truncated):
                reached[copy] = infos["final_obs"][copy]
        encoded = self._encode(observations)
        return Step(
            encoded,
            encoded if reached is observations else self._encode(reached),
            self._tensor(rewards, self.dtype),
            self._tensor(terminated, torch.bool),
            # Both flags at once mean that the state reached is terminal: there is no future to value.
            self._tensor(truncated & ~terminated, torch.bool),
        )

    def _tensor(self, array: np.ndarray, dtype: torch.dtype) -> Tensor:
        shape = (self.num_seeds, self.num_envs, *array.shape[1:])
        return torch.tensor(array, dtype=dtype, device=self.device).reshape(shape)

    def _encode(self, observations: np.ndarray) -> Tensor:
        return encode_observations(self.observation_space, self._tensor(observations, self.dtype))

    def state_dict(self) -> dict:
        """Nothing: a Gymnasium environment cannot be stored, a resumed run starts new episodes."""
        return {}

    def load_state_dict(self, state: dict) -> None:
        """Nothing to restore."""


def encode_observations(space: gymnasium.Space, observations: Tensor) -> Tensor:
    """Observations of any leading shape as vectors [..., O]: one-hot for Discrete, flat for Box."""
    if isinstance(space, gymnasium.spaces.Discrete):
        states = torch.arange(int(space.n), device=observations.device) + int(space.start)
        return (observations.unsqueeze(-1) == states).to(observations.dtype)
    lead = observations.ndim - len(space.shape or ())
    return observations.reshape(*observations.shape[:lead], -1)


def from_gymnasium(
    env: str | gymnasium.Env | VectorEnv,
    seeds: Sequence[int],
    num_envs: int,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> GymnasiumEnvs:
    """Batched environments from a registered id, one environment, or a vector environment.

    Raises:
        ValueError: the environment cannot be made, or one environment is asked to serve several seeds.
    """
    if isinstance(env, VectorEnv):
        return GymnasiumEnvs(env, seeds, device, dtype)
    if isinstance(env, gymnasium.Env):
        if len(seeds) * num_envs != 1:
            raise ValueError(
                f"One environment object cannot serve {len(seeds)} seeds with {num_envs} "
                "environments each: pass its registered id, or a vector environment."
            )
        makers = [lambda: env]
    else:
        makers = [lambda: gymnasium.make(env)] * (len(seeds) * num_envs)
    try:
        envs = SyncVectorEnv(makers, copy=False, autoreset_mode=AutoresetMode.SAME_STEP)
    except (gymnasium.error.Error, ImportError) as error:
        raise ValueError(f"Environment {env!r} cannot be made: {error}") from None
    return GymnasiumEnvs(envs, seeds, device, dtype)
