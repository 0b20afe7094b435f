"""Q-learning in a table, in one file: `python script_q.py --env-id FrozenLake-v1`."""

import argparse
import collections

import gymnasium as gym
import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("--env-id", default="FrozenLake-v1")
parser.add_argument("--total-timesteps", type=int, default=20000)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--gamma", type=float, default=0.99)
parser.add_argument("--alpha", type=float, default=0.15)
args = parser.parse_args()

rng = np.random.default_rng(args.seed)
env = gym.make(args.env_id)
n_actions = env.action_space.n
q_table = collections.defaultdict(lambda: np.zeros(n_actions))


def key(obs):
    return np.asarray(obs).tobytes()


obs, _ = env.reset(seed=args.seed)
state = key(obs)
for step in range(args.total_timesteps):
    progress = step / args.total_timesteps
    epsilon = max(0.05, 1.0 - progress / 0.7)
    if rng.random() < epsilon:
        action = int(rng.integers(n_actions))
    else:
        action = int(np.argmax(q_table[state]))
    next_obs, reward, terminated, truncated, _ = env.step(action)
    next_state = key(next_obs)
    best_next = np.max(q_table[next_state])
    td_target = reward + args.gamma * best_next * (1 - terminated)
    q_table[state][action] += args.alpha * (td_target - q_table[state][action])
    state = next_state
    if terminated or truncated:
        obs, _ = env.reset()
        state = key(obs)
env.close()
