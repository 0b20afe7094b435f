"""PPO over several environments: rollouts are tensors [T, N], GAE, separate actor and critic."""

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from torch import nn
from torch.distributions import Categorical


def mlp(n_inputs, n_outputs, gain):
    net = nn.Sequential(
        nn.Linear(n_inputs, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, n_outputs)
    )
    for layer in net:
        if isinstance(layer, nn.Linear):
            nn.init.orthogonal_(layer.weight, 2**0.5)
            nn.init.zeros_(layer.bias)
    nn.init.orthogonal_(net[-1].weight, gain)
    return net


class PPO:
    def __init__(
        self, make_env, seed, gamma, lam, lr, ent_coef, clip, n_envs=4, n_steps=128, epochs=6,
        normalize=True, clip_values=False, anneal=True, max_grad_norm=0.5,
    ):  # fmt: skip
        torch.manual_seed(seed)
        self.seed, self.gamma, self.lam, self.ent_coef, self.clip = seed, gamma, lam, ent_coef, clip
        self.n_envs, self.n_steps, self.epochs, self.lr = n_envs, n_steps, epochs, lr
        self.normalize, self.clip_values, self.anneal = normalize, clip_values, anneal
        self.max_grad_norm = max_grad_norm
        self.envs = gym.vector.SyncVectorEnv(
            [make_env for _ in range(n_envs)], autoreset_mode=AutoresetMode.SAME_STEP
        )
        n_inputs = self.envs.single_observation_space.shape[0]
        self.actor = mlp(n_inputs, int(self.envs.single_action_space.n), 0.01)
        self.critic = mlp(n_inputs, 1, 1.0)
        self.parameters = [*self.actor.parameters(), *self.critic.parameters()]
        self.optimizer = torch.optim.Adam(self.parameters, lr=lr, eps=1e-5)

    def _policy(self, obs):
        return Categorical(logits=self.actor(torch.as_tensor(np.asarray(obs), dtype=torch.float32)))

    @torch.no_grad()
    def values(self, obs):
        return (
            self.critic(torch.as_tensor(np.asarray(obs), dtype=torch.float32)).squeeze(-1).numpy()
        )

    @torch.no_grad()
    def action_probabilities(self, obs):
        return self._policy(obs).probs.numpy()

    @torch.no_grad()
    def predict(self, obs, deterministic=True):
        pi = self._policy(obs)
        return (pi.probs.argmax(-1) if deterministic else pi.sample()).numpy()

    @torch.no_grad()
    def collect(self):
        T, N = self.n_steps, self.n_envs
        obs = torch.zeros(T, N, self.obs.shape[-1])
        actions = torch.zeros(T, N, dtype=torch.long)
        log_probs, rewards, values = torch.zeros(T, N), torch.zeros(T, N), torch.zeros(T, N)
        dones = torch.zeros(T, N)
        for t in range(T):
            obs[t] = torch.as_tensor(self.obs)
            pi = self._policy(self.obs)
            actions[t] = pi.sample()
            log_probs[t] = pi.log_prob(actions[t])
            values[t] = self.critic(obs[t]).squeeze(-1)
            self.obs, reward, terminated, truncated, infos = self.envs.step(actions[t].numpy())
            rewards[t] = torch.as_tensor(reward, dtype=torch.float32)
            for i in np.flatnonzero(truncated & ~terminated):
                rewards[t, i] += self.gamma * float(self.values(infos["final_obs"][i]))
            dones[t] = torch.as_tensor(terminated | truncated, dtype=torch.float32)
        last_values = torch.as_tensor(self.values(self.obs))
        advantages = self.gae(rewards, values, dones, last_values)
        returns = advantages + values
        columns = obs, actions, log_probs, values, advantages, returns
        return [column.reshape(T * N, *column.shape[2:]) for column in columns]

    def gae(self, rewards, values, dones, last_values):
        advantages = torch.zeros_like(rewards)
        running = torch.zeros(self.n_envs)
        for t in reversed(range(self.n_steps)):
            next_values = last_values if t == self.n_steps - 1 else values[t + 1]
            mask = 1.0 - dones[t]
            delta = rewards[t] + self.gamma * next_values * mask - values[t]
            running = delta + self.gamma * self.lam * mask * running
            advantages[t] = running
        return advantages

    def value_loss(self, new, old, returns):
        loss = (new - returns) ** 2
        if self.clip_values:
            clipped = old + (new - old).clamp(-self.clip, self.clip)
            loss = torch.maximum(loss, (clipped - returns) ** 2)
        return 0.5 * loss.mean()

    def update(self, obs, actions, old_log_probs, old_values, advantages, returns):
        n = len(obs)
        for _ in range(self.epochs):
            for index in torch.randperm(n).split(n // 4):
                adv = advantages[index]
                if self.normalize:
                    adv = (adv - adv.mean()) / (adv.std() + 1e-8)
                pi = self._policy(obs[index])
                log_ratio = pi.log_prob(actions[index]) - old_log_probs[index]
                ratio = log_ratio.exp()
                clipped = ratio.clamp(1 - self.clip, 1 + self.clip)
                policy_loss = -torch.min(ratio * adv, clipped * adv).mean()
                new_values = self.critic(obs[index]).squeeze(-1)
                value_loss = self.value_loss(new_values, old_values[index], returns[index])
                loss = policy_loss + value_loss - self.ent_coef * pi.entropy().mean()
                self.optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.parameters, self.max_grad_norm)
                self.optimizer.step()

    def learn(self, total_timesteps):
        self.obs, _ = self.envs.reset(seed=self.seed)
        n_updates = max(1, total_timesteps // (self.n_steps * self.n_envs))
        for k in range(n_updates):
            if self.anneal:
                self.optimizer.param_groups[0]["lr"] = self.lr * (1 - k / n_updates)
            self.update(*self.collect())
        return self


def make_agent(make_env, *, seed, gamma=0.99, lam=0.95, lr=1e-3, ent_coef=0.01, clip=0.2):
    return PPO(make_env, seed, gamma, lam, lr, ent_coef, clip)


def make_plain(make_env, *, seed, gamma=0.99):
    """No normalisation, clipped values, constant learning rate, hardly any gradient clipping."""
    return PPO(
        make_env, seed, gamma, lam=0.9, lr=7e-4, ent_coef=0.0, clip=0.3, epochs=4,
        normalize=False, clip_values=True, anneal=False, max_grad_norm=50.0,
    )  # fmt: skip


def make_curious(make_env, *, seed, gamma=0.99):
    """A high entropy bonus and an aggressive learning rate."""
    return PPO(make_env, seed, gamma, lam=0.95, lr=2e-3, ent_coef=0.05, clip=0.1, anneal=False)
