"""From an environment id, a class or a factory to something that makes fresh environments."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import gymnasium
from gymnasium.wrappers import TimeLimit

from ladders.environment_display import REMEDY, is_about_a_display, opens_a_window
from ladders.environment_hang import in_time
from ladders.environment_layers import adapting, disturbing, frozen
from ladders.environment_slot import Slot
from rlcheck.contracts import Bound, Options
from rlcheck.errors import BindingError
from rlcheck.subjects import EnvironmentId
from rlcheck.suggest import did_you_mean

RESERVED = ("metric", "base", "potential", "seconds")
"""Constants that checks read: a held-out measure of success, what a shaped reward came from, and how
long all play together may take."""

EXPECTED = (
    "an environment id such as CartPole-v1, an environment class, or a function that makes one"
)


@dataclass(frozen=True, slots=True)
class EnvironmentSubject:
    """Makes one environment after another.

    Args:
        name: what messages call it.
        make: makes an environment, whose running statistics stand still.
        vector: whether that is a vector environment.
        settings: what the user gave for certain checks: `metric`, `base`, `potential`, `seconds`.
        gamma: the discount of the task, None if nobody said.
        memory: what checks keep for each other, such as the record of random play.
    """

    name: str
    make: Callable[[], Any]
    vector: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    gamma: float | None = None
    memory: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)

    def fresh(self) -> closing[Any]:
        """A new single environment, for `with`, which closes it in the end.

        Of a vector environment it is the first slot, with every other slot acting alike.
        """
        env = self.make()
        return closing(Slot(env) if self.vector else env)


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
    constants = dict(options.constants)
    settings = {name: constants.pop(name) for name in _reserved(raw) if name in constants}
    seconds = _seconds(settings)
    name, make = _maker(raw, constants)
    env = _made(name, make)
    vector = isinstance(env, gymnasium.vector.VectorEnv)
    _require_environment(env, name)
    with closing(env):
        facts = _facts(env) | {"settings": sorted(settings), "gamma": options.gamma}
        facts |= {"seconds": seconds}
    subject = EnvironmentSubject(name, lambda: frozen(make()), vector, settings, options.gamma)
    return Bound(subject, facts)


def _seconds(settings: Mapping[str, Any]) -> float | None:
    given = settings.get("seconds")
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float) or not given > 0:
        raise BindingError(
            f"seconds: expected a positive number, how long all play may take, got {given!r}"
        )
    return float(given)


def _reserved(raw: Any) -> list[str]:
    """Names of constants that are meant for checks, unless the environment takes them itself."""
    try:
        own = set(inspect.signature(raw).parameters) if callable(raw) else set()
    except (TypeError, ValueError):
        own = set()
    return [name for name in RESERVED if name not in own]


def _made(name: str, make: Callable[[], Any]) -> Any:
    try:
        env = in_time(make, f"making {name}")
    except (gymnasium.error.Error, ImportError, OSError) as error:
        raise BindingError(_cannot_be_made(name, error)) from error
    except Exception as error:
        if is_about_a_display(error):
            raise BindingError(_cannot_be_made(name, error)) from error
        raise
    if opens_a_window(env):
        env.close()
        raise BindingError(
            f"{name} is made with render_mode='human', which needs a display and shows each of "
            "thousands of steps; make it with render_mode=None (--set render_mode=None, if it takes one)"
        )
    return env


def _cannot_be_made(name: str, error: Exception) -> str:
    said = " ".join(str(error).split()) or type(error).__name__
    if is_about_a_display(error):
        return f"{name} needs a display to be made ({said}); {REMEDY}"
    if not isinstance(error, gymnasium.error.Error):
        said = f"{type(error).__name__}: {said}"
    return f"{name} cannot be made: {said}"


def _facts(env: Any) -> dict[str, Any]:
    vector = isinstance(env, gymnasium.vector.VectorEnv)
    part = "single_" if vector else ""
    mode = getattr(env, "metadata", None) or {}
    declared = mode.get("autoreset_mode")
    return {
        "observation_space": str(getattr(env, f"{part}observation_space")),
        "action_space": str(getattr(env, f"{part}action_space")),
        "time_limits": list(time_limits(env)),
        "nondeterministic": bool(getattr(_spec(env), "nondeterministic", False)),
        "vector": vector,
        "num_envs": int(env.num_envs) if vector else 1,
        "autoreset_mode": str(getattr(declared, "name", declared)),
        "adapting": adapting(env),
        "disturbing": disturbing(env),
    }


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
    layer = next(iter(getattr(getattr(env, "unwrapped", None), "envs", ())), env)
    while isinstance(layer, gymnasium.Wrapper):
        if isinstance(layer, TimeLimit):
            limits.add(layer._max_episode_steps)
        layer = layer.env
    return tuple(sorted(limit for limit in limits if limit is not None))


def _spec(env: Any) -> Any:
    return getattr(getattr(env, "unwrapped", env), "spec", None)


def _maker(raw: Any, constants: Mapping[str, Any]) -> tuple[str, Callable[[], Any]]:
    """What messages call it, and what makes one."""
    if isinstance(raw, EnvironmentId | str):
        env_id = raw if isinstance(raw, str) else raw.id
        # The checks look for themselves; warnings of the passive checker would only repeat them.
        make = functools.partial(
            gymnasium.make, env_id, disable_env_checker=True, **dict(constants)
        )
        return env_id, make
    name = getattr(raw, "__name__", type(raw).__name__)
    if not callable(raw):
        return name, _copies(raw, constants)
    _require_arguments(raw, name, constants)
    return name, functools.partial(raw, **constants)


def _copies(raw: Any, constants: Mapping[str, Any]) -> Callable[[], Any]:
    """Each check starts from a new environment: copies of the one that was given."""
    kind = type(raw).__name__
    if not hasattr(raw, "step"):
        raise BindingError(f"expected {EXPECTED}, got an object of type {kind}")
    if constants:
        raise BindingError(
            f"--set {next(iter(constants))}: a {kind} that is made already takes no arguments; "
            "give its class or a function that makes it"
        )
    try:
        original = copy.deepcopy(raw)
    except Exception as error:
        raise BindingError(
            f"got an object of type {kind} that cannot be copied ({type(error).__name__}); give its "
            "class or a function that makes it, so that each check starts from a new one"
        ) from error
    return functools.partial(copy.deepcopy, original)


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
    missing = [
        part for part in ("reset", "step", "close") if not callable(getattr(env, part, None))
    ]
    if missing:
        made = "None" if env is None else f"an object of type {kind}"
        raise BindingError(
            f"{name} should make an environment, it made {made} "
            f"without `{missing[0]}`; expected {EXPECTED}"
        )
    parts: tuple[str, ...] = ("observation_space", "action_space")
    if isinstance(env, gymnasium.vector.VectorEnv):
        parts = (*parts, *(f"single_{part}" for part in parts))
    for part in parts:
        space = getattr(env, part, None)
        if not isinstance(space, gymnasium.Space):
            raise BindingError(
                f"{name} should declare `{part}` as a space of gymnasium.spaces in its constructor, "
                f"it is {'missing' if space is None else f'of type {type(space).__name__}'}"
            )
