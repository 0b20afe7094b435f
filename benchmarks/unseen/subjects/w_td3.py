"""Twin delayed DDPG (Fujimoto et al., 2018) after the author's layout: agent, buffer, two functions."""

import copy

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


class Actor(nn.Module):
    def __init__(self, state_dim, action_dim, low, high):
        super().__init__()
        self.l1 = nn.Linear(state_dim, 64)
        self.l2 = nn.Linear(64, 64)
        self.l3 = nn.Linear(64, action_dim)
        self.register_buffer("scale", (high - low) / 2)
        self.register_buffer("shift", (high + low) / 2)

    def before_tanh(self, state):
        return self.l3(F.relu(self.l2(F.relu(self.l1(state)))))

    def forward(self, state):
        return self.shift + self.scale * torch.tanh(self.before_tanh(state))


class Critic(nn.Module):
    def __init__(self, state_dim, action_dim):
        super().__init__()
        self.q1 = self.head(state_dim + action_dim)
        self.q2 = self.head(state_dim + action_dim)

    @staticmethod
    def head(width):
        return nn.Sequential(
            nn.Linear(width, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 1)
        )

    def forward(self, state, action):
        sa = torch.cat([state, action], 1)
        return self.q1(sa), self.q2(sa)

    def Q1(self, state, action):
        return self.q1(torch.cat([state, action], 1))


class Replay:
    def __init__(self, state_dim, action_dim, rng, max_size=100_000):
        self.rng, self.max_size, self.ptr, self.size = rng, max_size, 0, 0
        self.state = np.zeros((max_size, state_dim), np.float32)
        self.action = np.zeros((max_size, action_dim), np.float32)
        self.next_state = np.zeros((max_size, state_dim), np.float32)
        self.reward = np.zeros((max_size, 1), np.float32)
        self.not_done = np.zeros((max_size, 1), np.float32)

    def add(self, state, action, next_state, reward, done):
        self.state[self.ptr] = state
        self.action[self.ptr] = action
        self.next_state[self.ptr] = next_state
        self.reward[self.ptr] = reward
        self.not_done[self.ptr] = 1.0 - done
        self.ptr = (self.ptr + 1) % self.max_size
        self.size = min(self.size + 1, self.max_size)

    def sample(self, n):
        i = self.rng.integers(0, self.size, size=n)
        cols = (self.state, self.action, self.next_state, self.reward, self.not_done)
        return [torch.from_numpy(c[i]) for c in cols]


class TD3:
    def __init__(
        self, env, *, seed=0, gamma=0.99, tau=0.01, action_l2=0.02, random_eps=0.2,
        policy_noise=0.2, noise_clip=0.5, policy_freq=2,
        expl_noise=0.5, start_timesteps=1000, batch_size=100, lr=7e-4,
    ):  # fmt: skip
        self.env, self.seed = env, seed
        self.discount, self.tau, self.policy_freq = gamma, tau, policy_freq
        self.expl_noise, self.start_timesteps, self.batch_size = (
            expl_noise,
            start_timesteps,
            batch_size,
        )
        torch.manual_seed(seed)
        self.rng = np.random.default_rng(seed)
        space = env.action_space
        self.low, self.high = torch.as_tensor(space.low), torch.as_tensor(space.high)
        self.half = ((space.high - space.low) / 2).astype(np.float32)
        self.policy_noise, self.noise_clip = policy_noise, noise_clip
        self.action_l2, self.random_eps = action_l2, random_eps
        state_dim, action_dim = int(np.prod(env.observation_space.shape)), space.shape[0]
        self.actor = Actor(state_dim, action_dim, self.low, self.high)
        self.actor_target = copy.deepcopy(self.actor)
        self.critic = Critic(state_dim, action_dim)
        self.critic_target = copy.deepcopy(self.critic)
        self.actor_optimizer = torch.optim.Adam(self.actor.parameters(), lr=lr / 2)
        self.critic_optimizer = torch.optim.Adam(self.critic.parameters(), lr=lr)
        self.buffer = Replay(state_dim, action_dim, self.rng)
        self.total_it = 0
        self.t = 0

    def select_action(self, state):
        with torch.no_grad():
            return self.actor(torch.as_tensor(state, dtype=torch.float32)).numpy()

    def explore(self, state):
        if self.t < self.start_timesteps or self.rng.random() < self.random_eps:
            u = self.rng.uniform(-1, 1, size=self.half.shape)
            return (self.low.numpy() + (u + 1) * self.half).astype(np.float32)
        noise = self.rng.normal(0, self.expl_noise, size=self.half.shape) * self.half
        return np.clip(self.select_action(state) + noise, self.low.numpy(), self.high.numpy())

    def train(self):
        self.total_it += 1
        state, action, next_state, reward, not_done = self.buffer.sample(self.batch_size)
        with torch.no_grad():
            half = torch.from_numpy(self.half)
            noise = (torch.randn_like(action) * self.policy_noise).clamp(
                -self.noise_clip, self.noise_clip
            )
            next_action = self.actor_target(next_state) + noise * half
            next_action = torch.max(torch.min(next_action, self.high), self.low)
            target_q1, target_q2 = self.critic_target(next_state, next_action)
            target_q = reward + not_done * self.discount * torch.min(target_q1, target_q2)
        q1, q2 = self.critic(state, action)
        critic_loss = F.mse_loss(q1, target_q) + F.mse_loss(q2, target_q)
        self.critic_optimizer.zero_grad()
        critic_loss.backward()
        self.critic_optimizer.step()
        if self.total_it % self.policy_freq == 0:
            actor_loss = -self.critic.Q1(state, self.actor(state)).mean()
            # Keeps the tanh away from its flat ends (as in the baselines' HER).
            actor_loss = actor_loss + self.action_l2 * self.actor.before_tanh(state).pow(2).mean()
            self.actor_optimizer.zero_grad()
            actor_loss.backward()
            self.actor_optimizer.step()
            self.soft_update(self.critic, self.critic_target)
            self.soft_update(self.actor, self.actor_target)

    def soft_update(self, net, target):
        for p, tp in zip(net.parameters(), target.parameters(), strict=True):
            tp.data.copy_(self.tau * p.data + (1 - self.tau) * tp.data)

    def learn(self, total_timesteps):
        state, _ = self.env.reset(seed=self.seed if self.t == 0 else None)
        for _ in range(total_timesteps):
            action = self.explore(state)
            next_state, reward, terminated, truncated, _ = self.env.step(action.astype(np.float32))
            self.buffer.add(state, action, next_state, reward, float(terminated))
            state = next_state
            self.t += 1
            if terminated or truncated:
                state, _ = self.env.reset()
            if self.t >= self.start_timesteps:
                self.train()
        return self

    def predict(self, observation, deterministic=True):
        if deterministic:
            return self.select_action(observation)
        noise = self.rng.normal(
            0, self.expl_noise, size=np.shape(observation)[:-1] + self.half.shape
        )
        noisy = self.select_action(observation) + noise * self.half
        return np.clip(noisy, self.low.numpy(), self.high.numpy()).astype(np.float32)
