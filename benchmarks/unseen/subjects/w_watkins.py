"""Watkins's Q(lambda) on a table: traces are cut at exploratory actions."""

import argparse

import gymnasium as gym
import numpy as np


def run(env, steps, gamma, seed, lmbda=0.9, alpha=0.1, min_eps=0.05):
    generator = np.random.Generator(np.random.PCG64(seed))
    n = env.observation_space.shape[0]
    m = env.action_space.n
    q = np.zeros((n, m))
    e = np.zeros((n, m))
    x, _ = env.reset(seed=seed)
    s = x.argmax()
    for step in range(steps):
        eps = max(min_eps, 1 - 2 * step / steps)
        a = generator.integers(m) if generator.random() < eps else q[s].argmax()
        greedy = q[s, a] == q[s].max()
        if not greedy:
            e[:] = 0
        x, r, end, cut, _ = env.step(int(a))
        s2 = x.argmax()
        delta = r + gamma * (not end) * q[s2].max() - q[s, a]
        e[s, a] = 1.0
        q += alpha * delta * e
        e *= gamma * lmbda
        s = s2
        if end or cut:
            x, _ = env.reset()
            s = x.argmax()
            e[:] = 0
    return q


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--env-id", default="FrozenLake-v1")
    parser.add_argument("--total-timesteps", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--gamma", type=float, default=0.99)
    args = parser.parse_args()
    environment = gym.make(args.env_id)
    table = run(environment, args.total_timesteps, args.gamma, args.seed)
    print(np.round(table, 3))
