"""Certainty equivalence: count transitions, average rewards, solve the estimated MDP."""

from collections import Counter, defaultdict

import numpy as np


def make_agent(env, *, seed, gamma, solve_every=250, epsilon=0.2):
    return ModelBased(env, seed, gamma, solve_every, epsilon)


class ModelBased:
    END = "end"

    def __init__(self, env, seed, gamma, solve_every, epsilon):
        self.env = env
        self.gamma = gamma
        self.solve_every = solve_every
        self.epsilon = epsilon
        self.seed = seed
        self.rng = np.random.default_rng(seed + 10_000)
        self.nA = env.action_space.n
        self.outcomes = defaultdict(Counter)  # (s, a) -> how often each next state
        self.rewards = defaultdict(float)  # (s, a) -> sum of rewards
        self.V = defaultdict(float)
        self.n_steps = 0

    @staticmethod
    def name(obs):
        return np.asarray(obs).astype(np.float64).tobytes()

    def q(self, s, a):
        counts = self.outcomes.get((s, a))
        if not counts:
            return 0.0
        n = sum(counts.values())
        ahead = sum(c * self.V[s2] for s2, c in counts.items() if s2 != self.END)
        return (self.rewards[s, a] + self.gamma * ahead) / n

    def solve(self, sweeps=200, tolerance=1e-7):
        states = {s for s, _ in self.outcomes}
        for _ in range(sweeps):
            change = 0.0
            for s in states:
                v = max(self.q(s, a) for a in range(self.nA))
                change = max(change, abs(v - self.V[s]))
                self.V[s] = v
            if change < tolerance:
                break

    def learn(self, total_timesteps):
        obs, _ = self.env.reset(seed=self.seed if self.n_steps == 0 else None)
        for _ in range(total_timesteps):
            s = self.name(obs)
            untried = [a for a in range(self.nA) if (s, a) not in self.outcomes]
            if untried:
                a = int(self.rng.choice(untried))
            elif self.rng.random() < self.epsilon:
                a = int(self.rng.integers(self.nA))
            else:
                a = self.predict(obs)
            obs, r, terminated, truncated, _ = self.env.step(a)
            self.outcomes[s, a][self.END if terminated else self.name(obs)] += 1
            self.rewards[s, a] += float(r)
            self.n_steps += 1
            if terminated or truncated:
                obs, _ = self.env.reset()
            if self.n_steps % self.solve_every == 0:
                self.solve()
        self.solve()

    def predict(self, observation, deterministic=True):
        observation = np.asarray(observation)
        if observation.ndim > 1:
            return np.array([self.predict(o) for o in observation])
        s = self.name(observation)
        return int(np.argmax([self.q(s, a) for a in range(self.nA)]))

    def values(self, observation):
        observation = np.asarray(observation)
        if observation.ndim > 1:
            return np.array([self.values(o) for o in observation])
        s = self.name(observation)
        return max(self.q(s, a) for a in range(self.nA))
