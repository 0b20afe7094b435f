"""Stable-Baselines3 with one's own pieces: a policy, an update with a KL penalty, another exploration."""

import numpy as np
import torch as th
from stable_baselines3 import PPO, SAC, TD3
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import nn


class Towers(nn.Module):
    """Separate towers for policy and value, with layer norm."""

    def __init__(self, width_in, width=48):
        super().__init__()
        self.latent_dim_pi = self.latent_dim_vf = width
        self.policy_net = nn.Sequential(nn.Linear(width_in, width), nn.LayerNorm(width), nn.Tanh())
        self.value_net = nn.Sequential(nn.Linear(width_in, width), nn.LayerNorm(width), nn.Tanh())

    def forward(self, features):
        return self.forward_actor(features), self.forward_critic(features)

    def forward_actor(self, features):
        return self.policy_net(features)

    def forward_critic(self, features):
        return self.value_net(features)


class TowersPolicy(ActorCriticPolicy):
    def __init__(self, *args, **kwargs):
        kwargs["ortho_init"] = False
        super().__init__(*args, **kwargs)

    def _build_mlp_extractor(self):
        self.mlp_extractor = Towers(self.features_dim)


def make_towers(env, *, seed, gamma):
    return PPO(
        TowersPolicy, env, seed=seed, gamma=gamma, n_steps=256, batch_size=128, n_epochs=8,
        learning_rate=3e-3, clip_range=lambda left: 0.1 + 0.2 * left, gae_lambda=0.9,
    )  # fmt: skip


class PenaltyPPO(PPO):
    """The other PPO of the paper (Schulman et al., 2017, section 4): a penalty on KL, no clipping."""

    beta = 1.0
    target = 0.02

    def train(self):
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        for _ in range(self.n_epochs):
            drift = []
            for rows in self.rollout_buffer.get(self.batch_size):
                actions = rows.actions.long().flatten()
                values, log_prob, entropy = self.policy.evaluate_actions(rows.observations, actions)
                advantages = rows.advantages
                advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
                log_ratio = log_prob - rows.old_log_prob
                ratio = log_ratio.exp()
                kl = (ratio - 1 - log_ratio).mean()
                policy_loss = -(ratio * advantages).mean() + self.beta * kl
                value_loss = (values.flatten() - rows.returns).pow(2).mean()
                loss = policy_loss + self.vf_coef * value_loss - self.ent_coef * entropy.mean()
                self.policy.optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.policy.parameters(), self.max_grad_norm)
                self.policy.optimizer.step()
                drift.append(kl.item())
            mean = float(np.mean(drift))
            if mean > 1.5 * self.target:
                self.beta *= 2.0
            elif mean < self.target / 1.5:
                self.beta = max(self.beta / 2.0, 0.05)
        self._n_updates += self.n_epochs


def make_penalty(env, *, seed, gamma):
    return PenaltyPPO(
        "MlpPolicy", env, seed=seed, gamma=gamma, n_steps=256, batch_size=64, n_epochs=6,
        learning_rate=1e-3, policy_kwargs={"net_arch": [64]},
    )  # fmt: skip


class EpsilonTD3(TD3):
    """Now and then a uniform action in place of a noisy one."""

    epsilon = 0.2

    def _sample_action(self, learning_starts, action_noise=None, n_envs=1):
        if self.num_timesteps < learning_starts or self.draws.random() < self.epsilon:
            unscaled = np.array([self.action_space.sample() for _ in range(n_envs)])
        else:
            unscaled, _ = self.predict(self._last_obs, deterministic=False)
        scaled = self.policy.scale_action(unscaled)
        noisy = np.clip(scaled + self.draws.normal(0, 0.1, size=scaled.shape), -1, 1)
        return self.policy.unscale_action(noisy), noisy

    def _setup_model(self):
        super()._setup_model()
        self.draws = np.random.default_rng(self.seed)


def make_epsilon_td3(env, *, seed, gamma):
    return EpsilonTD3(
        "MlpPolicy", env, seed=seed, gamma=gamma, learning_starts=500, learning_rate=1e-3, batch_size=64,
        buffer_size=20_000, tau=0.01, train_freq=1, policy_kwargs={"net_arch": [64]},
    )  # fmt: skip


def make_sac(env, *, seed, gamma):
    """The entropy is not learned; the target network is copied whole, every 50 updates."""
    return SAC(
        "MlpPolicy", env, seed=seed, gamma=gamma, ent_coef=0.05, learning_starts=300, learning_rate=1e-3,
        batch_size=64, buffer_size=20_000, tau=1.0, target_update_interval=50,
        policy_kwargs={"net_arch": [64], "activation_fn": th.nn.SiLU},
    )  # fmt: skip
