"""A Stable-Baselines3 model in the shape that the ladder calls, through its public objects."""

from __future__ import annotations

import copy
from collections.abc import Callable, Container
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces

from rlcheck.adapters.arrays import check_actions
from rlcheck.adapters.parameters import held_parameters
from rlcheck.adapters.protocol import AgentHandle, Task
from rlcheck.adapters.rng import preserved_rng
from rlcheck.adapters.sb3_experience import experience_of
from rlcheck.adapters.sb3_view import View, view

if TYPE_CHECKING:
    import torch
    from stable_baselines3.common.base_class import BaseAlgorithm

    Rows = Callable[[np.ndarray], np.ndarray]


def sb3_handle(model: BaseAlgorithm, task: Task | None, given: Container[int] = ()) -> AgentHandle:
    """The handle of one model.

    Args:
        model: any on- or off-policy algorithm of Stable-Baselines3, or a subclass.
        task: what a loaded copy of it learns in; None for a model that is only asked.
        given: ids of the environments that a user's factory was given to build it.
    """
    from rlcheck.adapters.sb3_critic import critic_probe_of
    from rlcheck.adapters.sb3_fit import fit_rows_of, fit_transition, update_policy_of

    seen = view(model, given)
    # What a recurrent policy thinks of an observation depends on those before it.
    alone = seen.same_units and not seen.recurrent
    stores = hasattr(model, "rollout_buffer") or hasattr(model, "replay_buffer")
    return AgentHandle(
        learn=lambda total_timesteps: _learn(model, total_timesteps),
        predict=lambda observations: _predict(seen, observations),
        sample=lambda observations: _sample(seen, observations),
        draw=_draw(seen),
        values=_values(seen) if alone else None,
        q_values=_q_values(seen, "q_net") if seen.same_units else None,
        action_probabilities=None if seen.recurrent else _action_probabilities(seen),
        fit_transition=partial(fit_transition, seen) if alone and stores else None,
        fit_rows=fit_rows_of(seen),
        update_policy=update_policy_of(seen),
        shorten_rollout=_shorten_rollout(model),
        critic_probe=critic_probe_of(seen),
        copy_to_target=_copy_to_target(model),
        target_q_values=_q_values(seen, "q_net_target") if seen.same_units else None,
        parameters=lambda: held_parameters(model),
        act_one=lambda observation: _act_one(seen, observation),
        acting=lambda: _Acting(seen),
        stored_actions=_stored_actions(model),
        experience=experience_of(seen),
        save=model.save,
        load=lambda path: _load(model, path, task, given),
        native=model,
    )


def _learn(model: BaseAlgorithm, total_timesteps: int) -> None:
    model.learn(total_timesteps=total_timesteps)


def _predict(seen: View, observations: np.ndarray) -> np.ndarray:
    with seen.asking():
        actions, _ = seen.model.predict(seen.asked(observations), deterministic=True)
    return _checked(seen.model, actions)


def _act_one(seen: View, observation: Any) -> np.ndarray:
    with seen.asking():
        one = seen.asked(np.asarray(observation)[None])[0]
        action, _ = seen.model.predict(one, deterministic=True)
    return _checked(seen.model, action)


def _checked(model: BaseAlgorithm, actions: Any) -> np.ndarray:
    what = f"{type(model).__name__}.predict"
    return check_actions(np.asarray(actions), model.action_space, what)


def _sample(seen: View, observations: np.ndarray) -> np.ndarray:
    """Actions as in training.

    Row by row for algorithms that decide once a call whether to explore (DQN), and with the action
    noise of those that add it outside the policy (TD3, DDPG).
    """
    model: Any = seen.model
    inputs = seen.asked(observations)
    with seen.asking():
        if hasattr(model, "exploration_rate"):
            actions = np.stack([model.predict(row, deterministic=False)[0] for row in inputs])
        else:
            actions, _ = model.predict(inputs, deterministic=False)
    noise = copy.deepcopy(getattr(model, "action_noise", None))
    if noise is not None:
        drawn = np.stack([np.atleast_2d(noise())[0] for _ in inputs])
        scaled = model.policy.scale_action(actions)
        actions = model.policy.unscale_action(np.clip(scaled + drawn, -1.0, 1.0))
    return _checked(model, actions)


