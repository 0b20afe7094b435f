"""A2C over gymnasium.make_vec, one gradient step a rollout; prints what it reached."""

import argparse

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--env-id", default="CartPole-v1")
parser.add_argument("--total-timesteps", type=int, default=50_000)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--gamma", type=float, default=0.99)
parser.add_argument("--num-envs", type=int, default=6)
parser.add_argument("--rollout", type=int, default=16)
parser.add_argument("--lr", type=float, default=5e-3)
parser.add_argument("--entropy", type=float, default=0.01)


class ActorCritic(nn.Module):
    def __init__(self, d, k):
        super().__init__()
        self.shared = nn.Sequential(nn.Linear(d, 64), nn.Tanh())
        self.logits = nn.Linear(64, k)
        self.value = nn.Linear(64, 1)

    def forward(self, x):
        h = self.shared(x)
        return self.logits(h), self.value(h).squeeze(-1)


def main(args):
    rng = torch.Generator().manual_seed(args.seed)
    torch.manual_seed(args.seed)
    makers = [lambda: gym.make(args.env_id) for _ in range(args.num_envs)]
    envs = SyncVectorEnv(makers, autoreset_mode=AutoresetMode.DISABLED)
    model = ActorCritic(envs.single_observation_space.shape[0], envs.single_action_space.n)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=args.lr, alpha=0.99, eps=1e-5)
    obs, _ = envs.reset(seed=[args.seed + i for i in range(args.num_envs)])
    returns, scores = np.zeros(args.num_envs), []

    for _ in range(args.total_timesteps // (args.rollout * args.num_envs)):
        logps, entropies, values, rewards, nexts, terms, ends = [], [], [], [], [], [], []
        for _ in range(args.rollout):
            logits, value = model(torch.as_tensor(obs, dtype=torch.float32))
            logp = logits.log_softmax(-1)
            action = torch.multinomial(logp.detach().exp(), 1, generator=rng)
            nxt, reward, term, trunc, _ = envs.step(action[:, 0].numpy())
            end = term | trunc
            logps.append(logp.gather(1, action)[:, 0])
            entropies.append(-(logp.exp() * logp).sum(-1))
            values.append(value)
            rewards.append(torch.as_tensor(reward, dtype=torch.float32))
            with torch.no_grad():
                nexts.append(model(torch.as_tensor(nxt, dtype=torch.float32))[1])
            terms.append(torch.as_tensor(term, dtype=torch.float32))
            ends.append(torch.as_tensor(end, dtype=torch.float32))
            returns += reward
            obs = nxt
            if end.any():
                scores += returns[end].tolist()
                returns[end] = 0.0
                obs, _ = envs.reset(options={"reset_mask": end})
        targets, target = [], nexts[-1]
        for t in reversed(range(args.rollout)):
            # Past an end the recursion starts again: from V(s') at a time limit, from 0 otherwise.
            ahead = torch.where(ends[t] > 0, nexts[t], target) * (1 - terms[t])
            target = rewards[t] + args.gamma * ahead
            targets.insert(0, target)
        targets, values = torch.stack(targets), torch.stack(values)
        advantage = targets - values
        policy_loss = -(torch.stack(logps) * advantage.detach()).mean()
        value_loss = advantage.pow(2).mean()
        loss = policy_loss + 0.5 * value_loss - args.entropy * torch.stack(entropies).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
    print(f"mean of the last 50 episodes: {np.mean(scores[-50:]):.3f}")


if __name__ == "__main__":
    main(parser.parse_args())
