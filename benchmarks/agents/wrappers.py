"""Environment wrappers that carry a fault into whatever agent learns behind them."""

from __future__ import annotations

import gymnasium
import numpy as np
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnvWrapper


class MergedDone(gymnasium.Wrapper):
    """Bridges to the old four-value API and back; the bridge knows one `done` only."""

    def step(self, action):
        observation, reward, terminated, truncated, info = self.env.step(action)
        done = terminated or truncated
        return observation, reward, done, False, info


class EverythingIsATimeout(gymnasium.Wrapper):
    """Reports every end of an episode as truncation, as a home-made time limit may."""

    def step(self, action):
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, reward, False, terminated or truncated, info


class SignReward(gymnasium.RewardWrapper):
    """The Atari convention, left on."""

    def reward(self, reward):
        return float(np.sign(reward))


class UnitReward(gymnasium.RewardWrapper):
    """Clips rewards to [-1, 1]."""

    def reward(self, reward):
        return float(np.clip(reward, -1.0, 1.0))


class CostAsReward(gymnasium.RewardWrapper):
    """Hands on a cost where a reward is expected."""

    def reward(self, reward):
        return -float(reward)


class CentredReward(gymnasium.RewardWrapper):
    """Subtracts the running mean reward, so that long and short episodes are valued alike."""

    def __init__(self, env):
        super().__init__(env)
        self.count, self.mean = 0, 0.0

    def reward(self, reward):
        self.count += 1
        self.mean += (float(reward) - self.mean) / self.count
        return float(reward) - self.mean


class PreviousReward(gymnasium.Wrapper):
    """Returns the reward of the step before; the last one of an episode is lost."""

    def reset(self, **options):
        self.previous = 0.0
        return self.env.reset(**options)

    def step(self, action):
        observation, reward, terminated, truncated, info = self.env.step(action)
        self.previous, delayed = float(reward), self.previous
        return observation, delayed, terminated, truncated, info


class PreviousObservation(gymnasium.Wrapper):
    """Returns the observation of the step before, as a double buffer that is swapped late does."""

    def reset(self, **options):
        observation, info = self.env.reset(**options)
        self.previous = observation
        return observation, info

    def step(self, action):
        observation, reward, terminated, truncated, info = self.env.step(action)
        self.previous, stale = observation, self.previous
        return stale, reward, terminated, truncated, info


class UnwrittenBuffer(gymnasium.ObservationWrapper):
    """Copies each observation into a buffer, but returns the freshly allocated one."""

    def observation(self, observation):
        buffer = np.zeros(self.observation_space.shape, self.observation_space.dtype)
        shared = buffer.copy()
        np.copyto(shared, observation)
        return buffer


class ReversedActions(gymnasium.ActionWrapper):
    """Counts the actions from the other end."""

    def action(self, action):
        return int(self.action_space.n) - 1 - int(action)


class StickyActions(gymnasium.Wrapper):
    """Repeats the last executed action half of the time; nobody tells the agent."""

    def __init__(self, env, seed: int):
        super().__init__(env)
        self.rng = np.random.default_rng(seed)
        self.last = None

    def step(self, action):
        if self.last is None or self.rng.random() < 0.5:
            self.last = action
        return self.env.step(self.last)


class TimeoutKeyDropped(VecEnvWrapper):
    """Keeps only the info keys that it knows; `TimeLimit.truncated` is not among them."""

    KNOWN = ("episode", "terminal_observation")

    def reset(self):
        return self.venv.reset()

    def step_wait(self):
        observations, rewards, dones, infos = self.venv.step_wait()
        kept = [{key: info[key] for key in self.KNOWN if key in info} for info in infos]
        return observations, rewards, dones, kept


class RandomisedExecution(VecEnvWrapper):
    """Explores by replacing actions on the way to the environment; the buffer keeps the others."""

    def __init__(self, venv, seed: int, epsilon: float = 0.4):
        super().__init__(venv)
        self.rng, self.epsilon = np.random.default_rng(seed), epsilon

    def reset(self):
        return self.venv.reset()

    def step_async(self, actions):
        replaced = self.rng.random(len(actions)) < self.epsilon
        random = self.rng.integers(int(self.action_space.n), size=len(actions))
        self.venv.step_async(np.where(replaced, random, actions))

    def step_wait(self):
        return self.venv.step_wait()


class SameSeedVecEnv(DummyVecEnv):
    """Gives every environment the seed of the first."""

    def seed(self, seed=None):
        self._seeds = [seed] * self.num_envs
        return self._seeds
