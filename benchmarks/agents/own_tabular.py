"""Tabular control in NumPy, as a user would write it: no framework, values in a dictionary.

References: Sutton and Barto (2018), equations 6.7 (SARSA), 6.8 (Q-learning), 6.9 (expected SARSA).
"""

from __future__ import annotations

from typing import Any

import numpy as np


def key_of(observation: Any) -> bytes:
    """A dictionary key for one observation of any finite kind."""
    return np.asarray(observation, dtype=np.float32).tobytes()


class TabularQ:
    """Q-learning with epsilon-greedy behaviour; subclasses change the bootstrap.

    Q(s, a) <- Q(s, a) + alpha (r + gamma max_b Q(s', b) - Q(s, a)); r alone where terminated.
    """

    def __init__(self, env, *, seed, gamma, step_size=0.1, final_epsilon=0.02):
        self.env, self.seed, self.gamma = env, seed, gamma
        self.step_size, self.final_epsilon, self.epsilon = step_size, final_epsilon, 1.0
        self.n_actions = int(env.action_space.n)
        self.rng = np.random.default_rng(seed)
        self.table: dict[bytes, np.ndarray] = {}

    def row(self, observation) -> np.ndarray:
        """The action values of one observation, created at zero."""
        return self.table.setdefault(key_of(observation), np.zeros(self.n_actions))

    def greedy(self, observation) -> int:
        """The best known action, the first of equals."""
        return int(self.row(observation).argmax())

    def act(self, observation) -> int:
        """The action to execute while learning."""
        if self.rng.random() < self.epsilon:
            return int(self.rng.integers(self.n_actions))
        return self.greedy(observation)

    def bootstrap(self, next_observation, next_action) -> float:
        """The estimated value of what follows."""
        return float(self.row(next_observation).max())

    def update(self, obs, action, reward, next_obs, next_action, terminated, truncated):
        """One step towards the one-step target."""
        target = reward
        if not terminated:
            target += self.gamma * self.bootstrap(next_obs, next_action)
        row = self.row(obs)
        row[action] += self.step_size * (target - row[action])

    def learn(self, total_timesteps):
        """Interact for `total_timesteps` steps, updating after every one."""
        obs, _ = self.env.reset(seed=self.seed)
        action = self.act(obs)
        for step in range(total_timesteps):
            # On-policy values are those of the exploring policy: it has to become greedy.
            self.epsilon = max(self.final_epsilon, 1.0 - step / (0.7 * total_timesteps))
            next_obs, reward, terminated, truncated, _ = self.env.step(action)
            next_action = self.act(next_obs)
            self.update(obs, action, reward, next_obs, next_action, terminated, truncated)
            obs, action = next_obs, next_action
            if terminated or truncated:
                obs, _ = self.env.reset()
                action = self.act(obs)
        return self

    def predict(self, observation, deterministic=True):
        """Greedy (or behaviour) actions for one observation or a batch of them."""
        choose = self.greedy if deterministic else self.act
        shape = self.env.observation_space.shape
        if np.shape(observation) == shape:
            return choose(observation), None
        return np.array([choose(one) for one in observation]), None

    def q_values(self, observations):
        """The table's rows for a batch of observations [N, ...] -> [N, A]."""
        return np.stack([self.row(one) for one in observations])


class TabularSarsa(TabularQ):
    """On-policy: bootstraps from the action that is really taken next."""

    def bootstrap(self, next_observation, next_action) -> float:
        """Q of the next state and the next action."""
        return float(self.row(next_observation)[next_action])


class TabularExpectedSarsa(TabularQ):
    """Bootstraps from the expectation over the epsilon-greedy policy."""

    def bootstrap(self, next_observation, next_action) -> float:
        """The mean of Q under the behaviour policy."""
        row = self.row(next_observation)
        return float((1 - self.epsilon) * row.max() + self.epsilon * row.mean())
