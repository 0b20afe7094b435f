"""Derivative-free search over linear policies: the cross-entropy method and an evolution strategy."""

import numpy as np


class LinearSearch:
    def __init__(self, env, *, seed, gamma, episodes=12):
        self.env, self.gamma, self.episodes = env, gamma, episodes
        self.rng = np.random.default_rng(seed)
        self.seed = seed
        self.shape = (int(np.prod(env.observation_space.shape)), int(env.action_space.n))
        self.mean = np.zeros(self.shape)
        self.budget = 0

    def score(self, weights):
        """The mean discounted return over a few episodes."""
        total = 0.0
        for _ in range(self.episodes):
            obs, _ = self.env.reset(seed=self.seed)
            self.seed = None
            factor, over = 1.0, False
            while not over:
                obs, reward, terminated, truncated, _ = self.env.step(int(np.argmax(obs @ weights)))
                total += factor * float(reward)
                factor *= self.gamma
                self.budget -= 1
                over = terminated or truncated
        return total / self.episodes

    def learn(self, total_timesteps):
        self.budget = total_timesteps
        while self.budget > 0:
            self.generation()
        return self

    def predict(self, observation, deterministic=True):
        return (np.asarray(observation) @ self.mean).argmax(axis=-1)


class CrossEntropyMethod(LinearSearch):
    def __init__(self, env, *, seed, gamma, population=24, elite=6, noise=0.05):
        super().__init__(env, seed=seed, gamma=gamma)
        self.population, self.elite, self.noise = population, elite, noise
        self.std = np.ones(self.shape)

    def generation(self):
        drawn = self.mean + self.std * self.rng.standard_normal((self.population, *self.shape))
        scores = np.array([self.score(w) for w in drawn])
        best = drawn[np.argsort(scores)[-self.elite :]]
        self.mean, self.std = best.mean(axis=0), best.std(axis=0) + self.noise


class EvolutionStrategy(LinearSearch):
    def __init__(self, env, *, seed, gamma, pairs=8, sigma=0.3, step=0.3):
        super().__init__(env, seed=seed, gamma=gamma)
        self.pairs, self.sigma, self.step = pairs, sigma, step

    def generation(self):
        directions = self.rng.standard_normal((self.pairs, *self.shape))
        up = np.array([self.score(self.mean + self.sigma * e) for e in directions])
        down = np.array([self.score(self.mean - self.sigma * e) for e in directions])
        spread = np.concatenate([up, down]).std() + 1e-8
        gradient = np.tensordot((up - down) / spread, directions, axes=1) / self.pairs
        self.mean = self.mean + self.step * gradient
