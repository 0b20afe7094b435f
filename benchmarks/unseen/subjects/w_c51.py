"""Categorical DQN (Bellemare et al., 2017), 51 atoms, with double Q selection as an option."""

import copy
import random

import numpy as np
import torch
from torch import nn


class CategoricalNet(nn.Module):
    def __init__(self, obs_dim, n_actions, n_atoms, v_min, v_max, width=64):
        super().__init__()
        self.n_actions, self.n_atoms = n_actions, n_atoms
        self.register_buffer("atoms", torch.linspace(v_min, v_max, n_atoms))
        self.body = nn.Sequential(
            nn.Linear(obs_dim, width), nn.ReLU(), nn.Linear(width, n_actions * n_atoms)
        )

    def forward(self, x):
        return self.body(x).view(-1, self.n_actions, self.n_atoms)

    def dist(self, x):
        return self(x).softmax(dim=-1)

    def q(self, x):
        return (self.dist(x) * self.atoms).sum(-1)


class C51:
    def __init__(self, env, cfg):
        self.env, self.cfg = env, cfg
        torch.manual_seed(cfg["seed"])
        self.py = random.Random(cfg["seed"])
        d, self.n_actions = env.observation_space.shape[0], env.action_space.n
        self.net = CategoricalNet(d, self.n_actions, cfg["n_atoms"], cfg["v_min"], cfg["v_max"])
        self.target = copy.deepcopy(self.net)
        self.optim = torch.optim.Adam(self.net.parameters(), lr=cfg["lr"], eps=1e-4)
        self.memory = []
        self.t = 0

    @torch.no_grad()
    def project(self, reward, done, p_next):
        """The distribution of r + gamma z on the fixed atoms; p_next is (B, atoms)."""
        z = self.net.atoms
        v_min, v_max = z[0].item(), z[-1].item()
        delta = (v_max - v_min) / (len(z) - 1)
        tz = reward[:, None] + self.cfg["gamma"] * (1.0 - done[:, None]) * z[None]
        b = (tz.clamp(v_min, v_max) - v_min) / delta
        lower, upper = b.floor().long(), b.ceil().long()
        lower[(upper > 0) & (lower == upper)] -= 1
        upper[(lower < len(z) - 1) & (lower == upper)] += 1
        m = torch.zeros_like(p_next)
        m.scatter_add_(1, lower, p_next * (upper.float() - b))
        m.scatter_add_(1, upper, p_next * (b - lower.float()))
        return m

    def update(self):
        rows = self.py.sample(self.memory, self.cfg["batch_size"])
        s, a, r, s2, d = (
            torch.as_tensor(np.array(c), dtype=torch.float32) for c in zip(*rows, strict=True)
        )
        a = a.long()
        with torch.no_grad():
            chooser = self.net if self.cfg["double"] else self.target
            best = chooser.q(s2).argmax(dim=1)
            p_next = self.target.dist(s2)[torch.arange(len(best)), best]
            m = self.project(r, d, p_next)
        log_p = self.net(s).log_softmax(dim=-1)[torch.arange(len(a)), a]
        loss = -(m * log_p).sum(dim=1).mean()
        self.optim.zero_grad()
        loss.backward()
        self.optim.step()

    def learn(self, total_timesteps):
        obs, _ = self.env.reset(seed=self.cfg["seed"] if self.t == 0 else None)
        for _ in range(total_timesteps):
            eps = max(self.cfg["eps"], 1.0 - self.t / self.cfg["eps_steps"])
            if self.py.random() < eps:
                action = self.py.randrange(self.n_actions)
            else:
                action = self.predict(obs)
            nxt, reward, terminated, truncated, _ = self.env.step(action)
            self.memory.append((obs, action, reward, nxt, terminated))
            obs = nxt
            if terminated or truncated:
                obs, _ = self.env.reset()
            self.t += 1
            if self.t >= self.cfg["start"] and self.t % self.cfg["train_every"] == 0:
                self.update()
            if self.t % self.cfg["target_every"] == 0:
                self.target.load_state_dict(self.net.state_dict())

    @torch.no_grad()
    def q_values(self, obs):
        return self.net.q(torch.as_tensor(np.atleast_2d(obs), dtype=torch.float32)).numpy()

    def predict(self, obs, deterministic=True):
        best = self.q_values(obs).argmax(axis=1)
        return best if np.ndim(obs) == 2 else int(best[0])


def make_agent(env, *, seed, gamma, double=False):
    return C51(env, {
        "seed": seed, "gamma": gamma, "double": double, "n_atoms": 51, "v_min": -5.0, "v_max": 10.0,
        "lr": 2e-3, "batch_size": 64, "start": 200, "train_every": 2, "target_every": 200,
        "eps": 0.05, "eps_steps": 1500,
    })  # fmt: skip


def make_double(env, *, seed, gamma):
    return make_agent(env, seed=seed, gamma=gamma, double=True)
