"""The shell around a table of action values: acting, counting, predicting, saving.

What an algorithm does with one transition comes in as a function, see `tabular`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from reference_agents._expect import expect_in_range, expect_positive
from reference_agents.exploration import (
    epsilon_greedy,
    epsilon_greedy_probabilities,
    epsilon_schedule,
)


@dataclass(frozen=True, slots=True)
class TabularConfig:
    """What the tabular agents can vary.

    Args:
        gamma: discount in [0, 1].
        learning_rate: alpha, step of an update towards its target, in (0, 1].
        anneal: lets alpha fall linearly to 0 over each call of `learn`. SARSA needs it to settle:
            under a constant step its values never stop swinging with the actions it happens to try.
        epsilon_start: probability of a random action at the start of `learn`.
        epsilon_end: the same from `exploration_fraction` of the training on.
        exploration_fraction: part of `learn` over which epsilon falls, linearly.
        initial_value: what the table is filled with; above every return it is optimistic.
    """

    gamma: float
    learning_rate: float
    anneal: bool
    epsilon_start: float
    epsilon_end: float
    exploration_fraction: float
    initial_value: float

    def __post_init__(self) -> None:
        expect_positive("learning_rate", self.learning_rate)
        names = ("gamma", "learning_rate", "epsilon_start", "epsilon_end", "exploration_fraction")
        for name in names:
            expect_in_range(name, getattr(self, name), 0.0, 1.0)


class Transition(NamedTuple):
    """One step, and the action that the policy intends in the state reached."""

    state: int
    action: int
    reward: float
    next_state: int
    next_action: int
    terminated: bool


class TabularAgent:
    """A learner with one action value for each state and action.

    Args:
        algorithm: name, stored when saving.
        env: observations `Discrete` or one-hot `Box`, actions `Discrete`.
        seed: of the agent's own randomness and of the environment's first reset.
        config: hyper-parameters.
        update: (table, transition, learning rate, epsilon) -> new table.
        commits: whether the intended next action is then taken, as SARSA says, or chosen anew
            from the updated table.

    Raises:
        TypeError: a space of the environment does not fit a table.
    """

    def __init__(
        self,
        algorithm: str,
        env: gymnasium.Env,
        seed: int,
        config: TabularConfig,
        update: Callable[[np.ndarray, Transition, float, float], np.ndarray],
        commits: bool,
    ) -> None:
        self.algorithm, self.env, self.config = algorithm, env, config
        self.observations, self.actions = _spaces(env)
        n_states = int(
            self.observations.n
            if isinstance(self.observations, gymnasium.spaces.Discrete)
            else math.prod(self.observations.shape)
        )
        self.q_table = np.full((n_states, int(self.actions.n)), float(config.initial_value))
        self.epsilon = config.epsilon_start
        self.episode_returns: list[float] = []  # undiscounted, of every finished episode
        self._update, self._commits = update, commits
        self._rng = np.random.default_rng(seed)
        self._reset_seed: int | None = seed

    def learn(self, total_timesteps: int) -> TabularAgent:
        """Learn from `total_timesteps` further steps, starting with a fresh episode.

        Raises:
            ValueError: total_timesteps < 1, or the environment gave a reward that is not finite.
        """
        expect_positive("total_timesteps", total_timesteps)
        decay_steps = max(1, round(self.config.exploration_fraction * total_timesteps))
        state, episode_return = self._reset(), 0.0
        self.epsilon = self.config.epsilon_start
        action = self._explore(state)
        for step in range(total_timesteps):
            self.epsilon = epsilon_schedule(
                step,
                start=self.config.epsilon_start,
                end=self.config.epsilon_end,
                decay_steps=decay_steps,
            )
            observation, reward, terminated, truncated, _ = self.env.step(
                action + int(self.actions.start)
            )
            next_state, reward = self._index(observation), _finite(reward)
            next_action = self._explore(next_state)
            transition = Transition(state, action, reward, next_state, next_action, terminated)
            fraction_left = 1.0 - step / total_timesteps if self.config.anneal else 1.0
            learning_rate = fraction_left * self.config.learning_rate
            self.q_table = self._update(self.q_table, transition, learning_rate, self.epsilon)
            episode_return += reward
            if terminated or truncated:
                self.episode_returns.append(episode_return)
                state, episode_return = self._reset(), 0.0
                action = self._explore(state)
            else:
                state = next_state
                action = next_action if self._commits else self._explore(state)
        return self

    def fit_transition(
        self,
        obs: Any,
        action: int,
        reward: float,
        next_obs: Any,
        terminated: bool,
        truncated: bool,
        steps: int,
    ) -> list[float]:
        """Update on one transition `steps` times.

        Returns:
            For each update, the square of the step that the entry took divided by the learning
            rate: the squared TD error. `truncated` changes nothing: the bootstrap stays.
        """
        state, next_state = self._index(obs), self._index(next_obs)
        chosen, losses = int(action) - int(self.actions.start), []
        for _ in range(steps):
            next_action = self._explore(next_state)
            before = self.q_table[state, chosen]
            transition = Transition(
                state, chosen, _finite(reward), next_state, next_action, bool(terminated)
            )
            rate = self.config.learning_rate
            self.q_table = self._update(self.q_table, transition, rate, self.epsilon)
            losses.append(float(((self.q_table[state, chosen] - before) / rate) ** 2))
        return losses

    # --- questions, each for one observation or a batch of them ---

    def predict(self, observation: Any, deterministic: bool = True) -> np.ndarray:
        """Greedy actions, the first of equals; or draws from the exploring policy."""
        rows = self.q_values(observation)
        if deterministic:
            chosen = rows.argmax(axis=-1)
        else:
            flat = rows.reshape(-1, rows.shape[-1])
            draws = [epsilon_greedy(row, epsilon=self.epsilon, rng=self._rng) for row in flat]
            chosen = np.array(draws).reshape(rows.shape[:-1])
        return np.asarray(chosen + int(self.actions.start))[()]

    def q_values(self, observation: Any) -> np.ndarray:
        """Action values [..., A]."""
        return self.q_table[self._indices(observation)]

    def action_probabilities(self, observation: Any) -> np.ndarray:
        """Probabilities [..., A] of the policy that explores with the current epsilon."""
        return epsilon_greedy_probabilities(self.q_values(observation), epsilon=self.epsilon)

    def values(self, observation: Any) -> np.ndarray:
        """State values [...] of the policy that the table describes.

        The greedy one where the update looks for the best action, the exploring one where the
        update follows the action taken.
        """
        q_values = self.q_values(observation)
        if not self._commits:
            return q_values.max(axis=-1)
        return (self.action_probabilities(observation) * q_values).sum(axis=-1)

    # --- files ---

    def save(self, path: str | Path) -> None:
        """Write table, epsilon and random state: arrays and text, no code."""
        with open(path, "wb") as file:  # a name given to numpy directly would gain an ending
            np.savez(
                file,
                q_table=self.q_table,
                epsilon=self.epsilon,
                identity=self._identity(),
                rng=json.dumps(self._rng.bit_generator.state),
            )

    def load(self, path: str | Path) -> TabularAgent:
        """Take over what `save` wrote.

        Raises:
            ValueError: the file was written by an agent with other settings.
        """
        with np.load(path, allow_pickle=False) as stored:
            if str(stored["identity"]) != self._identity():
                raise ValueError(
                    f"{path} must come from an agent with the settings {self._identity()}, "
                    f"it has {stored['identity']}; build the agent with the same settings"
                )
            self.q_table, self.epsilon = stored["q_table"], float(stored["epsilon"])
            self._rng.bit_generator.state = json.loads(str(stored["rng"]))
        return self

    def _identity(self) -> str:
        return json.dumps(
            {"algorithm": self.algorithm, "table": self.q_table.shape, **asdict(self.config)}
        )

    # --- states ---

    def _explore(self, state: int) -> int:
        return epsilon_greedy(self.q_table[state], epsilon=self.epsilon, rng=self._rng)

    def _reset(self) -> int:
        observation, _ = self.env.reset(seed=self._reset_seed)
        self._reset_seed = None
        return self._index(observation)

    def _index(self, observation: Any) -> int:
        return int(self._indices(observation))

    def _indices(self, observation: Any) -> np.ndarray:
        """State indices in the leading shape of the observations."""
        given = np.asarray(observation)
        if isinstance(self.observations, gymnasium.spaces.Discrete):
            return given.astype(np.int64) - int(self.observations.start)
        n_axes = len(self.observations.shape)
        rows = given.reshape(*given.shape[: given.ndim - n_axes], -1)
        if not ((rows == 0.0) | (rows == 1.0)).all() or not (rows.sum(axis=-1) == 1.0).all():
            raise ValueError(
                f"`observation` must be one-hot, it is {given}; number the states of the "
                "environment, or use an agent with a network"
            )
        return rows.argmax(axis=-1)


def _spaces(env: gymnasium.Env) -> tuple[Any, gymnasium.spaces.Discrete]:
    """The spaces of the environment, refused where a table cannot serve them."""
    observations, actions = env.observation_space, env.action_space
    if not isinstance(actions, gymnasium.spaces.Discrete):
        raise TypeError(
            f"a tabular agent needs a Discrete action space, this environment has {actions}; "
            "use an agent for continuous actions"
        )
    if not isinstance(observations, gymnasium.spaces.Discrete | gymnasium.spaces.Box):
        raise TypeError(
            "a tabular agent needs Discrete or one-hot Box observations, this environment has "
            f"{observations}; number its states"
        )
    return observations, actions


def _finite(reward: Any) -> float:
    value = float(reward)
    if not math.isfinite(value):
        raise ValueError(
            f"the environment's reward must be finite, it is {value}; mend the environment"
        )
    return value
