"""Faults in what off-policy agents store, and in how they use continuous actions."""

from __future__ import annotations

import numpy as np
from stable_baselines3 import DQN, SAC, TD3
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.distributions import SquashedDiagGaussianDistribution

from benchmarks.agents import settings, wrappers
from benchmarks.agents.records import FaultyAgent


class LateRewards(ReplayBuffer):
    """Stores the reward that was known when the action was chosen."""

    known = 0.0

    def add(self, obs, next_obs, action, reward, done, infos):
        self.known, late = np.array(reward), self.known
        super().add(obs, next_obs, action, np.broadcast_to(late, reward.shape), done, infos)


class EarlyRewards(ReplayBuffer):
    """Reads rewards one row further on than the rest."""

    def _get_samples(self, batch_inds, env=None):
        samples = super()._get_samples(batch_inds, env)
        rows = np.minimum(batch_inds + 1, self.size() - 1)
        return samples._replace(rewards=self.to_torch(self.rewards[rows, 0].reshape(-1, 1)))


class LateDones(ReplayBuffer):
    """Writes the end flag of the step before."""

    known = 0.0

    def add(self, obs, next_obs, action, reward, done, infos):
        self.known, late = np.array(done), self.known
        super().add(obs, next_obs, action, reward, np.broadcast_to(late, done.shape), infos)


class EarlyDones(ReplayBuffer):
    """Reads the end flags one row further on than the rest."""

    def _get_samples(self, batch_inds, env=None):
        samples = super()._get_samples(batch_inds, env)
        rows = np.minimum(batch_inds + 1, self.size() - 1)
        ended = self.dones[rows, 0] * (1 - self.timeouts[rows, 0])
        return samples._replace(dones=self.to_torch(ended.reshape(-1, 1)))


class NextIsCurrent(ReplayBuffer):
    """Both observations are the same array."""

    def add(self, obs, next_obs, action, reward, done, infos):
        super().add(obs, obs, action, reward, done, infos)


class LaggedObservations(ReplayBuffer):
    """The observation is the one before the one that was acted on."""

    previous = None

    def add(self, obs, next_obs, action, reward, done, infos):
        stored = obs if self.previous is None else self.previous
        self.previous = np.array(obs)
        super().add(stored, next_obs, action, reward, done, infos)


class NextAction(ReplayBuffer):
    """Numbers actions from one on writing, and nobody subtracts it again."""

    def add(self, obs, next_obs, action, reward, done, infos):
        shifted = (action + 1) % int(self.action_space.n)
        super().add(obs, next_obs, shifted, reward, done, infos)


class MisalignedRows(ReplayBuffer):
    """Next observations are drawn with indices of their own."""

    def _get_samples(self, batch_inds, env=None):
        samples = super()._get_samples(batch_inds, env)
        rows = np.random.randint(self.size(), size=len(batch_inds))
        return samples._replace(next_observations=self.to_torch(self.next_observations[rows, 0]))


class UnitRewards(ReplayBuffer):
    """Clips rewards on writing."""

    def add(self, obs, next_obs, action, reward, done, infos):
        super().add(obs, next_obs, action, np.clip(reward, -1.0, 1.0), done, infos)


class NoEnds(ReplayBuffer):
    """Hands out no end at all."""

    def _get_samples(self, batch_inds, env=None):
        samples = super()._get_samples(batch_inds, env)
        return samples._replace(dones=samples.dones * 0.0)


class ResetAsNextObservation(DQN):
    """Stores what the vector environment returned: after an end, the next episode's start."""

    def _store_transition(self, replay_buffer, buffer_action, new_obs, reward, dones, infos):
        for info in infos:
            info.pop("terminal_observation", None)
        super()._store_transition(replay_buffer, buffer_action, new_obs, reward, dones, infos)


class StoresTheOtherScale(SAC):
    """Stores actions in the environment's units; the actor's are in [-1, 1]."""

    def _sample_action(self, learning_starts, action_noise=None, n_envs=1):
        action, _ = super()._sample_action(learning_starts, action_noise, n_envs)
        return action, action


class HalfTheRange(SAC):
    """Maps [-1, 1] to the lower half of the action range, in learning and in evaluation."""

    def _sample_action(self, learning_starts, action_noise=None, n_envs=1):
        action, scaled = super()._sample_action(learning_starts, action_noise, n_envs)
        return self._halved(action), scaled

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        action, state = super().predict(observation, state, episode_start, deterministic)
        return (self._halved(action) if deterministic else action), state

    def _halved(self, action):
        low, high = self.action_space.low, self.action_space.high
        return (low + (action - low) * (0.5 * (high - low)) / (high - low)).astype(np.float32)


