"""PPO for one seed in one flat script, as single-file implementations are written; something to time.

    python -m benchmarks.single_file_ppo [--steps 50000] [--seed 0]

The usual hyper-parameters of such files: 4 environments, 128 steps, 4 epochs of 4 minibatches, two
networks of 64 tanh units, Adam at 2.5e-4 annealed, clipped value loss, entropy bonus 0.01. Truncation
counts as termination there, and so it does here.
"""

from __future__ import annotations

import argparse
import time

import gymnasium
import numpy as np
import torch
from torch import nn
from torch.distributions import Categorical

ENVS, STEPS, EPOCHS, MINIBATCHES = 4, 128, 4, 4
GAMMA, LAM, CLIP, VALUE_COEF, ENTROPY_COEF, LR = 0.99, 0.95, 0.2, 0.5, 0.01, 2.5e-4


def layer(inputs: int, outputs: int, gain: float = 2**0.5) -> nn.Linear:
    linear = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(linear.weight, gain)
    nn.init.zeros_(linear.bias)
    return linear


def network(outputs: int, gain: float) -> nn.Sequential:
    return nn.Sequential(
        layer(4, 64), nn.Tanh(), layer(64, 64), nn.Tanh(), layer(64, outputs, gain)
    )


def make_env() -> gymnasium.Env:
    return gymnasium.wrappers.RecordEpisodeStatistics(gymnasium.make("CartPole-v1"))


def train(total_steps: int, seed: int) -> tuple[float, nn.Module]:
    """Trains on CartPole-v1; seconds of processor time and the actor."""
    torch.manual_seed(seed)
    envs = gymnasium.vector.SyncVectorEnv([make_env] * ENVS)
    actor, critic = network(2, 0.01), network(1, 1.0)
    parameters = [*actor.parameters(), *critic.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=LR, eps=1e-5)
    obs = torch.zeros((STEPS, ENVS, 4))
    actions = torch.zeros((STEPS, ENVS))
    log_probs, rewards, dones, values = (torch.zeros((STEPS, ENVS)) for _ in range(4))
    start = time.process_time()
    next_obs = torch.tensor(envs.reset(seed=seed)[0])
    next_done = torch.zeros(ENVS)
    rounds, metrics = total_steps // (ENVS * STEPS), {}
    for round_number in range(rounds):
        optimiser.param_groups[0]["lr"] = LR * (1.0 - round_number / rounds)
        for t in range(STEPS):
            obs[t], dones[t] = next_obs, next_done
            with torch.no_grad():
                policy = Categorical(logits=actor(next_obs))
                action = policy.sample()
                values[t] = critic(next_obs).flatten()
            actions[t], log_probs[t] = action, policy.log_prob(action)
            observation, reward, terminated, truncated, _ = envs.step(action.numpy())
            rewards[t] = torch.tensor(reward)
            next_obs = torch.tensor(observation)
            next_done = torch.tensor(terminated | truncated, dtype=torch.float32)

        with torch.no_grad():
            next_value = critic(next_obs).flatten()
            advantages, running = torch.zeros_like(rewards), torch.zeros(ENVS)
            for t in reversed(range(STEPS)):
                last = t == STEPS - 1
                going = 1.0 - (next_done if last else dones[t + 1])
                following = next_value if last else values[t + 1]
                delta = rewards[t] + GAMMA * following * going - values[t]
                advantages[t] = running = delta + GAMMA * LAM * going * running
            returns = advantages + values

        flat_obs, flat_actions = obs.reshape(-1, 4), actions.reshape(-1)
        flat = [x.reshape(-1) for x in (log_probs, advantages, returns, values)]
        order = np.arange(ENVS * STEPS)
        for _ in range(EPOCHS):
            np.random.shuffle(order)
            for rows in order.reshape(MINIBATCHES, -1):
                old_log_probs, advantage, target, old_values = (x[rows] for x in flat)
                policy = Categorical(logits=actor(flat_obs[rows]))
                log_ratio = policy.log_prob(flat_actions[rows]) - old_log_probs
                ratio = log_ratio.exp()
                with torch.no_grad():  # what such files log, as ours does
                    metrics["approx_kl"] = ((ratio - 1) - log_ratio).mean().item()
                    metrics["clip_fraction"] = ((ratio - 1).abs() > CLIP).float().mean().item()
                advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
                clipped = ratio.clamp(1 - CLIP, 1 + CLIP)
                policy_loss = torch.max(-advantage * ratio, -advantage * clipped).mean()
                value = critic(flat_obs[rows]).flatten()
                near = old_values + (value - old_values).clamp(-CLIP, CLIP)
                errors = torch.max((value - target).square(), (near - target).square())
                entropy = policy.entropy().mean()
                loss = policy_loss + VALUE_COEF * 0.5 * errors.mean() - ENTROPY_COEF * entropy
                optimiser.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(parameters, 0.5)
                optimiser.step()
    return time.process_time() - start, actor


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{train(arguments.steps, arguments.seed)[0]:.2f} s of processor time")


if __name__ == "__main__":
    main()
