"""Training a Stable-Baselines3 model on one transition, through its own buffer and `train()`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces

from rlcheck.adapters.protocol import PolicyRow, Row
from rlcheck.adapters.sb3_view import View

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm

LOSS_NAMES = ("train/value_loss", "train/critic_loss", "train/loss")


def fit_transition(
    seen: View,
    observation: Any,
    action: Any,
    reward: float,
    next_observation: Any,
    terminated: bool,
    truncated: bool,
    steps: int,
) -> list[float]:
    """Train `steps` times on a buffer that holds nothing but this transition.

    A step is one call of the model's `train()`: all epochs over a rollout of one minibatch for an
    on-policy algorithm, one gradient step for an off-policy one.

    Returns:
        The critic's loss that `train()` logged at each step; empty where it logs none.
    """
    model: Any = seen.model
    on_policy = hasattr(model, "rollout_buffer")
    losses = []
    with silent_logger(model) as logger, steady_rate(model), _short_rollout(model):
        if not on_policy:
            row = Row(observation, action, reward, next_observation, terminated, truncated)
            fill_replay(seen, [row])
        for _ in range(steps):
            logger.name_to_value.clear()
            if on_policy:
                _fill_rollout(seen, observation, action, reward, next_observation, terminated)
                model.train()
            else:
                model.train(gradient_steps=1, batch_size=model.batch_size)
            known = [name for name in LOSS_NAMES if name in logger.name_to_value]
            if known:
                losses.append(float(logger.name_to_value[known[0]]))
    if not on_policy:
        model.replay_buffer.reset()
    return losses


@contextmanager
def silent_logger(model: BaseAlgorithm) -> Iterator[Any]:
    """A silent logger for the time of the training; `learn` sets up the model's own."""
    from stable_baselines3.common.logger import Logger

    names = ("_logger", "_custom_logger")
    before: dict[str, Any] = {name: vars(model)[name] for name in names if name in vars(model)}
    logger = Logger(folder=None, output_formats=[])
    model.set_logger(logger)
    try:
        yield logger
    finally:
        for name in names:
            vars(model).pop(name, None)
        vars(model).update(before)


@contextmanager
def steady_rate(model: Any) -> Iterator[None]:
    """The largest learning rate of the model's schedule for a while: a warm-up would begin at 0."""
    schedule = getattr(model, "lr_schedule", None)
    if not callable(schedule):
        yield
        return
    rate = max(float(schedule(progress)) for progress in (1.0, 0.5, 0.0))
    model.lr_schedule = lambda _: rate
    try:
        yield
    finally:
        model.lr_schedule = schedule


