"""Stable-Baselines3 as people bend it: own buffers, extractors, policies, wrappers, callbacks."""

import gymnasium as gym
import numpy as np
import torch as th
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.buffers import ReplayBuffer, RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from torch import nn


class CountingReplayBuffer(ReplayBuffer):
    """Counts what is stored; else as it comes."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.stored, self.rewarded = 0, 0

    def add(self, obs, next_obs, action, reward, done, infos):
        self.stored += len(reward)
        self.rewarded += int((reward != 0).sum())
        super().add(obs, next_obs, action, reward, done, infos)


class DoubleDQN(DQN):
    """Own train(): the online network chooses the next action, the target network judges it."""

    def train(self, gradient_steps, batch_size=100):
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        losses = []
        for _ in range(gradient_steps):
            data = self.replay_buffer.sample(batch_size, env=self._vec_normalize_env)
            with th.no_grad():
                best = self.q_net(data.next_observations).argmax(dim=1, keepdim=True)
                next_q = self.q_net_target(data.next_observations).gather(1, best)
                target = data.rewards + (1 - data.dones) * self.gamma * next_q
            current = self.q_net(data.observations).gather(1, data.actions.long())
            loss = nn.functional.smooth_l1_loss(current, target)
            losses.append(loss.item())
            self.policy.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.policy.parameters(), self.max_grad_norm)
            self.policy.optimizer.step()
        self._n_updates += gradient_steps
        self.logger.record("train/loss", float(np.mean(losses)))


class PlainRolloutBuffer(RolloutBuffer):
    """GAE written out once more, row by row."""

    def compute_returns_and_advantage(self, last_values, dones):
        last_values = last_values.clone().cpu().numpy().flatten()
        trace = np.zeros(self.n_envs, np.float32)
        goes_on, next_values = 1.0 - dones.astype(np.float32), last_values
        for t in range(self.buffer_size - 1, -1, -1):
            delta = self.rewards[t] + self.gamma * next_values * goes_on - self.values[t]
            trace = delta + self.gamma * self.gae_lambda * goes_on * trace
            self.advantages[t] = trace
            goes_on, next_values = 1.0 - self.episode_starts[t], self.values[t]
        self.returns = self.advantages + self.values


class Embedding(BaseFeaturesExtractor):
    def __init__(self, observation_space, features_dim=48):
        super().__init__(observation_space, features_dim)
        self.linear = nn.Linear(int(np.prod(observation_space.shape)), features_dim)
        self.norm = nn.LayerNorm(features_dim)

    def forward(self, observations):
        return th.tanh(self.norm(self.linear(observations.flatten(1))))


class TwoHeadPolicy(ActorCriticPolicy):
    """Its own value head, one layer deeper than usual."""

    def _build(self, lr_schedule):
        super()._build(lr_schedule)
        width = self.mlp_extractor.latent_dim_vf
        self.value_net = nn.Sequential(nn.Linear(width, 32), nn.ReLU(), nn.Linear(32, 1))
        self.optimizer = self.optimizer_class(
            self.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs
        )


class EntropyDecay(BaseCallback):
    """Takes the entropy bonus down linearly."""

    def __init__(self, first, last):
        super().__init__()
        self.first, self.last = first, last

    def _on_step(self):
        return True

    def _on_rollout_end(self):
        progress = 1 - self.model._current_progress_remaining
        self.model.ent_coef = self.first + (self.last - self.first) * min(1.0, progress)


class AnnealedA2C(A2C):
    def learn(self, total_timesteps, callback=None, **kwargs):
        return super().learn(total_timesteps, callback or EntropyDecay(0.02, 0.0), **kwargs)


class StepCounter(gym.Wrapper):
    """Keeps score of an episode, and passes everything on."""

    def reset(self, **kwargs):
        self.steps, self.score = 0, 0.0
        return self.env.reset(**kwargs)

    def step(self, action):
        obs, reward, terminated, truncated, info = self.env.step(action)
        self.steps += 1
        self.score += reward
        info["score"] = self.score
        return obs, reward, terminated, truncated, info


def make_dqn(env, *, seed, gamma=0.99, learning_rate=1e-3):
    return DoubleDQN(
        "MlpPolicy", StepCounter(env), learning_rate=learning_rate, gamma=gamma, seed=seed,
        learning_starts=500, train_freq=1, target_update_interval=300, exploration_fraction=0.4,
        replay_buffer_class=CountingReplayBuffer, policy_kwargs={"net_arch": [64]},
    )  # fmt: skip


def make_ppo(make_env, *, seed, gamma=0.99, ent_coef=0.005):
    envs = DummyVecEnv([lambda: StepCounter(make_env()) for _ in range(2)])
    return PPO(
        TwoHeadPolicy, envs, gamma=gamma, ent_coef=ent_coef, seed=seed, n_steps=256,
        learning_rate=lambda left: 1e-3 * left + 1e-4, rollout_buffer_class=PlainRolloutBuffer,
        policy_kwargs={"features_extractor_class": Embedding, "net_arch": [32]},
    )  # fmt: skip


def make_a2c(make_env, *, seed, gamma=0.99):
    envs = DummyVecEnv([make_env] * 4)
    return AnnealedA2C("MlpPolicy", envs, gamma=gamma, n_steps=8, seed=seed)


class NormalizedAgent:
    """PPO under VecNormalize, with the statistics frozen while it acts."""

    def __init__(self, make_env, seed, gamma):
        self.envs = VecNormalize(DummyVecEnv([make_env] * 2), gamma=gamma, clip_reward=50.0)
        self.model = PPO(
            "MlpPolicy", self.envs, gamma=gamma, n_steps=256, learning_rate=1e-3, seed=seed
        )

    def learn(self, total_timesteps):
        self.envs.training = True
        self.model.learn(total_timesteps)

    def predict(self, observation, deterministic=True):
        observation = self.envs.normalize_obs(np.asarray(observation))
        return self.model.predict(observation, deterministic=deterministic)


def make_normalized(make_env, *, seed, gamma=0.99):
    return NormalizedAgent(make_env, seed, gamma)


def make_vecnormalize(make_env, *, seed, gamma=0.99):
    """The model itself is handed over; its environment normalises observations."""
    envs = VecNormalize(DummyVecEnv([make_env]), norm_reward=False, gamma=gamma)
    return PPO("MlpPolicy", envs, gamma=gamma, n_steps=512, learning_rate=1e-3, seed=seed)
