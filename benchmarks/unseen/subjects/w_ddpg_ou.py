"""DDPG (Lillicrap et al., 2016) with Ornstein-Uhlenbeck noise; works in [-1, 1] inside."""

import random
from collections import deque

import numpy as np
import torch
from torch import nn, optim


class OrnsteinUhlenbeck:
    def __init__(self, size, rng, mu=0.0, theta=0.15, sigma=0.6):
        self.size, self.rng = size, rng
        self.mu, self.theta, self.sigma = mu, theta, sigma
        self.reset()

    def reset(self):
        self.x = np.full(self.size, self.mu)

    def __call__(self):
        self.x = (
            self.x
            + self.theta * (self.mu - self.x)
            + self.sigma * self.rng.standard_normal(self.size)
        )
        return self.x


def mlp(n_in, n_out, squash=False):
    layers = [nn.Linear(n_in, 64), nn.LayerNorm(64), nn.ReLU(), nn.Linear(64, n_out)]
    nn.init.uniform_(layers[-1].weight, -3e-3, 3e-3)
    return nn.Sequential(*layers, nn.Tanh()) if squash else nn.Sequential(*layers)


class DDPGAgent:
    def __init__(
        self, env, seed, gamma, actor_lr=3e-4, critic_lr=2e-3, tau=0.02, batch=64, warmup=800
    ):
        self.env, self.gamma, self.tau, self.batch = env, gamma, tau, batch
        self.seed, self.warmup = seed, warmup
        random_state = np.random.RandomState(seed)
        self.sampler = random.Random(seed)
        torch.manual_seed(seed)
        n_obs, n_act = env.observation_space.shape[0], env.action_space.shape[0]
        self.actor, self.actor_t = mlp(n_obs, n_act, True), mlp(n_obs, n_act, True)
        self.critic, self.critic_t = mlp(n_obs + n_act, 1), mlp(n_obs + n_act, 1)
        self.actor_t.load_state_dict(self.actor.state_dict())
        self.critic_t.load_state_dict(self.critic.state_dict())
        self.actor_opt = optim.Adam(self.actor.parameters(), lr=actor_lr)
        self.critic_opt = optim.Adam(self.critic.parameters(), lr=critic_lr)
        self.noise = OrnsteinUhlenbeck(n_act, random_state)
        self.memory = deque(maxlen=50_000)

    def to_env(self, a):
        low, high = self.env.action_space.low, self.env.action_space.high
        return (low + 0.5 * (np.asarray(a) + 1.0) * (high - low)).astype(np.float32)

    def policy(self, obs):
        with torch.no_grad():
            return self.actor(torch.as_tensor(np.asarray(obs), dtype=torch.float32)).numpy()

    def uniform(self):
        low, high = -np.ones(self.noise.size), np.ones(self.noise.size)
        return self.noise.rng.uniform(low, high)

    def act(self, obs):
        return np.clip(self.policy(obs) + self.noise(), -1.0, 1.0)

    def update(self):
        rows = self.sampler.sample(self.memory, self.batch)
        obs, act, rew, nxt, end = (
            torch.as_tensor(np.stack(c), dtype=torch.float32) for c in zip(*rows, strict=True)
        )
        with torch.no_grad():
            q_next = self.critic_t(torch.cat([nxt, self.actor_t(nxt)], -1)).squeeze(-1)
            y = rew + self.gamma * (1 - end) * q_next
        q = self.critic(torch.cat([obs, act], -1)).squeeze(-1)
        loss = nn.functional.mse_loss(q, y)
        self.critic_opt.zero_grad()
        loss.backward()
        self.critic_opt.step()

        loss = -self.critic(torch.cat([obs, self.actor(obs)], -1)).mean()
        self.actor_opt.zero_grad()
        loss.backward()
        self.actor_opt.step()

        with torch.no_grad():
            for net, lag in ((self.actor, self.actor_t), (self.critic, self.critic_t)):
                for p, q in zip(net.parameters(), lag.parameters(), strict=True):
                    q.mul_(1 - self.tau).add_(p, alpha=self.tau)

    def learn(self, total_timesteps):
        obs, _ = self.env.reset(seed=self.seed)
        self.seed = None
        self.noise.reset()
        for _ in range(total_timesteps):
            warm = len(self.memory) < self.warmup
            action = self.uniform() if warm else self.act(obs)
            nxt, reward, terminated, truncated, _ = self.env.step(self.to_env(action))
            self.memory.append((obs, action, np.float32(reward), nxt, np.float32(terminated)))
            obs = nxt
            if terminated or truncated:
                obs, _ = self.env.reset()
            if len(self.memory) > self.warmup:
                self.update()

    def predict(self, obs, deterministic=True):
        return self.to_env(self.policy(obs) if deterministic else self.act(obs)), None


def make_agent(env, *, seed, gamma):
    return DDPGAgent(env, seed, gamma)
