"""SAC with a fixed temperature and an ensemble of critics in stacked weights (as in REDQ)."""

import math
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class Ensemble(nn.Module):
    """`n` critics as one batched matrix product; gives (n, B)."""

    def __init__(self, n, width_in, hidden=64):
        super().__init__()
        sizes = [width_in, hidden, hidden, 1]
        self.w = nn.ParameterList()
        self.b = nn.ParameterList()
        for i, o in pairwise(sizes):
            bound = 1 / math.sqrt(i)
            self.w.append(nn.Parameter(torch.empty(n, i, o).uniform_(-bound, bound)))
            self.b.append(nn.Parameter(torch.zeros(n, 1, o)))
        self.n = n

    def forward(self, obs, act):
        x = torch.cat([obs, act], -1).expand(self.n, -1, -1)
        for k, (w, b) in enumerate(zip(self.w, self.b, strict=True)):
            x = torch.baddbmm(b, x, w)
            if k < 2:
                x = F.silu(x)
        return x.squeeze(-1)


class EnsembleSAC:
    def __init__(self, make_env, *, seed, gamma, n_critics=4, n_min=2, temperature=0.05, lr=1e-3):
        self.env = make_env()
        self.gamma, self.n_min, self.temperature, self.seed = gamma, n_min, temperature, seed
        torch.manual_seed(seed)
        self.np_rng = np.random.default_rng(seed)
        d, k = self.env.observation_space.shape[0], self.env.action_space.shape[0]
        self.low = torch.as_tensor(self.env.action_space.low)
        self.span = torch.as_tensor(self.env.action_space.high) - self.low
        self.pi = nn.Sequential(nn.Linear(d, 64), nn.SiLU(), nn.Linear(64, 2 * k))
        self.critics = Ensemble(n_critics, d + k)
        self.critics_lag = Ensemble(n_critics, d + k).requires_grad_(False)
        self.critics_lag.load_state_dict(self.critics.state_dict())
        self.opt_pi = torch.optim.Adam(self.pi.parameters(), lr)
        self.opt_q = torch.optim.Adam(self.critics.parameters(), lr)
        self.data = {k: [] for k in ("obs", "u", "rew", "nxt", "cont")}

    def draw(self, obs):
        """An action in (-1, 1) and its log-density there."""
        mu, log_std = self.pi(obs).chunk(2, dim=-1)
        log_std = log_std.clamp(-5, 1)
        eps = torch.randn_like(mu)
        pre = mu + log_std.exp() * eps
        logp = -0.5 * eps.square() - log_std - 0.5 * math.log(2 * math.pi)
        logp = logp - 2 * (math.log(2) - pre - F.softplus(-2 * pre))
        return pre.tanh(), logp.sum(-1)

    def to_env(self, u):
        return (self.low + (u + 1) / 2 * self.span).numpy()

    def update(self, size=64):
        i = self.np_rng.integers(len(self.data["rew"]), size=size)
        b = {
            k: torch.as_tensor(np.array([v[j] for j in i]), dtype=torch.float32)
            for k, v in self.data.items()
        }
        with torch.no_grad():
            u2, logp2 = self.draw(b["nxt"])
            some = torch.from_numpy(self.np_rng.permutation(self.critics.n)[: self.n_min])
            q2 = self.critics_lag(b["nxt"], u2)[some].min(dim=0).values
            y = b["rew"] + self.gamma * b["cont"] * (q2 - self.temperature * logp2)
        loss_q = (self.critics(b["obs"], b["u"]) - y).square().mean(1).sum()
        self.opt_q.zero_grad()
        loss_q.backward()
        self.opt_q.step()
        u, logp = self.draw(b["obs"])
        loss_pi = (self.temperature * logp - self.critics(b["obs"], u).mean(0)).mean()
        self.opt_pi.zero_grad()
        loss_pi.backward()
        self.opt_pi.step()
        with torch.no_grad():
            for p, q in zip(self.critics.parameters(), self.critics_lag.parameters(), strict=True):
                q.lerp_(p, 0.01)

    def learn(self, total_timesteps):
        obs, _ = self.env.reset(seed=self.seed)
        self.seed = None
        for _ in range(total_timesteps):
            x = torch.as_tensor(obs, dtype=torch.float32)
            with torch.no_grad():
                u = self.draw(x)[0]
            if len(self.data["rew"]) < 200:
                u = torch.as_tensor(self.np_rng.uniform(-1, 1, size=u.shape), dtype=torch.float32)
            nxt, rew, terminated, truncated, _ = self.env.step(self.to_env(u))
            row = (obs, u.numpy(), rew, nxt, 1.0 - terminated)
            for column, item in zip(self.data.values(), row, strict=True):
                column.append(np.array(item, dtype=np.float32))
            obs = nxt
            if terminated or truncated:
                obs, _ = self.env.reset()
            if len(self.data["rew"]) >= 200:
                self.update()
        return self

    @torch.no_grad()
    def predict(self, obs, deterministic=True):
        x = torch.as_tensor(np.asarray(obs), dtype=torch.float32)
        u = self.pi(x).chunk(2, dim=-1)[0].tanh() if deterministic else self.draw(x)[0]
        return self.to_env(u)


def make_agent(make_env, *, seed, gamma):
    return EnsembleSAC(make_env, seed=seed, gamma=gamma)
