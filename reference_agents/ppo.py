"""Proximal policy optimisation with a clipped surrogate, for discrete and continuous actions.

Every round: act for T steps in N environments, estimate advantages with GAE, then take several
epochs of minibatch steps on

    L = L_clip + value_coef * L_value - entropy_coef * H

Termination takes the bootstrap away; truncation keeps it and cuts the trace.

Run: `python -m reference_agents ppo --env CartPole-v1 --steps 50000 --seeds 10 --out runs/ppo`

References: Schulman et al. 2017, arXiv:1707.06347; Andrychowicz et al. 2021, arXiv:2006.05990.
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
from reference_agents.losses import entropy_loss, normalise_advantages, ppo_loss, value_loss
from reference_agents.networks import SeedOptimiser
from reference_agents.returns import gae
from reference_agents.rollout import Rollout, seed_major


@dataclass(frozen=True)
class PPOConfig:
    """Hyper-parameters of PPO; see `make_ppo`."""

    gamma: float
    lam: float
    num_steps: int
    epochs: int
    minibatches: int
    lr: float
    clip_epsilon: float
    anneal: bool
    value_coef: float
    entropy_coef: float
    max_grad_norm: float
    hidden: tuple[int, ...]


class PPOComponents(NamedTuple):
    """The pure functions that PPO is made of, replaceable by any with the same arguments."""

    gae: Callable[..., Tensor]
    ppo_loss: Callable[..., Tensor]
    value_loss: Callable[..., Tensor]
    entropy_loss: Callable[..., Tensor]
    normalise_advantages: Callable[..., Tensor]


class Batch(NamedTuple):
    """Rows to learn from, each [S, B, ...]."""

    observations: Tensor
    actions: Tensor
    old_log_probs: Tensor
    advantages: Tensor
    returns: Tensor


class Outcome(NamedTuple):
    """What a gradient step saw, [S, B], and its gradient norms before clipping, [S]."""

    log_probs: Tensor
    entropies: Tensor
    values: Tensor
    grad_norms: Tensor


class PPO(ActorCritic):
    """PPO agent; build it with `make_ppo`."""

    def __init__(
        self,
        env: BatchedEnv,
        seeds: tuple[int, ...],
        config: PPOConfig,
        components: PPOComponents,
    ) -> None:
        super().__init__("ppo", env, seeds, config)
        self.components = components
        self.optimiser = SeedOptimiser([self.policy, self.critic], config.lr, config.max_grad_norm)
        self.batch_streams = self.make_streams("minibatches")

    def iterate(self) -> Metrics:
        """One rollout and the epochs that learn from it."""
        config, fraction = self.config, self.fraction_left if self.config.anneal else 1.0
        self.optimiser.set_lr(config.lr * fraction)
        clip_epsilon = config.clip_epsilon * fraction

        # --- rollout and targets ---
        rollout, episodes = self.rollout(config.num_steps)
        batch, td_errors = self.targets(rollout)

        # --- updates ---
        rows = batch.returns.shape[1]
        size = rows // config.minibatches
        orders = self.batch_streams.permutations(config.epochs, rows)
        for epoch in range(config.epochs):
            chosen = orders[:, epoch, : size * config.minibatches]
            parts = self.minibatches(batch, chosen, config.minibatches)
            outcomes = [self.update(part, clip_epsilon) for part in parts]

        return {
            **episodes,
            **update_metrics(outcomes[-1], parts[-1], clip_epsilon),
            "advantage_logprob_correlation": direction(outcomes, parts),
            **critic_metrics(batch.returns - batch.advantages, batch.returns, td_errors),
        }

    @torch.no_grad()
    def targets(self, rollout: Rollout) -> tuple[Batch, Tensor]:
        """What a rollout says for the update, with the acting policy's log-probabilities; TD errors."""
        observations, actions = seed_major(rollout.observations), seed_major(rollout.actions)
        values = self.critic(observations).squeeze(-1)
        advantages, td_errors = self.estimates(self.components.gae, rollout, values)
        old_log_probs, _ = self.policy.evaluate(observations, actions)
        returns = advantages + values
        return Batch(observations, actions, old_log_probs, advantages, returns), td_errors

    def minibatches(self, batch: Batch, chosen: Tensor, count: int) -> list[Batch]:
        """Splits the chosen rows [S, count * size] into `count` batches, advantages normalised."""
        seeds, rows = batch.returns.shape
        offsets = torch.arange(seeds, device=chosen.device).unsqueeze(1) * rows
        # [count, S, size]: every minibatch of the epoch is one contiguous block.
        index = (chosen + offsets).view(seeds, count, -1).transpose(0, 1)
        parts = [part.flatten(0, 1)[index] for part in batch]
        parts[3] = self.components.normalise_advantages(parts[3], seed_dims=2)
        return [Batch(*(part[k] for part in parts)) for k in range(count)]

    def update(self, batch: Batch, clip_epsilon: float) -> Outcome:
        """One gradient step of every seed on its rows."""
        # --- losses ---
        log_probs, entropies = self.policy.evaluate(batch.observations, batch.actions)
        values = self.critic(batch.observations).squeeze(-1)
        policy_term = self.components.ppo_loss(
            log_probs, batch.old_log_probs, batch.advantages, clip_epsilon=clip_epsilon
        )
        value_term = self.components.value_loss(values, batch.returns)
        loss = policy_term + self.config.value_coef * value_term
        if self.config.entropy_coef:
            loss = loss + self.config.entropy_coef * self.components.entropy_loss(entropies)

        # --- update --- (a mean over all rows is 1/S of the sum of the seeds' own means)
        grad_norms = self.optimiser.step(loss * self.env.num_seeds)
        return Outcome(log_probs.detach(), entropies.detach(), values.detach(), grad_norms)

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
        losses = []
        for _ in range(steps):
            batch, _ = self.targets(rollout)
            outcome = self.update(batch, self.config.clip_epsilon)
            losses.append(float(value_loss(outcome.values[0], batch.returns[0])))
        return losses

    def parts(self) -> dict[str, Any]:
        """The objects that make up the training's state."""
        own = {"optimiser": self.optimiser, "batch_streams": self.batch_streams}
        return super().parts() | own


