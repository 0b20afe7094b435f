"""The training script of a Stable-Baselines3 user: a zoo-like table of settings and a call."""

import argparse

import gymnasium as gym
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.monitor import Monitor

SETTINGS = {
    "ppo": {"n_steps": 64, "batch_size": 64, "n_epochs": 8, "learning_rate": 2e-3, "ent_coef": 0.01},
    "dqn": {
        "learning_starts": 200, "train_freq": 1, "target_update_interval": 100, "learning_rate": 1e-3,
        "exploration_fraction": 0.4, "batch_size": 64, "buffer_size": 20_000,
    },
}  # fmt: skip


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--algo", choices=sorted(SETTINGS), default="ppo")
    parser.add_argument("--env-id", default="CartPole-v1")
    parser.add_argument("--total-timesteps", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--gamma", type=float, default=0.99)
    args = parser.parse_args()
    settings = SETTINGS[args.algo] | {
        "gamma": args.gamma,
        "seed": args.seed,
        "policy_kwargs": {"net_arch": [64]},
    }
    if args.algo == "ppo":
        env = make_vec_env(args.env_id, n_envs=4, seed=args.seed)
        model = PPO("MlpPolicy", env, **settings)
    else:
        env = Monitor(gym.make(args.env_id))
        model = DQN("MlpPolicy", env, **settings)
    model.learn(args.total_timesteps)
    env.close()


if __name__ == "__main__":
    main()
