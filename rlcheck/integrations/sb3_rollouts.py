"""What the rollouts of an on-policy Stable-Baselines3 model tell and its logger does not write."""

from __future__ import annotations

import inspect
from collections import deque
from typing import Any

import numpy as np

_ROWS = 256
"""Rows of a rollout whose log-probabilities are computed again: one forward pass without gradient."""

_LEAST_ROWS = 256
"""Of rollouts that are shorter only so many are looked at that this many steps lie between two."""


class Rollouts:
    """Reads the rollout buffer of a model before each update, and the policy after it.

    The policy is asked in evaluation mode and without gradients, as it is when it acts; no action is
    drawn, so that no random number is used. A model without rollouts is left alone.

    Attributes:
        kept: values, targets and TD errors of the last two rollouts.
    """

    def __init__(self) -> None:
        self.kept: deque[dict[str, Any]] = deque(maxlen=2)
        self._before: dict[str, Any] | None = None
        self._passed = _LEAST_ROWS
        self._refused: bool | None = None
        self._products = np.zeros(3)

    @property
    def written(self) -> dict[str, Any] | None:
        """The rollout whose update is written now, since that is done after the next rollout."""
        return self.kept[0] if len(self.kept) > 1 else None

    def ended(self, model: Any) -> None:
        """Takes in a finished rollout.

        Args:
            model: whose `rollout_buffer`, if it has one, is full and not yet learned from.
        """
        buffer = getattr(model, "rollout_buffer", None)
        if buffer is None:
            return
        self._passed += buffer.values.size
        if self._refused is None:
            self._refused = not _can_evaluate(model)
        if self._passed >= _LEAST_ROWS and not self._refused:
            self._passed = 0
            self._before = _rows(buffer, bool(getattr(model, "normalize_advantage", False)))
        self.kept.append(
            {
                "values": buffer.values.copy(),
                "returns": buffer.returns.copy(),
                "td_errors": td_errors(buffer),
            }
        )

    def updated(self, model: Any) -> None:
        """Compares the updated policy with the one that acted.

        Args:
            model: about to collect the next rollout, so that its policy is in evaluation mode.
        """
        import torch

        rows, self._before = self._before, None
        if rows is None or model.policy.training:
            return
        observations, actions = _tensors(rows, model)
        try:
            with torch.no_grad():
                after = model.policy.evaluate_actions(observations, actions)[1]
        except (RuntimeError, TypeError, ValueError):
            # A policy of the user's own, or NaN in it: that must not end the training here.
            self._refused = True
            return
        change = np.clip(after.cpu().numpy().astype(float).ravel() - rows["log_probs"], -1.0, 1.0)
        wanted = rows["advantages"]
        self._products += (wanted @ change, wanted @ wanted, change @ change)

    def metrics(self) -> dict[str, float]:
        """`advantage_logprob_correlation` of the updates since this was last asked, if any was seen."""
        product, *squares = self._products
        self._products = np.zeros(3)
        size = float(np.sqrt(squares[0] * squares[1]))
        known = {"advantage_logprob_correlation": float(product) / size} if size > 0 else {}
        return {name: value for name, value in known.items() if np.isfinite(value)}


def td_errors(buffer: Any) -> np.ndarray:
    """r + gamma (1 - end) V(s') - V(s) of all steps of a rollout buffer but the last, [T - 1, N].

    At a time limit Stable-Baselines3 has added gamma V(s') to the reward.
    """
    follows = buffer.values[1:] * (1.0 - buffer.episode_starts[1:])
    return np.asarray(buffer.rewards[:-1] + buffer.gamma * follows - buffer.values[:-1])


def _can_evaluate(model: Any) -> bool:
    """Whether the policy takes observations and actions, and neither masks nor recurrent states."""
    evaluate = getattr(model.policy, "evaluate_actions", None)
    if evaluate is None or not hasattr(model.rollout_buffer, "log_probs"):
        return False
    return list(inspect.signature(evaluate).parameters) == ["obs", "actions"]


def _rows(buffer: Any, normalised: bool) -> dict[str, Any]:
    """At most `_ROWS` rows of a rollout, evenly spread, with the advantages as the update takes them.

    Those of the critic's targets: a sign that is lost between targets and policy shows.
    """
    steps, envs = buffer.values.shape
    chosen = np.linspace(0, steps * envs - 1, min(_ROWS, steps * envs)).astype(int)
    at = np.unravel_index(chosen, (steps, envs))
    seen, advantages = buffer.observations, (buffer.returns - buffer.values)[at].astype(float)
    return {
        "observations": {k: v[at] for k, v in seen.items()} if isinstance(seen, dict) else seen[at],
        "actions": buffer.actions[at].astype(np.float32),  # as the buffer hands them to an update
        "log_probs": buffer.log_probs[at].astype(float),
        "advantages": advantages - advantages.mean() if normalised else advantages,
    }


def _tensors(rows: dict[str, Any], model: Any) -> tuple[Any, Any]:
    import torch
    from gymnasium.spaces import Discrete
    from stable_baselines3.common.utils import obs_as_tensor

    actions = torch.as_tensor(rows["actions"], device=model.device)
    if isinstance(model.action_space, Discrete):
        actions = actions.long().flatten()
    return obs_as_tensor(rows["observations"], model.device), actions
