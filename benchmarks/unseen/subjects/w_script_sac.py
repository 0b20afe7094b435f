"""Continuous SAC in one file, without a class for the agent; the temperature is fixed."""

import argparse
import random

import gymnasium as gym
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.distributions import Normal, TanhTransform, TransformedDistribution


def parse():
    p = argparse.ArgumentParser()
    p.add_argument("--env-id", type=str, default="Pendulum-v1")
    p.add_argument("--total-timesteps", type=int, default=20_000)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--gamma", type=float, default=0.99)
    p.add_argument("--alpha", type=float, default=0.05)
    p.add_argument("--tau", type=float, default=0.01)
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--batch-size", type=int, default=64)
    p.add_argument("--random-steps", type=int, default=300)
    return p.parse_args()


def mlp(*sizes):
    layers = []
    for i in range(len(sizes) - 1):
        layers.append(nn.Linear(sizes[i], sizes[i + 1]))
        if i < len(sizes) - 2:
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)


def policy(net, obs):
    mean, log_std = net(obs).chunk(2, -1)
    base = Normal(mean, log_std.clamp(-4, 1).exp())
    return TransformedDistribution(base, [TanhTransform(cache_size=1)])


def main():
    args = parse()
    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    env = gym.make(args.env_id)
    low, high = env.action_space.low, env.action_space.high
    d, k = env.observation_space.shape[0], env.action_space.shape[0]
    actor = mlp(d, 64, 2 * k)
    q = [mlp(d + k, 64, 64, 1) for _ in range(2)]
    q_target = [mlp(d + k, 64, 64, 1) for _ in range(2)]
    for a, b in zip(q, q_target, strict=True):
        b.load_state_dict(a.state_dict())
    actor_opt = torch.optim.Adam(actor.parameters(), lr=args.lr)
    q_opt = torch.optim.Adam([p for net in q for p in net.parameters()], lr=args.lr)
    replay = []

    obs, _ = env.reset(seed=args.seed)
    episode_return = 0.0
    for step in range(args.total_timesteps):
        if step < args.random_steps:
            action = np.random.uniform(-1, 1, k).astype(np.float32)
        else:
            with torch.no_grad():
                action = policy(actor, torch.as_tensor(obs, dtype=torch.float32)).sample().numpy()
        scaled = (low + (action + 1) / 2 * (high - low)).astype(np.float32)
        next_obs, reward, terminated, truncated, _ = env.step(scaled)
        episode_return += float(reward)
        replay.append((obs, action, reward, next_obs, terminated))
        obs = next_obs
        if terminated or truncated:
            obs, _ = env.reset()
            if len(replay) % 50 == 0:
                print(f"step {step} return {episode_return:.2f}")
            episode_return = 0.0
        if step < args.random_steps:
            continue

        columns = zip(*random.choices(replay, k=args.batch_size), strict=True)
        s, a, r, s2, end = (torch.as_tensor(np.array(c), dtype=torch.float32) for c in columns)
        with torch.no_grad():
            dist = policy(actor, s2)
            a2 = dist.sample()
            logp2 = dist.log_prob(a2).sum(-1)
            q2 = torch.stack([net(torch.cat([s2, a2], -1))[:, 0] for net in q_target]).amin(0)
            y = r + args.gamma * (1 - end) * (q2 - args.alpha * logp2)
        q_loss = sum(F.mse_loss(net(torch.cat([s, a], -1))[:, 0], y) for net in q)
        q_opt.zero_grad()
        q_loss.backward()
        q_opt.step()

        dist = policy(actor, s)
        pi = dist.rsample()
        q_pi = torch.stack([net(torch.cat([s, pi], -1))[:, 0] for net in q]).amin(0)
        actor_loss = (args.alpha * dist.log_prob(pi).sum(-1) - q_pi).mean()
        actor_opt.zero_grad()
        actor_loss.backward()
        actor_opt.step()

        with torch.no_grad():
            for a_, b_ in zip(q, q_target, strict=True):
                for p, pt in zip(a_.parameters(), b_.parameters(), strict=True):
                    pt += args.tau * (p - pt)
    env.close()


if __name__ == "__main__":
    main()
