"""Advantage actor-critic: one gradient step of policy and critic on every short rollout.

    L_policy = -mean(A log pi(a|s)) - entropy_coef * H
    L_value  = value_coef * 0.5 mean((V - G)^2)

The critic has a learning rate of its own: advantages are worth something only once it is ahead of the
policy, and it gets a single step a rollout, too.

The N environments of a seed take the place of A3C's asynchronous actors: they decorrelate the rows
of an update just as well, and one batched step serves all of them.

Run: `python -m reference_agents a2c --env CartPole-v1 --steps 50000 --seeds 10 --out runs/a2c`

References: Mnih et al. 2016, arXiv:1602.01783; Schulman et al. 2016, arXiv:1506.02438 (GAE).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from reference_agents._arguments import from_arguments
from reference_agents.actor_critic import (
    ActorCritic,
    advantage_logprob_correlation,
    critic_metrics,
)
from reference_agents.agent import Metrics, prepare_env
from reference_agents.envs import BatchedEnv
from reference_agents.losses import (
    entropy_loss,
    normalise_advantages,
    policy_gradient_loss,
    value_loss,
)
from reference_agents.networks import SeedOptimiser
from reference_agents.returns import gae
from reference_agents.rollout import Rollout, seed_major


@dataclass(frozen=True)
class A2CConfig:
    """Hyper-parameters of A2C; see `make_a2c`."""

    gamma: float
    lam: float
    num_steps: int
    lr: float
    critic_lr: float
    anneal: bool
    value_coef: float
    entropy_coef: float
    max_grad_norm: float
    normalise: bool
    hidden: tuple[int, ...]


class A2CComponents(NamedTuple):
    """The pure functions that A2C is made of, replaceable by any with the same arguments."""

    gae: Callable[..., Tensor]
    policy_gradient_loss: Callable[..., Tensor]
    value_loss: Callable[..., Tensor]
    entropy_loss: Callable[..., Tensor]
    normalise_advantages: Callable[..., Tensor]


class A2C(ActorCritic):
    """A2C agent; build it with `make_a2c`."""

    def __init__(
        self,
        env: BatchedEnv,
        seeds: tuple[int, ...],
        config: A2CConfig,
        components: A2CComponents,
    ) -> None:
        super().__init__("a2c", env, seeds, config)
        self.components = components
        self.optimiser = SeedOptimiser([self.policy], config.lr, config.max_grad_norm)
        self.critic_optimiser = SeedOptimiser([self.critic], config.critic_lr, config.max_grad_norm)

    def iterate(self) -> Metrics:
        """One rollout and the gradient step that learns from it."""
        fraction = self.fraction_left if self.config.anneal else 1.0
        self.optimiser.set_lr(self.config.lr * fraction)
        self.critic_optimiser.set_lr(self.config.critic_lr * fraction)
        rollout, episodes = self.rollout(self.config.num_steps)
        return episodes | self.update(rollout)

    def update(self, rollout: Rollout) -> Metrics:
        """One gradient step of every seed on a rollout."""
        # --- targets ---
        observations, actions = seed_major(rollout.observations), seed_major(rollout.actions)
        values = self.critic(observations).squeeze(-1)
        estimates = self.estimates(self.components.gae, rollout, values.detach())
        advantages = estimates.advantages
        returns = advantages + values.detach()
        if self.config.normalise and advantages.shape[1] > 1:
            advantages = self.components.normalise_advantages(advantages, seed_dims=1)

        # --- losses ---
        log_probs, entropies = self.policy.evaluate(observations, actions)
        policy_term = self.components.policy_gradient_loss(log_probs, advantages)
        entropy_term = self.config.entropy_coef * self.components.entropy_loss(entropies)
        value_term = self.config.value_coef * self.components.value_loss(values, returns)

        # --- update --- (a mean over all rows is 1/S of the sum of the seeds' own means)
        grad_norms = self.optimiser.step((policy_term + entropy_term) * self.env.num_seeds)
        self.critic_optimiser.step(value_term * self.env.num_seeds)
        with torch.no_grad():
            change = self.policy.evaluate(observations, actions)[0] - log_probs
        return {
            "entropy": entropies.detach().mean(dim=1),
            "value_loss": value_loss(values.detach(), returns, seed_dims=1),
            "grad_norm": grad_norms,
            "advantage_logprob_correlation": advantage_logprob_correlation(advantages, change),
            **critic_metrics(values.detach(), returns, estimates.td_errors),
        }

    def fit_transition(
        self,
        obs: Any,
        action: Any,
        reward: Any,
        next_obs: Any,
        terminated: Any,
        truncated: Any,
        steps: int,
    ) -> list[float]:
        """Learns one transition `steps` times; the value losses (of the first seed) on the way."""
        rollout = self.one_step(obs, action, reward, next_obs, terminated, truncated)
        return [float(self.update(rollout)["value_loss"][0]) for _ in range(steps)]

    def parts(self) -> dict[str, Any]:
        """The objects that make up the training's state."""
        own = {"optimiser": self.optimiser, "critic_optimiser": self.critic_optimiser}
        return super().parts() | own


def make_a2c(
    env: Any,
    *,
    seed: int | Sequence[int],
    gamma: float = 0.99,
    lam: float = 0.95,
    num_envs: int = 1,
    num_steps: int = 32,
    lr: float = 5e-3,
    critic_lr: float = 1e-2,
    anneal: bool = True,
    value_coef: float = 0.5,
    entropy_coef: float = 0.01,
    max_grad_norm: float = 0.5,
    normalise: bool = True,
    hidden: Sequence[int] = (64, 64),
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    gae: Callable[..., Tensor] = gae,
    policy_gradient_loss: Callable[..., Tensor] = policy_gradient_loss,
    value_loss: Callable[..., Tensor] = value_loss,
    entropy_loss: Callable[..., Tensor] = entropy_loss,
    normalise_advantages: Callable[..., Tensor] = normalise_advantages,
) -> A2C:
    """An A2C agent, or S independent ones trained together.

    Args:
        env: a Gymnasium environment, a registered id, dynamics, or vectorised environments.
        seed: one seed, or a sequence of S seeds.
        gamma: discount.
        lam: lambda of GAE; 1 gives the n-step advantages of the paper.
        num_envs: N, environments a seed (where `env` does not fix it).
        num_steps: T, steps of each environment before a gradient step.
        lr, critic_lr: learning rates of the policy and of the critic.
        anneal: lets both fall linearly to 0 over each call of `learn`.
        value_coef, entropy_coef: weights of the value loss and of the entropy bonus.
        max_grad_norm: bound on each seed's gradient norm.
        normalise: gives the advantages of a rollout mean 0 and deviation 1.
        hidden: widths of the hidden layers of the policy and of the critic.
        device, dtype: where and in which precision to compute.
        gae, policy_gradient_loss, value_loss, entropy_loss, normalise_advantages: the components;
            a replacement takes the arguments of the default. Losses are means over the rows.

    Raises:
        ValueError: the environment cannot be made.
    """
    batched, seeds = prepare_env(env, seed, num_envs, device, dtype)
    config = from_arguments(A2CConfig, locals())
    return A2C(batched, seeds, config, from_arguments(A2CComponents, locals()))