def update_metrics(outcome: Outcome, batch: Batch, clip_epsilon: float) -> Metrics:
    """The field's usual signals [S] of one gradient step, from before the step."""
    log_ratios = outcome.log_probs - batch.old_log_probs
    ratios = log_ratios.exp()
    return {
        "entropy": outcome.entropies.mean(dim=1),
        "approx_kl": (ratios - 1.0 - log_ratios).mean(dim=1),
        "clip_fraction": ((ratios - 1.0).abs() > clip_epsilon).to(ratios.dtype).mean(dim=1),
        "value_loss": value_loss(outcome.values, batch.returns, seed_dims=1),
        "grad_norm": outcome.grad_norms,
    }


def direction(outcomes: Sequence[Outcome], batches: Sequence[Batch]) -> Tensor:
    """`advantage_logprob_correlation` [S] of all rows, each as the last epoch finds it."""
    advantages = torch.cat([batch.advantages for batch in batches], dim=1)
    changes = [now.log_probs - b.old_log_probs for now, b in zip(outcomes, batches, strict=True)]
    return advantage_logprob_correlation(advantages, torch.cat(changes, dim=1))


def make_ppo(
    env: Any,
    *,
    seed: int | Sequence[int],
    gamma: float = 0.99,
    lam: float = 0.95,
    num_envs: int = 1,
    num_steps: int = 128,
    epochs: int = 4,
    minibatches: int = 4,
    lr: float = 2.5e-3,
    clip_epsilon: float = 0.2,
    anneal: bool = True,
    value_coef: float = 0.5,
    entropy_coef: float = 0.0,
    max_grad_norm: float = 0.5,
    hidden: Sequence[int] = (64, 64),
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    gae: Callable[..., Tensor] = gae,
    ppo_loss: Callable[..., Tensor] = ppo_loss,
    value_loss: Callable[..., Tensor] = value_loss,
    entropy_loss: Callable[..., Tensor] = entropy_loss,
    normalise_advantages: Callable[..., Tensor] = normalise_advantages,
) -> PPO:
    """A PPO agent, or S independent ones trained together.

    Args:
        env: a Gymnasium environment, a registered id, dynamics, or vectorised environments.
        seed: one seed, or a sequence of S seeds.
        gamma: discount.
        lam: lambda of GAE.
        num_envs: N, environments a seed (where `env` does not fix it).
        num_steps: T, steps of each environment a round.
        epochs: passes over a round's rows.
        minibatches: gradient steps a pass.
        lr: learning rate.
        clip_epsilon: half-width of the trusted interval of probability ratios.
        anneal: lets lr and clip_epsilon fall linearly to 0 over each call of `learn`.
        value_coef, entropy_coef: weights of the value loss and of the entropy bonus.
        max_grad_norm: bound on each seed's gradient norm.
        hidden: widths of the hidden layers of the policy and of the critic.
        device, dtype: where and in which precision to compute.
        gae, ppo_loss, value_loss, entropy_loss, normalise_advantages: the components; a
            replacement takes the arguments of the default. Losses are means over the rows.

    Raises:
        ValueError: the environment cannot be made, or a round does not fill its minibatches.
    """
    batched, seeds = prepare_env(env, seed, num_envs, device, dtype)
    if num_steps * batched.num_envs < 2 * minibatches:
        raise ValueError(
            f"num_steps * num_envs = {num_steps * batched.num_envs} rows cannot fill "
            f"minibatches={minibatches} with two rows each; raise num_steps."
        )
    config = from_arguments(PPOConfig, locals())
    return PPO(batched, seeds, config, from_arguments(PPOComponents, locals()))
