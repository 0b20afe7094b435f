"""The reference agents with one wrong component each, injected through the arguments of their factories.

No line of an agent is touched: a component is wrapped so that it sees changed arguments, or replaced.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch

from benchmarks.agents.records import FaultyAgent
from reference_agents import distributions, losses, returns, tabular, targets
from reference_agents.a2c import make_a2c
from reference_agents.ddpg import make_ddpg
from reference_agents.distributions import SquashedActions
from reference_agents.dqn import make_dqn
from reference_agents.ppo import make_ppo
from reference_agents.reinforce import make_reinforce
from reference_agents.sac import make_sac

Arguments = Mapping[str, Any]
Changes = Mapping[str, Callable[[Arguments], Any]]


def altered(function: Callable[..., Any], changes: Changes) -> Callable[..., Any]:
    """The function, called with some arguments computed from what it was given."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def faulty(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs)
        given.apply_defaults()
        before = dict(given.arguments)
        given.arguments.update({name: change(before) for name, change in changes.items()})
        return function(*given.args, **given.kwargs)

    return faulty


def nothing(*args: Any, **kwargs: Any) -> None:
    """A target network that stays what it was."""


def no_graph(name: str) -> Callable[[Arguments], Any]:
    """The same numbers, with a gradient of zero."""
    return lambda given: given[name].detach() + 0.0 * given[name]


def mean_for_max(rewards, next_q_online, next_q_target, terminated, truncated, *, gamma):
    """A target that averages over the next actions."""
    return rewards + gamma * (~terminated).to(rewards.dtype) * next_q_target.mean(dim=-1)


def density_before_squashing(mean, log_std, noise):
    """The log-density of u for that of tanh(u)."""
    pre_tanh = mean + log_std.exp() * noise
    log_probs = distributions.gaussian_log_prob(mean, log_std, pre_tanh)
    return SquashedActions(pre_tanh.tanh(), log_probs)


# --- what can go wrong with the arguments of returns and targets ---

ENDS: dict[str, Changes] = {
    # The trace, where there is one, still stops.
    "terminal-bootstrap": {
        "terminated": lambda given: torch.zeros_like(given["terminated"]),
        "truncated": lambda given: given["terminated"] | given["truncated"],
    },
    "truncation-as-terminal": {
        "terminated": lambda given: given["terminated"] | given["truncated"],
        "truncated": lambda given: torch.zeros_like(given["truncated"]),
    },
}
DISCOUNT: dict[str, Changes] = {"discount-ignored": {"gamma": lambda given: 1.0}}
REWARD: dict[str, Changes] = {
    "reward-sign-flipped": {"rewards": lambda given: -given["rewards"]},
    "reward-clipped": {"rewards": lambda given: given["rewards"].clamp(-1.0, 1.0)},
}
SIGNALS = ENDS | DISCOUNT | REWARD
TABULAR: dict[str, Changes] = {
    "terminal-bootstrap": {"terminated": lambda given: False},
    "reward-sign-flipped": {"reward": lambda given: -given["reward"]},
    **DISCOUNT,
}
FLIPPED: Changes = {"advantages": lambda given: -given["advantages"]}
CUT: Changes = {"log_probs": no_graph("log_probs")}
RATIO: Changes = {
    "log_probs": lambda given: given["old_log_probs"],
    "old_log_probs": lambda given: given["log_probs"],
}
CRITIC: Changes = {"values": no_graph("values")}
MISALIGNED: Changes = {"targets": lambda given: given["targets"].roll(1, dims=-1)}


def _injected(
    make: Callable[..., Any],
    component: str,
    replacement: Callable[..., Any],
    faults: tuple[str, ...] | str,
    **settings: Any,
) -> FaultyAgent:
    names = (faults,) if isinstance(faults, str) else faults
    agent = make.__name__.removeprefix("make_").replace("_", "-")
    return FaultyAgent(
        name=f"ref-{agent}-{names[0]}",
        base=agent,
        faults=names,
        factory=functools.partial(make, **{component: replacement}, **settings),
        description=f"{component} is replaced: {names[0]}",
        continuous=make in (make_ddpg, make_sac),
    )


def _family(
    make: Callable[..., Any],
    component: str,
    right: Callable[..., Any],
    kinds: Mapping[str, Changes],
) -> list[FaultyAgent]:
    return [_injected(make, component, altered(right, kinds[name]), name) for name in kinds]


FAULTY: tuple[FaultyAgent, ...] = (
    *_family(tabular.make_q_learning, "update", tabular.q_learning_update, TABULAR),
    *_family(tabular.make_sarsa, "update", tabular.sarsa_update, TABULAR),
    *_family(tabular.make_expected_sarsa, "update", tabular.expected_sarsa_update, TABULAR),
    *_family(make_ppo, "gae", returns.gae, SIGNALS),
    _injected(make_ppo, "ppo_loss", altered(losses.ppo_loss, FLIPPED), "advantage-sign-flipped"),
    _injected(make_ppo, "ppo_loss", altered(losses.ppo_loss, CUT), "no-policy-gradient"),
    _injected(
        make_ppo,
        "ppo_loss",
        altered(losses.ppo_loss, RATIO),
        ("ratio-inverted", "advantage-sign-flipped"),
    ),
    _injected(make_ppo, "value_loss", altered(losses.value_loss, CRITIC), "critic-not-trained"),
    _injected(
        make_ppo,
        "entropy_loss",
        lambda entropies: -losses.entropy_loss(entropies),
        "entropy-sign-flipped",
    ),
    *_family(make_a2c, "gae", returns.gae, ENDS | DISCOUNT),
    _injected(
        make_a2c,
        "policy_gradient_loss",
        altered(losses.policy_gradient_loss, FLIPPED),
        "advantage-sign-flipped",
    ),
    *_family(make_reinforce, "discounted_returns", returns.discounted_returns, ENDS | DISCOUNT),
    _injected(
        make_reinforce,
        "policy_gradient_loss",
        altered(losses.policy_gradient_loss, FLIPPED),
        "advantage-sign-flipped",
    ),
    *_family(make_dqn, "double_q_target", targets.double_q_target, SIGNALS),
    _injected(make_dqn, "double_q_target", mean_for_max, "max-replaced-by-mean"),
    _injected(make_dqn, "dqn_loss", altered(losses.dqn_loss, MISALIGNED), "batch-misaligned"),
    _injected(make_dqn, "polyak_update", nothing, "target-never-updated"),
    *_family(make_ddpg, "td_target", targets.td_target, ENDS | DISCOUNT),
    *_family(make_sac, "soft_q_target", targets.soft_q_target, ENDS | DISCOUNT),
    _injected(
        make_sac,
        "tanh_gaussian_sample",
        density_before_squashing,
        ("tanh-correction-missing", "entropy-sign-flipped"),
    ),
)
