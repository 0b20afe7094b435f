"""Stable-Baselines3 PPO, A2C and DQN with their updates laid open, one decision a method.

They do bitwise what their parents do (a test holds them to it); each faulty agent replaces one method.
"""

from __future__ import annotations

import numpy as np
import torch as th
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.buffers import RolloutBuffer
from torch.nn import functional


class OpenRolloutBuffer(RolloutBuffer):
    """GAE with its inputs as methods; all arrays are [T, B]."""

    def bootstrap_discount(self) -> float:
        return self.gamma

    def carry_discount(self) -> float:
        return self.gamma * self.gae_lambda

    def gae_rewards(self) -> np.ndarray:
        return self.rewards

    def next_values(self, last_values: np.ndarray) -> np.ndarray:
        """V of the state after step t, wherever the episode goes on."""
        return np.concatenate([self.values[1:], last_values[None]])

    def ended(self, dones: np.ndarray) -> np.ndarray:
        """Whether the episode ended at step t; the buffer itself stores whether t starts one."""
        return np.concatenate([self.episode_starts[1:], dones[None].astype(np.float32)])

    def bootstrap_mask(self, dones: np.ndarray) -> np.ndarray:
        return 1.0 - self.ended(dones)

    def carry_mask(self, dones: np.ndarray) -> np.ndarray:
        return 1.0 - self.ended(dones)

    def compute_returns_and_advantage(self, last_values: th.Tensor, dones: np.ndarray) -> None:
        following = self.next_values(last_values.clone().cpu().numpy().flatten())
        bootstrap, going_on = self.bootstrap_mask(dones), self.carry_mask(dones)
        rewards = self.gae_rewards()
        carry = np.zeros(self.n_envs, np.float32)
        for t in reversed(range(self.buffer_size)):
            target = rewards[t] + self.bootstrap_discount() * following[t] * bootstrap[t]
            delta = target - self.values[t]
            carry = delta + self.carry_discount() * going_on[t] * carry
            self.advantages[t] = carry
        self.returns = self.advantages + self.values


class OpenPPO(PPO):
    """PPO without value clipping and early stopping."""

    def train(self) -> None:
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        clip_range = self.clip_range(self._current_progress_remaining)
        for _ in range(self.n_epochs):
            for data in self.rollout_buffer.get(self.batch_size):
                self.descend(self.loss(data, clip_range))
            self._n_updates += 1

    def loss(self, data, clip_range) -> th.Tensor:
        actions = data.actions.long().flatten() if hasattr(self.action_space, "n") else data.actions
        values, log_prob, entropy = self.policy.evaluate_actions(data.observations, actions)
        advantages = self.scaled(data.advantages)
        policy_loss = self.policy_loss(log_prob, data.old_log_prob, advantages, clip_range)
        value_loss = self.value_loss(values.flatten(), data)
        return policy_loss + self.entropy_loss(entropy) + self.vf_coef * value_loss

    def scaled(self, advantages: th.Tensor) -> th.Tensor:
        if not self.normalize_advantage or len(advantages) < 2:
            return advantages
        return (advantages - advantages.mean()) / (advantages.std() + 1e-8)

    def policy_loss(self, log_prob, old_log_prob, advantages, clip_range) -> th.Tensor:
        ratio = th.exp(log_prob - old_log_prob)
        clipped = th.clamp(ratio, 1 - clip_range, 1 + clip_range)
        return -th.min(advantages * ratio, advantages * clipped).mean()

    def value_loss(self, values, data) -> th.Tensor:
        return functional.mse_loss(data.returns, values)

    def entropy_loss(self, entropy: th.Tensor) -> th.Tensor:
        return self.ent_coef * -th.mean(entropy)

    def descend(self, loss: th.Tensor) -> None:
        self.policy.optimizer.zero_grad()
        loss.backward()
        th.nn.utils.clip_grad_norm_(self.policy.parameters(), self.max_grad_norm)
        self.policy.optimizer.step()


class OpenA2C(A2C):
    """A2C: one gradient step on the whole rollout."""

    def train(self) -> None:
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        for data in self.rollout_buffer.get(batch_size=None):
            self.descend(self.loss(data))
        self._n_updates += 1

    def loss(self, data) -> th.Tensor:
        actions = data.actions.long().flatten() if hasattr(self.action_space, "n") else data.actions
        values, log_prob, entropy = self.policy.evaluate_actions(data.observations, actions)
        policy_loss = self.policy_loss(log_prob, data.advantages, values.flatten(), data)
        value_loss = functional.mse_loss(data.returns, values.flatten())
        return policy_loss + self.entropy_loss(entropy) + self.vf_coef * value_loss

    def policy_loss(self, log_prob, advantages, values, data) -> th.Tensor:
        return -(advantages * log_prob).mean()

    def entropy_loss(self, entropy: th.Tensor) -> th.Tensor:
        return self.ent_coef * -th.mean(entropy)

    def descend(self, loss: th.Tensor) -> None:
        self.policy.optimizer.zero_grad()
        loss.backward()
        th.nn.utils.clip_grad_norm_(self.policy.parameters(), self.max_grad_norm)
        self.policy.optimizer.step()


class OpenDQN(DQN):
    """DQN with one-step targets."""

    def train(self, gradient_steps: int, batch_size: int = 100) -> None:
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        for _ in range(gradient_steps):
            data = self.replay_buffer.sample(batch_size, env=self._vec_normalize_env)
            with th.no_grad():
                targets = self.targets(data, self.next_values(data))
            self.descend(functional.smooth_l1_loss(self.taken(data), targets))
        self._n_updates += gradient_steps

    def next_values(self, data) -> th.Tensor:
        """max_a Q_target(s', a) as [B, 1]."""
        return self.q_net_target(data.next_observations).max(dim=1, keepdim=True).values

    def targets(self, data, next_values: th.Tensor) -> th.Tensor:
        return data.rewards + (1 - data.dones) * self.gamma * next_values

    def taken(self, data) -> th.Tensor:
        """Q(s, a) of the stored actions as [B, 1]."""
        return self.q_net(data.observations).gather(1, data.actions.long())

    def descend(self, loss: th.Tensor) -> None:
        self.policy.optimizer.zero_grad()
        loss.backward()
        th.nn.utils.clip_grad_norm_(self.policy.parameters(), self.max_grad_norm)
        self.policy.optimizer.step()
