"""One agent built by a user's factory, in the shape that the ladder calls."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces

from rlcheck.adapters.arrays import (
    action_row_shape,
    check_actions,
    named_arrays,
    to_numpy,
)
from rlcheck.adapters.batching import RowFunction
from rlcheck.adapters.parameters import held_parameters
from rlcheck.adapters.protocol import AgentHandle
from rlcheck.errors import BindingError

if TYPE_CHECKING:
    import gymnasium


def check_product(product: Any, name: str) -> None:
    """Raise BindingError unless the product can learn and predict."""
    missing = [
        method for method in ("learn", "predict") if not callable(getattr(product, method, None))
    ]
    if missing:
        came = "None" if product is None else f"an object of type {type(product).__name__}"
        raise BindingError(
            f"{name} should return an agent with learn(total_timesteps) and predict(observation, "
            f"deterministic=True), it returned {came} without {' and '.join(missing)}; "
            "return the agent itself from the factory"
        )


class Policy:
    """The acting side of a product: one observation or many, with or without recurrent state.

    Args:
        predict: the user's `predict`, or an acting function.
        env: an environment with the spaces that the agent was built for.
        name: what messages call `predict`.
    """

    def __init__(self, predict: Callable[..., Any], env: gymnasium.Env, name: str) -> None:
        self.predict_method = predict
        self.space: spaces.Space = env.action_space
        self.name = name
        self.accepted = _keywords(predict)
        row_shape = action_row_shape(self.space)
        self._greedy = RowFunction(lambda obs: self._call(obs, True)[0], row_shape, name)
        self._sampling = RowFunction(lambda obs: self._call(obs, False)[0], row_shape, name)

    @property
    def samples(self) -> bool:
        """Whether it tells greedy actions from sampled ones."""
        return "deterministic" in self.accepted

    def predict(self, observations: np.ndarray) -> np.ndarray:
        """Greedy actions [N] or [N, D]."""
        return check_actions(self._greedy(observations), self.space, self.name)

    def sample(self, observations: np.ndarray) -> np.ndarray:
        """Actions as in training [N] or [N, D]."""
        return check_actions(self._sampling(observations), self.space, self.name)

    def act_one(self, observation: Any) -> np.ndarray:
        """The greedy action of one observation."""
        return check_actions(self._greedy.one(observation), self.space, self.name)

    def acting(self) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        """A fresh greedy actor; the states of a recurrent policy are kept per row."""
        if "state" not in self.accepted:
            return lambda observations, episode_start: self.predict(observations)
        states: dict[int, Any] = {}

        def step(observations: np.ndarray, episode_start: np.ndarray) -> np.ndarray:
            actions = []
            for index, observation in enumerate(observations):
                start = bool(episode_start[index])
                state = None if start else states.get(index)

                def call(
                    row: Any, state: Any = state, index: int = index, start: bool = start
                ) -> Any:
                    action, states[index] = self._call(row, True, state, start)
                    return action

                actions.append(self._greedy.with_call(call).one(observation))
            return check_actions(np.stack(actions), self.space, self.name)

        return step

    def _call(
        self, observation: Any, deterministic: bool, state: Any = None, start: bool = True
    ) -> tuple[Any, Any]:
        keywords: dict[str, Any] = {
            "deterministic": deterministic,
            "state": state,
            "episode_start": np.array([start]),
        }
        # A first step without state is called the plain way, as a user calls it.
        omitted = ("state", "episode_start") if start else ()
        used = {k: v for k, v in keywords.items() if k in self.accepted and k not in omitted}
        result = self.predict_method(observation, **used)
        if isinstance(result, tuple) and len(result) == 2:
            return result
        return result, None


def _keywords(function: Callable[..., Any]) -> frozenset[str]:
    """Names that the function takes by keyword; `deterministic` counts for one with **kwargs."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return frozenset()
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        return frozenset(parameters) | {"deterministic"}
    return frozenset(parameters)


@dataclass(frozen=True, slots=True)
class ProductSource:
    """Where a product came from, so that a saved one can be loaded into another."""

    name: str
    env: gymnasium.Env
    rebuild: Callable[[], Any]


def product_handle(product: Any, source: ProductSource) -> AgentHandle:
    """The handle of a product with `learn` and `predict` and whatever else it offers.

    Raises:
        BindingError: it lacks `learn` or `predict`.
    """
    check_product(product, source.name)
    policy = Policy(product.predict, source.env, f"{type(product).__name__}.predict")
    space = source.env.action_space
    n_actions = (int(space.n),) if isinstance(space, spaces.Discrete) else None
    return AgentHandle(
        learn=_learn(product),
        predict=policy.predict,
        sample=policy.sample if policy.samples else None,
        draw=_draw(product, space),
        values=_rows(product, "values", ()),
        q_values=_rows(product, "q_values", n_actions),
        action_probabilities=_rows(product, "action_probabilities", n_actions),
        fit_transition=_fit_transition(product),
        parameters=_parameters(product),
        act_one=policy.act_one,
        acting=policy.acting,
        save=product.save if callable(getattr(product, "save", None)) else None,
        load=_load(product, source),
        native=product,
    )


def _learn(product: Any) -> Callable[[int], None]:
    by_name = "total_timesteps" in _keywords(product.learn)

    def learn(total_timesteps: int) -> None:
        if by_name:
            product.learn(total_timesteps=total_timesteps)
        else:
            product.learn(total_timesteps)

    return learn


def _rows(
    product: Any, method: str, row_shape: tuple[int, ...] | None
) -> Callable[[np.ndarray], np.ndarray] | None:
    function = getattr(product, method, None)
    if row_shape is None or not callable(function):
        return None
    rows = RowFunction(function, row_shape, f"{type(product).__name__}.{method}")
    return lambda observations: rows(observations).astype(np.float64)


def _draw(
    product: Any, space: spaces.Space
) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]] | None:
    """One continuous action a row, in [-1, 1], and its log-probability."""
    function = getattr(product, "sample_with_log_prob", None)
    if not callable(function) or space.shape != (1,):
        return None

    def draw(observations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        actions, log_probs = function(observations)
        count = len(observations)
        return to_numpy(actions).reshape(count), to_numpy(log_probs).reshape(count)

    return draw


def _fit_transition(product: Any) -> Callable[..., list[float]] | None:
    fit = getattr(product, "fit_transition", None)
    if not callable(fit):
        return None

    def fit_transition(*transition: Any) -> list[float]:
        return [float(loss) for loss in np.atleast_1d(to_numpy(fit(*transition))).ravel()]

    return fit_transition


def _parameters(product: Any) -> Callable[[], Mapping[str, np.ndarray]] | None:
    own = getattr(product, "parameters", None)
    is_module = hasattr(product, "named_parameters")
    if callable(own) and not is_module:
        return lambda: named_arrays(own())
    if held_parameters(product):
        return lambda: held_parameters(product)
    return None


def _load(product: Any, source: ProductSource) -> Callable[[str], AgentHandle] | None:
    """`load` as a class method returns an agent; as a method it fills a newly built one."""
    if not callable(getattr(product, "load", None)):
        return None
    definition = inspect.getattr_static(type(product), "load", None)
    from_class = isinstance(definition, (classmethod, staticmethod))

    def load(path: str) -> AgentHandle:
        if not from_class:
            fresh = source.rebuild()
            result = fresh.load(path)
            loaded = fresh if result is None else result
        elif "env" in _keywords(product.load):
            loaded = type(product).load(path, env=source.env)
        else:
            loaded = type(product).load(path)
        return product_handle(loaded, source)

    return load
