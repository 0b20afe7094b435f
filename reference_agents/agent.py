"""What every deep agent shares: learning to a budget, predicting, saving, loading and resuming.

An algorithm's file derives from `Agent` and adds `iterate` (one round of acting and learning), the
heads that answer questions, and the parts whose state a checkpoint holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from torch import Tensor

from reference_agents.envs import BatchedEnv, make_envs
from reference_agents.envs.gymnasium_adapter import encode_observations
from reference_agents.rollout import Episodes
from reference_agents.streams import SeedStreams

Metrics = dict[str, Any]


def prepare_env(
    env: Any,
    seed: int | Sequence[int],
    num_envs: int,
    device: str | torch.device,
    dtype: torch.dtype,
) -> tuple[BatchedEnv, tuple[int, ...]]:
    """The batched environments and the seeds behind the arguments of a factory.

    Raises:
        ValueError: a ready batched environment serves another number of seeds.
    """
    seeds = (int(seed),) if isinstance(seed, int | np.integer) else tuple(seed)
    batched = make_envs(env, seeds, num_envs, device, dtype)
    if batched.num_seeds != len(seeds):
        raise ValueError(f"env serves {batched.num_seeds} seeds, but seed names {len(seeds)}.")
    return batched, seeds


def require_actions(env: BatchedEnv, kind: type[gymnasium.Space], algorithm: str) -> None:
    """Refuses an action space that the algorithm cannot serve.

    Raises:
        TypeError: the environment's action space is not of this kind.
    """
    if not isinstance(env.action_space, kind):
        remedy = {"Discrete": "ppo, sac or ddpg", "Box": "ppo, a2c, reinforce or dqn"}[
            kind.__name__
        ]
        raise TypeError(
            f"{algorithm} needs a {kind.__name__} action space, but this environment has "
            f"{env.action_space}; use {remedy}."
        )


class Agent:
    """S independent trainings of one algorithm, one seed being the ordinary case.

    Args:
        algorithm: name, stored in checkpoints.
        env: the environments.
        seeds: the S seeds.
        config: the algorithm's record of hyper-parameters.
    """

    def __init__(
        self, algorithm: str, env: BatchedEnv, seeds: tuple[int, ...], config: Any
    ) -> None:
        self.algorithm, self.env, self.seeds, self.config = algorithm, env, seeds, config
        self.steps = 0  # environment steps a seed, over all calls of `learn`
        self.learn_from, self.learn_until = 0, 0
        self.observations = torch.empty(0)  # to act on next; there are none before `learn`
        self.episodes = Episodes(env.num_seeds, env.num_envs)
        self.act_streams = self.make_streams("act")
        self.predict_streams = self.make_streams("predict")

    def make_streams(self, purpose: str) -> SeedStreams:
        """Random streams of the agent's seeds on its device."""
        return SeedStreams(self.seeds, purpose, self.env.device, self.env.dtype)

    # --- learning ---

    def iterate(self) -> Metrics:
        """One round of acting and learning; advances `steps` and returns metrics [S] by name."""
        raise NotImplementedError

    def learn(
        self, total_timesteps: int, callback: Callable[[Agent, Metrics], None] | None = None
    ) -> Agent:
        """Learns for at least `total_timesteps` further environment steps a seed.

        Args:
            total_timesteps: budget; the last round may exceed it by less than one round.
            callback: called after every round with the agent and its metrics.
        """
        self.learn_from, self.learn_until = self.steps, self.steps + int(total_timesteps)
        self.start_episodes()
        return self.resume(callback)

    def resume(self, callback: Callable[[Agent, Metrics], None] | None = None) -> Agent:
        """Finishes an interrupted `learn`, of this object or of the one that was saved."""
        while self.steps < self.learn_until:
            metrics = self.iterate()
            if callback is not None:
                callback(self, metrics)
        return self

    def start_episodes(self) -> None:
        """Gives up unfinished episodes; whatever happened to the environments meanwhile is harmless."""
        self.observations = self.env.reset()
        self.episodes = Episodes(self.env.num_seeds, self.env.num_envs)

    @property
    def fraction_left(self) -> float:
        """1 at the start of the current `learn`, 0 at its end; schedules are annealed along it."""
        return max(0.0, 1.0 - (self.steps - self.learn_from) / (self.learn_until - self.learn_from))

    # --- questions ---

    def act(self, observations: Tensor, deterministic: bool) -> Tensor:
        """The environment's actions [S, B, ...] for observations [S, B, O]."""
        raise NotImplementedError

    @torch.no_grad()
    def predict(self, observation: Any, deterministic: bool = True) -> np.ndarray:
        """The action for one observation, or actions for a batch of them.

        Args:
            observation: one observation, [B, ...], or [S, B, ...]; without a seed dimension the
                same observations go to every seed.
            deterministic: the most probable (or greedy) action instead of a random one.

        Returns:
            Action(s); the seed dimension is dropped for a single seed.
        """
        actions = self._ask(lambda batch: self.act(batch, deterministic), observation)
        if isinstance(self.env.action_space, gymnasium.spaces.Discrete):
            return actions + self.env.action_space.start
        return actions

    @torch.no_grad()
    def _ask(self, head: Callable[[Tensor], Tensor], observation: Any) -> np.ndarray:
        """Answers of a head [S, B, ...] in the leading shape of the question."""
        given = torch.as_tensor(
            np.asarray(observation), dtype=self.env.dtype, device=self.env.device
        )
        rows = encode_observations(self.env.observation_space, given)
        lead = rows.shape[:-1]
        batch = rows if len(lead) == 2 else rows.reshape(1, -1, rows.shape[-1])
        answers = head(batch.expand(self.env.num_seeds, -1, -1)).cpu().numpy()
        if len(lead) == 0:
            answers = answers[:, 0]
        return answers[0] if self.env.num_seeds == 1 and len(lead) < 2 else answers

    def _transition(self, *parts: Any) -> list[Tensor]:
        """One transition as tensors with rows [S, 1]; the first and fourth are observations."""
        tensors = []
        for index, part in enumerate(parts):
            value = torch.as_tensor(np.asarray(part), device=self.env.device)
            if index in (0, 3):
                value = encode_observations(self.env.observation_space, value.to(self.env.dtype))
            elif value.dtype != torch.bool and index != 1:
                value = value.to(self.env.dtype)
            tensors.append(value.expand(self.env.num_seeds, 1, *value.shape).clone())
        if isinstance(self.env.action_space, gymnasium.spaces.Discrete):
            tensors[1] = tensors[1].long() - int(self.env.action_space.start)
        else:
            tensors[1] = tensors[1].to(self.env.dtype)
        return tensors

    # --- checkpoints ---

    def parts(self) -> dict[str, Any]:
        """The objects with `state_dict` and `load_state_dict` that make up the training's state."""
        return {
            "env": self.env,
            "episodes": self.episodes,
            "act_streams": self.act_streams,
            "predict_streams": self.predict_streams,
        }

    def _identity(self) -> dict[str, Any]:
        return {
            "algorithm": self.algorithm,
            "seeds": list(self.seeds),
            "num_envs": self.env.num_envs,
            "observation_size": self.env.observation_size,
            "action_space": str(self.env.action_space),
            **{name: _plain(value) for name, value in asdict(self.config).items()},
        }

    def save(self, path: str | Path) -> None:
        """Writes the whole state of the training: tensors and numbers only, no code."""
        counters = {name: getattr(self, name) for name in ("steps", "learn_from", "learn_until")}
        checkpoint = {
            "identity": self._identity(),
            "counters": counters,
            "observations": self.observations,
            "parts": {name: part.state_dict() for name, part in self.parts().items()},
        }
        # Written beside and renamed, so that an interruption never leaves half a checkpoint.
        partial = Path(f"{path}.partial")
        torch.save(checkpoint, partial)
        partial.replace(path)

    def load(self, path: str | Path) -> Agent:
        """Takes over a saved training; `resume` continues it where it stopped.

        Raises:
            ValueError: the checkpoint was written by another configuration.
        """
        checkpoint = torch.load(path, map_location=self.env.device, weights_only=True)
        stored = checkpoint["identity"]
        for name, value in self._identity().items():
            if stored.get(name) != value:
                raise ValueError(
                    f"The checkpoint {path} was written with {name} = {stored.get(name)!r}, but this "
                    f"agent has {name} = {value!r}; build the agent with the same settings."
                )
        for name, value in checkpoint["counters"].items():
            setattr(self, name, value)
        self.observations = checkpoint["observations"]
        for name, part in self.parts().items():
            part.load_state_dict(checkpoint["parts"][name])
        if not checkpoint["parts"]["env"] and self.learn_until:
            # The environment could not be stored: its unfinished episodes are given up.
            self.start_episodes()
        return self


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
