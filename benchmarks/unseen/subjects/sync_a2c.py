"""A2C with five-step returns in the vector environment that it is given; RMSprop, shared trunk."""

import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from torch import nn


class Net(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.shared = nn.Sequential(nn.Linear(n_in, 128), nn.Tanh())
        self.actor, self.critic = nn.Linear(128, n_out), nn.Linear(128, 1)

    def forward(self, x):
        h = self.shared(torch.as_tensor(np.asarray(x), dtype=torch.float32))
        return torch.distributions.Categorical(logits=self.actor(h)), self.critic(h).squeeze(-1)


class A2C:
    def __init__(self, envs, seed, gamma, lr, n_steps=5, value_coef=0.5, entropy_coef=0.01):
        torch.manual_seed(seed)
        self.envs, self.seed, self.gamma, self.n_steps = envs, seed, gamma, n_steps
        self.value_coef, self.entropy_coef = value_coef, entropy_coef
        n_in = envs.single_observation_space.shape[0]
        self.net = Net(n_in, int(envs.single_action_space.n))
        self.opt = torch.optim.RMSprop(self.net.parameters(), lr=lr, alpha=0.99, eps=1e-5)
        # A vector environment that resets in a step of its own makes one dummy row an episode.
        self.next_step = envs.metadata.get("autoreset_mode") in (None, AutoresetMode.NEXT_STEP)

    def predict(self, obs, deterministic=True):
        with torch.no_grad():
            pi, _ = self.net(obs)
            return (pi.probs.argmax(-1) if deterministic else pi.sample()).numpy(), {}

    def values(self, obs):
        with torch.no_grad():
            return self.net(obs)[1].numpy()

    def successor_values(self, obs, infos, ended):
        values = self.values(obs)
        if not self.next_step:
            for i in np.flatnonzero(ended):
                values[i] = self.values(infos["final_obs"][i])
        return values

    def learn(self, total_timesteps):
        n = self.envs.num_envs
        obs, _ = self.envs.reset(seed=self.seed)
        dummy = np.zeros(n, bool)
        for _ in range(max(1, total_timesteps // (n * self.n_steps))):
            rows = []
            for _ in range(self.n_steps):
                pi, value = self.net(obs)
                action = pi.sample()
                nxt, reward, terminated, truncated, infos = self.envs.step(action.numpy())
                ended = terminated | truncated
                successor = self.successor_values(nxt, infos, ended) * ~terminated
                rows.append((pi, action, value, reward, successor, ended, ~dummy))
                obs, dummy = nxt, ended & self.next_step
            self.update(rows)

    def update(self, rows):
        returns, out = rows[-1][4], []
        for _, _, _, reward, successor, ended, _ in reversed(rows):
            returns = reward + self.gamma * np.where(ended, successor, returns)
            out.insert(0, returns)
        target = torch.as_tensor(np.array(out), dtype=torch.float32)
        keep = torch.as_tensor(np.array([row[6] for row in rows]))
        values = torch.stack([row[2] for row in rows])
        log_probs = torch.stack([pi.log_prob(action) for pi, action, *_ in rows])
        entropy = torch.stack([row[0].entropy() for row in rows])[keep].mean()
        advantages = target - values
        actor_loss = -(log_probs * advantages.detach())[keep].mean()
        critic_loss = advantages[keep].pow(2).mean()
        loss = actor_loss + self.value_coef * critic_loss - self.entropy_coef * entropy
        self.opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 0.5)
        self.opt.step()


def make_agent(envs, *, seed, gamma=0.99, lr=2e-3):
    return A2C(envs, seed, gamma, lr)
