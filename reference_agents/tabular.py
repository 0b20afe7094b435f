"""Q-learning, SARSA and expected SARSA on a table.

    agent = make_q_learning(gymnasium.make("CliffWalking-v1"), seed=0, gamma=1.0)
    agent.learn(20_000)
    agent.predict(36)

Observations are state indices (`Discrete`) or one-hot vectors (`Box`). The three updates are pure
functions of a table and one transition; the makers take another function in their place. The target
of a terminal step is its reward; a truncated step bootstraps like any other, from the state reached.

References: Watkins and Dayan 1992 (Q-learning); Rummery and Niranjan 1994 (SARSA); van Seijen et
    al. 2009 (expected SARSA); Sutton and Barto 2018, chapter 6.
"""

from __future__ import annotations

from collections.abc import Callable

import gymnasium
import numpy as np

from reference_agents._arguments import from_arguments
from reference_agents.exploration import epsilon_greedy_probabilities
from reference_agents.tabular_agent import TabularAgent, TabularConfig, Transition


def _moved(
    q_table: np.ndarray, state: int, action: int, target: float, learning_rate: float
) -> np.ndarray:
    """A copy of the table with one entry moved towards its target."""
    new_table = q_table.copy()
    new_table[state, action] += learning_rate * (target - new_table[state, action])
    return new_table


def q_learning_update(
    q_table: np.ndarray,
    state: int,
    action: int,
    reward: float,
    next_state: int,
    terminated: bool,
    *,
    learning_rate: float,
    gamma: float,
) -> np.ndarray:
    """Move one entry towards the reward plus the best that can follow.

        Q(s, a) <- Q(s, a) + alpha * (r + gamma * (1 - terminated) * max_b Q(s', b) - Q(s, a))

    Args:
        q_table: [S, A]  Q; left untouched.
        state, action, reward, next_state: the transition.
        terminated: whether it ended the episode.
        learning_rate: alpha.
        gamma: discount in [0, 1].

    Returns:
        [S, A] the new table.

    References: Watkins and Dayan 1992; Sutton and Barto 2018, eq. 6.8.
    """
    target = reward if terminated else reward + gamma * q_table[next_state].max()
    return _moved(q_table, state, action, target, learning_rate)


def sarsa_update(
    q_table: np.ndarray,
    state: int,
    action: int,
    reward: float,
    next_state: int,
    next_action: int,
    terminated: bool,
    *,
    learning_rate: float,
    gamma: float,
) -> np.ndarray:
    """Move one entry towards the reward plus the value of the action taken next.

        Q(s, a) <- Q(s, a) + alpha * (r + gamma * (1 - terminated) * Q(s', a') - Q(s, a))

    Args:
        q_table: [S, A]  Q; left untouched.
        state, action, reward, next_state: the transition.
        next_action: a', chosen in s' by the policy that acts.
        terminated: whether the transition ended the episode.
        learning_rate: alpha.
        gamma: discount in [0, 1].

    Returns:
        [S, A] the new table.

    References: Rummery and Niranjan 1994; Sutton and Barto 2018, eq. 6.7.
    """
    target = reward if terminated else reward + gamma * q_table[next_state, next_action]
    return _moved(q_table, state, action, target, learning_rate)


def expected_sarsa_update(
    q_table: np.ndarray,
    state: int,
    action: int,
    reward: float,
    next_state: int,
    next_action_probabilities: np.ndarray,
    terminated: bool,
    *,
    learning_rate: float,
    gamma: float,
) -> np.ndarray:
    """Move one entry towards the reward plus what the policy expects to follow.

        Q(s, a) <- Q(s, a)
                   + alpha * (r + gamma * (1 - terminated) * sum_b pi(b|s') Q(s', b) - Q(s, a))

    Args:
        q_table: [S, A]  Q; left untouched.
        state, action, reward, next_state: the transition.
        next_action_probabilities: [A]  pi(.|s') of the policy that acts.
        terminated: whether the transition ended the episode.
        learning_rate: alpha.
        gamma: discount in [0, 1].

    Returns:
        [S, A] the new table.

    References: van Seijen et al. 2009; Sutton and Barto 2018, eq. 6.9.
    """
    following = next_action_probabilities @ q_table[next_state]
    target = reward if terminated else reward + gamma * following
    return _moved(q_table, state, action, target, learning_rate)


