"""PPO for continuous actions: a standard deviation of its own, eight environments, autoreset at once."""

import numpy as np
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from torch import nn
from torch.distributions import Independent, Normal


class Policy(nn.Module):
    def __init__(self, d, k):
        super().__init__()
        self.mu = nn.Sequential(nn.Linear(d, 64), nn.Tanh(), nn.Linear(64, k))
        self.log_std = nn.Parameter(torch.zeros(k))
        self.v = nn.Sequential(nn.Linear(d, 64), nn.Tanh(), nn.Linear(64, 1))

    def dist(self, x):
        mu = self.mu(x)
        return Independent(Normal(mu, self.log_std.exp().expand_as(mu)), 1)

    def value(self, x):
        return self.v(x).squeeze(-1)


class BoxPPO:
    def __init__(
        self,
        make_env,
        *,
        seed,
        gamma,
        n_envs=8,
        horizon=32,
        lam=0.95,
        clip=0.2,
        lr=2e-3,
        epochs=8,
        minibatch=64,
    ):
        self.venv = SyncVectorEnv([make_env] * n_envs, autoreset_mode=AutoresetMode.SAME_STEP)
        self.gamma, self.lam, self.clip, self.horizon = gamma, lam, clip, horizon
        self.epochs, self.minibatch = epochs, minibatch
        self.gen = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)
        space = self.venv.single_action_space
        self.low, self.high = space.low, space.high
        self.net = Policy(self.venv.single_observation_space.shape[0], space.shape[0])
        self.opt = torch.optim.Adam(self.net.parameters(), lr=lr)
        self.obs = torch.as_tensor(self.venv.reset(seed=seed)[0], dtype=torch.float32)

    def collect(self):
        rows = {k: [] for k in ("obs", "act", "logp", "val", "rew", "nextval", "end")}
        for _ in range(self.horizon):
            with torch.no_grad():
                dist = self.net.dist(self.obs)
                act = dist.sample()
                logp, val = dist.log_prob(act), self.net.value(self.obs)
            executed = np.clip(act.numpy(), self.low, self.high)
            nxt, rew, term, trunc, info = self.venv.step(executed)
            end = term | trunc
            after = np.array(nxt, dtype=np.float32)
            for i in np.flatnonzero(end):
                after[i] = info["final_obs"][i]
            with torch.no_grad():
                nextval = self.net.value(torch.as_tensor(after)) * torch.as_tensor(~term)
            row = (
                self.obs,
                act,
                logp,
                val,
                torch.as_tensor(rew, dtype=torch.float32),
                nextval,
                torch.as_tensor(end).float(),
            )
            for column, x in zip(rows.values(), row, strict=True):
                column.append(x)
            self.obs = torch.as_tensor(nxt, dtype=torch.float32)
        return {k: torch.stack(v) for k, v in rows.items()}

    def advantages(self, b):
        delta = b["rew"] + self.gamma * b["nextval"] - b["val"]
        adv, running = torch.zeros_like(delta), torch.zeros(delta.shape[1])
        for t in range(self.horizon - 1, -1, -1):
            running = delta[t] + self.gamma * self.lam * (1 - b["end"][t]) * running
            adv[t] = running
        return adv

    def improve(self, b):
        adv = self.advantages(b)
        data = [b[k].flatten(0, 1) for k in ("obs", "act", "logp")]
        data += [adv.flatten(), (adv + b["val"]).flatten()]
        for _ in range(self.epochs):
            for idx in torch.randperm(len(data[0]), generator=self.gen).split(self.minibatch):
                obs, act, logp, a, ret = (x[idx] for x in data)
                a = (a - a.mean()) / (a.std() + 1e-8)
                ratio = torch.exp(self.net.dist(obs).log_prob(act) - logp)
                surrogate = torch.min(ratio * a, ratio.clamp(1 - self.clip, 1 + self.clip) * a)
                loss = -surrogate.mean() + (self.net.value(obs) - ret).pow(2).mean()
                self.opt.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
                self.opt.step()

    def learn(self, total_timesteps):
        done = 0
        while done < total_timesteps:
            self.improve(self.collect())
            done += self.horizon * self.venv.num_envs

    @torch.no_grad()
    def values(self, obs):
        return self.net.value(torch.as_tensor(np.asarray(obs), dtype=torch.float32)).numpy()

    @torch.no_grad()
    def predict(self, obs, deterministic=True):
        dist = self.net.dist(torch.as_tensor(np.asarray(obs), dtype=torch.float32))
        act = dist.mean if deterministic else dist.sample()
        return np.clip(act.numpy(), self.low, self.high), None


def make_agent(make_env, *, seed, gamma):
    return BoxPPO(make_env, seed=seed, gamma=gamma)
