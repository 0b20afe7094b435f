"""SARSA(lambda) with replacing traces. Epsilon decays to 0.02."""

import numpy as np


class SarsaLambda:
    def __init__(self, env, *, seed=0, gamma=0.95, lam=0.8, alpha=0.15, horizon=3000):
        self.env, self.gamma, self.lam, self.alpha = env, gamma, lam, alpha
        self.rng = np.random.default_rng(seed)
        self.reset_seed = seed
        self.horizon = horizon
        self.t = 0
        shape = (env.observation_space.shape[0], env.action_space.n)
        self.table = np.zeros(shape)
        self.table += 1e-3 * self.rng.standard_normal(shape)

    @property
    def epsilon(self):
        return max(0.02, 1.0 - self.t / self.horizon)

    def choose(self, s):
        if self.rng.uniform() < self.epsilon:
            return int(self.rng.integers(self.table.shape[1]))
        return int(self.table[s].argmax())

    def learn(self, total_timesteps):
        until = self.t + total_timesteps
        while self.t < until:
            obs, _ = self.env.reset(seed=self.reset_seed)
            self.reset_seed = None
            s = int(np.argmax(obs))
            a = self.choose(s)
            trace = np.zeros_like(self.table)
            over = False
            while not over and self.t < until:
                obs, r, terminated, truncated, _ = self.env.step(a)
                self.t += 1
                s2 = int(np.argmax(obs))
                a2 = self.choose(s2)
                following = 0.0 if terminated else self.table[s2, a2]
                delta = r + self.gamma * following - self.table[s, a]
                trace[s, :] = 0.0
                trace[s, a] = 1.0
                self.table += self.alpha * delta * trace
                trace *= self.gamma * self.lam
                s, a = s2, a2
                over = terminated or truncated
        return self

    def q_values(self, obs):
        return self.table[np.argmax(obs, axis=-1)]

    def predict(self, obs, deterministic=True):
        return self.q_values(obs).argmax(axis=-1)


def make_agent(env, *, seed, gamma):
    return SarsaLambda(env, seed=seed, gamma=gamma)


def make_long(env, *, seed, gamma, lam=0.95):
    return SarsaLambda(env, seed=seed, gamma=gamma, lam=lam, alpha=0.1)
