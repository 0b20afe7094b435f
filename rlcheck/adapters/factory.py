"""Factories, agent classes and training functions as subjects of the ladder."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rlcheck.adapters.probing import probe
from rlcheck.adapters.product import Policy, ProductSource, check_product, product_handle
from rlcheck.adapters.protocol import AgentHandle, AgentSubject, Task
from rlcheck.adapters.sb3 import is_sb3_model
from rlcheck.adapters.signatures import CallPlan, plan_call
from rlcheck.contracts import Options
from rlcheck.errors import BindingError, SubjectError

if TYPE_CHECKING:
    import gymnasium

# Several environments, so that code which confuses the time and the environment axis shows it.
DEFAULT_N_ENVS = 4


USUAL_GAMMA = 0.99
"""The discount of a factory that has no default of its own, where the check does not choose one."""


@dataclass(slots=True)
class FactorySubject:
    """Builds agents by calling a factory or a class, or learns by calling a training function."""

    plan: CallPlan
    constants: Mapping[str, Any]
    device: str
    framework: str
    accepts_gamma: bool
    gamma: float | None
    options: Mapping[str, Any]
    isolated: bool
    accepts_seed: bool
    accepts_n_envs: bool
    action_forms: tuple[str, ...]
    notes: tuple[str, ...]

    def make(
        self,
        task: Task,
        *,
        seed: int,
        gamma: float | None = None,
        options: Mapping[str, Any] | None = None,
        n_envs: int | None = None,
    ) -> AgentHandle:
        """Build an agent; see AgentSubject."""
        if gamma is not None and not self.accepts_gamma:
            raise BindingError(f"{self.plan.name} takes no gamma, it was given {gamma}")
        if n_envs is not None and not self.accepts_n_envs:
            raise BindingError(f"{self.plan.name} takes no number of environments; name `envs`")
        given: dict[str, Any] = {"seed": seed, "device": self.device, "policy": "MlpPolicy"}
        given["verbose"] = 0
        if gamma is not None or self.plan.requires("gamma"):
            given["gamma"] = USUAL_GAMMA if gamma is None else gamma
        chosen = {**self.constants, **(options or {})}

        made: list[gymnasium.Env] = []

        def make_env() -> gymnasium.Env:
            made.append(task.make_env())
            return made[-1]

        def build(**more: Any) -> tuple[Any, gymnasium.Env]:
            environments, example = _environments(self.plan, make_env, n_envs)
            return self.plan.call({**given, **environments, **more}, chosen), example

        if self.framework == "train-function":
            return _train_function_handle(build, self.plan.name)
        product, example = build()
        if is_sb3_model(product):
            from rlcheck.adapters.sb3_handle import sb3_handle

            return sb3_handle(product, task, {id(env) for env in made})
        source = ProductSource(self.plan.name, example, lambda: build()[0])
        return product_handle(product, source)


def factory_subject(raw: Callable[..., Any], options: Options) -> AgentSubject:
    """The subject of a factory, a class with an SB3-like constructor, or a training function.

    Raises:
        BindingError: no parameter takes an environment, or what it returns is no agent.
        SubjectError: it raises when an agent is built on a tiny environment.
    """
    plan = plan_call(raw, options.bind)
    is_class = inspect.isclass(raw)
    trains = not is_class and "total_timesteps" in plan.roles
    subject = FactorySubject(
        plan=plan,
        constants=options.constants,
        device=options.device,
        framework="train-function" if trains else "class" if is_class else "factory",
        accepts_gamma="gamma" in plan.roles,
        gamma=options.gamma,
        options={k: v for k, v in plan.options.items() if k not in options.constants},
        isolated=False,
        accepts_seed="seed" in plan.roles,
        accepts_n_envs="envs" in plan.roles,
        action_forms=(),
        notes=_notes(plan),
    )
    return subject if trains else _probed(subject)


def _probed(subject: FactorySubject) -> AgentSubject:
    """The subject with what building it once has shown."""

    def build(task: Task) -> Any:
        product = subject.make(task, seed=0).native
        check_product(product, subject.plan.name)
        return product

    seen = probe(build, subject.plan.name)
    gamma = getattr(seen.product, "gamma", None)
    known = subject.gamma
    if known is None and isinstance(gamma, (int, float)) and 0.0 <= gamma <= 1.0:
        known = float(gamma)
    return replace(
        subject,
        framework="stable-baselines3" if is_sb3_model(seen.product) else subject.framework,
        action_forms=seen.action_forms,
        gamma=known,
    )


def _notes(plan: CallPlan) -> tuple[str, ...]:
    notes = []
    if "seed" not in plan.roles:
        notes.append(f"{plan.name} takes no seed: its runs cannot be repeated exactly")
    if "gamma" not in plan.roles:
        notes.append(
            f"{plan.name} takes no gamma: it is checked at its own, which --gamma states; "
            "name the parameter `gamma` to have a shorter exam"
        )
    return tuple(notes)


def _environments(
    plan: CallPlan, make_env: Callable[[], gymnasium.Env], n_envs: int | None
) -> tuple[dict[str, Any], gymnasium.Env]:
    """What the factory gets to learn in, by role, and one environment to read the spaces from."""
    example = make_env()
    given: dict[str, Any] = {"env": example, "make_env": make_env}
    if "envs" in plan.roles:
        from gymnasium.vector import SyncVectorEnv

        given["envs"] = SyncVectorEnv([make_env] * (n_envs or DEFAULT_N_ENVS))
    return given, example


def _train_function_handle(
    build: Callable[..., tuple[Any, gymnasium.Env]], name: str
) -> AgentHandle:
    """A handle that can act once `learn` has called the training function."""
    trained: list[Policy] = []

    def learn(total_timesteps: int) -> None:
        result, example = build(total_timesteps=total_timesteps)
        act = getattr(result, "predict", result)
        if not callable(act):
            raise SubjectError(
                f"{name} should return an acting function (observation -> action), it returned "
                f"{'None' if result is None else f'a {type(result).__name__}'}; "
                "return the greedy policy that was trained"
            )
        trained[:] = [Policy(act, example, f"the function returned by {name}")]

    def policy() -> Policy:
        if not trained:
            raise SubjectError(f"{name} has not been called yet; learn comes before predict")
        return trained[0]

    return AgentHandle(
        learn=learn,
        predict=lambda observations: policy().predict(observations),
        act_one=lambda observation: policy().act_one(observation),
        acting=lambda: policy().acting(),
        acts_untrained=False,
        native=None,
    )
