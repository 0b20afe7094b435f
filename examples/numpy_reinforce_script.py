"""REINFORCE with a baseline in NumPy, for discrete actions.

    python numpy_reinforce_script.py --env-id CartPole-v1 --total-timesteps 20000 --seed 1

Check it:  rlcheck run --script "python examples/numpy_reinforce_script.py --env-id {env} \
--total-timesteps {steps} --seed {seed} --gamma {gamma}"

Reference: Sutton and Barto 2018, Reinforcement Learning, section 13.4.
"""

import argparse

import gymnasium
import numpy as np


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--env-id", default="CartPole-v1")
    parser.add_argument("--total-timesteps", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--gamma", type=float, default=0.99)
    parser.add_argument("--policy-rate", type=float, default=0.3)
    parser.add_argument("--value-rate", type=float, default=0.3)
    parser.add_argument("--entropy", type=float, default=0.02)
    return parser.parse_args()


def softmax(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def returns_to_go(rewards: list[float], gamma: float, last_value: float) -> np.ndarray:
    """[T] G_t = r_t + gamma * G_{t+1}, where G_T is the value of the state reached last."""
    result = np.zeros(len(rewards))
    following = last_value
    for t in reversed(range(len(rewards))):
        following = rewards[t] + gamma * following
        result[t] = following
    return result


def main() -> None:
    args = parse_arguments()
    rng = np.random.default_rng(args.seed)
    env = gymnasium.make(args.env_id)
    inputs, actions = int(np.prod(env.observation_space.shape)), int(env.action_space.n)
    policy, value = np.zeros((inputs, actions)), np.zeros(inputs)

    observation, _ = env.reset(seed=args.seed)
    visited, taken, rewards = [], [], []
    for _ in range(args.total_timesteps):
        x = np.asarray(observation, dtype=np.float64).ravel()
        action = int(rng.choice(actions, p=softmax(x @ policy)))
        observation, reward, terminated, truncated, _ = env.step(action)
        visited.append(x)
        taken.append(action)
        rewards.append(float(reward))
        if not (terminated or truncated):
            continue

        # A terminal state is worth nothing; one that a time limit cut off is worth its value.
        reached = np.asarray(observation, dtype=np.float64).ravel()
        last_value = 0.0 if terminated else float(reached @ value)
        X = np.stack(visited)
        advantages = returns_to_go(rewards, args.gamma, last_value) - X @ value
        probabilities = softmax(X @ policy)
        gradient = (np.eye(actions)[taken] - probabilities) * advantages[:, None]
        surprise = -np.log(np.maximum(probabilities, 1e-12))
        entropy = (probabilities * surprise).sum(axis=1, keepdims=True)
        gradient += args.entropy * probabilities * (surprise - entropy)
        # The mean over steps of one feature, not their sum: long episodes take no longer strides.
        scale = np.maximum(1.0, (X**2).sum(axis=0))
        value += args.value_rate * (advantages @ X) / scale
        policy += args.policy_rate * (X.T @ gradient) / scale[:, None]
        visited, taken, rewards = [], [], []
        observation, _ = env.reset()
    env.close()


if __name__ == "__main__":
    main()
