"""Faults around PPO: wrappers, acting, evaluation, seeds, saving."""

from __future__ import annotations

import time

import torch as th
from stable_baselines3 import PPO
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from torch import nn

from benchmarks.agents import settings, wrappers
from benchmarks.agents.records import FaultyAgent


class PooledFeatures(BaseFeaturesExtractor):
    """Pools over the features instead of over time; a one-hot vector always pools to 1 / n."""

    def __init__(self, observation_space):
        super().__init__(observation_space, features_dim=8)
        self.flatten = nn.Flatten()

    def forward(self, observations):
        return self.flatten(observations).mean(dim=1, keepdim=True).expand(-1, 8)


class GreedyCollection(ActorCriticPolicy):
    """Takes the most likely action while collecting, too."""

    def forward(self, obs, deterministic=False):
        return super().forward(obs, deterministic=True)


class LeastLikelyInEvaluation(PPO):
    """Evaluation sorts the probabilities in ascending order and takes the first."""

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        if not deterministic:
            return super().predict(observation, state, episode_start, deterministic)
        tensor, single_was_batched = self.policy.obs_to_tensor(observation)
        with th.no_grad():
            order = self.policy.get_distribution(tensor).distribution.logits.argsort(dim=1)
        actions = order[:, 0].cpu().numpy()
        return (actions if single_was_batched else actions[0]), state


class SampledInEvaluation(PPO):
    """`deterministic` is accepted and not handed on."""

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        return super().predict(observation, state, episode_start)


class OptimiserSavedOnly(PPO):
    """Saves the optimiser's state twice over, and the network never."""

    def _get_torch_save_params(self):
        return ["policy.optimizer"], []


def merged_done(env, *, seed, gamma=0.99):
    return settings.ppo(PPO, wrappers.MergedDone(env), seed=seed, gamma=gamma)


def timeout_key_dropped(env, *, seed, gamma=0.99):
    wrapped = wrappers.TimeoutKeyDropped(DummyVecEnv([lambda: env]))
    return settings.ppo(PPO, wrapped, seed=seed, gamma=gamma)


def everything_is_a_timeout(env, *, seed, gamma=0.99):
    return settings.ppo(PPO, wrappers.EverythingIsATimeout(env), seed=seed, gamma=gamma)


def sign_reward(env, *, seed, gamma=0.99):
    return settings.ppo(PPO, wrappers.SignReward(env), seed=seed, gamma=gamma)


def unit_reward(env, *, seed, gamma=0.99):
    return settings.ppo(PPO, wrappers.UnitReward(env), seed=seed, gamma=gamma)


def cost_as_reward(env, *, seed, gamma=0.99):
    return settings.ppo(PPO, wrappers.CostAsReward(env), seed=seed, gamma=gamma)


def previous_reward(env, *, seed, gamma=0.99):
    return settings.ppo(PPO, wrappers.PreviousReward(env), seed=seed, gamma=gamma)


def previous_observation(env, *, seed, gamma=0.99):
    return settings.ppo(PPO, wrappers.PreviousObservation(env), seed=seed, gamma=gamma)


def pooled_features(env, *, seed, gamma=0.99):
    policy = {"features_extractor_class": PooledFeatures}
    return settings.ppo(PPO, env, seed=seed, gamma=gamma, policy_kwargs=policy)


def reversed_actions(env, *, seed, gamma=0.99):
    return settings.ppo(PPO, wrappers.ReversedActions(env), seed=seed, gamma=gamma)


def sticky_actions(env, *, seed, gamma=0.99):
    return settings.ppo(PPO, wrappers.StickyActions(env, seed), seed=seed, gamma=gamma)


def randomised_execution(env, *, seed, gamma=0.99):
    wrapped = wrappers.RandomisedExecution(DummyVecEnv([lambda: env]), seed)
    return settings.ppo(PPO, wrapped, seed=seed, gamma=gamma)


