"""REINFORCE with a learned baseline: whole episodes in lists, an update every few episodes."""

import numpy as np
import torch
from torch import nn


class Policy(nn.Module):
    def __init__(self, n_inputs, n_actions):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(n_inputs, 64), nn.ReLU())
        self.pi = nn.Linear(64, n_actions)
        self.baseline = nn.Sequential(nn.Linear(n_inputs, 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(self, obs):
        return torch.log_softmax(self.pi(self.trunk(obs)), dim=-1)


class Reinforce:
    def __init__(self, env, seed, gamma, lr, episodes_per_update=16, entropy=0.005):
        self.env, self.gamma, self.seed = env, gamma, seed
        self.episodes_per_update, self.entropy = episodes_per_update, entropy
        self.generator = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)
        self.policy = Policy(env.observation_space.shape[0], int(env.action_space.n))
        self.optimizer = torch.optim.Adam(self.policy.parameters(), lr=lr)

    def predict(self, obs, deterministic=True):
        with torch.no_grad():
            log_p = self.policy(torch.as_tensor(np.asarray(obs), dtype=torch.float32))
        if deterministic:
            return log_p.argmax(-1).numpy()
        return torch.multinomial(log_p.exp(), 1, generator=self.generator).squeeze(-1).numpy()

    def returns_to_go(self, rewards):
        returns, g = [], 0.0
        for r in reversed(rewards):
            g = r + self.gamma * g
            returns.insert(0, g)
        return returns

    def learn(self, total_timesteps):
        obs, _ = self.env.reset(seed=self.seed)
        observations, actions, returns, rewards, episodes = [], [], [], [], 0
        for _ in range(total_timesteps):
            action = int(self.predict(obs, deterministic=False))
            observations.append(obs)
            actions.append(action)
            obs, reward, terminated, truncated, _ = self.env.step(action)
            rewards.append(float(reward))
            if terminated or truncated:
                if truncated and not terminated:
                    rewards[-1] += self.gamma * self.value(obs)
                returns += self.returns_to_go(rewards)
                rewards = []
                episodes += 1
                obs, _ = self.env.reset()
                if episodes % self.episodes_per_update == 0:
                    self.update(observations, actions, returns)
                    observations, actions, returns = [], [], []

    def value(self, obs):
        with torch.no_grad():
            return self.policy.baseline(torch.as_tensor(obs, dtype=torch.float32)).item()

    def update(self, observations, actions, returns):
        obs = torch.as_tensor(np.array(observations), dtype=torch.float32)
        actions = torch.as_tensor(actions)
        returns = torch.as_tensor(returns, dtype=torch.float32)
        log_p = self.policy(obs)
        taken = log_p.gather(1, actions[:, None])[:, 0]
        baseline = self.policy.baseline(obs)[:, 0]
        advantage = returns - baseline.detach()
        entropy = -(log_p.exp() * log_p).sum(-1)
        loss = -(taken * advantage + self.entropy * entropy).mean()
        loss = loss + 0.5 * nn.functional.mse_loss(baseline, returns)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


def make_agent(env, *, seed, gamma=0.99, lr=3e-3):
    return Reinforce(env, seed, gamma, lr)
