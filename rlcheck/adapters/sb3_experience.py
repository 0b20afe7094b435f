"""What a Stable-Baselines3 model has stored for learning, as its `train()` would read it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from rlcheck.adapters.protocol import Experience
from rlcheck.adapters.rng import preserved_rng
from rlcheck.adapters.sb3_view import View

SAMPLES = 512


def experience_of(seen: View) -> Callable[[], Experience] | None:
    """Reads the model's buffer; None where it keeps rewards or observations in units of its own."""
    model: Any = seen.model
    rollout = hasattr(model, "rollout_buffer")
    buffer = getattr(model, "rollout_buffer" if rollout else "replay_buffer", None)
    plain = seen.same_units and model.get_vec_normalize_env() is None
    if buffer is None or not plain or not isinstance(buffer.observations, np.ndarray):
        return None
    if rollout:
        return lambda: _rollout(model)
    return (lambda: _sampled(model)) if buffer.n_envs == 1 else None


def _rollout(model: Any) -> Experience:
    """The last rollout, which training has flattened, and one draw of all its rows."""
    buffer = model.rollout_buffer
    return Experience(
        observations=np.array(buffer.observations).reshape(-1, *buffer.obs_shape),
        actions=_column(buffer.actions.reshape(len(buffer.returns.reshape(-1)), -1)[:, 0]),
        # Unlike the other columns, rewards stay [steps, environments] when training flattens.
        rewards=_column(buffer.rewards.T),
        values=_column(buffer.values),
        log_probs=_column(buffer.log_probs),
        advantages=_column(buffer.advantages),
        returns=_column(buffer.returns),
        drawn=_drawn(buffer),
        n_envs=buffer.n_envs,
    )


def _drawn(buffer: Any) -> dict[str, np.ndarray] | None:
    """One draw of all rows from a copy; None where a buffer cannot be drawn from twice."""
    with preserved_rng():
        try:
            draw = next(copy.deepcopy(buffer).get(None))
        except Exception:  # A user's own `get` may raise anything.
            return None
    names = {"values": "old_values", "advantages": "advantages", "returns": "returns"}
    return {name: _column(getattr(draw, field).cpu().numpy()) for name, field in names.items()}


def _column(array: Any) -> np.ndarray:
    """[N], one number a row."""
    return np.array(array, dtype=np.float64).reshape(-1)


def _sampled(model: Any) -> Experience:
    """Rows as `train()` draws them, so that a mistake in drawing shows as well."""
    with preserved_rng():
        samples = model.replay_buffer.sample(SAMPLES, env=None)

    return Experience(
        observations=samples.observations.double().cpu().numpy(),
        actions=_column(samples.actions.cpu().numpy()[:, 0]),
        rewards=_column(samples.rewards.cpu().numpy()),
        next_observations=samples.next_observations.double().cpu().numpy(),
        dones=_column(samples.dones.cpu().numpy()),
    )
