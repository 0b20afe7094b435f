"""A grid world with random obstacles, which may wall off the goal: the flaw of many a first environment.

The agent starts in one corner and is to reach the opposite one; each episode draws obstacles anew. With
`solvable=False` they are simply drawn, and in some episodes no way is left. With `solvable=True` they are
drawn again until there is one. The observation holds the whole grid, so it is Markov:
0 free, 1 obstacle, 2 goal, 3 agent. Reward: 1 at the goal, which terminates, and 0 elsewhere.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))
OBSTACLE, GOAL, AGENT = 1, 2, 3


class GridWorld(gymnasium.Env):
    """A square grid.

    Args:
        size: cells along an edge.
        obstacles: how many cells are blocked.
        solvable: whether the way to the goal is checked when obstacles are drawn.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 (as the base class declares it)

    def __init__(self, size: int = 5, obstacles: int = 7, solvable: bool = False) -> None:
        if not 0 <= obstacles <= size * size - 2 * size:
            raise ValueError(
                f"obstacles: expected 0 to {size * size - 2 * size} on a grid of {size}, got {obstacles}"
            )
        self.size, self.obstacles, self.solvable = size, obstacles, solvable
        self.goal = (size - 1, size - 1)
        self.observation_space = spaces.Box(0, AGENT, (size * size,), np.int8)
        self.action_space = spaces.Discrete(4)
        self._blocked = np.zeros((size, size), dtype=bool)
        self._at = (0, 0)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """New obstacles, the agent in its corner."""
        super().reset(seed=seed)
        self._at = (0, 0)
        self._draw()
        while self.solvable and not self._reachable():
            self._draw()
        return self._observe(), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Move up, right, down or left (0 to 3); walls and obstacles stop the agent."""
        self._at = self._neighbour(self._at, MOVES[int(action)])
        reached = self._at == self.goal
        return self._observe(), float(reached), reached, False, {}

    def _draw(self) -> None:
        free = np.array(
            [c for c in np.ndindex(self.size, self.size) if c not in ((0, 0), self.goal)]
        )
        chosen = self.np_random.choice(len(free), self.obstacles, replace=False)
        self._blocked[:] = False
        self._blocked[tuple(free[chosen].T)] = True

    def _neighbour(self, cell: tuple[int, int], move: tuple[int, int]) -> tuple[int, int]:
        row, column = cell[0] + move[0], cell[1] + move[1]
        inside = 0 <= row < self.size and 0 <= column < self.size
        return (row, column) if inside and not self._blocked[row, column] else cell

    def _reachable(self) -> bool:
        seen, queue = {(0, 0)}, [(0, 0)]
        while queue:
            cell = queue.pop()
            new = {self._neighbour(cell, move) for move in MOVES} - seen
            seen |= new
            queue.extend(new)
        return self.goal in seen

    def _observe(self) -> np.ndarray:
        grid = self._blocked.astype(np.int8) * OBSTACLE
        grid[self.goal] = GOAL
        grid[self._at] = AGENT
        return grid.ravel()