def _draw(seen: View) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]] | None:
    """SAC and its kin: the actor's own squashed actions, as the losses use them."""
    actor: Any = getattr(seen.model, "actor", None)
    space = seen.model.action_space
    one = isinstance(space, spaces.Box) and space.shape == (1,)
    if actor is None or not hasattr(actor, "action_log_prob") or not one:
        return None

    def draw(observations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with seen.asking():
            actions, log_probs = actor.action_log_prob(seen.tensor(observations))
        pairs = (part.double().cpu().numpy().reshape(-1) for part in (actions, log_probs))
        return next(pairs), next(pairs)

    return draw


class _Acting:
    """A greedy actor that carries the state of a recurrent policy."""

    def __init__(self, seen: View) -> None:
        self.seen = seen
        self.state: Any = None

    def __call__(self, observations: np.ndarray, episode_start: np.ndarray) -> np.ndarray:
        with self.seen.asking():
            actions, self.state = self.seen.model.predict(
                self.seen.asked(observations),
                state=self.state,
                episode_start=np.asarray(episode_start, dtype=bool),
                deterministic=True,
            )
        return _checked(self.seen.model, actions)


def _values(seen: View) -> Rows | None:
    """V of an actor-critic; max Q of DQN; smallest Q of the greedy action of SAC, TD3 and DDPG."""
    import torch

    policy: Any = seen.model.policy

    def of(compute: Callable[[torch.Tensor], torch.Tensor]) -> Rows:
        def values(observations: np.ndarray) -> np.ndarray:
            with seen.asking():
                result = compute(seen.tensor(observations))
            return result.double().cpu().numpy().reshape(len(observations))

        return values

    if hasattr(policy, "predict_values"):
        return of(policy.predict_values)
    if hasattr(policy, "q_net"):
        return of(lambda inputs: policy.q_net(inputs).max(dim=1).values)
    if hasattr(policy, "critic") and hasattr(policy, "actor"):

        def smallest(inputs: torch.Tensor) -> torch.Tensor:
            actions = policy._predict(inputs, deterministic=True)
            return torch.cat(policy.critic(inputs, actions), dim=1).min(dim=1).values

        return of(smallest)
    return None


def _q_values(seen: View, name: str) -> Rows | None:
    network = getattr(seen.model.policy, name, None)
    if network is None:
        return None

    def q_values(observations: np.ndarray) -> np.ndarray:
        with seen.asking():
            return network(seen.tensor(observations)).double().cpu().numpy()

    return q_values


def _shorten_rollout(model: Any) -> Callable[[int], None] | None:
    if not hasattr(model, "rollout_buffer"):
        return None

    def shorten(steps: int) -> None:
        model.n_steps = model.rollout_buffer.buffer_size = steps
        model.rollout_buffer.reset()

    return shorten


def _copy_to_target(model: Any) -> Callable[[], None] | None:
    if not hasattr(model, "q_net") or not hasattr(model, "q_net_target"):
        return None
    return lambda: model.q_net_target.load_state_dict(model.q_net.state_dict())


def _action_probabilities(seen: View) -> Rows | None:
    get_distribution = getattr(seen.model.policy, "get_distribution", None)
    if get_distribution is None or not isinstance(seen.model.action_space, spaces.Discrete):
        return None

    def probabilities(observations: np.ndarray) -> np.ndarray:
        with seen.asking():
            distribution = get_distribution(seen.tensor(observations)).distribution
            return distribution.probs.double().cpu().numpy()

    return probabilities


def _stored_actions(model: BaseAlgorithm) -> Callable[[], np.ndarray] | None:
    """Actions in the rollout or replay buffer; of a vectorised environment nothing can be told."""
    on_policy = hasattr(model, "rollout_buffer")
    buffer = getattr(model, "rollout_buffer" if on_policy else "replay_buffer", None)
    if buffer is None or buffer.n_envs != 1 or not hasattr(buffer, "pos"):
        return None

    def stored() -> np.ndarray:
        # The rollout buffer is flattened in place for training; with one environment the order stays.
        kept = model.rollout_buffer if on_policy else model.replay_buffer  # type: ignore[attr-defined]
        rows = np.asarray(kept.actions).reshape(kept.buffer_size, -1)[:, 0]
        return rows[: kept.pos] if not kept.full or on_policy else np.roll(rows, -kept.pos)

    return stored


def _load(model: BaseAlgorithm, path: str, task: Task | None, given: Container[int]) -> AgentHandle:
    """A saved copy in the model's own environment, whose normalisation belongs to the agent.

    Loading seeds the global generators again, which nobody asked for here.
    """
    env = model.get_env() or (None if task is None else task.make_env())
    with preserved_rng():
        loaded = type(model).load(path, env=env, device=model.device)
    return sb3_handle(loaded, task, given)