def make_q_learning(
    env: gymnasium.Env,
    *,
    seed: int,
    gamma: float = 0.99,
    learning_rate: float = 0.3,
    anneal: bool = True,
    epsilon_start: float = 1.0,
    epsilon_end: float = 0.05,
    exploration_fraction: float = 0.8,
    initial_value: float = 0.0,
    update: Callable[..., np.ndarray] = q_learning_update,
) -> TabularAgent:
    """A Q-learning agent: learns the optimal values while it explores.

    Args:
        env: observations `Discrete` or one-hot `Box`, actions `Discrete`.
        seed: of the agent's randomness and of the environment's first reset.
        gamma, learning_rate, anneal, epsilon_start, epsilon_end, exploration_fraction,
            initial_value: see `TabularConfig`.
        update: what to do with one transition; takes the arguments of `q_learning_update`.

    Raises:
        TypeError: a space of the environment does not fit a table.
        ValueError: a hyper-parameter is out of range.
    """
    config = from_arguments(TabularConfig, locals())

    def learn_one(
        q_table: np.ndarray, step: Transition, alpha: float, epsilon: float
    ) -> np.ndarray:
        return update(
            q_table,
            step.state,
            step.action,
            step.reward,
            step.next_state,
            step.terminated,
            learning_rate=alpha,
            gamma=gamma,
        )

    return TabularAgent("q_learning", env, seed, config, learn_one, commits=False)


def make_sarsa(
    env: gymnasium.Env,
    *,
    seed: int,
    gamma: float = 0.99,
    learning_rate: float = 0.3,
    anneal: bool = True,
    epsilon_start: float = 1.0,
    epsilon_end: float = 0.05,
    exploration_fraction: float = 0.8,
    initial_value: float = 0.0,
    update: Callable[..., np.ndarray] = sarsa_update,
) -> TabularAgent:
    """A SARSA agent: learns the values of the policy that it explores with.

    Args:
        env: observations `Discrete` or one-hot `Box`, actions `Discrete`.
        seed: of the agent's randomness and of the environment's first reset.
        gamma, learning_rate, anneal, epsilon_start, epsilon_end, exploration_fraction,
            initial_value: see `TabularConfig`.
        update: what to do with one transition; takes the arguments of `sarsa_update`.

    Raises:
        TypeError: a space of the environment does not fit a table.
        ValueError: a hyper-parameter is out of range.
    """
    config = from_arguments(TabularConfig, locals())

    def learn_one(
        q_table: np.ndarray, step: Transition, alpha: float, epsilon: float
    ) -> np.ndarray:
        return update(
            q_table,
            step.state,
            step.action,
            step.reward,
            step.next_state,
            step.next_action,
            step.terminated,
            learning_rate=alpha,
            gamma=gamma,
        )

    return TabularAgent("sarsa", env, seed, config, learn_one, commits=True)


def make_expected_sarsa(
    env: gymnasium.Env,
    *,
    seed: int,
    gamma: float = 0.99,
    learning_rate: float = 0.3,
    anneal: bool = True,
    epsilon_start: float = 1.0,
    epsilon_end: float = 0.05,
    exploration_fraction: float = 0.8,
    initial_value: float = 0.0,
    update: Callable[..., np.ndarray] = expected_sarsa_update,
) -> TabularAgent:
    """An expected SARSA agent: SARSA without the noise of the next action.

    Args:
        env: observations `Discrete` or one-hot `Box`, actions `Discrete`.
        seed: of the agent's randomness and of the environment's first reset.
        gamma, learning_rate, anneal, epsilon_start, epsilon_end, exploration_fraction,
            initial_value: see `TabularConfig`.
        update: what to do with one transition; takes the arguments of `expected_sarsa_update`.

    Raises:
        TypeError: a space of the environment does not fit a table.
        ValueError: a hyper-parameter is out of range.
    """
    config = from_arguments(TabularConfig, locals())

    def learn_one(
        q_table: np.ndarray, step: Transition, alpha: float, epsilon: float
    ) -> np.ndarray:
        return update(
            q_table,
            step.state,
            step.action,
            step.reward,
            step.next_state,
            epsilon_greedy_probabilities(q_table[step.next_state], epsilon=epsilon),
            step.terminated,
            learning_rate=alpha,
            gamma=gamma,
        )

    return TabularAgent("expected_sarsa", env, seed, config, learn_one, commits=True)