def greedy_collection(env, *, seed, gamma=0.99):
    return settings.ppo(PPO, env, seed=seed, gamma=gamma, policy=GreedyCollection)


def least_likely_in_evaluation(env, *, seed, gamma=0.99):
    return settings.ppo(LeastLikelyInEvaluation, env, seed=seed, gamma=gamma)


def sampled_in_evaluation(env, *, seed, gamma=0.99):
    return settings.ppo(SampledInEvaluation, env, seed=seed, gamma=gamma, ent_coef=0.1)


def normalised_in_training_only(make_env, *, seed, gamma=0.99, n_envs=4):
    env = VecNormalize(settings.vectorised(make_env, n_envs), norm_reward=False, gamma=gamma)
    return settings.ppo(PPO, env, seed=seed, gamma=gamma, n_steps=128)


def seed_from_the_clock(env, *, seed, gamma=0.99):
    return settings.ppo(PPO, env, seed=time.time_ns() % 2**31, gamma=gamma)


def envs_share_seed(make_env, *, seed, gamma=0.99, n_envs=4):
    env = wrappers.SameSeedVecEnv([make_env] * n_envs)
    return settings.ppo(PPO, env, seed=seed, gamma=gamma, n_steps=128)


def optimiser_saved_only(env, *, seed, gamma=0.99):
    return settings.ppo(OptimiserSavedOnly, env, seed=seed, gamma=gamma)


def _faulty(name, faults, factory, description):
    return FaultyAgent(f"ppo-{name}", "SB3 PPO", faults, factory, description)


FAULTY = (
    _faulty("merged-done", ("truncation-as-terminal",), merged_done, "a bridge to the old gym API"),
    _faulty(
        "timeout-key-dropped", ("truncation-as-terminal",), timeout_key_dropped,
        "a vector wrapper loses TimeLimit.truncated",
    ),
    _faulty(
        "everything-is-a-timeout", ("terminal-as-truncation", "terminal-bootstrap"),
        everything_is_a_timeout, "every end is reported as truncation",
    ),
    _faulty("sign-reward", ("reward-clipped",), sign_reward, "rewards replaced by their sign"),
    _faulty("unit-reward", ("reward-clipped",), unit_reward, "rewards clipped to [-1, 1]"),
    _faulty("cost-as-reward", ("reward-sign-flipped",), cost_as_reward, "rewards negated"),
    _faulty("previous-reward", ("reward-late",), previous_reward, "rewards one step late"),
    _faulty(
        "previous-observation", ("observation-stale",), previous_observation,
        "observations one step late",
    ),
    _faulty("pooled-features", ("observation-ignored",), pooled_features, "features all equal"),
    _faulty(
        "reversed-actions", ("action-permuted", "action-not-executed"), reversed_actions,
        "actions counted from the other end",
    ),
    _faulty("sticky-actions", ("action-not-executed",), sticky_actions, "actions repeat unseen"),
    _faulty(
        "randomised-execution", ("action-not-executed",), randomised_execution,
        "executed actions are randomised, stored ones are not",
    ),
    _faulty("greedy-collection", ("no-exploration",), greedy_collection, "collects greedily"),
    _faulty(
        "least-likely-in-evaluation", ("train-eval-mismatch",), least_likely_in_evaluation,
        "evaluates the least likely action",
    ),
    _faulty(
        "sampled-in-evaluation", ("train-eval-mismatch",), sampled_in_evaluation,
        "deterministic=True still samples",
    ),
    _faulty(
        "normalised-in-training-only", ("train-eval-mismatch",), normalised_in_training_only,
        "observations are normalised for learning only",
    ),
    _faulty("seed-from-the-clock", ("seed-ignored",), seed_from_the_clock, "seeded by the time"),
    _faulty("envs-share-seed", ("envs-share-seed",), envs_share_seed, "one seed for 4 copies"),
    _faulty(
        "optimiser-saved-only", ("save-load-lossy",), optimiser_saved_only,
        "a loaded model has fresh weights",
    ),
)  # fmt: skip
