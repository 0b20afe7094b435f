"""PPO whose Gaussian is squashed by tanh; a single environment; keeps what was drawn before the tanh."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn.functional import softplus

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def log_density(mu, log_std, u):
    """Of tanh(u), where u is Gaussian."""
    gauss = -0.5 * ((u - mu) / log_std.exp()) ** 2 - log_std - HALF_LOG_2PI
    jacobian = 2 * (math.log(2) - u - softplus(-2 * u))
    return (gauss - jacobian).sum(-1)


class SquashedPPO:
    def __init__(
        self,
        env,
        *,
        seed=0,
        gamma=0.99,
        lam=0.9,
        n_steps=256,
        epochs=10,
        batch=64,
        lr=1.5e-3,
        clip=0.2,
        entropy=1e-3,
    ):
        self.env, self.gamma, self.lam, self.n_steps = env, gamma, lam, n_steps
        self.epochs, self.batch, self.clip, self.entropy = epochs, batch, clip, entropy
        torch.manual_seed(seed)
        self.seed = seed
        d, k = env.observation_space.shape[0], env.action_space.shape[0]
        self.actor = nn.Sequential(nn.Linear(d, 64), nn.ReLU(), nn.Linear(64, 2 * k))
        self.critic = nn.Sequential(nn.Linear(d, 64), nn.ReLU(), nn.Linear(64, 1), nn.Flatten(0))
        self.opt_actor = torch.optim.Adam(self.actor.parameters(), lr=lr)
        self.opt_critic = torch.optim.Adam(self.critic.parameters(), lr=2 * lr)
        self.mid = (env.action_space.high + env.action_space.low) / 2
        self.half = (env.action_space.high - env.action_space.low) / 2
        self.obs = None

    def params(self, obs):
        mu, log_std = self.actor(obs).chunk(2, dim=-1)
        return mu, log_std.clamp(-3, 1)

    def to_env(self, u):
        return (self.mid + self.half * np.tanh(u)).astype(np.float32)

    def rollout(self):
        obs, pre, logp, rew, nxt, term, end = [], [], [], [], [], [], []
        for _ in range(self.n_steps):
            x = torch.as_tensor(self.obs, dtype=torch.float32)
            with torch.no_grad():
                mu, log_std = self.params(x)
                u = mu + log_std.exp() * torch.randn_like(mu)
                logp.append(log_density(mu, log_std, u))
            after, r, terminated, truncated, _ = self.env.step(self.to_env(u.numpy()))
            obs.append(x)
            pre.append(u)
            rew.append(float(r))
            nxt.append(torch.as_tensor(after, dtype=torch.float32))
            term.append(float(terminated))
            end.append(float(terminated or truncated))
            self.obs = self.env.reset()[0] if terminated or truncated else after
        return (
            torch.stack(obs),
            torch.stack(pre),
            torch.stack(logp),
            rew,
            torch.stack(nxt),
            term,
            end,
        )

    def gae(self, obs, nxt, rew, term, end):
        with torch.no_grad():
            v, v_next = self.critic(obs).numpy(), self.critic(nxt).numpy()
        adv = np.zeros(len(rew), dtype=np.float32)
        last = 0.0
        for t in reversed(range(len(rew))):
            delta = rew[t] + self.gamma * (1 - term[t]) * v_next[t] - v[t]
            last = delta + self.gamma * self.lam * (1 - end[t]) * last
            adv[t] = last
        return torch.from_numpy(adv), torch.from_numpy(adv + v)

    def update(self):
        obs, pre, old, rew, nxt, term, end = self.rollout()
        adv, ret = self.gae(obs, nxt, rew, term, end)
        adv = (adv - adv.mean()) / (adv.std() + 1e-6)
        for _ in range(self.epochs):
            for i in torch.randperm(len(adv)).split(self.batch):
                mu, log_std = self.params(obs[i])
                new = log_density(mu, log_std, pre[i])
                ratio = (new - old[i]).exp()
                gain = torch.minimum(
                    ratio * adv[i], ratio.clamp(1 - self.clip, 1 + self.clip) * adv[i]
                )
                # A sample's negative log-density estimates the entropy of the squashed policy.
                fresh = mu + log_std.exp() * torch.randn_like(mu)
                entropy = -log_density(mu, log_std, fresh).mean()
                loss = -gain.mean() - self.entropy * entropy
                self.opt_actor.zero_grad()
                loss.backward()
                self.opt_actor.step()
                value_loss = nn.functional.mse_loss(self.critic(obs[i]), ret[i])
                self.opt_critic.zero_grad()
                value_loss.backward()
                self.opt_critic.step()

    def learn(self, total_timesteps):
        if self.obs is None:
            self.obs, _ = self.env.reset(seed=self.seed)
        for _ in range(math.ceil(total_timesteps / self.n_steps)):
            self.update()
        return self

    @torch.no_grad()
    def predict(self, obs, deterministic=True):
        mu, log_std = self.params(torch.as_tensor(np.asarray(obs), dtype=torch.float32))
        u = mu if deterministic else mu + log_std.exp() * torch.randn_like(mu)
        return self.to_env(u.numpy())