@contextmanager
def _short_rollout(model: Any, rows: int | None = None) -> Iterator[None]:
    """A rollout buffer of so many rows, or one minibatch, for a while."""
    buffer = getattr(model, "rollout_buffer", None)
    if buffer is None:
        yield
        return
    if rows is None:
        rows = int(min(getattr(model, "batch_size", np.inf), buffer.buffer_size * buffer.n_envs))
    n_steps = model.n_steps
    short = copy.copy(buffer)
    short.buffer_size = model.n_steps = -(-rows // buffer.n_envs)
    short.reset()
    model.rollout_buffer = short
    try:
        yield
    finally:
        model.rollout_buffer, model.n_steps = buffer, n_steps


def _repeated(value: Any, count: int) -> np.ndarray:
    return np.repeat(np.asarray(value)[None], count, axis=0)


def _fill_rollout(
    seen: View,
    observation: Any,
    action: Any,
    reward: float,
    next_observation: Any,
    terminated: bool,
) -> None:
    """A rollout of one-step episodes, collected the way `collect_rollouts` does.

    Where the transition does not terminate, the value of the state that it reached is added to the
    reward: Stable-Baselines3 does so at a truncation, and for one step it is the same target.
    """
    import torch

    model: Any = seen.model
    buffer = model.rollout_buffer
    buffer.reset()
    count = buffer.n_envs
    observations = seen.inputs(_repeated(observation, count))
    actions = _repeated(action, count)
    with seen.asking():
        action_tensor = torch.as_tensor(actions, device=model.device)
        inputs = seen.tensor(_repeated(observation, count))
        values, log_probs, _ = model.policy.evaluate_actions(inputs, action_tensor)
        reached = model.policy.predict_values(seen.tensor(_repeated(next_observation, count)))
    rewards = np.full(count, reward, dtype=np.float32)
    if not terminated:
        rewards = rewards + model.gamma * reached.cpu().numpy().reshape(count)
    if isinstance(model.action_space, spaces.Discrete):
        actions = actions.reshape(-1, 1)
    ends = np.ones(count, dtype=bool)
    for _ in range(buffer.buffer_size):
        buffer.add(observations, actions, rewards, ends, values, log_probs)
    buffer.compute_returns_and_advantage(last_values=reached, dones=ends)


def fill_replay(seen: View, rows: Sequence[Row]) -> None:
    """These rows and no others, in the units in which the buffer keeps actions (scaled to [-1, 1])."""
    model: Any = seen.model
    buffer = model.replay_buffer
    buffer.reset()
    count = buffer.n_envs
    for row in rows:
        actions = _repeated(row.action, count)
        if isinstance(model.action_space, spaces.Box):
            actions = model.policy.scale_action(actions)
        buffer.add(
            seen.wrapped(_repeated(row.observation, count)),
            seen.wrapped(_repeated(row.next_observation, count)),
            actions,
            np.full(count, row.reward, dtype=np.float32),
            np.full(count, row.terminated or row.truncated),
            [{"TimeLimit.truncated": row.truncated and not row.terminated} for _ in range(count)],
        )


def fit_rows_of(seen: View) -> Callable[[Sequence[Row], int], None] | None:
    """`AgentHandle.fit_rows` of a Q-learner; None for other algorithms and for n-step returns.

    Stable-Baselines3 moves the target network between, not in, calls of `train`.
    """
    model: Any = seen.model
    learner = hasattr(model, "q_net") and hasattr(model, "q_net_target") and seen.same_units
    if not learner or model.replay_buffer is None or getattr(model, "n_steps", 1) != 1:
        return None

    def fit(rows: Sequence[Row], steps: int) -> None:
        with silent_logger(model), steady_rate(model):
            fill_replay(seen, rows)
            model.train(gradient_steps=steps, batch_size=model.batch_size)
            model.replay_buffer.reset()

    return fit


def update_policy_of(seen: View) -> Callable[[Sequence[PolicyRow]], None] | None:
    """`AgentHandle.update_policy` of an on-policy algorithm with discrete actions, else None."""
    model: Any = seen.model
    discrete = isinstance(model.action_space, spaces.Discrete)
    if not hasattr(model, "rollout_buffer") or not discrete or seen.recurrent:
        return None
    return lambda rows: _update_policy(seen, rows)


def _update_policy(seen: View, rows: Sequence[PolicyRow]) -> None:
    """Every row as often as there are environments, so that they fill whole steps."""
    model: Any = seen.model
    count = model.rollout_buffer.n_envs
    with (
        silent_logger(model),
        steady_rate(model),
        _short_rollout(model, len(rows) * count),
        _one_batch(model, len(rows) * count),
    ):
        buffer = model.rollout_buffer
        for row in rows:
            observations = seen.inputs(_repeated(row.observation, count))
            actions = _repeated(row.action, count).reshape(-1, 1)
            values, log_probs = _stored(seen, row, count)
            buffer.add(
                observations,
                actions,
                np.zeros(count),
                np.ones(count),
                values,
                log_probs - np.log(row.ratio),
            )
        buffer.advantages[:] = np.array([row.advantage for row in rows])[:, None]
        # As after a real rollout, for code that computes advantages from returns.
        buffer.returns = buffer.values + buffer.advantages
        model.train()


def _stored(seen: View, row: PolicyRow, count: int) -> tuple[Any, Any]:
    """V and log pi of a row, once for every environment."""
    import torch

    model: Any = seen.model
    actions = torch.as_tensor(_repeated(row.action, count), device=model.device)
    with seen.asking():
        inputs = seen.tensor(_repeated(row.observation, count))
        values, log_probs, _ = model.policy.evaluate_actions(inputs, actions)
    return values, log_probs


@contextmanager
def _one_batch(model: Any, rows: int) -> Iterator[None]:
    """One epoch, one minibatch, and the policy loss alone, for a while, where there are such settings."""
    wanted: dict[str, Any] = {"n_epochs": 1, "batch_size": rows, "ent_coef": 0.0, "vf_coef": 0.0}
    if hasattr(model, "clip_range"):
        # PPO would stop at once at ratios far from 1; a trust region needs its radius.
        wanted["target_kl"] = None
    before = {name: getattr(model, name) for name in wanted if hasattr(model, name)}
    for name in before:
        setattr(model, name, wanted[name])
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(model, name, value)
