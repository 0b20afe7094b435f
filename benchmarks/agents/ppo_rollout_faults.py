"""Faults in what PPO stores and in the advantages it computes from that."""

from __future__ import annotations

import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.type_aliases import RolloutBufferSamples

from benchmarks.agents import settings
from benchmarks.agents.open_algorithms import OpenRolloutBuffer
from benchmarks.agents.records import FaultyAgent


class NoDones(OpenRolloutBuffer):
    """Neither the bootstrap nor the carry stops at the end of an episode."""

    def ended(self, dones):
        return np.zeros_like(self.episode_starts)


class UnmaskedBootstrap(OpenRolloutBuffer):
    """Only the carry is masked: V of the next reset is added to the terminal reward."""

    def bootstrap_mask(self, dones):
        return np.ones_like(self.episode_starts)


class UnmaskedCarry(OpenRolloutBuffer):
    """Only the bootstrap is masked: advantages of the next episode flow into this one."""

    def carry_mask(self, dones):
        return np.ones_like(self.episode_starts)


class StartFlagsAsMask(OpenRolloutBuffer):
    """Takes the flag "t starts an episode" for "t ends one"."""

    def ended(self, dones):
        return self.episode_starts


class NextStepsDone(OpenRolloutBuffer):
    """Takes the end flag of step t + 1 for that of step t."""

    def ended(self, dones):
        right = super().ended(dones)
        return np.concatenate([right[1:], right[-1:]])


class Undiscounted(OpenRolloutBuffer):
    """The value of the next state enters without gamma."""

    def bootstrap_discount(self):
        return 1.0

    def carry_discount(self):
        return self.gae_lambda


class GammaTwice(OpenRolloutBuffer):
    """Values are discounted when they are shifted, and again in the target."""

    def next_values(self, last_values):
        return self.gamma * super().next_values(last_values)

    def carry_discount(self):
        return self.gamma**2 * self.gae_lambda


class FrameSkipGamma(OpenRolloutBuffer):
    """Corrects gamma for a frame skip of 4 that this environment does not have."""

    def bootstrap_discount(self):
        return self.gamma**4

    def carry_discount(self):
        return self.gamma**4 * self.gae_lambda


class LateRewards(OpenRolloutBuffer):
    """Row t holds the reward of step t - 1."""

    def gae_rewards(self):
        return np.concatenate([np.zeros_like(self.rewards[:1]), self.rewards[:-1]])


class EarlyRewards(OpenRolloutBuffer):
    """Row t holds the reward of step t + 1."""

    def gae_rewards(self):
        return np.concatenate([self.rewards[1:], np.zeros_like(self.rewards[:1])])


class CentredRewards(OpenRolloutBuffer):
    """Rewards are centred over the rollout before the advantages are computed."""

    def gae_rewards(self):
        return self.rewards - self.rewards.mean()


class CurrentValueAsNext(OpenRolloutBuffer):
    """Bootstraps from V(s_t) rather than V(s_{t+1})."""

    def next_values(self, last_values):
        return self.values


class LaggedObservations(RolloutBuffer):
    """Stores the observation of the step before beside the action of this one."""

    previous = None

    def add(self, obs, action, reward, episode_start, value, log_prob):
        stored = obs if self.previous is None else self.previous
        self.previous = np.array(obs)
        super().add(stored, action, reward, episode_start, value, log_prob)


class ShuffledAdvantages(RolloutBuffer):
    """Draws the rows of the advantages with a permutation of their own."""

    def _get_samples(self, batch_inds, env=None):
        samples = super()._get_samples(batch_inds, env)
        other = np.random.permutation(self.buffer_size * self.n_envs)[: len(batch_inds)]
        advantages = self.to_torch(self.advantages[other].flatten())
        return RolloutBufferSamples(*samples[:4], advantages, samples.returns)


class UnswappedAdvantages(RolloutBuffer):
    """Flattens [T, B] without swapping the axes for what it computed itself."""

    def get(self, batch_size=None):
        if not self.generator_ready:
            for name in ("observations", "actions", "values", "log_probs"):
                setattr(self, name, self.swap_and_flatten(getattr(self, name)))
            self.advantages = self.advantages.reshape(-1, 1)
            self.returns = self.returns.reshape(-1, 1)
            self.generator_ready = True
        return super().get(batch_size)


def _with(buffer):
    def make(env, *, seed, gamma=0.99):
        return settings.ppo(PPO, env, seed=seed, gamma=gamma, rollout_buffer_class=buffer)

    return make


def env_axis_mixed(make_env, *, seed, gamma=0.99, n_envs=8):
    return settings.ppo(
        PPO, settings.vectorised(make_env, n_envs), seed=seed, gamma=gamma,
        n_steps=64, rollout_buffer_class=UnswappedAdvantages,
    )  # fmt: skip


def gamma_not_passed(env, *, seed, gamma=0.99):
    return settings.ppo(PPO, env, seed=seed, gamma=0.99)


def _faulty(name, faults, buffer, description):
    return FaultyAgent(f"ppo-{name}", "SB3 PPO", faults, _with(buffer), description)


FAULTY = (
    _faulty("no-dones", ("terminal-bootstrap",), NoDones, "GAE knows no ends"),
    _faulty("unmasked-bootstrap", ("terminal-bootstrap",), UnmaskedBootstrap, "V(reset) leaks in"),
    _faulty(
        "unmasked-carry", ("terminal-bootstrap",), UnmaskedCarry,
        "lambda carry runs across ends (no bias in expectation once the critic is right)",
    ),
    _faulty("start-flags-as-mask", ("done-late",), StartFlagsAsMask, "masks one step late"),
    _faulty("next-steps-done", ("done-early",), NextStepsDone, "masks one step early"),
    _faulty("undiscounted", ("discount-ignored",), Undiscounted, "gamma missing from GAE"),
    _faulty(
        "gamma-twice", ("discount-applied-twice", "discount-too-small"), GammaTwice,
        "gamma squared in GAE",
    ),
    _faulty("frame-skip-gamma", ("discount-too-small",), FrameSkipGamma, "gamma to the 4th"),
    _faulty("late-rewards", ("reward-late",), LateRewards, "rewards shifted to later rows"),
    _faulty("early-rewards", ("reward-early",), EarlyRewards, "rewards shifted to earlier rows"),
    _faulty("centred-rewards", ("reward-mean-subtracted",), CentredRewards, "rewards centred"),
    _faulty(
        "current-value-as-next", ("next-observation-stale",), CurrentValueAsNext,
        "bootstraps from V(s) instead of V(s')",
    ),
    _faulty(
        "lagged-observations", ("observation-stale", "batch-misaligned"), LaggedObservations,
        "the buffer pairs actions with the observation before",
    ),
    _faulty("shuffled-advantages", ("batch-misaligned",), ShuffledAdvantages, "rows permuted"),
    FaultyAgent(
        "ppo-unswapped-advantages", "SB3 PPO, 8 environments",
        ("env-axis-mixed", "batch-misaligned"), env_axis_mixed,
        "advantages and returns are flattened time-major, the rest environment-major",
    ),
    FaultyAgent(
        "ppo-gamma-not-passed", "SB3 PPO", ("discount-hard-coded", "discount-ignored"),
        gamma_not_passed, "the factory keeps gamma at 0.99",
    ),
)  # fmt: skip
