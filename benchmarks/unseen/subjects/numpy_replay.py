"""Q-learning with replay, a target table and n-step returns, on weights that are linear in the input."""

from collections import deque

import numpy as np


class LinearQ:
    def __init__(self, env, seed, gamma, lr, n_step, target_every, double):
        self.env, self.seed, self.gamma, self.lr, self.n_step = env, seed, gamma, lr, n_step
        self.target_every, self.double = target_every, double
        self.rng = np.random.default_rng(seed)
        self.n_actions = int(env.action_space.n)
        self.weights = np.zeros((env.observation_space.shape[0], self.n_actions))
        self.target_weights = self.weights.copy()
        self.replay = deque(maxlen=10_000)
        self.recent = deque()

    def q_values(self, obs):
        return np.asarray(obs, float) @ self.weights

    def predict(self, obs, deterministic=True):
        return self.q_values(obs).argmax(axis=-1), None

    def remember(self, step, nxt, terminated, ended):
        self.recent.append(step)
        while self.recent and (ended or len(self.recent) == self.n_step):
            g = 0.0
            for _, _, reward in reversed(self.recent):
                g = reward + self.gamma * g
            discount = 0.0 if terminated else self.gamma ** len(self.recent)
            obs, action, _ = self.recent.popleft()
            self.replay.append((obs, action, g, nxt, discount))

    def learn(self, total_timesteps):
        obs, _ = self.env.reset(seed=self.seed)
        for t in range(total_timesteps):
            epsilon = max(0.15, 1 - 1.5 * t / total_timesteps)
            action = int(self.predict(obs)[0])
            if self.rng.random() < epsilon:
                action = int(self.rng.integers(self.n_actions))
            nxt, reward, terminated, truncated, _ = self.env.step(action)
            self.remember((obs, action, float(reward)), nxt, terminated, terminated or truncated)
            obs = nxt
            if terminated or truncated:
                obs, _ = self.env.reset()
            if len(self.replay) >= 100:
                self.update()
            if t % self.target_every == 0:
                self.target_weights = self.weights.copy()

    def update(self):
        picks = self.rng.integers(0, len(self.replay), 16)
        obs, actions, gains, nxt, discounts = (
            np.array(column) for column in zip(*(self.replay[i] for i in picks), strict=True)
        )
        judged = nxt @ self.target_weights
        if self.double:
            chosen = (nxt @ self.weights).argmax(1)
        else:
            chosen = judged.argmax(1)
        target = gains + discounts * judged[np.arange(16), chosen]
        error = target - (obs @ self.weights)[np.arange(16), actions]
        for x, a, e in zip(obs, actions, error, strict=True):
            self.weights[:, a] += self.lr * e * x


def make_agent(env, *, seed, gamma=0.99, lr=0.1):
    return LinearQ(env, seed, gamma, lr, n_step=1, target_every=100, double=False)


def make_nstep(env, *, seed, gamma=0.99, lr=0.1):
    return LinearQ(env, seed, gamma, lr, n_step=3, target_every=100, double=True)