class Uncorrected(SquashedDiagGaussianDistribution):
    """Log-probability of the Gaussian before the tanh."""

    def log_prob(self, actions, gaussian_actions=None):
        if gaussian_actions is None:
            gaussian_actions = actions.clamp(-1 + self.epsilon, 1 - self.epsilon).atanh()
        return super(SquashedDiagGaussianDistribution, self).log_prob(gaussian_actions)


class NoTanhCorrection(SAC):
    """Squashes actions without the change of variables."""

    def _setup_model(self):
        super()._setup_model()
        self.actor.action_dist = Uncorrected(self.actor.action_dist.action_dim)


def _stored(name, faults, buffer, description):
    def make(env, *, seed, gamma=0.99):
        return settings.dqn(DQN, env, seed=seed, gamma=gamma, replay_buffer_class=buffer)

    return FaultyAgent(f"dqn-{name}", "SB3 DQN", faults, make, description)


def reset_as_next_observation(env, *, seed, gamma=0.99):
    return settings.dqn(ResetAsNextObservation, env, seed=seed, gamma=gamma)


def _box(name, faults, cls, description, **changes):
    def make(env, *, seed, gamma=0.99):
        return settings.continuous(cls, env, seed=seed, gamma=gamma, **changes)

    return FaultyAgent(f"sac-{name}", "SB3 SAC", faults, make, description, continuous=True)


def td3_without_noise(env, *, seed, gamma=0.99):
    return settings.continuous(TD3, env, seed=seed, gamma=gamma, learning_starts=1)


def sac_usual_gamma(env, *, seed, gamma=0.99):
    return settings.continuous(SAC, env, seed=seed, gamma=0.99, ent_coef=0.05)


def sac_merged_done(env, *, seed, gamma=0.99):
    wrapped = wrappers.MergedDone(env)
    return settings.continuous(SAC, wrapped, seed=seed, gamma=gamma, ent_coef=0.05)


STORED = (
    _stored("late-rewards", ("reward-late",), LateRewards, "r_{t-1} is stored at t"),
    _stored("early-rewards", ("reward-early",), EarlyRewards, "r_{t+1} is read at t"),
    _stored("late-dones", ("done-late",), LateDones, "the end of t - 1 is stored at t"),
    _stored("early-dones", ("done-early",), EarlyDones, "the end of t + 1 is read at t"),
    _stored("next-is-current", ("next-observation-stale",), NextIsCurrent, "s' is s"),
    _stored(
        "lagged-observations", ("observation-stale", "batch-misaligned"), LaggedObservations,
        "s is the observation before",
    ),
    _stored(
        "next-action", ("action-not-executed", "action-permuted"), NextAction,
        "stored actions are numbered from one",
    ),
    _stored(
        "misaligned-rows", ("batch-misaligned", "next-observation-stale"), MisalignedRows,
        "s' comes from other transitions",
    ),
    _stored("unit-rewards", ("reward-clipped",), UnitRewards, "rewards clipped to [-1, 1]"),
    FaultyAgent(
        "dqn-reset-as-next-observation", "SB3 DQN",
        ("truncation-bootstraps-reset", "next-observation-stale", "truncation-as-terminal"),
        reset_as_next_observation, "after a timeout s' is the next episode's start",
    ),
)  # fmt: skip

CONTINUOUS = (
    _box(
        "no-ends", ("terminal-bootstrap", "terminal-as-truncation"), SAC,
        "the buffer hands out no ends", replay_buffer_class=NoEnds, ent_coef=0.05,
    ),
    _box(
        "stores-the-other-scale", ("action-scale-wrong", "action-not-executed"),
        StoresTheOtherScale, "wrong wherever the bounds are not -1 and 1", ent_coef=0.05,
    ),
    _box(
        "half-the-range", ("action-scale-wrong",), HalfTheRange,
        "the upper half of the actions is never executed", ent_coef=0.05,
    ),
    _box(
        "no-tanh-correction", ("tanh-correction-missing",), NoTanhCorrection,
        "log-probability without the change of variables", ent_coef=0.2,
    ),
    FaultyAgent(
        "sac-usual-gamma", "SB3 SAC", ("discount-hard-coded", "discount-ignored"), sac_usual_gamma,
        "0.99 whatever gamma says", continuous=True,
    ),
    FaultyAgent(
        "sac-merged-done", "SB3 SAC", ("truncation-as-terminal",), sac_merged_done,
        "a bridge to the old gym API", continuous=True,
    ),
    FaultyAgent(
        "td3-without-noise", "SB3 TD3", ("no-exploration",), td3_without_noise,
        "neither action noise nor random warm-up", continuous=True,
    ),
)  # fmt: skip

FAULTY = STORED + CONTINUOUS
