"""A finite MDP as a Gymnasium environment, with the observation and action forms that agents need.

Observations: `one-hot` (Box [S]), `integer` (Discrete S), `image` (Box [1, 8, k] with one lit block).
Actions: `discrete` (Discrete 2), or `continuous`: Box(-1, 1, (1,)), where u executes action 1 with
probability (1 + u) / 2. Expected reward and transition are then linear in u, so the exact solutions
carry over: the optimum is at u = -1 or u = 1.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from ladders.mdp import MDP
from ladders.recording import Recorder

OBSERVATIONS = ("one-hot", "integer", "image")
ACTIONS = ("discrete", "continuous")


class TabularEnv(gymnasium.Env):
    """One MDP, stepped by its transition tables.

    Args:
        mdp: the tables.
        observation: form of observations, one of OBSERVATIONS.
        action: form of actions, one of ACTIONS.
        seed: seeds the first reset that names no seed, so that runs repeat.
        recorder: notes every executed step.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 (as the base class declares it)

    def __init__(
        self,
        mdp: MDP,
        observation: str = "one-hot",
        action: str = "discrete",
        seed: int | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        for value, known in ((observation, OBSERVATIONS), (action, ACTIONS)):
            if value not in known:
                raise ValueError(f"expected one of {', '.join(known)}, got {value!r}")
        self.mdp = mdp
        self.observations = encode_states(mdp.n_states, observation)
        self.observation_space = _observation_space(mdp.n_states, observation)
        self.action_space = (
            spaces.Discrete(mdp.n_actions)
            if action == "discrete"
            else spaces.Box(-1.0, 1.0, (1,), np.float32)
        )
        self.continuous = action == "continuous"
        self.recorder = recorder or Recorder()
        self._first_seed = seed
        self._state: int | None = None
        # Cumulative tables make a step two binary searches instead of two calls of `choice`.
        self._start = np.cumsum(mdp.start)
        self._next = np.cumsum(mdp.transitions, axis=-1)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Draw a first state."""
        if seed is None:
            seed, self._first_seed = self._first_seed, None
        else:
            self._first_seed = None
        super().reset(seed=seed)
        self._state = self._draw(self._start)
        return self._observe(self._state), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Execute one action; the observation at an end is the one that the MDP names."""
        if self._state is None:
            raise gymnasium.error.ResetNeeded("step was called before reset, or after an end")
        chosen = self._discrete(action)
        state = self._state
        reward = float(self.mdp.rewards[state, chosen])
        self.recorder.step(state, chosen, reward)
        reached = self._draw(self._next[state, chosen])
        terminated = bool(self.mdp.terminated[state, chosen])
        truncated = bool(self.mdp.truncated[state, chosen])
        self._state = None if terminated or truncated else reached
        return self._observe(reached), reward, terminated, truncated, {}

    def close(self) -> None:
        """Write the record, if it goes to a file."""
        self.recorder.flush()

    def _discrete(self, action: Any) -> int:
        if not self.continuous:
            chosen = int(np.asarray(action).reshape(()))
            if not 0 <= chosen < self.mdp.n_actions:
                raise ValueError(f"action: expected 0 to {self.mdp.n_actions - 1}, got {chosen}")
            return chosen
        value = float(np.asarray(action, dtype=np.float64).reshape(-1)[0])
        if not np.isfinite(value):
            raise ValueError(f"action: expected a finite number in [-1, 1], got {value}")
        return int(self.np_random.random() < (1.0 + np.clip(value, -1.0, 1.0)) / 2.0)

    def _draw(self, cumulative: np.ndarray) -> int:
        drawn = np.searchsorted(cumulative, self.np_random.random() * cumulative[-1], side="right")
        return int(min(drawn, len(cumulative) - 1))

    def _observe(self, state: int) -> Any:
        observation = self.observations[state]
        return int(observation) if np.ndim(observation) == 0 else observation.copy()


def encode_states(n_states: int, observation: str) -> np.ndarray:
    """[S, ...] the observation of every state in the given form."""
    if observation == "integer":
        return np.arange(n_states)
    if observation == "one-hot":
        return np.eye(n_states, dtype=np.float32)
    width = -(-n_states // 8)
    flat = np.zeros((n_states, 8 * width), dtype=np.float32)
    flat[np.arange(n_states), np.arange(n_states)] = 1.0
    return flat.reshape(n_states, 1, 8, width)


def _observation_space(n_states: int, observation: str) -> spaces.Space:
    if observation == "integer":
        return spaces.Discrete(n_states)
    shape = encode_states(n_states, observation).shape[1:]
    return spaces.Box(0.0, 1.0, shape, np.float32)


def chosen_actions(answers: np.ndarray, continuous: bool) -> np.ndarray:
    """[N] discrete actions that the greedy answers of an agent stand for."""
    if continuous:
        return (np.asarray(answers, dtype=np.float64).reshape(len(answers), -1)[:, 0] > 0).astype(
            int
        )
    return np.asarray(answers).reshape(len(answers)).astype(int)
