"""Q-learning with a linear model in NumPy: an agent class, and the factory that rlcheck calls.

    rlcheck run examples/numpy_q_learning.py:make_agent

Reference: Watkins and Dayan 1992, Q-learning, Machine Learning 8:279-292.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np


class LinearQLearning:
    """Q(s, a) = x(s) . W[:, a], for discrete actions; x is the flattened observation."""

    def __init__(
        self, env: gymnasium.Env, *, seed: int, gamma: float, learning_rate: float, epsilon: float
    ) -> None:
        self.env, self.gamma = env, gamma
        self.learning_rate, self.epsilon = learning_rate, epsilon
        self.rng = np.random.default_rng(seed)
        self.first_reset_seed: int | None = seed
        self.first_action = int(env.action_space.start)
        self.shape = env.observation_space.shape
        features = int(getattr(env.observation_space, "n", np.prod(self.shape)))
        self.weights = np.zeros((features, int(env.action_space.n)))

    def features(self, observations: Any) -> np.ndarray:
        """[N, F] for one observation or a batch; integers become one-hot rows."""
        if self.shape == ():
            return np.eye(len(self.weights))[np.atleast_1d(observations).astype(int)]
        return np.asarray(observations, dtype=np.float64).reshape(-1, len(self.weights))

    def q_values(self, observations: Any) -> np.ndarray:
        """Q [N, A]."""
        return self.features(observations) @ self.weights

    def predict(self, observation: Any, deterministic: bool = True) -> np.ndarray:
        """Greedy actions, or those of the epsilon-greedy policy that it trains with."""
        q_values = self.q_values(observation)
        actions = q_values.argmax(axis=1)
        if not deterministic:
            explores = self.rng.random(len(actions)) < self.epsilon
            drawn = self.rng.integers(q_values.shape[1], size=len(actions))
            actions = np.where(explores, drawn, actions)
        batched = np.ndim(observation) > len(self.shape)
        return self.first_action + (actions if batched else actions[0])

    def update(
        self, observation: Any, action: int, reward: float, following: Any, terminated: bool
    ) -> float:
        """One step towards r + gamma * max Q(s', .), without the second term at a terminal state.

        Returns:
            The squared error before the step.
        """
        x = self.features(observation)[0]
        column = action - self.first_action
        bootstrap = 0.0 if terminated else self.gamma * self.q_values(following).max()
        error = reward + bootstrap - x @ self.weights[:, column]
        # Dividing by the squared length keeps the step stable for features of any size.
        self.weights[:, column] += self.learning_rate * error * x / max(1.0, x @ x)
        return float(error**2)

    def learn(self, total_timesteps: int) -> None:
        """Act and learn; truncation ends an episode, but only termination ends the value."""
        observation, _ = self.env.reset(seed=self.first_reset_seed)
        self.first_reset_seed = None
        for _ in range(total_timesteps):
            action = int(self.predict(observation, deterministic=False))
            following, reward, terminated, truncated, _ = self.env.step(action)
            self.update(observation, action, float(reward), following, terminated)
            observation = following
            if terminated or truncated:
                observation, _ = self.env.reset()

    def fit_transition(
        self,
        observation: Any,
        action: int,
        reward: float,
        next_observation: Any,
        terminated: bool,
        truncated: bool,
        steps: int,
    ) -> list[float]:
        """Learn from one transition only; the squared error before each step."""
        transition = (observation, int(action), reward, next_observation, terminated)
        return [self.update(*transition) for _ in range(steps)]

    def parameters(self) -> dict[str, np.ndarray]:
        return {"weights": self.weights}

    def save(self, path: str) -> None:
        with open(path, "wb") as file:
            np.save(file, self.weights)

    def load(self, path: str) -> None:
        self.weights = np.load(path)


def make_agent(
    env: gymnasium.Env,
    *,
    seed: int,
    gamma: float = 0.99,
    learning_rate: float = 0.4,
    epsilon: float = 0.4,
) -> LinearQLearning:
    return LinearQLearning(
        env, seed=seed, gamma=gamma, learning_rate=learning_rate, epsilon=epsilon
    )
