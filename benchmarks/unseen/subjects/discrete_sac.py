"""Soft actor-critic for discrete actions with a learned temperature; twin critics, soft targets."""

import copy
import math
from collections import deque

import numpy as np
import torch
from torch import nn


def net(n_in, n_out):
    return nn.Sequential(nn.Linear(n_in, 64), nn.ReLU(), nn.Linear(64, n_out))


class DiscreteSAC:
    def __init__(self, env, seed, gamma, lr, tau=0.02, entropy_share=0.05):
        torch.manual_seed(seed)
        self.rng = np.random.default_rng(seed)
        self.env, self.seed, self.gamma, self.tau = env, seed, gamma, tau
        n_in, self.n_actions = env.observation_space.shape[0], int(env.action_space.n)
        self.actor = net(n_in, self.n_actions)
        self.q1, self.q2 = net(n_in, self.n_actions), net(n_in, self.n_actions)
        self.q1_target, self.q2_target = copy.deepcopy(self.q1), copy.deepcopy(self.q2)
        self.log_alpha = torch.tensor(math.log(0.1), requires_grad=True)
        self.target_entropy = entropy_share * math.log(self.n_actions)
        self.actor_opt = torch.optim.Adam(self.actor.parameters(), lr=lr)
        self.critic_opt = torch.optim.Adam([*self.q1.parameters(), *self.q2.parameters()], lr=lr)
        self.alpha_opt = torch.optim.Adam([self.log_alpha], lr=lr)
        self.memory = deque(maxlen=30_000)

    def action_probabilities(self, obs):
        with torch.no_grad():
            return self.actor(torch.as_tensor(np.asarray(obs)).float()).softmax(-1).numpy()

    def predict(self, obs, deterministic=True):
        p = self.action_probabilities(obs)
        if deterministic:
            return p.argmax(-1)
        return self.rng.choice(self.n_actions, p=p / p.sum())

    def learn(self, total_timesteps):
        obs, _ = self.env.reset(seed=self.seed)
        for t in range(total_timesteps):
            if t < 500:
                action = int(self.rng.integers(self.n_actions))
            else:
                action = int(self.predict(obs, deterministic=False))
            nxt, reward, terminated, truncated, _ = self.env.step(action)
            self.memory.append((obs, action, reward, nxt, terminated))
            obs = self.env.reset()[0] if terminated or truncated else nxt
            if t >= 500:
                self.update()

    def sample(self, n=64):
        rows = [self.memory[i] for i in self.rng.integers(0, len(self.memory), n)]
        obs, action, reward, nxt, end = (np.array(c) for c in zip(*rows, strict=True))
        tensors = [torch.as_tensor(x).float() for x in (obs, reward, nxt, end)]
        return tensors[0], torch.as_tensor(action), *tensors[1:]

    def update(self):
        obs, action, reward, nxt, end = self.sample()
        alpha = self.log_alpha.exp().detach()
        with torch.no_grad():
            log_p = self.actor(nxt).log_softmax(-1)
            q = torch.min(self.q1_target(nxt), self.q2_target(nxt))
            soft_value = (log_p.exp() * (q - alpha * log_p)).sum(-1)
            target = reward + self.gamma * (1 - end) * soft_value
        loss = 0.0
        for critic in (self.q1, self.q2):
            chosen = critic(obs).gather(1, action.unsqueeze(1)).squeeze(1)
            loss = loss + nn.functional.mse_loss(chosen, target)
        self.step(self.critic_opt, loss)

        log_p = self.actor(obs).log_softmax(-1)
        with torch.no_grad():
            q = torch.min(self.q1(obs), self.q2(obs))
        self.step(self.actor_opt, (log_p.exp() * (alpha * log_p - q)).sum(-1).mean())

        entropy = -(log_p.exp() * log_p).sum(-1).detach().mean()
        self.step(self.alpha_opt, self.log_alpha * (entropy - self.target_entropy))
        for fast, slow in ((self.q1, self.q1_target), (self.q2, self.q2_target)):
            for p, p_target in zip(fast.parameters(), slow.parameters(), strict=True):
                p_target.data.lerp_(p.data, self.tau)

    def step(self, optimizer, loss):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def make_agent(env, *, seed, gamma=0.99, lr=1e-3):
    return DiscreteSAC(env, seed, gamma, lr)
