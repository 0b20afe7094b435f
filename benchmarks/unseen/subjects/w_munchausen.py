"""Munchausen DQN (Vieillard et al., 2020) and, with alpha = 0, soft DQN. Acts by softmax."""

import numpy as np
import torch
import torch.nn as nn


class MunchausenDQN:
    def __init__(self, env, gamma, seed, alpha=0.9, temperature=0.02, clip=-1.0, n_hidden=64):
        self.env, self.gamma, self.seed = env, gamma, seed
        self.alpha, self.temperature, self.clip = alpha, temperature, clip
        self.k = int(env.action_space.n)
        self.random = np.random.RandomState(seed)
        torch.manual_seed(seed)
        d = env.observation_space.shape[0]
        self.net = nn.Sequential(
            nn.Linear(d, n_hidden), nn.ELU(), nn.Linear(n_hidden, self.k)
        ).double()
        self.old = nn.Sequential(
            nn.Linear(d, n_hidden), nn.ELU(), nn.Linear(n_hidden, self.k)
        ).double()
        self.old.load_state_dict(self.net.state_dict())
        self.opt = torch.optim.RMSprop(self.net.parameters(), lr=1e-3)
        self.S, self.A, self.R, self.N, self.D = [], [], [], [], []

    def soft_value(self, q):
        return self.temperature * torch.logsumexp(q / self.temperature, dim=-1)

    def step_gradient(self, size=64):
        i = self.random.randint(len(self.R), size=size)
        s, n = torch.tensor(np.array(self.S)[i]), torch.tensor(np.array(self.N)[i])
        a = torch.tensor(np.array(self.A)[i])[:, None]
        r, d = torch.tensor(np.array(self.R)[i]), torch.tensor(np.array(self.D)[i])
        with torch.no_grad():
            log_pi = torch.log_softmax(self.old(s) / self.temperature, dim=-1).gather(1, a)[:, 0]
            bonus = self.alpha * (self.temperature * log_pi).clamp(min=self.clip, max=0.0)
            y = r + bonus + self.gamma * (1.0 - d) * self.soft_value(self.old(n))
        loss = nn.functional.mse_loss(self.net(s).gather(1, a)[:, 0], y)
        self.opt.zero_grad()
        loss.backward()
        self.opt.step()

    def learn(self, total_timesteps, update_every=4, updates=4, sync=50):
        obs, _ = self.env.reset(seed=self.seed)
        self.seed = None
        for t in range(1, total_timesteps + 1):
            if self.random.rand() < 0.1 or len(self.R) < 400:
                action = self.random.randint(self.k)
            else:
                action = self.predict(obs, deterministic=False)
            nxt, rew, term, trunc, _ = self.env.step(int(action))
            self.S.append(np.asarray(obs, dtype=np.float64))
            self.A.append(action)
            self.R.append(float(rew))
            self.N.append(np.asarray(nxt, dtype=np.float64))
            self.D.append(float(term))
            obs = nxt
            if term or trunc:
                obs, _ = self.env.reset()
            if t % update_every == 0 and len(self.R) > 100:
                for _ in range(updates):
                    self.step_gradient()
            if t % sync == 0:
                self.old.load_state_dict(self.net.state_dict())
        return self

    @torch.no_grad()
    def action_probabilities(self, obs):
        q = self.net(torch.as_tensor(np.atleast_2d(obs), dtype=torch.float64))
        p = torch.softmax(q / self.temperature, dim=-1).numpy()
        return p if np.ndim(obs) == 2 else p[0]

    def predict(self, obs, deterministic=True):
        p = np.atleast_2d(self.action_probabilities(obs))
        if deterministic:
            a = p.argmax(1)
        else:
            a = np.array([self.random.choice(self.k, p=row / row.sum()) for row in p])
        return a if np.ndim(obs) == 2 else int(a[0])


def make_munchausen(env, *, seed, gamma):
    return MunchausenDQN(env, gamma, seed)


def make_soft(env, *, seed, gamma):
    return MunchausenDQN(env, gamma, seed, alpha=0.0)
