"""Recurrent PPO: a GRU cell, whole sequences in every minibatch, the state is zeroed between episodes."""

import numpy as np
import torch
from torch import nn
from torch.distributions import Categorical


class RecurrentNet(nn.Module):
    def __init__(self, d, k, width=48):
        super().__init__()
        self.width = width
        self.inp = nn.Linear(d, width)
        self.cell = nn.GRUCell(width, width)
        self.pi = nn.Linear(2 * width, k)
        self.v = nn.Linear(2 * width, 1)

    def step(self, x, h):
        e = torch.tanh(self.inp(x))
        h = self.cell(e, h)
        both = torch.cat([e, h], dim=-1)
        return self.pi(both), self.v(both).squeeze(-1), h


class GruPPO:
    def __init__(
        self,
        make_env,
        *,
        seed,
        gamma,
        n_envs=8,
        T=24,
        lr=3e-3,
        lam=0.95,
        epochs=5,
        clip=0.2,
        entropy=0.01,
    ):
        self.envs = [make_env() for _ in range(n_envs)]
        self.gamma, self.T, self.lam, self.epochs, self.clip, self.entropy = (
            gamma,
            T,
            lam,
            epochs,
            clip,
            entropy,
        )
        torch.manual_seed(seed)
        one = self.envs[0]
        self.net = RecurrentNet(one.observation_space.shape[0], int(one.action_space.n))
        self.opt = torch.optim.Adam(self.net.parameters(), lr=lr)
        self.h = torch.zeros(n_envs, self.net.width)
        self.obs = np.stack([e.reset(seed=seed * 100 + i)[0] for i, e in enumerate(self.envs)])

    @torch.no_grad()
    def rollout(self):
        N = len(self.envs)
        start_h = self.h.clone()
        out = {k: [] for k in ("obs", "act", "logp", "val", "next_val", "rew", "term", "end")}
        for _ in range(self.T):
            x = torch.as_tensor(self.obs, dtype=torch.float32)
            logits, val, h = self.net.step(x, self.h)
            dist = Categorical(logits=logits)
            act = dist.sample()
            after, rew = np.empty_like(self.obs), torch.zeros(N)
            term, end = torch.zeros(N), torch.zeros(N)
            for i, env in enumerate(self.envs):
                after[i], rew[i], terminated, truncated, _ = env.step(int(act[i]))
                term[i], end[i] = float(terminated), float(terminated or truncated)
            next_val = self.net.step(torch.as_tensor(after, dtype=torch.float32), h)[1]
            self.h = h * (1 - end)[:, None]
            self.obs = np.stack(
                [e.reset()[0] if end[i] else after[i] for i, e in enumerate(self.envs)]
            )
            row = (x, act, dist.log_prob(act), val, next_val, rew, term, end)
            for column, item in zip(out.values(), row, strict=True):
                column.append(item)
        return {k: torch.stack(v) for k, v in out.items()}, start_h

    def replay(self, b, h, envs):
        """Logits and values of the stored sequences under the present weights."""
        logits, values = [], []
        h = h[envs]
        for t in range(self.T):
            lo, v, h = self.net.step(b["obs"][t, envs], h)
            h = h * (1 - b["end"][t, envs])[:, None]
            logits.append(lo)
            values.append(v)
        return Categorical(logits=torch.stack(logits)), torch.stack(values)

    def update(self):
        b, h = self.rollout()
        adv, run = torch.zeros_like(b["rew"]), 0.0
        for t in reversed(range(self.T)):
            delta = b["rew"][t] + self.gamma * (1 - b["term"][t]) * b["next_val"][t] - b["val"][t]
            run = delta + self.gamma * self.lam * (1 - b["end"][t]) * run
            adv[t] = run
        ret = adv + b["val"]
        adv = (adv - adv.mean()) / (adv.std() + 1e-8)
        for _ in range(self.epochs):
            for envs in torch.randperm(len(self.envs)).chunk(2):
                dist, values = self.replay(b, h, envs)
                ratio = (dist.log_prob(b["act"][:, envs]) - b["logp"][:, envs]).exp()
                a = adv[:, envs]
                gain = torch.min(ratio * a, ratio.clamp(1 - self.clip, 1 + self.clip) * a)
                loss = 0.5 * (values - ret[:, envs]).square().mean() - gain.mean()
                loss = loss - self.entropy * dist.entropy().mean()
                self.opt.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.net.parameters(), 0.5)
                self.opt.step()

    def learn(self, total_timesteps):
        for _ in range(-(-total_timesteps // (self.T * len(self.envs)))):
            self.update()
        return self

    @torch.no_grad()
    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        x = torch.as_tensor(np.atleast_2d(observation), dtype=torch.float32)
        h = torch.zeros(len(x), self.net.width) if state is None else torch.as_tensor(state)
        if episode_start is not None:
            h = (
                h
                * (1.0 - torch.as_tensor(np.atleast_1d(episode_start), dtype=torch.float32))[
                    :, None
                ]
            )
        logits, _, h = self.net.step(x, h)
        action = logits.argmax(-1) if deterministic else Categorical(logits=logits).sample()
        action = action.numpy()
        return (action if np.ndim(observation) > 1 else action[0]), h.numpy()


def make_agent(make_env, *, seed, gamma):
    return GruPPO(make_env, seed=seed, gamma=gamma)
