"""Correct agents: none of them may ever be called faulty.

Stable-Baselines3 configurations stand here; the agents written from scratch are `own_tabular` and
`own_torch`. Every factory is `make(env, *, seed, gamma)`, with `make_env` where several are needed.
"""

from __future__ import annotations

import numpy as np
from stable_baselines3 import A2C, DDPG, DQN, PPO, SAC, TD3
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from torch import nn

from benchmarks.agents import settings
from benchmarks.agents.own_tabular import TabularExpectedSarsa, TabularQ, TabularSarsa
from benchmarks.agents.own_torch import TorchDQN, TorchPPO, TorchReinforce
from benchmarks.agents.records import CorrectAgent


def ppo_defaults(env, *, seed, gamma=0.99, clip_range=0.2, ent_coef=0.0, max_grad_norm=0.5):
    return PPO(
        "MlpPolicy", env, seed=seed, gamma=gamma, device="cpu",
        clip_range=clip_range, ent_coef=ent_coef, max_grad_norm=max_grad_norm,
    )  # fmt: skip


def ppo_eight_envs(make_env, *, seed, gamma=0.99, n_envs=8):
    return settings.ppo(
        PPO, settings.vectorised(make_env, n_envs), seed=seed, gamma=gamma,
        n_steps=32, batch_size=256, n_epochs=20, gae_lambda=0.8,
    )  # fmt: skip


def ppo_relu(env, *, seed, gamma=0.99):
    policy = {"activation_fn": nn.ReLU, "net_arch": [128, 128]}
    return settings.ppo(PPO, env, seed=seed, gamma=gamma, policy_kwargs=policy)


def ppo_tanh_small(env, *, seed, gamma=0.99):
    policy = {"activation_fn": nn.Tanh, "net_arch": [32, 32]}
    return settings.ppo(PPO, env, seed=seed, gamma=gamma, policy_kwargs=policy)


def ppo_large_rollout(env, *, seed, gamma=0.99):
    return settings.ppo(PPO, env, seed=seed, gamma=gamma, n_steps=4096, batch_size=128)


def ppo_lambda_one(env, *, seed, gamma=0.99):
    return settings.ppo(PPO, env, seed=seed, gamma=gamma, gae_lambda=1.0)


def ppo_lambda_half(env, *, seed, gamma=0.99):
    return settings.ppo(PPO, env, seed=seed, gamma=gamma, gae_lambda=0.5)


def ppo_raw_advantages(env, *, seed, gamma=0.99):
    return settings.ppo(PPO, env, seed=seed, gamma=gamma, normalize_advantage=False)


def ppo_entropy_bonus(env, *, seed, gamma=0.99, ent_coef=0.01):
    return settings.ppo(PPO, env, seed=seed, gamma=gamma, ent_coef=ent_coef)


def ppo_linear_schedules(env, *, seed, gamma=0.99):
    return settings.ppo(
        PPO, env, seed=seed, gamma=gamma,
        learning_rate=lambda remaining: 2e-3 * remaining,
        clip_range=lambda remaining: 0.1 + 0.2 * remaining,
    )  # fmt: skip


def ppo_target_kl_value_clip(env, *, seed, gamma=0.99):
    return settings.ppo(PPO, env, seed=seed, gamma=gamma, target_kl=0.05, clip_range_vf=0.5)


class PPONormalised(PPO):
    """PPO that learns behind VecNormalize and normalises what it is asked about in the same way."""

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        normalised = self.get_vec_normalize_env().normalize_obs(np.asarray(observation))
        return super().predict(normalised, state, episode_start, deterministic)


def ppo_normalised(make_env, *, seed, gamma=0.99):
    env = VecNormalize(settings.vectorised(make_env, 4), gamma=gamma)
    return settings.ppo(PPONormalised, env, seed=seed, gamma=gamma, n_steps=128)


def ppo_reward_scaled(env, *, seed, gamma=0.99):
    wrapped = VecNormalize(DummyVecEnv([lambda: env]), norm_obs=False, gamma=gamma)
    return settings.ppo(PPO, wrapped, seed=seed, gamma=gamma)


def ppo_box(env, *, seed, gamma=0.99):
    return settings.ppo(PPO, env, seed=seed, gamma=gamma)


def a2c_defaults(env, *, seed, gamma=0.99, ent_coef=0.0, max_grad_norm=0.5):
    return A2C(
        "MlpPolicy", env, seed=seed, gamma=gamma, device="cpu",
        ent_coef=ent_coef, max_grad_norm=max_grad_norm,
    )  # fmt: skip


def a2c_adam(env, *, seed, gamma=0.99):
    return settings.a2c(A2C, env, seed=seed, gamma=gamma)


def a2c_eight_envs_rmsprop(make_env, *, seed, gamma=0.99, n_envs=8):
    return settings.a2c(
        A2C, settings.vectorised(make_env, n_envs), seed=seed, gamma=gamma,
        n_steps=8, use_rms_prop=True, normalize_advantage=True,
    )  # fmt: skip


def dqn_defaults(env, *, seed, gamma=0.99):
    # A buffer of the default million would hold far more than these runs ever fill.
    return DQN("MlpPolicy", env, seed=seed, gamma=gamma, device="cpu", buffer_size=100_000)


def dqn_quick(env, *, seed, gamma=0.99, max_grad_norm=10.0):
    return settings.dqn(DQN, env, seed=seed, gamma=gamma, max_grad_norm=max_grad_norm)


def dqn_soft_target(env, *, seed, gamma=0.99):
    return settings.dqn(DQN, env, seed=seed, gamma=gamma, target_update_interval=2, tau=0.02)


def dqn_two_layers(env, *, seed, gamma=0.99):
    policy = {"net_arch": [64, 64]}
    return settings.dqn(DQN, env, seed=seed, gamma=gamma, train_freq=1, policy_kwargs=policy)


