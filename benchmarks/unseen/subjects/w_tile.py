"""Tiles over the observation's box, linear Q, semi-gradient Q-learning, a rate for every tile.

A one-hot vector has 0 and 1 in every coordinate only, so two tiles a coordinate tell all states apart.
"""

import numpy as np


class TileCoder:
    """`tilings` grids a coordinate, each shifted by a part of a tile; returns active indices."""

    def __init__(self, low, high, tilings=2, tiles=2):
        self.low = np.maximum(low, -10.0)
        self.width = (np.minimum(high, 10.0) - self.low) / tiles
        self.tilings, self.tiles = tilings, tiles
        self.size = len(self.low) * tilings * (tiles + 1)

    def __call__(self, x):
        position = (
            np.clip(x, self.low, self.low + self.tiles * self.width) - self.low
        ) / self.width
        active = []
        for k in range(self.tilings):
            cell = np.floor(position + k / self.tilings).astype(int)
            start = (k * len(self.low) + np.arange(len(self.low))) * (self.tiles + 1)
            active.append(start + np.minimum(cell, self.tiles))
        return np.concatenate(active)


class TileQ:
    def __init__(self, env, *, seed, gamma, epsilon=0.15):
        self.env, self.gamma, self.epsilon, self.seed = env, gamma, epsilon, seed
        self.rng = np.random.default_rng(seed)
        space = env.observation_space
        self.code = TileCoder(space.low.astype(float), space.high.astype(float))
        self.k = int(env.action_space.n)
        self.w = np.zeros((self.k, self.code.size))
        self.visits = np.ones((self.k, self.code.size))

    def q(self, active):
        return self.w[:, active].sum(axis=1)

    def learn(self, total_timesteps):
        obs, _ = self.env.reset(seed=self.seed)
        self.seed = None
        for _ in range(total_timesteps):
            active = self.code(obs)
            explore = self.rng.random() < self.epsilon
            a = int(self.rng.integers(self.k)) if explore else int(self.q(active).argmax())
            obs, reward, terminated, truncated, _ = self.env.step(a)
            target = float(reward)
            if not terminated:
                target += self.gamma * self.q(self.code(obs)).max()
            # Tiles that are seldom active learn as fast as those that nearly always are.
            self.visits[a, active] += 1.0
            rate = 1.0 / np.sqrt(self.visits[a, active])
            error = target - self.q(active)[a]
            self.w[a, active] += 0.9 * error * rate / rate.sum()
            if terminated or truncated:
                obs, _ = self.env.reset()
        return self

    def q_values(self, obs):
        obs = np.asarray(obs, dtype=float)
        if obs.ndim == 1:
            return self.q(self.code(obs))
        return np.stack([self.q(self.code(o)) for o in obs])

    def predict(self, obs, deterministic=True):
        return self.q_values(obs).argmax(axis=-1)


def make_agent(env, *, seed, gamma):
    return TileQ(env, seed=seed, gamma=gamma)
