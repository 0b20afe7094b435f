"""Tables in NumPy: Q-learning as one function, SARSA and double Q-learning as classes."""

from collections import defaultdict

import numpy as np


def train(env, *, total_timesteps, seed, gamma):
    """Q-learning with a learning rate that decays with the visits; returns the greedy policy."""
    rng = np.random.default_rng(seed)
    n_actions = env.action_space.n
    Q = defaultdict(lambda: np.zeros(n_actions))
    visits = defaultdict(lambda: np.zeros(n_actions))

    def greedy(obs):
        return int(np.argmax(Q[np.asarray(obs).tobytes()]))

    obs, _ = env.reset(seed=seed)
    for t in range(total_timesteps):
        eps = max(0.1, 1 - 2 * t / total_timesteps)
        a = int(rng.integers(n_actions)) if rng.random() < eps else greedy(obs)
        nxt, r, terminated, truncated, _ = env.step(a)
        s, s2 = obs.tobytes(), nxt.tobytes()
        visits[s][a] += 1
        alpha = max(0.1, 1 / visits[s][a])
        future = 0.0 if terminated else Q[s2].max()
        Q[s][a] += alpha * (r + gamma * future - Q[s][a])
        obs = nxt
        if terminated or truncated:
            obs, _ = env.reset()
    return greedy


class Sarsa:
    """On-policy, with an exploration that goes to zero."""

    def __init__(self, env, seed, gamma, alpha):
        self.env, self.seed, self.gamma, self.alpha = env, seed, gamma, alpha
        self.rng = np.random.default_rng(seed)
        self.n_actions = int(env.action_space.n)
        self.table = {}

    def row(self, obs):
        key = tuple(np.asarray(obs).ravel().tolist())
        return self.table.setdefault(key, np.zeros(self.n_actions))

    def q_values(self, obs):
        obs = np.asarray(obs)
        if obs.ndim > 1:
            return np.stack([self.q_values(o) for o in obs])
        return self.row(obs).copy()

    def predict(self, obs, deterministic=True):
        return self.q_values(obs).argmax(-1)

    def choose(self, obs, epsilon):
        if self.rng.random() < epsilon:
            return int(self.rng.integers(self.n_actions))
        return int(self.row(obs).argmax())

    def learn(self, total_timesteps):
        obs, _ = self.env.reset(seed=self.seed)
        action = self.choose(obs, 1.0)
        for t in range(total_timesteps):
            epsilon = 1.0 - t / total_timesteps
            nxt, reward, terminated, truncated, _ = self.env.step(action)
            next_action = self.choose(nxt, epsilon)
            target = reward
            if not terminated:
                target += self.gamma * self.row(nxt)[next_action]
            row = self.row(obs)
            row[action] += self.alpha * (target - row[action])
            obs, action = nxt, next_action
            if terminated or truncated:
                obs, _ = self.env.reset()
                action = self.choose(obs, epsilon)
        return self


class DoubleQ:
    """Double Q-learning: one table chooses, the other one judges."""

    def __init__(self, env, seed, gamma, alpha=0.2, epsilon=0.4):
        self.env, self.gamma, self.alpha, self.epsilon = env, gamma, alpha, epsilon
        self.seed, self.random = seed, np.random.RandomState(seed)
        self.n = env.action_space.n
        self.a, self.b = {}, {}

    def both(self, obs):
        key = bytes(np.asarray(obs, np.float32))
        zeros = np.zeros(self.n)
        return self.a.setdefault(key, zeros.copy()), self.b.setdefault(key, zeros.copy())

    def predict(self, obs, deterministic=True):
        a, b = self.both(obs)
        if not deterministic and self.random.rand() < self.epsilon:
            return self.random.randint(self.n)
        return int(np.argmax(a + b))

    def learn(self, total_timesteps):
        obs, _ = self.env.reset(seed=self.seed)
        for _ in range(total_timesteps):
            action = self.predict(obs, deterministic=False)
            nxt, reward, terminated, truncated, _ = self.env.step(action)
            mine, other = self.both(obs)
            next_mine, next_other = self.both(nxt)
            if self.random.rand() < 0.5:
                mine, other, next_mine, next_other = other, mine, next_other, next_mine
            value = next_other[np.argmax(next_mine)] * (not terminated)
            mine[action] += self.alpha * (reward + self.gamma * value - mine[action])
            obs = nxt
            if terminated or truncated:
                obs, _ = self.env.reset()


def make_sarsa(env, *, seed, gamma=0.95, alpha=0.1):
    return Sarsa(env, seed, gamma, alpha)


def make_double_q(env, *, seed, gamma=0.95):
    return DoubleQ(env, seed, gamma)
