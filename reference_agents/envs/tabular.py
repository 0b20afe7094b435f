"""Tabular MDPs as tensor environments: any transition and reward tables, and grid worlds from a map.

A state is an index, the observation its one-hot vector. Transitions are drawn by inverting the
cumulative distribution, so a deterministic MDP is exactly deterministic.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import gymnasium
import numpy as np
import torch
from torch import Tensor

from reference_agents.envs.tensor_env import Dynamics

# Up, right, down, left, as (row, column) steps: the order of Gymnasium's CliffWalking.
MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))


class MDP(NamedTuple):
    """A finite Markov decision process.

    Attributes:
        transitions: [S, A, S] P(s' | s, a).
        rewards: [S, A, S] reward of the transition.
        terminal: [S, A, S] bool, the transition ends the episode.
        start: [S] distribution of the first state.
    """

    transitions: np.ndarray
    rewards: np.ndarray
    terminal: np.ndarray
    start: np.ndarray


def _cumulative(probabilities: np.ndarray) -> Tensor:
    cumulative = torch.as_tensor(np.cumsum(probabilities, axis=-1), dtype=torch.float64)
    # Rounding must never leave a draw beyond the last state that has any probability.
    reached = torch.as_tensor(np.cumsum(probabilities[..., ::-1], axis=-1)[..., ::-1].copy()) <= 0
    return cumulative.masked_fill(reached | (cumulative >= 1.0 - 1e-12), 2.0)


def tabular(mdp: MDP, max_steps: int | None = None, name: str = "tabular") -> Dynamics:
    """A finite MDP as an environment with one-hot observations.

    Args:
        mdp: the tables.
        max_steps: time limit that truncates an episode.
        name: for messages.

    Raises:
        ValueError: a row of probabilities does not sum to 1, or a reward is not finite.
    """
    num_states, num_actions = mdp.transitions.shape[:2]
    if not np.allclose(mdp.transitions.sum(-1), 1) or not np.isclose(mdp.start.sum(), 1):
        raise ValueError("transitions[s, a] and start must each sum to 1.")
    if not np.isfinite(mdp.rewards).all():
        raise ValueError("rewards must be finite numbers.")
    transitions, start = _cumulative(mdp.transitions), _cumulative(mdp.start)
    rewards, terminal = torch.as_tensor(mdp.rewards), torch.as_tensor(mdp.terminal)

    def initial(draws: Tensor) -> Tensor:
        return (start.to(draws.device) <= draws[..., :1]).sum(-1, keepdim=True).to(draws.dtype)

    def step(state: Tensor, actions: Tensor, draws: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        index = (state.squeeze(-1).long(), actions.long())
        device = state.device
        after = (transitions.to(device)[index] <= draws[..., :1]).sum(-1)
        reached = (*index, after)
        next_state = after.unsqueeze(-1).to(state.dtype)
        return next_state, rewards.to(device)[reached].to(state.dtype), terminal.to(device)[reached]

    def observe(state: Tensor) -> Tensor:
        states = torch.arange(num_states, device=state.device)
        return (state.long() == states).to(state.dtype)

    return Dynamics(
        name=name,
        observation_space=gymnasium.spaces.Box(0.0, 1.0, (num_states,)),
        action_space=gymnasium.spaces.Discrete(num_actions),
        initial=initial,
        step=step,
        observe=observe,
        reset_draws=1,
        step_draws=1,
        max_steps=max_steps,
    )


def gridworld(
    rows: Sequence[str],
    *,
    step_reward: float = 0.0,
    goal_reward: float = 1.0,
    cliff_reward: float = -100.0,
) -> MDP:
    """A grid world from a map; actions up, right, down, left; a move into a border or wall stays.

    Args:
        rows: the map: `S` start, `G` goal (ends the episode), `H` hole (ends the episode without
            reward), `C` cliff (costs `cliff_reward` and sends back to the start), `#` wall,
            anything else is free.
        step_reward: reward of an ordinary step.
        goal_reward: reward of the step that reaches the goal.
        cliff_reward: reward of a step into the cliff.

    Returns:
        The MDP; state = row * width + column.
    """
    height, width = len(rows), len(rows[0])
    cells = "".join(rows)
    count = height * width
    transitions = np.zeros((count, len(MOVES), count))
    rewards = np.full((count, len(MOVES), count), float(step_reward))
    terminal = np.zeros((count, len(MOVES), count), dtype=bool)
    start = np.array([cell == "S" for cell in cells], dtype=float)
    for state in range(count):
        for action, (down, right) in enumerate(MOVES):
            row = min(max(state // width + down, 0), height - 1)
            column = min(max(state % width + right, 0), width - 1)
            after = row * width + column
            if cells[after] == "#" or cells[state] in "GH":
                after = state
            reward, ends = step_reward, cells[after] in "GH"
            if cells[after] == "G":
                reward = goal_reward
            if cells[after] == "C":
                after, reward = cells.index("S"), cliff_reward
            transitions[state, action, after] = 1.0
            rewards[state, action, after] = reward
            terminal[state, action, after] = ends
    return MDP(transitions, rewards, terminal, start / start.sum())


def cliff_walking() -> Dynamics:
    """CliffWalking-v1 as in Gymnasium, with one-hot observations."""
    rows = ("." * 12, "." * 12, "." * 12, "S" + "C" * 10 + "G")
    mdp = gridworld(rows, step_reward=-1.0, goal_reward=-1.0)
    return tabular(mdp, name="CliffWalking-v1")
