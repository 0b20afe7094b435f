"""Which parameters of a factory are what, read off its signature."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rlcheck.errors import BindingError
from rlcheck.suggest import did_you_mean

ENVIRONMENT_ROLES = ("env", "make_env", "envs")
ALIASES = {
    "env": ("env", "environment"),
    "make_env": ("make_env", "env_fn", "env_factory"),
    "envs": ("envs", "vec_env", "vector_env"),
    "seed": ("seed", "random_seed"),
    "gamma": ("gamma", "discount", "discount_factor"),
    "total_timesteps": ("total_timesteps", "total_steps", "num_timesteps"),
    "device": ("device",),
    "policy": ("policy",),
    "verbose": ("verbose",),
}
ENVIRONMENT_IDS = ("env_id", "env_name", "environment_id")
SCALARS = (bool, int, float, str, type(None))


@dataclass(frozen=True, slots=True)
class CallPlan:
    """How a factory is called.

    Args:
        function: the factory, class or training function.
        name: what messages call it.
        signature: its parameters.
        roles: role (`env`, `seed`, ...) -> its own parameter name.
        options: hyper-parameters that it names -> default.
    """

    function: Callable[..., Any]
    name: str
    signature: inspect.Signature
    roles: Mapping[str, str]
    options: Mapping[str, Any]

    def call(self, given: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
        """Call the function with values by role, and hyper-parameters by their own name."""
        values = {self.roles[role]: value for role, value in given.items() if role in self.roles}
        for option in options:
            if option not in self.signature.parameters:
                close = did_you_mean(option, list(self.options))
                raise BindingError(f"{self.name} has no parameter {option!r}{close}")
        values.update(options)
        missing = [name for name in self._required() if name not in values]
        if missing:
            raise BindingError(
                f"{self.name} needs a value for {missing[0]!r}, which rlcheck does not know; "
                f"give it a default, or say --set {missing[0]}=VALUE"
            )
        ordered = OrderedDict((n, values[n]) for n in self.signature.parameters if n in values)
        bound = inspect.BoundArguments(self.signature, ordered)
        return self.function(*bound.args, **bound.kwargs)

    def requires(self, role: str) -> bool:
        """Whether it takes this role, and has no default for it."""
        return role in self.roles and self.roles[role] in self._required()

    def _required(self) -> list[str]:
        variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        return [
            name
            for name, parameter in self.signature.parameters.items()
            if parameter.default is inspect.Parameter.empty and parameter.kind not in variadic
        ]


def plan_call(function: Callable[..., Any], bind: Mapping[str, str]) -> CallPlan:
    """Find out what the parameters of `function` mean.

    Args:
        function: a factory, a class or a training function.
        bind: role -> the function's own name for it, where that is unusual.

    Raises:
        BindingError: there is no parameter that an environment could go to.
    """
    name = getattr(function, "__name__", type(function).__name__)
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise BindingError(
            f"expected a factory with a readable signature, got {name!r}; "
            "wrap it in a function that names env and seed"
        ) from error
    roles = _roles(signature, bind, name)
    taken = set(roles.values())
    options = {
        own: parameter.default
        for own, parameter in signature.parameters.items()
        if own not in taken and isinstance(parameter.default, SCALARS)
    }
    return CallPlan(function, name, signature, roles, options)


def _roles(signature: inspect.Signature, bind: Mapping[str, str], name: str) -> dict[str, str]:
    own_names = list(signature.parameters)
    for role, own in bind.items():
        if role not in ALIASES:
            raise BindingError(f"an agent has no part {role!r}{did_you_mean(role, list(ALIASES))}")
        if own not in own_names:
            raise BindingError(f"{name} has no parameter {own!r}{did_you_mean(own, own_names)}")
    roles = dict(bind)
    for role, aliases in ALIASES.items():
        found = next((alias for alias in aliases if alias in own_names), None)
        if role not in roles and found is not None:
            roles[role] = found
    if not any(role in roles for role in ENVIRONMENT_ROLES):
        roles["env"] = _positional_environment(signature, set(roles.values()), name)
    if "policy" in roles and signature.parameters[roles["policy"]].default is not inspect._empty:
        del roles["policy"]
    return roles


def _positional_environment(signature: inspect.Signature, taken: set[str], name: str) -> str:
    """The first parameter without a default, under whatever name: what else could it be for?"""
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    for own, parameter in signature.parameters.items():
        free = own not in taken and own not in ENVIRONMENT_IDS
        if free and parameter.kind in positional and parameter.default is inspect.Parameter.empty:
            return own
    raise BindingError(
        f"{name} should take an environment as `env`, `make_env` or `envs`, "
        f"its parameters are {signature}; add one, or check a whole program with --script"
    )
