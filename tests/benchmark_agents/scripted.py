"""An environment that plays back a script, and remembers what it was asked to do."""

from __future__ import annotations

import gymnasium
import numpy as np

# (reward, terminated, truncated) of every step of the only episode
SCRIPT = ((2.0, False, False), (-3.0, False, False), (0.25, False, True))


class Scripted(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(0, 9, (1,), np.float32)

    def __init__(self, script=SCRIPT, continuous=False):
        self.script, self.executed, self.seeds = script, [], []
        box = gymnasium.spaces.Box(-2.0, 6.0, (1,), np.float32)
        self.action_space = box if continuous else gymnasium.spaces.Discrete(3)

    def _observe(self):
        return np.array([self.step_count], np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.seeds.append(seed)
        self.step_count = 0
        return self._observe(), {}

    def step(self, action):
        self.executed.append(action)
        reward, terminated, truncated = self.script[self.step_count]
        self.step_count += 1
        return self._observe(), reward, terminated, truncated, {}


def played(env, actions=(0, 0, 0)):
    """Observations (the first included), rewards, and the two flags of the last step."""
    observations, rewards = [float(env.reset(seed=0)[0][0])], []
    for action in actions:
        observation, reward, terminated, truncated, _ = env.step(action)
        observations.append(float(observation[0]))
        rewards.append(reward)
    return observations, rewards, (terminated, truncated)
