"""SAC and TD3 of Stable-Baselines3 with train() of their own."""

import numpy as np
import torch as th
from stable_baselines3 import SAC, TD3
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.utils import polyak_update
from torch.nn import functional as F


class MySAC(SAC):
    def train(self, gradient_steps, batch_size=64):
        self.policy.set_training_mode(True)
        self._update_learning_rate([self.actor.optimizer, self.critic.optimizer])
        for _ in range(gradient_steps):
            data = self.replay_buffer.sample(batch_size, env=self._vec_normalize_env)
            actions_pi, log_prob = self.actor.action_log_prob(data.observations)
            log_prob = log_prob.reshape(-1, 1)
            alpha = self.log_ent_coef.detach().exp()
            gap = (log_prob + self.target_entropy).detach()
            alpha_loss = -(self.log_ent_coef * gap).mean()
            self.ent_coef_optimizer.zero_grad()
            alpha_loss.backward()
            self.ent_coef_optimizer.step()
            with th.no_grad():
                next_actions, next_log_prob = self.actor.action_log_prob(data.next_observations)
                next_q = th.cat(self.critic_target(data.next_observations, next_actions), dim=1)
                next_q = next_q.min(dim=1, keepdim=True).values
                next_q = next_q - alpha * next_log_prob.reshape(-1, 1)
                target = data.rewards + (1 - data.dones) * self.gamma * next_q
            current = self.critic(data.observations, data.actions)
            critic_loss = sum(F.mse_loss(q, target) for q in current)
            self.critic.optimizer.zero_grad()
            critic_loss.backward()
            self.critic.optimizer.step()
            q_pi = th.cat(self.critic(data.observations, actions_pi), dim=1).min(1, True).values
            actor_loss = (alpha * log_prob - q_pi).mean()
            self.actor.optimizer.zero_grad()
            actor_loss.backward()
            self.actor.optimizer.step()
            polyak_update(self.critic.parameters(), self.critic_target.parameters(), self.tau)
        self._n_updates += gradient_steps


class MyTD3(TD3):
    def train(self, gradient_steps, batch_size=100):
        self.policy.set_training_mode(True)
        for _ in range(gradient_steps):
            self._n_updates += 1
            data = self.replay_buffer.sample(batch_size)
            with th.no_grad():
                noise = th.randn_like(data.actions) * self.target_policy_noise
                noise = noise.clamp(-self.target_noise_clip, self.target_noise_clip)
                next_actions = (self.actor_target(data.next_observations) + noise).clamp(-1, 1)
                next_q = th.cat(self.critic_target(data.next_observations, next_actions), dim=1)
                next_q = next_q.min(dim=1, keepdim=True).values
                target = data.rewards + (1 - data.dones) * self.gamma * next_q
            critic_loss = sum(
                F.mse_loss(q, target) for q in self.critic(data.observations, data.actions)
            )
            self.critic.optimizer.zero_grad()
            critic_loss.backward()
            self.critic.optimizer.step()
            if self._n_updates % self.policy_delay == 0:
                actor_loss = -self.critic.q1_forward(
                    data.observations, self.actor(data.observations)
                ).mean()
                self.actor.optimizer.zero_grad()
                actor_loss.backward()
                self.actor.optimizer.step()
                polyak_update(self.critic.parameters(), self.critic_target.parameters(), self.tau)
                polyak_update(self.actor.parameters(), self.actor_target.parameters(), self.tau)


def make_sac(env, *, seed, gamma=0.99, learning_rate=1e-3):
    return MySAC(
        "MlpPolicy", env, gamma=gamma, learning_rate=learning_rate, seed=seed, learning_starts=300,
        batch_size=128, tau=0.01, policy_kwargs={"net_arch": [64, 64]},
    )  # fmt: skip


def make_td3(env, *, seed, gamma=0.99, learning_rate=1e-3):
    size = env.action_space.shape[0]
    return MyTD3(
        "MlpPolicy", env, gamma=gamma, learning_rate=learning_rate, seed=seed, learning_starts=500,
        batch_size=128, action_noise=NormalActionNoise(np.zeros(size), 0.3 * np.ones(size)),
        policy_kwargs={"net_arch": [64, 64]},
    )  # fmt: skip
