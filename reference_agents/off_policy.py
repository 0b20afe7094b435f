"""The loop that agents with a replay buffer share: act, store, and learn from what the buffer draws."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from reference_agents.agent import Agent, Metrics
from reference_agents.envs import BatchedEnv
from reference_agents.replay import ReplayBuffer, Transitions, unreplayed

_ROUND = 64  # vector steps between two reports


class OffPolicy(Agent):
    """An agent that learns from replayed transitions; an algorithm adds `explore` and `update`.

    Args:
        algorithm, env, seeds, config: as for `Agent`; config has `gamma`, `batch_size`,
            `gradient_steps`, `learning_starts` and `buffer_size`.
        n_step: rewards in a replayed transition.
    """

    train_every = 1  # vector steps between two bouts of learning

    def __init__(
        self,
        algorithm: str,
        env: BatchedEnv,
        seeds: tuple[int, ...],
        config: Any,
        n_step: int = 1,
    ) -> None:
        super().__init__(algorithm, env, seeds, config)
        self.replay: Any = ReplayBuffer(
            config.buffer_size, env.num_seeds, env.num_envs, config.gamma, n_step
        )
        self.replay_streams = self.make_streams("replay")

    def explore(self, observations: Tensor) -> Tensor:
        """Actions [S, N, ...] to learn from, as the replay buffer keeps them."""
        raise NotImplementedError

    def to_env(self, actions: Tensor) -> Tensor:
        """Replayed actions as the environment takes them."""
        return actions

    def from_env(self, actions: Tensor) -> Tensor:
        """The inverse of `to_env`."""
        return actions

    def update(self, batch: Transitions) -> Metrics:
        """One gradient step of every seed; metrics [S] by name, `value_loss` among them."""
        raise NotImplementedError

    def iterate(self) -> Metrics:
        """A round of vector steps, each followed by gradient steps on replayed transitions."""
        rewards, ends, metrics = [], [], {}
        for _ in range(_ROUND):
            # --- act ---
            actions = self.explore(self.observations)
            step = self.env.step(self.to_env(actions))
            self.replay.add(
                self.observations,
                actions,
                step.rewards,
                step.final_observations,
                step.terminated,
                step.truncated,
            )
            self.observations = step.observations
            self.steps += self.env.num_envs

            # --- learn ---
            due = self.steps // self.env.num_envs % self.train_every == 0
            if due and self.steps >= self.config.learning_starts:
                metrics = self.learn_from_replay()

            rewards.append(step.rewards)
            ends.append(step.terminated | step.truncated)
            if self.steps >= self.learn_until:
                break
        return metrics | self.episodes.update(torch.stack(rewards), torch.stack(ends))

    def learn_from_replay(self) -> Metrics:
        """The gradient steps of one bout."""
        for batch in self.minibatches():
            metrics = self.update(batch)
        return metrics

    def minibatches(self) -> list[Transitions]:
        """The replayed transitions of each gradient step of one bout."""
        count = self.config.gradient_steps
        # One draw for all of them: gathering rows costs as much as learning from them.
        sample = self.draw(count * self.config.batch_size)
        return [Transitions(*(part[:, k::count] for part in sample)) for k in range(count)]

    def draw(self, count: int) -> Transitions:
        """`count` replayed transitions of every seed."""
        return self.replay.sample(count, self.replay_streams)

    def start_episodes(self) -> None:
        """Gives up unfinished episodes, in the replay buffer too."""
        super().start_episodes()
        self.replay.cut()

    def fit_transition(
        self,
        obs: Any,
        action: Any,
        reward: Any,
        next_obs: Any,
        terminated: Any,
        truncated: Any,
        steps: int,
    ) -> list[float]:
        """Learns one transition `steps` times; the first seed's losses of the values on the way."""
        parts = self._transition(obs, action, reward, next_obs, terminated, truncated)
        parts[1] = self.from_env(parts[1])
        batch = unreplayed(*parts)
        return [float(self.update(batch)["value_loss"][0]) for _ in range(steps)]

    def parts(self) -> dict[str, Any]:
        """The objects that make up the training's state."""
        return super().parts() | {"replay": self.replay, "replay_streams": self.replay_streams}
