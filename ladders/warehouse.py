"""A warehouse robot whose pay can be farmed: an example of reward hacking, and its repair.

The robot fetches items from the shelf and puts them down at the dock. Two ways to pay it:

    pickups   +1 for each pickup, +1 for each order shipped. Picking an item up, putting it down and
              picking it up again earns more than shipping: pickups rise while orders fall.
    shipped   +1 for each order shipped, nothing else.

The episode terminates when all orders are shipped; `info["shipped"]` counts them, `info["pickups"]` the
pickups. Observation: MultiDiscrete (cell of the robot, cell of the item or `carried`, orders shipped).
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

PAYS = ("pickups", "shipped")
MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))
PICK_UP, PUT_DOWN = 4, 5


class Warehouse(gymnasium.Env):
    """One robot, one item at a time.

    Args:
        pay: what earns reward, one of PAYS.
        rows, columns: size of the floor; the shelf is in the first cell, the dock in the last.
        orders: how many items have to be shipped.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 (as the base class declares it)

    def __init__(
        self, pay: str = "pickups", rows: int = 3, columns: int = 3, orders: int = 2
    ) -> None:
        if pay not in PAYS:
            raise ValueError(f"pay: expected one of {', '.join(PAYS)}, got {pay!r}")
        self.pay, self.rows, self.columns, self.orders = pay, rows, columns, orders
        self.cells = rows * columns
        self.shelf, self.dock, self.carried = 0, self.cells - 1, self.cells
        self.observation_space = spaces.MultiDiscrete([self.cells, self.cells + 1, orders + 1])
        self.action_space = spaces.Discrete(6)
        self._robot = self._item = self._shipped = self._pickups = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """The robot anywhere, the item on the shelf."""
        super().reset(seed=seed)
        self._robot = int(self.np_random.integers(self.cells))
        self._item, self._shipped, self._pickups = self.shelf, 0, 0
        return self._observe(), self._info()

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Move (0 to 3: up, right, down, left), pick the item up (4) or put it down (5)."""
        reward = 0.0
        if action == PICK_UP and self._item == self._robot:
            self._item = self.carried
            self._pickups += 1
            reward += self.pay == "pickups"
        elif action == PUT_DOWN and self._item == self.carried:
            self._item = self._robot
            if self._robot == self.dock:
                self._shipped += 1
                self._item = self.shelf
                reward += 1.0
        elif action < PICK_UP:
            self._move(*MOVES[int(action)])
        terminated = self._shipped == self.orders
        return self._observe(), reward, terminated, False, self._info()

    def _move(self, down: int, right: int) -> None:
        row, column = divmod(self._robot, self.columns)
        row = min(max(row + down, 0), self.rows - 1)
        column = min(max(column + right, 0), self.columns - 1)
        self._robot = row * self.columns + column

    def _observe(self) -> np.ndarray:
        return np.array([self._robot, self._item, self._shipped], dtype=np.int64)

    def _info(self) -> dict[str, Any]:
        return {"shipped": self._shipped, "pickups": self._pickups}
