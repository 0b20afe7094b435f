"""Double DQN over several environments: preallocated NumPy replay, soft target updates."""

import copy

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from torch import nn


class RingBuffer:
    def __init__(self, size, obs_shape):
        self.size, self.ptr, self.full = size, 0, False
        self.obs = np.zeros((size, *obs_shape), np.float32)
        self.next_obs = np.zeros((size, *obs_shape), np.float32)
        self.actions = np.zeros(size, np.int64)
        self.rewards = np.zeros(size, np.float32)
        self.terminals = np.zeros(size, np.float32)

    def push(self, obs, action, reward, next_obs, terminal):
        i = self.ptr
        self.obs[i] = obs
        self.actions[i] = action
        self.rewards[i] = reward
        self.next_obs[i] = next_obs
        self.terminals[i] = terminal
        self.ptr = (i + 1) % self.size
        self.full = self.full or self.ptr == 0

    def __len__(self):
        return self.size if self.full else self.ptr

    def sample(self, n, rng):
        i = rng.integers(0, len(self), n)
        columns = self.obs, self.actions, self.rewards, self.next_obs, self.terminals
        return [torch.from_numpy(column[i]) for column in columns]


class DoubleDQN:
    def __init__(self, envs, seed, gamma, lr=1e-3, tau=0.01, batch_size=128):
        self.envs, self.gamma, self.tau, self.batch_size, self.seed = (
            envs,
            gamma,
            tau,
            batch_size,
            seed,
        )
        self.rng = np.random.default_rng(seed)
        torch.manual_seed(seed)
        self.n_envs = envs.num_envs
        self.n_actions = int(envs.single_action_space.n)
        shape = envs.single_observation_space.shape
        self.net = nn.Sequential(
            nn.Linear(shape[0], 128), nn.Tanh(), nn.Linear(128, self.n_actions)
        )
        self.slow = copy.deepcopy(self.net).requires_grad_(False)
        self.opt = torch.optim.Adam(self.net.parameters(), lr=lr)
        self.buffer = RingBuffer(50_000, shape)

    def predict(self, observation, deterministic=True):
        x = torch.as_tensor(np.asarray(observation, np.float32))
        with torch.no_grad():
            action = self.net(x).argmax(-1)
        return action.numpy(), None

    def explore(self, obs, epsilon):
        greedy, _ = self.predict(obs)
        chance = self.rng.random(self.n_envs) < epsilon
        return np.where(chance, self.rng.integers(0, self.n_actions, self.n_envs), greedy)

    def learn(self, total_timesteps):
        obs, _ = self.envs.reset(seed=self.seed)
        for step in range(0, total_timesteps, self.n_envs):
            epsilon = float(np.interp(step / total_timesteps, [0, 0.5], [1.0, 0.1]))
            actions = self.explore(obs, epsilon)
            next_obs, rewards, terminated, truncated, infos = self.envs.step(actions)
            for i in range(self.n_envs):
                ended = terminated[i] or truncated[i]
                last = infos["final_obs"][i] if ended else next_obs[i]
                self.buffer.push(obs[i], actions[i], rewards[i], last, terminated[i])
            obs = next_obs
            if len(self.buffer) >= 500:
                for _ in range(self.n_envs):
                    self.update()

    def update(self):
        obs, actions, rewards, next_obs, terminals = self.buffer.sample(self.batch_size, self.rng)
        with torch.no_grad():
            best = self.net(next_obs).argmax(1, keepdim=True)
            next_q = self.slow(next_obs).gather(1, best).squeeze(1)
            target = rewards + self.gamma * next_q * (1.0 - terminals)
        q = self.net(obs).gather(1, actions.unsqueeze(1)).squeeze(1)
        loss = ((q - target) ** 2).mean()
        self.opt.zero_grad()
        loss.backward()
        self.opt.step()
        for slow, fast in zip(self.slow.parameters(), self.net.parameters(), strict=True):
            slow.data.copy_(self.tau * fast.data + (1 - self.tau) * slow.data)


def make_agent(make_env, *, seed, gamma=0.99, lr=1e-3):
    envs = gym.vector.SyncVectorEnv([make_env] * 4, autoreset_mode=AutoresetMode.SAME_STEP)
    return DoubleDQN(envs, seed, gamma, lr=lr)
