"""Faulty A2C agents."""

from __future__ import annotations

import numpy as np
import torch as th
from stable_baselines3 import A2C

from benchmarks.agents import settings, wrappers
from benchmarks.agents.open_algorithms import OpenA2C, OpenRolloutBuffer
from benchmarks.agents.records import FaultyAgent


class RolloutSeenAsOneEpisode(OpenRolloutBuffer):
    """Asks only whether the rollout's last step ended an episode, as if a rollout were one."""

    def ended(self, dones):
        within = np.zeros_like(self.episode_starts[1:])
        return np.concatenate([within, dones[None].astype(np.float32)])


class CutBeforeTheEnd(OpenRolloutBuffer):
    """Stores the end of step t where its start is expected: ends arrive one row too early."""

    def ended(self, dones):
        right = super().ended(dones)
        return np.concatenate([right[1:], np.zeros_like(right[:1])])


class LambdaForGamma(OpenRolloutBuffer):
    """gae_lambda stands where gamma belongs."""

    def bootstrap_discount(self):
        return self.gae_lambda


class RewardOfTheNextRow(OpenRolloutBuffer):
    """An off-by-one slice pairs s_t with r_{t+1}."""

    def gae_rewards(self):
        return np.roll(self.rewards, -1, axis=0)


class TimeMajorActions(OpenRolloutBuffer):
    """Actions keep their time-major order; the other columns are environment-major."""

    def get(self, batch_size=None):
        self.actions = self.actions.reshape(self.n_envs, self.buffer_size, -1).swapaxes(0, 1)
        return super().get(batch_size)


class AscendingLoss(OpenA2C):
    """Minimises advantage times log-probability."""

    def policy_loss(self, log_prob, advantages, values, data):
        return (advantages * log_prob).mean()


class AttachedAdvantages(OpenA2C):
    """Recomputes the advantages with the graph of V: the policy loss trains the critic, too."""

    def policy_loss(self, log_prob, advantages, values, data):
        return -((data.returns - values) * log_prob).mean()


class EntropyAsPenalty(OpenA2C):
    """Adds the entropy to the loss."""

    def entropy_loss(self, entropy):
        return self.ent_coef * th.mean(entropy)


class LogProbWithoutGraph(OpenA2C):
    """Reuses log-probabilities that were stored while collecting."""

    def policy_loss(self, log_prob, advantages, values, data):
        return -(advantages * data.old_log_prob).mean()


class ShiftedActions(OpenA2C):
    """The actions are one row off against observations and advantages."""

    def loss(self, data):
        return super().loss(data._replace(actions=data.actions.roll(1, dims=0)))


class NormOfNothing(OpenA2C):
    """Clips gradients before they are computed, when all of them are None."""

    def descend(self, loss):
        self.policy.optimizer.zero_grad()
        th.nn.utils.clip_grad_norm_(self.policy.parameters(), self.max_grad_norm)
        loss.backward()
        self.policy.optimizer.step()


def _with(cls=A2C, **changes):
    def make(env, *, seed, gamma=0.99):
        return settings.a2c(cls, env, seed=seed, gamma=gamma, **changes)

    return make


def _behind(wrapper):
    def make(env, *, seed, gamma=0.99):
        return settings.a2c(A2C, wrapper(env), seed=seed, gamma=gamma)

    return make


def entropy_as_penalty(env, *, seed, gamma=0.99, ent_coef=0.05):
    return settings.a2c(EntropyAsPenalty, env, seed=seed, gamma=gamma, ent_coef=ent_coef)


def norm_of_nothing(env, *, seed, gamma=0.99, max_grad_norm=0.5):
    return settings.a2c(NormOfNothing, env, seed=seed, gamma=gamma, max_grad_norm=max_grad_norm)


def time_major_actions(make_env, *, seed, gamma=0.99, n_envs=6):
    env = settings.vectorised(make_env, n_envs)
    buffer = TimeMajorActions
    return settings.a2c(A2C, env, seed=seed, gamma=gamma, n_steps=8, rollout_buffer_class=buffer)


def always_the_same_seed(env, *, seed, gamma=0.99):
    return settings.a2c(A2C, env, seed=42, gamma=gamma)


def _faulty(name, faults, factory, description):
    return FaultyAgent(f"a2c-{name}", "SB3 A2C", faults, factory, description)


def _buffer(name, faults, buffer, description):
    return _faulty(name, faults, _with(rollout_buffer_class=buffer), description)


FAULTY = (
    _buffer(
        "one-episode-a-rollout", ("terminal-bootstrap",), RolloutSeenAsOneEpisode,
        "ends inside the rollout are not seen",
    ),
    _buffer("cut-before-the-end", ("done-early",), CutBeforeTheEnd, "masks one row early"),
    _buffer(
        "lambda-for-gamma", ("discount-hard-coded", "discount-ignored"), LambdaForGamma,
        "bootstraps with gae_lambda (0.95) for gamma",
    ),
    _buffer("reward-of-the-next-row", ("reward-early",), RewardOfTheNextRow, "r one row off"),
    _faulty(
        "time-major-actions", ("env-axis-mixed", "batch-misaligned"), time_major_actions,
        "actions flattened along the other axis",
    ),
    _faulty(
        "ascending-loss", ("advantage-sign-flipped",), _with(AscendingLoss),
        "the minus of the policy loss is missing",
    ),
    _faulty(
        "attached-advantages", ("advantage-not-detached", "critic-not-trained"),
        _with(AttachedAdvantages), "the policy loss moves the critic",
    ),
    _faulty(
        "entropy-as-penalty", ("entropy-sign-flipped",), entropy_as_penalty, "entropy minimised"
    ),
    _faulty(
        "log-prob-without-graph", ("no-policy-gradient", "does-not-learn"),
        _with(LogProbWithoutGraph), "policy loss on stored log-probabilities",
    ),
    _faulty(
        "shifted-actions", ("batch-misaligned", "action-not-executed"), _with(ShiftedActions),
        "actions of other rows",
    ),
    _faulty(
        "norm-of-nothing", ("option-ignored",), norm_of_nothing,
        "max_grad_norm clips gradients that do not exist yet",
    ),
    _faulty("always-the-same-seed", ("seed-ignored",), always_the_same_seed, "seeded with 42"),
    _faulty(
        "merged-done", ("truncation-as-terminal",), _behind(wrappers.MergedDone), "old gym API"
    ),
    _faulty(
        "everything-is-a-timeout", ("terminal-as-truncation", "terminal-bootstrap"),
        _behind(wrappers.EverythingIsATimeout), "every end is reported as truncation",
    ),
    _faulty("unit-reward", ("reward-clipped",), _behind(wrappers.UnitReward), "[-1, 1] only"),
    _faulty(
        "cost-as-reward", ("reward-sign-flipped",), _behind(wrappers.CostAsReward), "negated"
    ),
    _faulty(
        "centred-reward", ("reward-mean-subtracted",), _behind(wrappers.CentredReward),
        "running mean subtracted from every reward",
    ),
)  # fmt: skip
