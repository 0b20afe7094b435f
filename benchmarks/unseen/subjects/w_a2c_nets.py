"""Advantage actor-critic with n-step returns, two networks, two optimisers, one environment."""

import numpy as np
import torch
import torch.nn as nn


def net(n_in, n_out):
    return nn.Sequential(nn.Linear(n_in, 48), nn.Tanh(), nn.Linear(48, n_out))


def n_step_returns(rewards, terminals, cuts, after, n, gamma):
    """R_t of at most n steps; after[t] = V(s_{t+1}); windows end with the episode or the rollout."""
    T = len(rewards)
    returns = torch.zeros(T)
    for t in range(T):
        discount, total = 1.0, 0.0
        for k in range(t, min(t + n, T)):
            total += discount * rewards[k]
            discount *= gamma
            if terminals[k] or cuts[k]:
                break
        if not terminals[k]:
            total += discount * after[k]
        returns[t] = total
    return returns


def train(env, *, total_timesteps, seed, gamma, n=5, rollout=40, pi_lr=5e-3, v_lr=1e-2, beta=0.01):
    torch.manual_seed(seed)
    dim, n_actions = env.observation_space.shape[0], int(env.action_space.n)
    pi, v = net(dim, n_actions), net(dim, 1)
    pi_opt = torch.optim.Adam(pi.parameters(), lr=pi_lr)
    v_opt = torch.optim.Adam(v.parameters(), lr=v_lr)

    obs, _ = env.reset(seed=seed)
    steps = 0
    while steps < total_timesteps:
        states, actions, rewards, following, terminals, cuts = [], [], [], [], [], []
        for _ in range(rollout):
            s = torch.as_tensor(obs, dtype=torch.float32)
            with torch.no_grad():
                a = torch.multinomial(pi(s).softmax(-1), 1).item()
            obs, r, terminated, truncated, _ = env.step(a)
            states.append(s)
            actions.append(a)
            rewards.append(float(r))
            following.append(torch.as_tensor(obs, dtype=torch.float32))
            terminals.append(terminated)
            cuts.append(truncated)
            if terminated or truncated:
                obs, _ = env.reset()
            steps += 1
        states = torch.stack(states)
        with torch.no_grad():
            after = v(torch.stack(following)).squeeze(-1)
        returns = n_step_returns(rewards, terminals, cuts, after, n, gamma)

        values = v(states).squeeze(-1)
        v_loss = (returns - values).pow(2).mean()
        v_opt.zero_grad()
        v_loss.backward()
        v_opt.step()

        log_pi = pi(states).log_softmax(-1)
        taken = log_pi[torch.arange(len(actions)), torch.tensor(actions)]
        advantage = returns - values.detach()
        entropy = -(log_pi.exp() * log_pi).sum(-1)
        pi_loss = -(taken * advantage).mean() - beta * entropy.mean()
        pi_opt.zero_grad()
        pi_loss.backward()
        nn.utils.clip_grad_norm_(pi.parameters(), 1.0)
        pi_opt.step()

    def act(observation):
        with torch.no_grad():
            logits = pi(torch.as_tensor(np.asarray(observation), dtype=torch.float32))
        return logits.argmax(-1).numpy()

    return act
