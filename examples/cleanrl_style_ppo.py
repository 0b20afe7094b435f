"""PPO in a single file, top to bottom, for discrete actions.

    python cleanrl_style_ppo.py --env-id CartPole-v1 --total-timesteps 50000 --seed 1 --gamma 0.99

Check it:  rlcheck run --script "python examples/cleanrl_style_ppo.py --env-id {env} \
--total-timesteps {steps} --seed {seed} --gamma {gamma}"

References: Schulman et al. 2017, Proximal Policy Optimization Algorithms, arXiv:1707.06347;
Schulman et al. 2016, Generalized Advantage Estimation, arXiv:1506.02438, equation 16.
"""

import argparse
import random

import gymnasium
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from torch import nn
from torch.distributions import Categorical


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--env-id", default="CartPole-v1")
    parser.add_argument("--total-timesteps", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--gamma", type=float, default=0.99)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--num-envs", type=int, default=4)
    parser.add_argument("--num-steps", type=int, default=64)
    parser.add_argument("--gae-lambda", type=float, default=0.95)
    parser.add_argument("--num-minibatches", type=int, default=4)
    parser.add_argument("--update-epochs", type=int, default=6)
    parser.add_argument("--clip-coef", type=float, default=0.2)
    parser.add_argument("--ent-coef", type=float, default=0.0)
    parser.add_argument("--vf-coef", type=float, default=0.5)
    parser.add_argument("--max-grad-norm", type=float, default=0.5)
    return parser.parse_args()


def layer(inputs: int, outputs: int, scale: float = np.sqrt(2)) -> nn.Linear:
    linear = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(linear.weight, scale)
    nn.init.zeros_(linear.bias)
    return linear


class Agent(nn.Module):
    """Two networks, so that a large value loss does not disturb the policy's features."""

    def __init__(self, inputs: int, actions: int) -> None:
        super().__init__()
        self.critic = nn.Sequential(
            layer(inputs, 64), nn.Tanh(), layer(64, 64), nn.Tanh(), layer(64, 1, 1.0)
        )
        self.actor = nn.Sequential(
            layer(inputs, 64), nn.Tanh(), layer(64, 64), nn.Tanh(), layer(64, actions, 0.01)
        )

    def value(self, observations: torch.Tensor) -> torch.Tensor:
        return self.critic(observations).squeeze(-1)

    def policy(self, observations: torch.Tensor) -> Categorical:
        return Categorical(logits=self.actor(observations), validate_args=False)


def main() -> None:
    args = parse_arguments()
    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)

    # With SAME_STEP, a step that ends an episode returns the first observation of the next one, and
    # the observation that was reached in infos["final_obs"]: no step is lost to the reset.
    envs = SyncVectorEnv(
        [lambda: gymnasium.make(args.env_id)] * args.num_envs,
        autoreset_mode=AutoresetMode.SAME_STEP,
    )
    inputs = int(np.prod(envs.single_observation_space.shape))
    agent = Agent(inputs, int(envs.single_action_space.n))
    optimizer = torch.optim.Adam(agent.parameters(), lr=args.learning_rate, eps=1e-5)

    T, B = args.num_steps, args.num_envs
    observations, next_observations = torch.zeros(T, B, inputs), torch.zeros(T, B, inputs)
    actions = torch.zeros(T, B, dtype=torch.long)
    rewards, terminated, ended = torch.zeros(T, B), torch.zeros(T, B), torch.zeros(T, B)

    def flat(batch: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(batch, dtype=torch.float32).reshape(len(batch), -1)

    current = flat(envs.reset(seed=args.seed)[0])
    for _ in range(-(-args.total_timesteps // (T * B))):
        # Collect a rollout.
        for t in range(T):
            with torch.no_grad():
                action = agent.policy(current).sample()
            observations[t], actions[t] = current, action
            following, reward, terminations, truncations, infos = envs.step(action.numpy())
            reached = following.copy()
            for index in np.flatnonzero(terminations | truncations):
                reached[index] = infos["final_obs"][index]
            next_observations[t] = flat(reached)
            rewards[t] = torch.as_tensor(reward)
            terminated[t] = torch.as_tensor(terminations)
            ended[t] = torch.as_tensor(terminations | truncations)
            current = flat(following)

        # Generalised advantage estimation. A terminal state is worth nothing; a state that a time
        # limit cut off keeps its value; neither lets an advantage pass into the next episode.
        with torch.no_grad():
            log_probs = agent.policy(observations).log_prob(actions)
            values, next_values = agent.value(observations), agent.value(next_observations)
        advantages = torch.zeros(T, B)
        advantage = torch.zeros(B)
        deltas = rewards + args.gamma * (1 - terminated) * next_values - values
        for t in reversed(range(T)):
            advantage = deltas[t] + args.gamma * args.gae_lambda * (1 - ended[t]) * advantage
            advantages[t] = advantage
        returns = advantages + values

        # Improve policy and value on shuffled minibatches.
        b_observations = observations.reshape(T * B, inputs)
        b_actions, b_log_probs = actions.reshape(-1), log_probs.reshape(-1)
        b_advantages, b_returns = advantages.reshape(-1), returns.reshape(-1)
        for _ in range(args.update_epochs):
            for rows in torch.randperm(T * B).chunk(args.num_minibatches):
                policy = agent.policy(b_observations[rows])
                ratio = (policy.log_prob(b_actions[rows]) - b_log_probs[rows]).exp()
                chosen = b_advantages[rows]
                chosen = (chosen - chosen.mean()) / (chosen.std() + 1e-8)
                clipped = ratio.clamp(1 - args.clip_coef, 1 + args.clip_coef)
                policy_loss = -torch.min(ratio * chosen, clipped * chosen).mean()
                value_loss = (
                    0.5 * (agent.value(b_observations[rows]) - b_returns[rows]).pow(2).mean()
                )
                entropy = policy.entropy().mean()
                loss = policy_loss + args.vf_coef * value_loss - args.ent_coef * entropy
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(agent.parameters(), args.max_grad_norm)
                optimizer.step()
    envs.close()


if __name__ == "__main__":
    main()
