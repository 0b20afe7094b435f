"""Advantage actor-critic: one gradient step of policy and critic on every short rollout.

    L = -mean(A log pi(a|s)) + value_coef * 0.5 mean((V - G)^2) - entropy_coef * H

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

from reference_agents.actor_critic import ActorCritic, explained_variance
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
from reference_agents.rollout import Rollout, collect, seed_major


@dataclass(frozen=True)
class A2CConfig:
    """Hyper-parameters of A2C; see `make_a2c`."""

    gamma: float
    lam: float
    num_steps: int
    lr: float
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
        self.optimiser = SeedOptimiser([self.policy, self.critic], config.lr, config.max_grad_norm)

    def iterate(self) -> Metrics:
        """One rollout and the gradient step that learns from it."""
        config = self.config
        self.optimiser.set_lr(config.lr * (self.fraction_left if config.anneal else 1.0))

        # --- rollout ---
        draws = self.act_streams.uniform(
            config.num_steps, self.env.num_envs, self.policy.draws_per_action
        )
        rollout, self.observations = collect(
            self.env,
            lambda observations, t: self.policy.sample(observations, draws[:, t]),
            self.policy.to_env,
            self.observations,
            config.num_steps,
        )
        self.steps += config.num_steps * self.env.num_envs

        ended = rollout.terminated | rollout.truncated
        return {**self.episodes.update(rollout.rewards, ended), **self.update(rollout)}

    def update(self, rollout: Rollout) -> Metrics:
        """One gradient step of every seed on a rollout."""
        # --- targets ---
        observations, actions = seed_major(rollout.observations), seed_major(rollout.actions)
        values = self.critic(observations).squeeze(-1)
        with torch.no_grad():
            next_values = self.critic(seed_major(rollout.next_observations)).squeeze(-1)
        time_major = (rollout.rewards.shape[1], rollout.rewards.shape[0], -1)
        # The component sees plain [T, B] tensors: seeds and environments are columns alike.
        advantages = self.components.gae(
            rollout.rewards.flatten(1),
            values.detach().view(time_major).transpose(0, 1).flatten(1),
            next_values.view(time_major).transpose(0, 1).flatten(1),
            rollout.terminated.flatten(1),
            rollout.truncated.flatten(1),
            gamma=self.config.gamma,
            lam=self.config.lam,
        )
        advantages = seed_major(advantages.view_as(rollout.rewards))
        returns = advantages + values.detach()
        if self.config.normalise and advantages.shape[1] > 1:
            advantages = self.components.normalise_advantages(advantages, seed_dims=1)

        # --- losses ---
        log_probs, entropies = self.policy.evaluate(observations, actions)
        loss = self.components.policy_gradient_loss(log_probs, advantages)
        loss = loss + self.config.value_coef * self.components.value_loss(values, returns)
        loss = loss + self.config.entropy_coef * self.components.entropy_loss(entropies)

        # --- update --- (a mean over all rows is 1/S of the sum of the seeds' own means)
        grad_norms = self.optimiser.step(loss * self.env.num_seeds)
        return {
            "entropy": entropies.detach().mean(dim=1),
            "value_loss": value_loss(values.detach(), returns, seed_dims=1),
            "explained_variance": explained_variance(values.detach(), returns),
            "grad_norm": grad_norms,
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
        parts = self._transition(obs, action, reward, next_obs, terminated, truncated)
        parts[1] = self.policy.from_env(parts[1])
        rollout = Rollout(*(part.unsqueeze(0) for part in parts))
        return [float(self.update(rollout)["value_loss"][0]) for _ in range(steps)]

    def parts(self) -> dict[str, Any]:
        """The objects that make up the training's state."""
        return super().parts() | {"optimiser": self.optimiser}


def make_a2c(
    env: Any,
    *,
    seed: int | Sequence[int],
    gamma: float = 0.99,
    lam: float = 0.95,
    num_envs: int = 1,
    num_steps: int = 32,
    lr: float = 5e-3,
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
        lr: learning rate.
        anneal: lets lr fall linearly to 0 over each call of `learn`.
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
    config = A2CConfig(
        gamma=gamma,
        lam=lam,
        num_steps=num_steps,
        lr=lr,
        anneal=anneal,
        value_coef=value_coef,
        entropy_coef=entropy_coef,
        max_grad_norm=max_grad_norm,
        normalise=normalise,
        hidden=tuple(hidden),
    )
    components = A2CComponents(
        gae, policy_gradient_loss, value_loss, entropy_loss, normalise_advantages
    )
    return A2C(batched, seeds, config, components)
