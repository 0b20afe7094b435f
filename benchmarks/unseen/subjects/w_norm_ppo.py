"""PPO with running observation statistics, rewards scaled by the spread of returns, annealed steps."""

import numpy as np
import torch
from torch import nn


class RunningMoments:
    """Mean and variance of all rows so far (Chan et al.)."""

    def __init__(self, shape=()):
        self.mean, self.var, self.count = np.zeros(shape), np.ones(shape), 1e-4

    def update(self, x):
        x = np.asarray(x, dtype=np.float64)
        mean, var, n = x.mean(0), x.var(0), len(x)
        delta, total = mean - self.mean, self.count + n
        m2 = self.var * self.count + var * n + delta**2 * self.count * n / total
        self.mean, self.var, self.count = self.mean + delta * n / total, m2 / total, total


class NormalizedPPO:
    def __init__(
        self, make_env, seed, gamma, n_envs=4, lr=3e-3, steps=64, lam=0.95, epochs=6, clip=0.2
    ):
        self.envs = [make_env() for _ in range(n_envs)]
        self.gamma, self.lam, self.lr, self.steps, self.epochs, self.clip = (
            gamma,
            lam,
            lr,
            steps,
            epochs,
            clip,
        )
        torch.manual_seed(seed)
        self.rng = np.random.default_rng(seed)
        d, k = self.envs[0].observation_space.shape[0], int(self.envs[0].action_space.n)
        self.actor = nn.Sequential(nn.Linear(d, 64), nn.Tanh(), nn.Linear(64, k))
        self.critic = nn.Sequential(nn.Linear(d, 64), nn.Tanh(), nn.Linear(64, 1))
        self.parameters = [*self.actor.parameters(), *self.critic.parameters()]
        self.opt = torch.optim.Adam(self.parameters, lr=lr, eps=1e-5)
        self.obs_rms, self.ret_rms = RunningMoments((d,)), RunningMoments()
        self.running_return = np.zeros(n_envs)
        self.raw = np.stack([e.reset(seed=seed + 1000 * i)[0] for i, e in enumerate(self.envs)])

    def normalize(self, obs):
        z = (np.asarray(obs) - self.obs_rms.mean) / np.sqrt(self.obs_rms.var + 1e-8)
        return torch.as_tensor(np.clip(z, -10, 10), dtype=torch.float32)

    @property
    def scale(self):
        return float(np.sqrt(self.ret_rms.var + 1e-8))

    def step_all(self, actions):
        after, fresh = np.empty_like(self.raw), np.empty_like(self.raw)
        rew, term, end = np.zeros((3, len(self.envs)))
        for i, (env, a) in enumerate(zip(self.envs, actions, strict=True)):
            after[i], rew[i], terminated, truncated, _ = env.step(int(a))
            term[i], end[i] = terminated, terminated or truncated
            fresh[i] = env.reset()[0] if end[i] else after[i]
        return after, fresh, rew, term, end

    def rollout(self):
        keys = ("obs", "act", "logp", "after", "rew", "term", "end")
        memory = {k: [] for k in keys}
        self.obs_rms.update(self.raw)
        for _ in range(self.steps):
            obs = self.raw.copy()
            with torch.no_grad():
                log_pi = self.actor(self.normalize(obs)).log_softmax(-1)
            act = torch.multinomial(log_pi.exp(), 1)
            after, self.raw, rew, term, end = self.step_all(act[:, 0].tolist())
            self.running_return = self.running_return * self.gamma + rew
            self.ret_rms.update(self.running_return)
            self.running_return[end > 0] = 0.0
            row = (obs, act, log_pi.gather(1, act), after, rew, term, end)
            for k, x in zip(keys, row, strict=True):
                memory[k].append(x)
        return memory

    def targets(self, m):
        rew = np.stack(m["rew"]) / self.scale
        with torch.no_grad():
            v = self.critic(self.normalize(np.stack(m["obs"])))[..., 0].numpy()
            v2 = self.critic(self.normalize(np.stack(m["after"])))[..., 0].numpy()
        alive, goes_on = 1 - np.stack(m["term"]), 1 - np.stack(m["end"])
        adv = np.zeros_like(rew)
        carry = 0.0
        for t in range(self.steps)[::-1]:
            carry = (
                rew[t]
                + self.gamma * alive[t] * v2[t]
                - v[t]
                + self.gamma * self.lam * goes_on[t] * carry
            )
            adv[t] = carry
        return torch.as_tensor(adv, dtype=torch.float32).flatten(), torch.as_tensor(
            adv + v, dtype=torch.float32
        ).flatten()

    def update(self, m):
        adv, ret = self.targets(m)
        obs = self.normalize(np.concatenate(m["obs"]))
        act, old = torch.cat(m["act"]), torch.cat(m["logp"])[:, 0]
        adv = (adv - adv.mean()) / (adv.std() + 1e-8)
        for _ in range(self.epochs):
            for idx in np.array_split(self.rng.permutation(len(adv)), 4):
                log_pi = self.actor(obs[idx]).log_softmax(-1)
                ratio = (log_pi.gather(1, act[idx])[:, 0] - old[idx]).exp()
                clipped = ratio.clamp(1 - self.clip, 1 + self.clip)
                loss = -torch.min(ratio * adv[idx], clipped * adv[idx]).mean()
                loss += 0.5 * (self.critic(obs[idx])[:, 0] - ret[idx]).pow(2).mean()
                loss += 0.005 * (log_pi.exp() * log_pi).sum(-1).mean()
                self.opt.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.parameters, 0.5)
                self.opt.step()

    def learn(self, total_timesteps):
        n = max(1, total_timesteps // (self.steps * len(self.envs)))
        for i in range(n):
            for group in self.opt.param_groups:
                group["lr"] = self.lr * (1 - i / n)
            self.update(self.rollout())
        return self

    @torch.no_grad()
    def values(self, obs):
        """In the units of the environment's rewards."""
        return self.critic(self.normalize(obs))[..., 0].numpy() * self.scale

    @torch.no_grad()
    def predict(self, obs, deterministic=True):
        logits = self.actor(self.normalize(obs))
        if deterministic:
            return logits.argmax(-1).numpy()
        return torch.distributions.Categorical(logits=logits).sample().numpy()


def make_agent(make_env, *, seed, gamma):
    return NormalizedPPO(make_env, seed, gamma)
