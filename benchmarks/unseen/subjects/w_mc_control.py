"""First-visit Monte Carlo control with an epsilon-soft policy (Sutton and Barto, section 5.4)."""

from collections import defaultdict

import numpy as np


class MonteCarloControl:
    def __init__(self, env, *, seed=0, gamma=0.99, epsilon=0.2, step_size=0.1):
        self.env = env
        self.gamma = gamma
        self.epsilon = epsilon
        self.step_size = step_size
        self.rng = np.random.default_rng(seed)
        self.seed = seed
        self.n_actions = int(env.action_space.n)
        self.Q = defaultdict(lambda: np.zeros(self.n_actions))
        self.started = False

    @staticmethod
    def key(observation):
        return np.asarray(observation, dtype=np.float32).tobytes()

    def act(self, state):
        if self.rng.random() < self.epsilon:
            return int(self.rng.integers(self.n_actions))
        q = self.Q[state]
        return int(self.rng.choice(np.flatnonzero(q == q.max())))

    def episode(self, budget):
        seed = None if self.started else self.seed
        self.started = True
        observation, _ = self.env.reset(seed=seed)
        visited = []
        for _ in range(budget):
            state = self.key(observation)
            action = self.act(state)
            observation, reward, terminated, truncated, _ = self.env.step(action)
            visited.append((state, action, float(reward)))
            if terminated or truncated:
                break
        # What lies behind a cut is estimated, what lies behind an end is zero.
        tail = 0.0 if terminated else float(self.Q[self.key(observation)].max())
        return visited, tail

    def improve(self, visited, tail):
        first = {}
        for t, (state, action, _) in enumerate(visited):
            first.setdefault((state, action), t)
        G = tail
        for t in reversed(range(len(visited))):
            state, action, reward = visited[t]
            G = reward + self.gamma * G
            if first[state, action] == t:
                self.Q[state][action] += self.step_size * (G - self.Q[state][action])

    def learn(self, total_timesteps):
        steps = 0
        while steps < total_timesteps:
            visited, tail = self.episode(total_timesteps - steps)
            self.improve(visited, tail)
            steps += len(visited)
        return self

    def q_values(self, observations):
        return np.stack([self.Q[self.key(o)] for o in np.atleast_2d(observations)])

    def predict(self, observation, deterministic=True):
        observation = np.asarray(observation)
        states = [self.key(o) for o in np.atleast_2d(observation)]
        actions = [int(self.Q[s].argmax()) if deterministic else self.act(s) for s in states]
        return np.array(actions) if observation.ndim > 1 else actions[0]
