"""Dueling double DQN with proportional prioritized replay in a sum tree."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


class SumTree:
    def __init__(self, size):
        self.size = 1
        while self.size < size:
            self.size *= 2
        self.nodes = np.zeros(2 * self.size)

    def set(self, i, value):
        i += self.size
        self.nodes[i] = value
        i //= 2
        while i:
            self.nodes[i] = self.nodes[2 * i] + self.nodes[2 * i + 1]
            i //= 2

    def find(self, mass):
        i = 1
        while i < self.size:
            i *= 2
            if mass > self.nodes[i]:
                mass -= self.nodes[i]
                i += 1
        return i - self.size

    @property
    def total(self):
        return self.nodes[1]


class PrioritizedReplay:
    def __init__(self, size, dim, alpha, rng):
        self.size, self.alpha, self.rng = size, alpha, rng
        self.tree = SumTree(size)
        self.obs = np.empty((size, dim), np.float32)
        self.nxt = np.empty((size, dim), np.float32)
        self.act = np.empty(size, np.int64)
        self.rew = np.empty(size, np.float32)
        self.end = np.empty(size, np.float32)
        self.n, self.i, self.largest = 0, 0, 1.0

    def push(self, obs, act, rew, nxt, end):
        i = self.i
        self.obs[i], self.act[i], self.rew[i], self.nxt[i], self.end[i] = obs, act, rew, nxt, end
        self.tree.set(i, self.largest**self.alpha)
        self.i = (i + 1) % self.size
        self.n = min(self.n + 1, self.size)

    def draw(self, k, beta):
        edges = np.linspace(0, self.tree.total, k + 1)
        mass = self.rng.uniform(edges[:-1], edges[1:])
        idx = np.array([min(self.tree.find(m), self.n - 1) for m in mass])
        p = self.tree.nodes[idx + self.tree.size] / self.tree.total
        w = (self.n * p) ** -beta
        w /= w.max()
        cols = (self.obs, self.act, self.rew, self.nxt, self.end, w.astype(np.float32))
        out = [torch.from_numpy(c[idx]) for c in cols[:-1]]
        return idx, *out, torch.from_numpy(cols[-1])

    def reprioritize(self, idx, errors):
        for i, e in zip(idx, np.abs(errors) + 1e-3, strict=True):
            self.largest = max(self.largest, e)
            self.tree.set(i, e**self.alpha)


class Dueling(nn.Module):
    def __init__(self, dim, n):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(dim, 64), nn.ReLU())
        self.v = nn.Linear(64, 1)
        self.a = nn.Linear(64, n)

    def forward(self, x):
        h = self.trunk(x)
        a = self.a(h)
        return self.v(h) + a - a.mean(dim=-1, keepdim=True)


@dataclass
class Config:
    lr: float = 1e-3
    size: int = 2**14
    batch: int = 32
    alpha: float = 0.6
    beta0: float = 0.4
    beta_steps: int = 5000
    tau: float = 0.01
    learning_starts: int = 100
    exploration: int = 1500
    final_eps: float = 0.05


class PrioritizedDQN:
    def __init__(self, env, *, seed, gamma, config=None):
        self.env, self.gamma, self.cfg, self.seed = env, gamma, config or Config(), seed
        self.rng = np.random.default_rng(seed)
        torch.manual_seed(seed)
        dim, self.n = env.observation_space.shape[0], int(env.action_space.n)
        self.q, self.q_target = Dueling(dim, self.n), Dueling(dim, self.n)
        self.q_target.load_state_dict(self.q.state_dict())
        self.q_target.requires_grad_(False)
        self.opt = torch.optim.Adam(self.q.parameters(), lr=self.cfg.lr)
        self.replay = PrioritizedReplay(self.cfg.size, dim, self.cfg.alpha, self.rng)
        self.step_count = 0

    def optimize(self):
        beta = min(
            1.0, self.cfg.beta0 + (1 - self.cfg.beta0) * self.step_count / self.cfg.beta_steps
        )
        idx, obs, act, rew, nxt, end, w = self.replay.draw(self.cfg.batch, beta)
        with torch.no_grad():
            chosen = self.q(nxt).argmax(1, keepdim=True)
            future = self.q_target(nxt).gather(1, chosen).squeeze(1)
            target = rew + self.gamma * future * (1 - end)
        current = self.q(obs).gather(1, act[:, None]).squeeze(1)
        error = target - current
        loss = (w * F.smooth_l1_loss(current, target, reduction="none")).mean()
        self.opt.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.q.parameters(), 10.0)
        self.opt.step()
        self.replay.reprioritize(idx, error.detach().numpy())
        with torch.no_grad():
            for p, pt in zip(self.q.parameters(), self.q_target.parameters(), strict=True):
                pt.lerp_(p, self.cfg.tau)

    def learn(self, total_timesteps):
        obs, _ = self.env.reset(seed=self.seed)
        self.seed = None
        for _ in range(total_timesteps):
            eps = max(self.cfg.final_eps, 1 - self.step_count / self.cfg.exploration)
            if self.rng.random() < eps:
                act = int(self.rng.integers(self.n))
            else:
                act = int(self.predict(obs))
            nxt, rew, term, trunc, _ = self.env.step(act)
            self.replay.push(obs, act, rew, nxt, term)
            self.step_count += 1
            obs = self.env.reset()[0] if term or trunc else nxt
            if self.step_count > self.cfg.learning_starts:
                self.optimize()
        return self

    def q_values(self, obs):
        with torch.no_grad():
            return self.q(torch.as_tensor(obs, dtype=torch.float32)).numpy()

    def predict(self, obs, deterministic=True):
        return self.q_values(obs).argmax(-1)


def make_agent(env, *, seed, gamma):
    return PrioritizedDQN(env, seed=seed, gamma=gamma)
