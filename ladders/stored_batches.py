"""Whether the columns of a stored rollout belong together, row by row.

While a rollout is collected the policy stands still, so V is a function of the observation, log pi one of
observation and action, and R - A equals V on every row. Columns that were flattened in another order
than the rest, or drawn with indices of their own, break one of these, and putting them back mends it:
only a mistake that can be undone in this way is named.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

NEAR = 1e-4

Columns = Mapping[str, np.ndarray]
"""`observations` (a number for each distinct one), `actions`, `values`, `log_probs`, `advantages`,
`returns`: each [N]."""


def disorder(columns: Columns) -> dict[str, int]:
    """Relation -> rows that break it."""
    seen = columns["observations"][:, None]
    acted = np.stack([columns["observations"], columns["actions"]], axis=1)
    return {
        "V is one number for each observation": _varies(columns["values"], seen),
        "log pi is one number for each observation and action": _varies(
            columns["log_probs"], acted
        ),
        "return - advantage = V": int(
            (
                np.abs(columns["returns"] - columns["advantages"] - columns["values"])
                > _near(columns)
            ).sum()
        ),
    }


def _near(columns: Columns) -> float:
    return NEAR * (1.0 + float(np.abs(columns["returns"]).max(initial=0.0)))


def _varies(column: np.ndarray, keys: np.ndarray) -> int:
    """Rows that differ from the first with the same key."""
    _, first, group = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    group = group.reshape(-1)
    return int((np.abs(column - column[first[group]]) > NEAR * (1.0 + np.abs(column))).sum())


def other_order(columns: Columns, n_envs: int) -> tuple[str, ...]:
    """The columns that were flattened the other way round, if undoing that mends every relation."""
    if n_envs == 1 or not any(disorder(columns).values()):
        return ()
    for mixed in (("actions",), ("advantages", "returns"), ("observations",), ("values",)):
        for shape in ((-1, n_envs), (n_envs, -1)):
            again = {name: columns[name].reshape(shape).T.reshape(-1) for name in mixed}
            if not any(disorder({**columns, **again}).values()):
                return mixed
    return ()


def own_rows(columns: Columns) -> str:
    """The column, advantages or returns, that holds the right numbers on the wrong rows, else ""."""
    relation = {
        "advantages": columns["returns"] - columns["values"],
        "returns": columns["advantages"] + columns["values"],
    }
    for name, expected in relation.items():
        near = _near(columns)
        same_numbers = np.abs(np.sort(columns[name]) - np.sort(expected)).max(initial=0.0) < near
        misplaced = np.abs(columns[name] - expected) > near
        if same_numbers and misplaced.mean() > 0.5:
            return name
    return ""
