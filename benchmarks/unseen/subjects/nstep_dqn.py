"""DQN with three-step returns: a short list of steps is turned into one transition at a time."""

import random

import numpy as np
import torch
from torch import nn


class NStepDQN:
    def __init__(self, env, seed, gamma, lr, n):
        self.env, self.seed, self.gamma, self.n = env, seed, gamma, n
        self.random = random.Random(seed)
        torch.manual_seed(seed)
        n_inputs, self.n_actions = env.observation_space.shape[0], int(env.action_space.n)
        self.q = nn.Sequential(nn.Linear(n_inputs, 64), nn.ReLU(), nn.Linear(64, self.n_actions))
        self.q_frozen = nn.Sequential(
            nn.Linear(n_inputs, 64), nn.ReLU(), nn.Linear(64, self.n_actions)
        )
        self.q_frozen.load_state_dict(self.q.state_dict())
        self.adam = torch.optim.AdamW(self.q.parameters(), lr=lr, weight_decay=1e-5)
        self.replay, self.window = [], []

    def q_values(self, obs):
        with torch.no_grad():
            return self.q(torch.as_tensor(np.asarray(obs), dtype=torch.float32)).numpy()

    def predict(self, obs, deterministic=True):
        return self.q_values(obs).argmax(-1), None

    def emit(self, last_obs, terminated):
        """Turns the window into one transition from its oldest step, and drops that step."""
        total = sum(self.gamma**k * reward for k, (_, _, reward) in enumerate(self.window))
        discount = 0.0 if terminated else self.gamma ** len(self.window)
        obs, action, _ = self.window.pop(0)
        self.replay.append((obs, action, total, last_obs, discount))

    def learn(self, total_timesteps):
        obs, _ = self.env.reset(seed=self.seed)
        for t in range(total_timesteps):
            epsilon = 0.1 + 0.9 * max(0.0, 1 - 2.5 * t / total_timesteps)
            action = int(self.predict(obs)[0])
            if self.random.random() < epsilon:
                action = self.random.randrange(self.n_actions)
            nxt, reward, terminated, truncated, _ = self.env.step(action)
            self.window.append((obs, action, float(reward)))
            obs = nxt
            if terminated or truncated:
                while self.window:
                    self.emit(nxt, terminated)
                obs, _ = self.env.reset()
            elif len(self.window) == self.n:
                self.emit(nxt, False)
            if len(self.replay) >= 300:
                self.update()
            if t % 200 == 0:
                self.q_frozen.load_state_dict(self.q.state_dict())

    def update(self):
        rows = self.random.choices(self.replay[-20_000:], k=64)
        obs, actions, totals, last, discounts = (
            torch.as_tensor(np.array(column)) for column in zip(*rows, strict=True)
        )
        with torch.no_grad():
            target = totals + discounts * self.q_frozen(last.float()).max(1)[0]
        value = self.q(obs.float())[torch.arange(len(rows)), actions]
        loss = nn.functional.mse_loss(value, target.float())
        self.adam.zero_grad()
        loss.backward()
        self.adam.step()


def make_agent(env, *, seed, gamma=0.99, lr=1e-3, n=3):
    return NStepDQN(env, seed, gamma, lr, n)
