"""REINFORCE on whole episodes; the baseline is a moving average of returns for each observation seen.

A small network guesses what is left at a time limit, and is used for nothing else.
"""

import numpy as np
import torch
import torch.nn.functional as F


class Reinforce:
    def __init__(self, env, *, seed=0, gamma=0.99, lr=0.02, episodes_per_update=10, decay=0.9):
        self.env, self.gamma, self.decay = env, gamma, decay
        self.episodes_per_update = episodes_per_update
        g = torch.Generator().manual_seed(seed)
        self.g, self.seed = g, seed
        d, k = env.observation_space.shape[0], int(env.action_space.n)
        self.W = (0.01 * torch.randn(d, k, generator=g)).requires_grad_()
        self.b = torch.zeros(k, requires_grad=True)
        self.tail = torch.zeros(d, requires_grad=True)
        self.opt = torch.optim.Adam([self.W, self.b], lr=lr)
        self.tail_opt = torch.optim.Adam([self.tail], lr=0.05)
        self.average = {}

    def logits(self, x):
        return x @ self.W + self.b

    def play(self):
        obs, _ = self.env.reset(seed=self.seed)
        self.seed = None
        xs, acts, rews = [], [], []
        while True:
            x = torch.as_tensor(np.asarray(obs), dtype=torch.float32)
            p = self.logits(x).softmax(-1).detach()
            a = int(torch.multinomial(p, 1, generator=self.g))
            obs, r, terminated, truncated, _ = self.env.step(a)
            xs.append(x)
            acts.append(a)
            rews.append(float(r))
            if terminated or truncated:
                break
        G = 0.0
        if not terminated:
            G = float(torch.as_tensor(np.asarray(obs), dtype=torch.float32) @ self.tail.detach())
        returns = []
        for r in reversed(rews):
            G = r + self.gamma * G
            returns.append(G)
        return torch.stack(xs), acts, returns[::-1]

    def update(self):
        episodes = [self.play() for _ in range(self.episodes_per_update)]
        x = torch.cat([e[0] for e in episodes])
        a = torch.tensor([i for e in episodes for i in e[1]])
        G = torch.tensor([g for e in episodes for g in e[2]])
        baseline = []
        for row, g in zip(x.numpy(), G.tolist(), strict=True):
            key = row.tobytes()
            before = self.average.get(key, g)
            baseline.append(before)
            self.average[key] = self.decay * before + (1 - self.decay) * g
        log_pi = F.log_softmax(self.logits(x), dim=-1).gather(1, a[:, None]).squeeze(1)
        loss = -(log_pi * (G - torch.tensor(baseline))).sum() / len(episodes)
        self.opt.zero_grad()
        loss.backward()
        self.opt.step()
        for _ in range(5):
            tail_loss = F.mse_loss(x @ self.tail, G)
            self.tail_opt.zero_grad()
            tail_loss.backward()
            self.tail_opt.step()
        return len(x)

    def learn(self, total_timesteps):
        done = 0
        while done < total_timesteps:
            done += self.update()
        return self

    @torch.no_grad()
    def action_probabilities(self, obs):
        return (
            self.logits(torch.as_tensor(np.asarray(obs), dtype=torch.float32)).softmax(-1).numpy()
        )

    def predict(self, obs, deterministic=True):
        p = torch.as_tensor(self.action_probabilities(obs))
        a = p.argmax(-1) if deterministic else torch.multinomial(p, 1, generator=self.g).squeeze(-1)
        return a.numpy()
