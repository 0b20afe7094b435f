"""Least-squares policy iteration (Lagoudakis and Parr, 2003) on growing data, linear features."""

import numpy as np


class LSPI:
    def __init__(self, env, seed=0, gamma=0.99, refit_every=400, ridge=1e-3, epsilon=0.3):
        self.env = env
        self.gamma = gamma
        self.refit_every = refit_every
        self.ridge = ridge
        self.epsilon = epsilon
        self.rng = np.random.default_rng(seed)
        self.seed = seed
        self.d = int(np.prod(env.observation_space.shape))
        self.k = int(env.action_space.n)
        self.w = np.zeros(self.d * self.k)
        self.data = {"s": [], "a": [], "r": [], "s2": [], "end": []}

    def phi(self, s, a):
        """Features of rows: the observation in the block of its action."""
        out = np.zeros((len(s), self.k, self.d))
        out[np.arange(len(s)), a] = s
        return out.reshape(len(s), -1)

    def q_values(self, s):
        return np.asarray(s, dtype=float).reshape(-1, self.d) @ self.w.reshape(self.k, self.d).T

    def refit(self, iterations=10):
        s = np.array(self.data["s"])
        a = np.array(self.data["a"])
        r = np.array(self.data["r"])
        s2 = np.array(self.data["s2"])
        alive = 1.0 - np.array(self.data["end"])
        f = self.phi(s, a)
        for _ in range(iterations):
            a2 = self.q_values(s2).argmax(axis=1)
            f2 = self.phi(s2, a2) * alive[:, None]
            A = f.T @ (f - self.gamma * f2) + self.ridge * np.eye(f.shape[1])
            w = np.linalg.solve(A, f.T @ r)
            close = np.abs(w - self.w).max() < 1e-6
            self.w = w
            if close:
                break

    def learn(self, total_timesteps):
        s, _ = self.env.reset(seed=self.seed)
        self.seed = None
        for step in range(total_timesteps):
            a = self.predict(s, deterministic=False)
            s2, r, terminated, truncated, _ = self.env.step(a)
            for name, item in zip(self.data, (s, a, r, s2, terminated), strict=True):
                self.data[name].append(np.array(item, dtype=int if name == "a" else float))
            s = self.env.reset()[0] if terminated or truncated else s2
            if (step + 1) % self.refit_every == 0:
                self.refit()
        self.refit()
        return self

    def predict(self, observation, deterministic=True):
        q = self.q_values(observation)
        actions = q.argmax(axis=1)
        if not deterministic:
            random = self.rng.integers(self.k, size=len(actions))
            actions = np.where(self.rng.random(len(actions)) < self.epsilon, random, actions)
        return int(actions[0]) if np.ndim(observation) == 1 else actions
