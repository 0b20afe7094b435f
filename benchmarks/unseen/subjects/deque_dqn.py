"""A DQN as one writes it in an afternoon: deque replay, one environment, hard target updates."""

import random
from collections import deque

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


class QNetwork(nn.Module):
    def __init__(self, n_inputs, n_actions, hidden=64):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(n_inputs, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, n_actions),
        )

    def forward(self, x):
        return self.layers(x)


class DQNAgent:
    def __init__(self, env, seed, gamma, lr, hidden, target_every, max_grad_norm):
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        self.env, self.gamma, self.seed = env, gamma, seed
        self.n_actions = env.action_space.n
        n_inputs = int(np.prod(env.observation_space.shape))
        self.online = QNetwork(n_inputs, self.n_actions, hidden)
        self.target = QNetwork(n_inputs, self.n_actions, hidden)
        self.target.load_state_dict(self.online.state_dict())
        self.optimizer = torch.optim.Adam(self.online.parameters(), lr=lr)
        self.memory = deque(maxlen=20_000)
        self.target_every, self.max_grad_norm = target_every, max_grad_norm
        self.steps_done = 0
        self.epsilon = 1.0

    def act(self, obs):
        if random.random() < self.epsilon:
            return random.randrange(self.n_actions)
        return int(self.q_values(obs).argmax())

    def q_values(self, obs):
        with torch.no_grad():
            return self.online(torch.as_tensor(np.asarray(obs), dtype=torch.float32)).numpy()

    def predict(self, observation, deterministic=True):
        if not deterministic:
            return self.act(observation)
        return int(self.q_values(observation).argmax())

    def train_step(self):
        batch = random.sample(self.memory, 64)
        obs, actions, rewards, next_obs, dones = map(np.array, zip(*batch, strict=True))
        obs = torch.as_tensor(obs, dtype=torch.float32)
        next_obs = torch.as_tensor(next_obs, dtype=torch.float32)
        actions = torch.as_tensor(actions).long()
        rewards = torch.as_tensor(rewards, dtype=torch.float32)
        dones = torch.as_tensor(dones, dtype=torch.float32)
        q = self.online(obs).gather(1, actions[:, None]).squeeze(1)
        with torch.no_grad():
            next_q = self.target(next_obs).max(dim=1).values
            target = rewards + self.gamma * (1 - dones) * next_q
        loss = F.smooth_l1_loss(q, target)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.online.parameters(), self.max_grad_norm)
        self.optimizer.step()

    def learn(self, total_timesteps):
        obs, _ = self.env.reset(seed=self.seed)
        for step in range(total_timesteps):
            self.epsilon = max(0.05, 1.0 - step / (0.3 * total_timesteps))
            action = self.act(obs)
            next_obs, reward, terminated, truncated, _ = self.env.step(action)
            self.memory.append((obs, action, reward, next_obs, terminated))
            obs = next_obs
            if terminated or truncated:
                obs, _ = self.env.reset()
            self.steps_done += 1
            if len(self.memory) >= 500:
                self.train_step()
                if self.steps_done % self.target_every == 0:
                    self.target.load_state_dict(self.online.state_dict())
        return self


def make_agent(env, *, seed, gamma=0.99, lr=1e-3):
    return DQNAgent(env, seed, gamma, lr, hidden=64, target_every=250, max_grad_norm=10.0)


def make_small(env, *, seed, gamma=0.99):
    """A small network that is updated timidly: mediocre, and right."""
    return DQNAgent(env, seed, gamma, lr=5e-4, hidden=24, target_every=500, max_grad_norm=0.5)
