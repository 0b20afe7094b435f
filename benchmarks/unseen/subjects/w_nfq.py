"""Neural fitted Q-iteration (Riedmiller, 2005): all data, full batches, fresh targets a round."""

import numpy as np
import torch
from torch import nn


class FittedQ:
    def __init__(self, env, seed, gamma, round_length=500, fits=8, fit_steps=30, epsilon=0.3):
        self.env, self.seed, self.gamma = env, seed, gamma
        self.round_length, self.fits, self.fit_steps, self.epsilon = (
            round_length,
            fits,
            fit_steps,
            epsilon,
        )
        self.rng = np.random.default_rng(seed)
        torch.manual_seed(seed)
        self.d, self.k = env.observation_space.shape[0], int(env.action_space.n)
        self.model = nn.Sequential(
            nn.Linear(self.d + self.k, 64), nn.Sigmoid(), nn.Linear(64, 1)
        ).double()
        self.table = np.zeros((0, 2 * self.d + 3))

    def inputs(self, obs, actions):
        return torch.cat([obs, nn.functional.one_hot(actions, self.k).double()], dim=-1)

    @torch.no_grad()
    def q_values(self, obs):
        obs = torch.as_tensor(np.asarray(obs), dtype=torch.float64)
        columns = []
        for a in range(self.k):
            action = torch.full(obs.shape[:-1], a)
            columns.append(self.model(self.inputs(obs, action)).squeeze(-1))
        return torch.stack(columns, dim=-1).numpy()

    def fit(self):
        data, d = self.table, self.d
        obs, action, reward = data[:, :d], data[:, d].astype(int), data[:, d + 1]
        after, terminal = data[:, d + 2 : 2 * d + 2], data[:, 2 * d + 2]
        x = self.inputs(torch.from_numpy(obs), torch.from_numpy(action))
        optimizer = torch.optim.Rprop(self.model.parameters(), lr=0.01)
        for _ in range(self.fits):
            target = reward + self.gamma * (1 - terminal) * self.q_values(after).max(axis=1)
            target = torch.from_numpy(target)
            for _ in range(self.fit_steps):
                optimizer.zero_grad()
                loss = (self.model(x).squeeze(-1) - target).pow(2).mean()
                loss.backward()
                optimizer.step()

    def collect(self, steps):
        rows = []
        obs, _ = self.env.reset(seed=self.seed)
        self.seed = None
        for _ in range(steps):
            a = self.predict(obs, deterministic=False)
            after, reward, terminated, truncated, _ = self.env.step(a)
            rows.append(np.concatenate([obs, [a, reward], after, [terminated]]))
            obs = self.env.reset()[0] if terminated or truncated else after
        self.table = np.concatenate([self.table, np.array(rows, dtype=np.float64)])

    def learn(self, total_timesteps):
        while total_timesteps > 0:
            n = min(self.round_length, total_timesteps)
            self.collect(n)
            self.fit()
            total_timesteps -= n
        return self

    def predict(self, obs, deterministic=True):
        greedy = self.q_values(obs).argmax(axis=-1)
        if not deterministic and self.rng.random() < self.epsilon:
            return self.rng.integers(self.k, size=greedy.shape or None)
        return greedy


def make_agent(env, *, seed, gamma):
    return FittedQ(env, seed, gamma)
