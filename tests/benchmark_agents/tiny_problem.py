"""A tiny problem with a known answer sheet, for the tests of the agents (not for the harness).

Every episode asks one question; observations are one-hot, action 1 is right in questions 0, 2 and 3.
"""

from __future__ import annotations

import gymnasium
import numpy as np

WAIT, LOOP = 5, 7
N_STATES = 8
# (state, best action) at gamma 0.9; states 4 to 6 are the empty steps of a wait, 7 is the loop.
ANSWERS = ((0, 1), (1, 0), (2, 1), (3, 1))


class TinyProblem(gymnasium.Env):
    """Two bandits, one delayed reward and one loop that is cut, never terminated."""

    def __init__(self, continuous=False):
        self.observation_space = gymnasium.spaces.Box(0, 1, (N_STATES,), np.float32)
        self.continuous = continuous
        self.action_space = (
            gymnasium.spaces.Box(-2, 2, (1,), np.float32)
            if continuous
            else gymnasium.spaces.Discrete(2)
        )

    def _observe(self):
        return np.eye(N_STATES, dtype=np.float32)[self.state]

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.state = int(self.np_random.integers(4))
        return self._observe(), {}

    def step(self, action):
        action = int(np.asarray(action).item() > 0) if self.continuous else int(action)
        reward, terminated, truncated = self._rules(action)
        return self._observe(), reward, terminated, truncated, {}

    def _rules(self, action):
        state = self.state
        if state in (0, 1):  # bandits: action 1 pays in state 0, action 0 in state 1
            return (2.0 if action == 1 - state else -1.0), True, False
        if state == 2 and action == 0:  # 1 now, or 2 after two empty steps
            return 1.0, True, False
        if state == 2:
            self.state = 4
            return 0.0, False, False
        if state in (4, WAIT):
            self.state = state + 1
            return (0.0, False, False) if state == 4 else (2.0, True, False)
        if state == 3 and action == 0:  # stop for 1, or 0.4 a step for ever
            return 1.0, True, False
        self.state = LOOP
        return 0.4, False, state == LOOP


def score(agent, continuous=False):
    """How many of the four answers the greedy policy gives right."""
    observations = np.eye(N_STATES, dtype=np.float32)
    right = 0
    for state, best in ANSWERS:
        action, _ = agent.predict(observations[state], deterministic=True)
        chosen = int(np.asarray(action).item() > 0) if continuous else int(np.asarray(action))
        right += chosen == best
    return right
