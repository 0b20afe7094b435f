"""A single-file DQN: `python script_dqn.py --env-id CartPole-v1`."""

import argparse
import random

import gymnasium as gym
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


def linear_schedule(start_e, end_e, duration, t):
    slope = (end_e - start_e) / duration
    return max(slope * t + start_e, end_e)


class Replay:
    def __init__(self, capacity):
        self.capacity, self.storage, self.position = capacity, [], 0

    def add(self, *transition):
        if len(self.storage) < self.capacity:
            self.storage.append(None)
        self.storage[self.position] = transition
        self.position = (self.position + 1) % self.capacity

    def sample(self, batch_size):
        columns = zip(*random.sample(self.storage, batch_size), strict=True)
        return [torch.tensor(np.array(column)) for column in columns]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--env-id", default="CartPole-v1")
    parser.add_argument("--total-timesteps", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--gamma", type=float, default=0.99)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--learning-starts", type=int, default=500)
    parser.add_argument("--target-network-frequency", type=int, default=200)
    parser.add_argument("--exploration-fraction", type=float, default=0.6)
    args = parser.parse_args()
    random.seed(args.seed)
    torch.manual_seed(args.seed)

    env = gym.make(args.env_id)
    n_in, n_actions = env.observation_space.shape[0], int(env.action_space.n)
    build = lambda: nn.Sequential(nn.Linear(n_in, 96), nn.ReLU(), nn.Linear(96, n_actions))  # noqa: E731
    q_network, target_network = build(), build()
    target_network.load_state_dict(q_network.state_dict())
    optimizer = torch.optim.Adam(q_network.parameters(), lr=args.learning_rate)
    rb = Replay(10_000)

    obs, _ = env.reset(seed=args.seed)
    for global_step in range(args.total_timesteps):
        epsilon = linear_schedule(
            1, 0.05, args.exploration_fraction * args.total_timesteps, global_step
        )
        if random.random() < epsilon:
            action = random.randrange(n_actions)
        else:
            action = q_network(torch.Tensor(obs)).argmax().item()
        next_obs, reward, terminated, truncated, _ = env.step(action)
        rb.add(obs, next_obs, action, np.float32(reward), np.float32(terminated))
        obs = next_obs
        if terminated or truncated:
            obs, _ = env.reset()

        if global_step > args.learning_starts:
            s_obs, s_next, s_actions, s_rewards, s_dones = rb.sample(64)
            with torch.no_grad():
                target_max, _ = target_network(s_next).max(dim=1)
                td_target = s_rewards + args.gamma * target_max * (1 - s_dones)
            old_val = q_network(s_obs).gather(1, s_actions[:, None]).squeeze()
            loss = F.mse_loss(td_target, old_val)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if global_step % args.target_network_frequency == 0:
                target_network.load_state_dict(q_network.state_dict())
    env.close()
