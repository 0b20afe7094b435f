"""What this project uses of sb3_contrib, and its own pieces around Stable-Baselines3's PPO and DQN."""

import numpy as np
import torch as th
from gymnasium import Wrapper
from sb3_contrib import ARS, QRDQN, TRPO, MaskablePPO, RecurrentPPO
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from torch.nn import functional as F

SMALL = {"net_arch": [32]}


def make_qrdqn(env, *, seed, gamma):
    return QRDQN(
        "MlpPolicy", env, seed=seed, gamma=gamma, learning_rate=2e-3, learning_starts=200, train_freq=1,
        target_update_interval=200, exploration_fraction=0.4, batch_size=64,
        policy_kwargs={"n_quantiles": 10, "net_arch": [64]},
    )  # fmt: skip


def make_trpo(env, *, seed, gamma):
    return TRPO(
        "MlpPolicy", env, seed=seed, gamma=gamma, n_steps=256, batch_size=256, learning_rate=5e-3,
        target_kl=0.03, policy_kwargs=SMALL,
    )  # fmt: skip


def make_ars(env, *, seed):
    """No discount: random search climbs the return as it is."""
    return ARS("LinearPolicy", env, seed=seed, n_delta=8, n_eval_episodes=4, learning_rate=0.05)


class EverythingAllowed(Wrapper):
    """For environments whose actions are always all possible."""

    def action_masks(self):
        return np.ones(self.action_space.n, dtype=bool)


def make_maskable(env, *, seed, gamma):
    return MaskablePPO(
        "MlpPolicy", EverythingAllowed(env), seed=seed, gamma=gamma, n_steps=128, batch_size=64,
        learning_rate=2e-3, ent_coef=0.01, policy_kwargs=SMALL,
    )  # fmt: skip


def make_recurrent(env, *, seed, gamma):
    return RecurrentPPO(
        "MlpLstmPolicy", env, seed=seed, gamma=gamma, n_steps=128, batch_size=128, learning_rate=3e-3,
        policy_kwargs={"lstm_hidden_size": 32, "net_arch": [32]},
    )  # fmt: skip


class NStepBuffer(ReplayBuffer):
    """Sums rewards over up to `n` steps when it samples. For one environment."""

    n, gamma = 3, 0.99

    def _get_samples(self, batch_inds, env=None):
        inds = np.array(batch_inds)
        rewards = np.zeros(len(inds), dtype=np.float32)
        steps = np.zeros(len(inds), dtype=np.int64)
        going = np.ones(len(inds), dtype=bool)
        last = inds.copy()
        newest = (self.pos - 1) % self.buffer_size
        for k in range(self.n):
            j = (inds + k) % self.buffer_size
            rewards += going * self.gamma**k * self.rewards[j, 0]
            last = np.where(going, j, last)
            steps += going
            going = going & (self.dones[j, 0] == 0) & (j != newest)
        samples = super()._get_samples(inds, env)
        ends = super()._get_samples(last, env)
        # The library multiplies by gamma once more, and every window has its own power.
        power = self.gamma ** (th.as_tensor(steps, device=self.device).unsqueeze(1) - 1)
        return samples._replace(
            rewards=th.as_tensor(rewards, device=self.device).unsqueeze(1),
            next_observations=ends.next_observations,
            dones=1 - (1 - ends.dones) * power,
        )


def make_nstep_dqn(env, *, seed, gamma):
    buffer = type("Buffer", (NStepBuffer,), {"gamma": gamma})
    return DQN(
        "MlpPolicy", env, seed=seed, gamma=gamma, replay_buffer_class=buffer, learning_rate=1e-3,
        buffer_size=20_000, learning_starts=200, train_freq=2, gradient_steps=2, batch_size=64,
        target_update_interval=100, exploration_fraction=0.5, policy_kwargs=SMALL,
    )  # fmt: skip


class DoubleDQN(DQN):
    def train(self, gradient_steps, batch_size=100):
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        for _ in range(gradient_steps):
            data = self.replay_buffer.sample(batch_size, env=self._vec_normalize_env)
            with th.no_grad():
                online = self.q_net(data.next_observations)
                chosen = online.argmax(dim=1, keepdim=True)
                following = self.q_net_target(data.next_observations).gather(1, chosen)
                target = data.rewards + (1 - data.dones) * self.gamma * following
            current = self.q_net(data.observations).gather(1, data.actions.long())
            loss = F.mse_loss(current, target)
            self.policy.optimizer.zero_grad()
            loss.backward()
            th.nn.utils.clip_grad_norm_(self.policy.parameters(), self.max_grad_norm)
            self.policy.optimizer.step()
        self._n_updates += gradient_steps


def make_double(env, *, seed, gamma):
    return DoubleDQN(
        "MlpPolicy", env, seed=seed, gamma=gamma, learning_rate=1e-3, learning_starts=200, train_freq=1,
        target_update_interval=1, tau=0.01, exploration_fraction=0.5, policy_kwargs=SMALL,
    )  # fmt: skip


class EntropySchedule(BaseCallback):
    """Lets the entropy bonus fade from its first value to nothing."""

    def _on_training_start(self):
        self.first = self.model.ent_coef

    def _on_rollout_start(self):
        self.model.ent_coef = self.first * self.model._current_progress_remaining

    def _on_step(self):
        return True


class ScheduledPPO(PPO):
    def learn(self, total_timesteps, callback=None, **kwargs):
        both = [EntropySchedule()] + ([callback] if callback is not None else [])
        return super().learn(total_timesteps, callback=both, **kwargs)


def make_scheduled(env, *, seed, gamma):
    return ScheduledPPO(
        "MlpPolicy", env, seed=seed, gamma=gamma, n_steps=256, batch_size=64, learning_rate=2e-3,
        ent_coef=0.02, clip_range_vf=0.2, normalize_advantage=True, policy_kwargs=SMALL,
    )  # fmt: skip


class NormalizedA2C:
    """A2C behind VecNormalize; answers in the environment's own observations."""

    def __init__(self, make_env, seed, gamma):
        venv = DummyVecEnv([make_env] * 4)
        self.venv = VecNormalize(venv, norm_obs=True, norm_reward=True, gamma=gamma)
        self.model = A2C(
            "MlpPolicy", self.venv, seed=seed, gamma=gamma, n_steps=8, learning_rate=4e-3,
            gae_lambda=0.95, use_rms_prop=False, policy_kwargs=SMALL,
        )  # fmt: skip

    def learn(self, total_timesteps):
        self.venv.training = True
        self.model.learn(total_timesteps)
        return self

    def predict(self, observation, deterministic=True):
        normalized = self.venv.normalize_obs(np.asarray(observation))
        return self.model.predict(normalized, deterministic=deterministic)


def make_normalized(make_env, *, seed, gamma):
    return NormalizedA2C(make_env, seed, gamma)
