"""Quantile-regression DQN (Dabney et al., 2017). Stores everything in one structured array."""

import numpy as np
import torch
import torch.nn as nn


class QuantileDQN:
    def __init__(self, env, *, seed=0, gamma=0.99, n_quantiles=25, lr=1e-3, kappa=1.0):
        self.env = env
        self.gamma = gamma
        self.nq = n_quantiles
        self.kappa = kappa
        self.na = int(env.action_space.n)
        self.dim = env.observation_space.shape[0]
        self.seed = seed
        self.gen = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.net = self.make_net()
            self.target_net = self.make_net()
        self.target_net.load_state_dict(self.net.state_dict())
        self.opt = torch.optim.Adam(self.net.parameters(), lr=lr)
        self.tau_hat = (torch.arange(self.nq) + 0.5) / self.nq
        row = np.dtype([
            ("s", np.float32, (self.dim,)), ("a", np.int64), ("r", np.float32),
            ("sn", np.float32, (self.dim,)), ("done", np.float32),
        ])  # fmt: skip
        self.rows = np.zeros(30_000, dtype=row)
        self.count = 0

    def make_net(self):
        return nn.Sequential(
            nn.Linear(self.dim, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(),
            nn.Linear(64, self.na * self.nq), nn.Unflatten(-1, (self.na, self.nq)),
        )  # fmt: skip

    def rand(self, high, size):
        return torch.randint(high, size, generator=self.gen)

    def loss(self, rows):
        s, sn = torch.from_numpy(rows["s"]), torch.from_numpy(rows["sn"])
        a = torch.from_numpy(rows["a"])
        r = torch.from_numpy(rows["r"])[:, None]
        done = torch.from_numpy(rows["done"])[:, None]
        with torch.no_grad():
            nxt = self.target_net(sn)  # B, A, N
            best = nxt.mean(dim=2).argmax(dim=1)
            nxt = nxt[torch.arange(len(best)), best]
            target = r + self.gamma * (1 - done) * nxt
        current = self.net(s)[torch.arange(len(a)), a]
        u = target[:, None, :] - current[:, :, None]  # B, N (ours), N (targets)
        huber = torch.where(
            u.abs() <= self.kappa, 0.5 * u**2, self.kappa * (u.abs() - 0.5 * self.kappa)
        )
        weight = (self.tau_hat[None, :, None] - (u.detach() < 0).float()).abs()
        return (weight * huber / self.kappa).mean(dim=2).sum(dim=1).mean()

    def learn(self, total_timesteps):
        obs, _ = self.env.reset(seed=self.seed if self.count == 0 else None)
        for _ in range(total_timesteps):
            eps = max(0.05, 1 - self.count / 2000)
            if torch.rand((), generator=self.gen) < eps:
                a = int(self.rand(self.na, ()))
            else:
                a = int(self.predict(obs)[0])
            nxt, r, term, trunc, _ = self.env.step(a)
            self.rows[self.count % len(self.rows)] = (obs, a, r, nxt, term)
            self.count += 1
            obs = nxt
            if term or trunc:
                obs, _ = self.env.reset()
            if self.count >= 128:
                pick = self.rand(min(self.count, len(self.rows)), (64,)).numpy()
                loss = self.loss(self.rows[pick])
                self.opt.zero_grad()
                loss.backward()
                self.opt.step()
            if self.count % 150 == 0:
                self.target_net.load_state_dict(self.net.state_dict())

    def q_values(self, obs):
        with torch.no_grad():
            return self.net(torch.as_tensor(np.asarray(obs), dtype=torch.float32)).mean(-1).numpy()

    def predict(self, obs, deterministic=True):
        """Action and state, as in Stable-Baselines3."""
        return self.q_values(obs).argmax(-1), None


def make_agent(env, *, seed, gamma):
    return QuantileDQN(env, seed=seed, gamma=gamma)
