"""Stable-Baselines3 PPO with one planted bug: the terminal mask is gone from the GAE recursion.

Run:  rlcheck run examples/buggy_ppo.py:make_agent --budget quick
"""

import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import RolloutBuffer


class LeakyRolloutBuffer(RolloutBuffer):
    """Computes advantages as if no episode ever ended."""

    def compute_returns_and_advantage(self, last_values, dones):
        """GAE over the whole rollout; the flags that should stop it at an end are cleared first."""
        self.episode_starts[:] = 0.0
        super().compute_returns_and_advantage(last_values, np.zeros_like(dones))


def make_agent(env, *, seed, gamma=0.99):
    """PPO with its default settings and the leaky buffer."""
    return PPO("MlpPolicy", env, seed=seed, gamma=gamma, rollout_buffer_class=LeakyRolloutBuffer)
