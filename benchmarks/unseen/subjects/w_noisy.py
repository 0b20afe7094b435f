"""NoisyNet DQN: factorised Gaussian noise in the layers, no epsilon."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class NoisyLinear(nn.Module):
    def __init__(self, n_in, n_out, sigma0=0.5):
        super().__init__()
        bound = 1 / math.sqrt(n_in)
        self.mu_w = nn.Parameter(torch.empty(n_out, n_in).uniform_(-bound, bound))
        self.mu_b = nn.Parameter(torch.empty(n_out).uniform_(-bound, bound))
        self.sigma_w = nn.Parameter(torch.full((n_out, n_in), sigma0 * bound))
        self.sigma_b = nn.Parameter(torch.full((n_out,), sigma0 * bound))
        self.register_buffer("eps_in", torch.zeros(n_in))
        self.register_buffer("eps_out", torch.zeros(n_out))

    def resample(self):
        for eps in (self.eps_in, self.eps_out):
            x = torch.randn_like(eps)
            eps.copy_(x.sign() * x.abs().sqrt())

    def forward(self, x):
        if not self.training:
            return F.linear(x, self.mu_w, self.mu_b)
        w = self.mu_w + self.sigma_w * torch.outer(self.eps_out, self.eps_in)
        return F.linear(x, w, self.mu_b + self.sigma_b * self.eps_out)


class NoisyQ(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.one = NoisyLinear(n_in, 96)
        self.two = NoisyLinear(96, n_out)

    def forward(self, x):
        return self.two(F.relu(self.one(x)))

    def resample(self):
        self.one.resample()
        self.two.resample()


class NoisyDQN:
    def __init__(self, env, seed, gamma, lr=1e-3, batch=64, tau=0.02, updates_per_step=1):
        self.env, self.seed, self.gamma = env, seed, gamma
        self.batch, self.tau, self.updates_per_step = batch, tau, updates_per_step
        torch.manual_seed(seed)
        self.rng = np.random.default_rng(seed)
        dims = env.observation_space.shape[0], int(env.action_space.n)
        self.q, self.q_lag = NoisyQ(*dims), NoisyQ(*dims)
        self.q_lag.load_state_dict(self.q.state_dict())
        self.optimizer = torch.optim.Adam(self.q.parameters(), lr)
        self.storage = {k: [] for k in ("obs", "act", "rew", "nxt", "terminated")}

    def update(self):
        idx = self.rng.integers(len(self.storage["rew"]), size=self.batch)
        cols = {k: torch.as_tensor(np.array([v[i] for i in idx])) for k, v in self.storage.items()}
        self.q.resample()
        self.q_lag.resample()
        with torch.no_grad():
            best = self.q(cols["nxt"]).argmax(1, keepdim=True)
            ahead = self.q_lag(cols["nxt"]).gather(1, best)[:, 0]
            y = cols["rew"] + self.gamma * ahead * ~cols["terminated"]
        q = self.q(cols["obs"]).gather(1, cols["act"][:, None])[:, 0]
        loss = F.mse_loss(q, y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        for a, b in zip(self.q_lag.parameters(), self.q.parameters(), strict=True):
            a.data.mul_(1 - self.tau).add_(self.tau * b.data)

    def learn(self, total_timesteps):
        self.q.train()
        obs, _ = self.env.reset(seed=self.seed)
        self.seed = None
        for _ in range(total_timesteps):
            self.q.resample()
            with torch.no_grad():
                act = int(self.q(torch.as_tensor(obs, dtype=torch.float32)).argmax())
            nxt, rew, terminated, truncated, _ = self.env.step(act)
            step = (np.float32(obs), act, np.float32(rew), np.float32(nxt), bool(terminated))
            for k, v in zip(self.storage, step, strict=True):
                self.storage[k].append(v)
            obs = nxt if not (terminated or truncated) else self.env.reset()[0]
            if len(self.storage["rew"]) >= self.batch:
                for _ in range(self.updates_per_step):
                    self.update()

    def predict(self, obs, deterministic=True):
        self.q.train(not deterministic)
        with torch.no_grad():
            q = self.q(torch.as_tensor(np.asarray(obs), dtype=torch.float32))
        self.q.train()
        return q.argmax(-1).numpy()


def make_agent(env, *, seed, gamma):
    return NoisyDQN(env, seed, gamma)
