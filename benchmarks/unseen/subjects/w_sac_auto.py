"""Soft actor-critic with two separate critic modules and a learned temperature."""

import numpy as np
import torch
import torch.nn as nn
from torch.distributions import Normal

LOG_STD_MIN, LOG_STD_MAX = -5, 2


def init_linear(layer):
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class QNet(nn.Module):
    def __init__(self, obs_dim, act_dim, hidden=64):
        super().__init__()
        self.fc1 = init_linear(nn.Linear(obs_dim + act_dim, hidden))
        self.fc2 = init_linear(nn.Linear(hidden, hidden))
        self.out = init_linear(nn.Linear(hidden, 1))

    def forward(self, o, a):
        x = torch.relu(self.fc1(torch.cat((o, a), dim=1)))
        return self.out(torch.relu(self.fc2(x)))


class GaussianActor(nn.Module):
    def __init__(self, obs_dim, space, hidden=64):
        super().__init__()
        self.fc = init_linear(nn.Linear(obs_dim, hidden))
        self.mean = init_linear(nn.Linear(hidden, space.shape[0]))
        self.log_std = init_linear(nn.Linear(hidden, space.shape[0]))
        self.register_buffer("scale", torch.tensor((space.high - space.low) / 2.0))
        self.register_buffer("bias", torch.tensor((space.high + space.low) / 2.0))

    def forward(self, o):
        x = torch.relu(self.fc(o))
        log_std = torch.tanh(self.log_std(x))
        return self.mean(x), LOG_STD_MIN + 0.5 * (LOG_STD_MAX - LOG_STD_MIN) * (log_std + 1)

    def sample(self, o):
        mean, log_std = self(o)
        normal = Normal(mean, log_std.exp())
        u = normal.rsample()
        y = torch.tanh(u)
        log_prob = normal.log_prob(u) - torch.log(self.scale * (1 - y.pow(2)) + 1e-6)
        return y * self.scale + self.bias, log_prob.sum(1, keepdim=True)

    def mode(self, o):
        return torch.tanh(self(o)[0]) * self.scale + self.bias


class SAC:
    def __init__(
        self,
        env,
        *,
        seed=1,
        gamma=0.99,
        tau=0.01,
        batch_size=64,
        q_lr=1e-3,
        policy_lr=1e-3,
        learning_starts=300,
    ):
        self.env, self.gamma, self.tau, self.batch_size = env, gamma, tau, batch_size
        self.learning_starts = learning_starts
        self.seed = seed
        torch.manual_seed(seed)
        self.rng = np.random.default_rng(seed)
        obs_dim, act_dim = env.observation_space.shape[0], env.action_space.shape[0]
        self.actor = GaussianActor(obs_dim, env.action_space)
        self.qf1, self.qf2 = QNet(obs_dim, act_dim), QNet(obs_dim, act_dim)
        self.qf1_target, self.qf2_target = QNet(obs_dim, act_dim), QNet(obs_dim, act_dim)
        self.qf1_target.load_state_dict(self.qf1.state_dict())
        self.qf2_target.load_state_dict(self.qf2.state_dict())
        self.q_optimizer = torch.optim.Adam(
            list(self.qf1.parameters()) + list(self.qf2.parameters()), lr=q_lr
        )
        self.actor_optimizer = torch.optim.Adam(list(self.actor.parameters()), lr=policy_lr)
        self.target_entropy = -float(act_dim)
        self.log_alpha = torch.full((1,), -2.0, requires_grad=True)
        self.a_optimizer = torch.optim.Adam([self.log_alpha], lr=policy_lr)
        self.buffer = []
        self.global_step = 0

    def batch(self):
        idx = self.rng.integers(0, len(self.buffer), self.batch_size)
        cols = zip(*(self.buffer[i] for i in idx), strict=True)
        return [
            torch.as_tensor(np.array(c, dtype=np.float32)).view(self.batch_size, -1) for c in cols
        ]

    def update(self):
        obs, act, rew, nxt, end = self.batch()
        alpha = self.log_alpha.exp().item()
        with torch.no_grad():
            next_act, next_logp = self.actor.sample(nxt)
            min_q = torch.min(self.qf1_target(nxt, next_act), self.qf2_target(nxt, next_act))
            next_q = rew + (1 - end) * self.gamma * (min_q - alpha * next_logp)
        loss = nn.functional.mse_loss(self.qf1(obs, act), next_q)
        loss = loss + nn.functional.mse_loss(self.qf2(obs, act), next_q)
        self.q_optimizer.zero_grad()
        loss.backward()
        self.q_optimizer.step()

        pi, logp = self.actor.sample(obs)
        q_pi = torch.min(self.qf1(obs, pi), self.qf2(obs, pi))
        actor_loss = (alpha * logp - q_pi).mean()
        self.actor_optimizer.zero_grad()
        actor_loss.backward()
        self.actor_optimizer.step()

        with torch.no_grad():
            _, logp = self.actor.sample(obs)
        alpha_loss = (-self.log_alpha.exp() * (logp + self.target_entropy)).mean()
        self.a_optimizer.zero_grad()
        alpha_loss.backward()
        self.a_optimizer.step()

        for q, qt in ((self.qf1, self.qf1_target), (self.qf2, self.qf2_target)):
            for param, target_param in zip(q.parameters(), qt.parameters(), strict=True):
                target_param.data.copy_(self.tau * param.data + (1 - self.tau) * target_param.data)

    def learn(self, total_timesteps):
        first = self.global_step == 0
        obs, _ = self.env.reset(seed=self.seed if first else None)
        if first:
            self.env.action_space.seed(self.seed)
        for _ in range(total_timesteps):
            if self.global_step < self.learning_starts:
                action = self.env.action_space.sample()
            else:
                action = self.predict(obs, deterministic=False)
            nxt, rew, terminated, truncated, _ = self.env.step(action)
            self.buffer.append((obs, action, rew, nxt, terminated))
            self.global_step += 1
            obs = nxt
            if terminated or truncated:
                obs, _ = self.env.reset()
            if self.global_step > self.learning_starts:
                self.update()

    @torch.no_grad()
    def predict(self, obs, deterministic=True):
        x = torch.as_tensor(np.atleast_2d(obs), dtype=torch.float32)
        a = (self.actor.mode(x) if deterministic else self.actor.sample(x)[0]).numpy()
        return a if np.ndim(obs) > 1 else a[0]
