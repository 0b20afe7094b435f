"""From an environment id, a class or a factory to something that makes fresh environments."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import gymnasium
from gymnasium.wrappers import TimeLimit

from rlcheck.contracts import Bound, Options
from rlcheck.errors import BindingError
from rlcheck.subjects import EnvironmentId
from rlcheck.suggest import did_you_mean

EXPECTED = (
    "an environment id such as CartPole-v1, an environment class, or a function that makes one"
)


@dataclass(frozen=True, slots=True)
class EnvironmentSubject:
    """Makes one environment after another.

    Args:
        name: what messages call it.
        make: makes an environment.
    """

    name: str
    make: Callable[[], Any]

    def fresh(self) -> closing[Any]:
        """A new environment, for `with`, which closes it in the end."""
        return closing(self.make())


def bind_environment(raw: Any, options: Options) -> Bound:
    """Bind what makes an environment; constructor arguments come from `--set`.

    Raises:
        BindingError: it makes no environment, or needs an argument that nobody gave.
    """
    if options.bind:
        raise BindingError(
            f"an environment has no parameters to bind, it was given {dict(options.bind)}; "
            "constructor arguments are given with --set name=value"
        )
    subject = _subject(raw, dict(options.constants))
    env = subject.make()
    _require_environment(env, subject.name)
    with closing(env):
        facts = {
            "observation_space": str(env.observation_space),
            "action_space": str(env.action_space),
            "time_limits": list(time_limits(env)),
            "nondeterministic": bool(getattr(_spec(env), "nondeterministic", False)),
        }
    return Bound(subject=subject, facts=facts)


def recognises(raw: Any) -> bool:
    """Whether an object looks like an environment, or like a function annotated to make one."""
    if isinstance(raw, EnvironmentId):
        return True
    if inspect.isclass(raw) or not callable(raw):
        return hasattr(raw, "step") and hasattr(raw, "reset")
    annotation = getattr(raw, "__annotations__", {}).get("return")
    if isinstance(annotation, str):
        return annotation.partition("[")[0].rpartition(".")[2] == "Env"
    made = getattr(annotation, "__origin__", annotation)
    return inspect.isclass(made) and issubclass(made, gymnasium.Env)


def time_limits(env: Any) -> tuple[int, ...]:
    """Every step limit that wrappers or the registration put on an environment, ascending."""
    limits = {getattr(_spec(env), "max_episode_steps", None)}
    layer = env
    while isinstance(layer, gymnasium.Wrapper):
        if isinstance(layer, TimeLimit):
            limits.add(layer._max_episode_steps)
        layer = layer.env
    return tuple(sorted(limit for limit in limits if limit is not None))


def _spec(env: Any) -> Any:
    return getattr(getattr(env, "unwrapped", env), "spec", None)


def _subject(raw: Any, constants: Mapping[str, Any]) -> EnvironmentSubject:
    if isinstance(raw, EnvironmentId | str):
        env_id = raw if isinstance(raw, str) else raw.id
        # The checks look for themselves; warnings of the passive checker would only repeat them.
        make = functools.partial(
            gymnasium.make, env_id, disable_env_checker=True, **dict(constants)
        )
        return EnvironmentSubject(env_id, make)
    name = getattr(raw, "__name__", type(raw).__name__)
    if not callable(raw):
        hint = (
            "; give its class or a function that makes it, so that each check starts from a new one"
            if hasattr(raw, "step")
            else ""
        )
        raise BindingError(f"expected {EXPECTED}, got an object of type {type(raw).__name__}{hint}")
    _require_arguments(raw, name, constants)
    return EnvironmentSubject(name, functools.partial(raw, **constants))


def _require_arguments(raw: Callable[..., Any], name: str, constants: Mapping[str, Any]) -> None:
    try:
        parameters = inspect.signature(raw).parameters
    except (TypeError, ValueError):  # some C functions have no signature: calling them will tell
        return
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    for given in constants:
        if given not in parameters and not takes_any:
            close = did_you_mean(given, list(parameters))
            raise BindingError(f"{name} has no parameter {given!r}{close}")
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    for own, parameter in parameters.items():
        required = parameter.default is inspect.Parameter.empty and parameter.kind not in variadic
        if required and own not in constants:
            raise BindingError(
                f"{name} needs a value for {own!r} to make an environment; "
                f"give it a default, or say --set {own}=VALUE"
            )


def _require_environment(env: Any, name: str) -> None:
    kind = type(env).__name__
    if isinstance(env, gymnasium.vector.VectorEnv):
        raise BindingError(
            f"{name} makes a vector environment ({kind}); "
            "give what makes a single one of its environments"
        )
    missing = [
        part for part in ("reset", "step", "close") if not callable(getattr(env, part, None))
    ]
    if missing:
        made = "None" if env is None else f"an object of type {kind}"
        raise BindingError(
            f"{name} should make an environment, it made {made} "
            f"without `{missing[0]}`; expected {EXPECTED}"
        )
    for part in ("observation_space", "action_space"):
        space = getattr(env, part, None)
        if not isinstance(space, gymnasium.Space):
            raise BindingError(
                f"{name} should declare `{part}` as a space of gymnasium.spaces in its constructor, "
                f"it is {'missing' if space is None else f'of type {type(space).__name__}'}"
            )