def dqn_four_envs(make_env, *, seed, gamma=0.99, n_envs=4):
    return settings.dqn(
        DQN, settings.vectorised(make_env, n_envs), seed=seed, gamma=gamma,
        train_freq=1, gradient_steps=2,
    )  # fmt: skip


def sac_fixed_temperature(env, *, seed, gamma=0.99):
    return settings.continuous(SAC, env, seed=seed, gamma=gamma, ent_coef=0.05)


def sac_automatic_temperature(env, *, seed, gamma=0.99):
    return settings.continuous(SAC, env, seed=seed, gamma=gamma, ent_coef="auto_0.1")


def _noise(env) -> NormalActionNoise:
    size = env.action_space.shape
    return NormalActionNoise(mean=np.zeros(size), sigma=np.full(size, 0.5))


def td3_small(env, *, seed, gamma=0.99):
    return settings.continuous(TD3, env, seed=seed, gamma=gamma, action_noise=_noise(env))


def ddpg_small(env, *, seed, gamma=0.99):
    return settings.continuous(DDPG, env, seed=seed, gamma=gamma, action_noise=_noise(env))


def own_q_learning(env, *, seed, gamma=0.99):
    return TabularQ(env, seed=seed, gamma=gamma)


def own_sarsa(env, *, seed, gamma=0.99):
    return TabularSarsa(env, seed=seed, gamma=gamma)


def own_expected_sarsa(env, *, seed, gamma=0.99):
    return TabularExpectedSarsa(env, seed=seed, gamma=gamma)


def own_ppo(env, *, seed, gamma=0.99):
    return TorchPPO(env, seed=seed, gamma=gamma)


def own_reinforce(env, *, seed, gamma=0.99):
    return TorchReinforce(env, seed=seed, gamma=gamma)


def own_dqn_hard_target(env, *, seed, gamma=0.99):
    return TorchDQN(env, seed=seed, gamma=gamma)


def own_dqn_soft_target(env, *, seed, gamma=0.99):
    return TorchDQN(env, seed=seed, gamma=gamma, target_every=1, tau=0.02)


CORRECT: tuple[CorrectAgent, ...] = (
    CorrectAgent("ppo-defaults", ppo_defaults, "SB3 PPO as it comes"),
    CorrectAgent("ppo-eight-envs", ppo_eight_envs, "8 environments, 32-step rollouts, lambda 0.8"),
    CorrectAgent("ppo-relu", ppo_relu, "two ReLU layers of 128"),
    CorrectAgent("ppo-tanh-small", ppo_tanh_small, "two tanh layers of 32"),
    CorrectAgent("ppo-large-rollout", ppo_large_rollout, "rollouts of 4,096 steps", slow=True),
    CorrectAgent("ppo-lambda-one", ppo_lambda_one, "Monte-Carlo advantages"),
    CorrectAgent("ppo-lambda-half", ppo_lambda_half, "short-sighted advantages (lambda 0.5)"),
    CorrectAgent("ppo-raw-advantages", ppo_raw_advantages, "advantages not normalised"),
    CorrectAgent("ppo-entropy-bonus", ppo_entropy_bonus, "entropy coefficient 0.01"),
    CorrectAgent("ppo-linear-schedules", ppo_linear_schedules, "step size and clip range decay"),
    CorrectAgent("ppo-target-kl-value-clip", ppo_target_kl_value_clip, "early stop, value clip"),
    CorrectAgent("ppo-normalised", ppo_normalised, "VecNormalize of observations and rewards"),
    CorrectAgent("ppo-reward-scaled", ppo_reward_scaled, "VecNormalize of rewards only"),
    CorrectAgent("ppo-box", ppo_box, "Gaussian PPO", continuous=True, slow=True),
    CorrectAgent("a2c-defaults", a2c_defaults, "SB3 A2C as it comes", slow=True),
    CorrectAgent("a2c-adam", a2c_adam, "Adam, 16 steps, lambda 0.95"),
    CorrectAgent("a2c-eight-envs-rmsprop", a2c_eight_envs_rmsprop, "8 environments, RMSprop"),
    CorrectAgent("dqn-defaults", dqn_defaults, "target update every 10,000 steps", slow=True),
    CorrectAgent("dqn-quick", dqn_quick, "target update every 200 steps"),
    CorrectAgent("dqn-soft-target", dqn_soft_target, "Polyak target"),
    CorrectAgent("dqn-two-layers", dqn_two_layers, "an update every step, two layers"),
    CorrectAgent("dqn-four-envs", dqn_four_envs, "4 environments"),
    CorrectAgent("sac-fixed", sac_fixed_temperature, "temperature 0.05", continuous=True),
    CorrectAgent("sac-automatic", sac_automatic_temperature, "own temperature", continuous=True),
    CorrectAgent("td3-small", td3_small, "TD3 with wide noise", continuous=True, slow=True),
    CorrectAgent("ddpg-small", ddpg_small, "DDPG with wide noise", continuous=True, slow=True),
    CorrectAgent("own-q-learning", own_q_learning, "NumPy Q-learning"),
    CorrectAgent("own-sarsa", own_sarsa, "NumPy SARSA"),
    CorrectAgent("own-expected-sarsa", own_expected_sarsa, "NumPy expected SARSA"),
    CorrectAgent("own-ppo", own_ppo, "single-file PyTorch PPO"),
    CorrectAgent("own-reinforce", own_reinforce, "REINFORCE with baseline"),
    CorrectAgent("own-dqn-hard", own_dqn_hard_target, "PyTorch DQN, hard target"),
    CorrectAgent("own-dqn-soft", own_dqn_soft_target, "PyTorch DQN, soft target"),
)
