"""Double Q-learning (van Hasselt, 2010) with two tables; expected SARSA shares the loop."""

import numpy as np


class TabularAgent:
    def __init__(self, env, *, seed, gamma, lr=0.25, eps_start=1.0, eps_end=0.05, eps_steps=2500):
        self.env = env
        self.gamma = gamma
        self.lr = lr
        self.eps = (eps_start, eps_end, eps_steps)
        self.rng = np.random.default_rng(seed)
        self.seed = seed
        self.num_actions = int(env.action_space.n)
        self.tables = {"A": {}, "B": {}}
        self.num_steps = 0
        self.obs = None

    def row(self, name, obs):
        return self.tables[name].setdefault(
            tuple(np.asarray(obs).ravel()), [0.0] * self.num_actions
        )

    def combined(self, obs):
        return np.mean([self.row("A", obs), self.row("B", obs)], axis=0)

    def epsilon(self):
        start, end, steps = self.eps
        return start + (end - start) * min(1.0, self.num_steps / steps)

    def select(self, obs):
        if self.rng.random() < self.epsilon():
            return int(self.rng.integers(self.num_actions))
        return int(np.argmax(self.combined(obs)))

    def update(self, obs, action, reward, next_obs, terminal):
        first, second = ("A", "B") if self.rng.random() < 0.5 else ("B", "A")
        bootstrap = 0.0
        if not terminal:
            best = int(np.argmax(self.row(first, next_obs)))
            bootstrap = self.row(second, next_obs)[best]
        row = self.row(first, obs)
        row[action] += self.lr * (reward + self.gamma * bootstrap - row[action])

    def learn(self, total_timesteps):
        if self.obs is None:
            self.obs, _ = self.env.reset(seed=self.seed)
        for _ in range(total_timesteps):
            action = self.select(self.obs)
            next_obs, reward, term, trunc, _ = self.env.step(action)
            self.update(self.obs, action, reward, next_obs, term)
            self.obs = next_obs
            self.num_steps += 1
            if term or trunc:
                self.obs, _ = self.env.reset()

    def predict(self, observation, deterministic=True):
        observation = np.asarray(observation)
        if observation.ndim == 2:
            return np.array([self.predict(o, deterministic) for o in observation])
        return int(np.argmax(self.combined(observation)))

    def q_values(self, observation):
        observation = np.asarray(observation)
        if observation.ndim == 2:
            return np.array([self.combined(o) for o in observation])
        return self.combined(observation)


class DoubleQ(TabularAgent):
    pass


class ExpectedSarsa(TabularAgent):
    def update(self, obs, action, reward, next_obs, terminal):
        eps = self.epsilon()
        expected = 0.0
        if not terminal:
            q = np.asarray(self.row("A", next_obs))
            probs = np.full(self.num_actions, eps / self.num_actions)
            probs[q.argmax()] += 1.0 - eps
            expected = float(probs @ q)
        row = self.row("A", obs)
        row[action] += self.lr * (reward + self.gamma * expected - row[action])

    def combined(self, obs):
        return np.asarray(self.row("A", obs))
