"""REINFORCE, with or without a value baseline: Monte Carlo policy gradient on whole episodes.

    L = -mean((G_t - b(s_t)) log pi(a_t|s_t)),   G_t the discounted return to the end of the episode

Without a baseline nothing is known about what follows a truncation, so a truncated return just stops
there; with a baseline it ends in the baseline's value. Seeds play episodes of different lengths side
by side, and rows beyond an episode's end do not count.

Run: `python -m reference_agents reinforce --env CartPole-v1 --steps 50000 --seeds 10 --out runs/r`

References: Williams 1992; Sutton and Barto 2018, sections 13.3 and 13.4; normalised returns:
Andrychowicz et al. 2021, arXiv:2006.05990.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from reference_agents._arguments import from_arguments
from reference_agents.actor_critic import ActorCritic, advantage_logprob_correlation
from reference_agents.agent import Metrics, prepare_env
from reference_agents.envs import BatchedEnv
from reference_agents.losses import normalise_advantages, policy_gradient_loss, value_loss
from reference_agents.networks import SeedOptimiser
from reference_agents.returns import discounted_returns
from reference_agents.rollout import Rollout, seed_major


@dataclass(frozen=True)
class ReinforceConfig:
    """Hyper-parameters of REINFORCE; see `make_reinforce`."""

    gamma: float
    baseline: bool
    episodes: int
    max_episode_steps: int
    lr: float
    anneal: bool
    critic_lr: float
    critic_steps: int
    max_grad_norm: float
    normalise: bool
    hidden: tuple[int, ...]


class ReinforceComponents(NamedTuple):
    """The pure functions that REINFORCE is made of, replaceable by any with the same arguments."""

    discounted_returns: Callable[..., Tensor]
    policy_gradient_loss: Callable[..., Tensor]
    value_loss: Callable[..., Tensor]
    normalise_advantages: Callable[..., Tensor]


class Reinforce(ActorCritic):
    """REINFORCE agent; build it with `make_reinforce`."""

    def __init__(
        self,
        env: BatchedEnv,
        seeds: tuple[int, ...],
        config: ReinforceConfig,
        components: ReinforceComponents,
    ) -> None:
        super().__init__("reinforce", env, seeds, config)
        self.components = components
        if not config.baseline:
            self.values = None  # type: ignore[assignment]  # nothing trains the critic: no answer
        self.optimiser = SeedOptimiser([self.policy], config.lr, config.max_grad_norm)
        self.critic_optimiser = SeedOptimiser([self.critic], config.critic_lr, config.max_grad_norm)
        self.seed_steps = torch.zeros(env.num_seeds, dtype=torch.int64, device=env.device)
        self.rounds = 0

    def iterate(self) -> Metrics:
        """Whole episodes of every seed, and the update that learns from them."""
        # A seed whose episodes were long reaches its budget in fewer rounds, and then stands still.
        budget = self.learn_until - self.learn_from
        left = (self.learn_until - self.seed_steps).clamp(min=0) / budget
        lr_scale = (left if self.config.anneal else (left > 0)).to(self.env.dtype)

        passes = [self.play() for _ in range(-(-self.config.episodes // self.env.num_envs))]
        rollout = Rollout(
            *(torch.cat(parts) for parts in zip(*(p[0] for p in passes), strict=True))
        )
        counts = torch.cat([p[1] for p in passes])  # [T, S, N], the steps inside episodes

        metrics = self.update(rollout, counts, lr_scale)
        rewards = torch.where(counts, rollout.rewards, 0.0)
        number = len(passes) * self.env.num_envs
        metrics["episode_return"] = rewards.sum(dim=(0, 2)) / number
        metrics["episode_length"] = counts.sum(dim=(0, 2)) / number
        self.seed_steps += torch.where(left > 0, counts.sum(dim=(0, 2)), 0)
        self.steps = int(self.seed_steps.min())
        return metrics

    @torch.no_grad()
    def play(self) -> tuple[Rollout, Tensor]:
        """One episode in every environment; the steps and which of them belong to it [T, S, N]."""
        observations = self.env.reset()
        # A block of random numbers a round: a seed's draws do not depend on others' episode lengths.
        self.rounds += 1
        self.act_streams.skip_to(self.rounds)
        alive = torch.ones(observations.shape[:2], dtype=torch.bool, device=observations.device)
        rows: list[tuple[Tensor, ...]] = []
        counts = []
        while alive.any():
            draws = self.act_streams.uniform(self.env.num_envs, self.policy.draws_per_action)
            actions = self.policy.sample(observations, draws)
            step = self.env.step(self.policy.to_env(actions))
            truncated = step.truncated
            if len(rows) + 1 == self.config.max_episode_steps:
                truncated = ~step.terminated
            reached = step.final_observations
            ends = (step.terminated, truncated)
            rows.append((observations, actions, step.rewards, reached, *ends))
            counts.append(alive)
            alive = alive & ~(step.terminated | truncated)
            observations = step.observations
        columns = (torch.stack(column) for column in zip(*rows, strict=True))
        return Rollout(*columns), torch.stack(counts)

    def update(self, rollout: Rollout, counts: Tensor, lr_scale: Tensor) -> Metrics:
        """One policy step of every seed, and with a baseline its critic's steps first."""
        # --- targets ---
        observations, actions = seed_major(rollout.observations), seed_major(rollout.actions)
        keep = seed_major(counts)
        returns = self.returns(rollout)
        # Means over the rows that count, from components that average over all rows.
        weights = keep * (keep.shape[1] / keep.sum(dim=1, keepdim=True)).to(returns.dtype)

        # --- critic ---
        advantages, metrics = returns, {}
        if self.config.baseline:
            advantages = returns - self.critic(observations).squeeze(-1).detach()
            root = weights.sqrt()
            for _ in range(self.config.critic_steps):
                values = self.critic(observations).squeeze(-1)
                loss = self.components.value_loss(values * root, returns * root)
                self.critic_optimiser.step(loss * self.env.num_seeds, (lr_scale > 0).to(root.dtype))
            errors = (values.detach() - returns).square() * weights
            metrics["value_loss"] = 0.5 * errors.mean(dim=1)

        # --- policy ---
        if self.config.normalise and keep.shape[1] > 1:
            advantages = self.components.normalise_advantages(advantages, keep, seed_dims=1)
        log_probs, entropies = self.policy.evaluate(observations, actions)
        loss = self.components.policy_gradient_loss(log_probs, advantages * weights)
        metrics["grad_norm"] = self.optimiser.step(loss * self.env.num_seeds, lr_scale)
        metrics["entropy"] = (entropies.detach() * weights).mean(dim=1)
        with torch.no_grad():
            change = self.policy.evaluate(observations, actions)[0] - log_probs
        metrics["advantage_logprob_correlation"] = advantage_logprob_correlation(
            advantages * keep, change * keep
        )
        return metrics

    @torch.no_grad()
    def returns(self, rollout: Rollout) -> Tensor:
        """Discounted returns [S, B] of a rollout."""
        next_values = torch.zeros_like(rollout.rewards)
        if self.config.baseline:
            seeds_first = rollout.next_observations.transpose(0, 1)
            values = self.critic(seeds_first.flatten(1, 2)).view(seeds_first.shape[:3])
            next_values = values.transpose(0, 1)
        returns = self.components.discounted_returns(
            rollout.rewards.flatten(1),
            rollout.terminated.flatten(1),
            rollout.truncated.flatten(1),
            next_values.flatten(1),
            gamma=self.config.gamma,
        )
        return seed_major(returns.view_as(rollout.rewards))

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
        """Learns one transition `steps` times; the first seed's losses on the way.

        The loss is the critic's with a baseline, and -log pi(a|s) without one.
        """
        rollout = self.one_step(obs, action, reward, next_obs, terminated, truncated)
        counts = torch.ones_like(rollout.terminated)
        losses = []
        for _ in range(steps):
            log_probs, _ = self.policy.evaluate(rollout.observations[0], rollout.actions[0])
            metrics = self.update(rollout, counts, torch.ones_like(rollout.rewards[0, :, 0]))
            losses.append(float(metrics.get("value_loss", -log_probs.detach()[:, 0])[0]))
        return losses

    def parts(self) -> dict[str, Any]:
        """The objects that make up the training's state."""
        own = {"optimiser": self.optimiser, "critic_optimiser": self.critic_optimiser}
        return super().parts() | own | {"progress": self}

    def state_dict(self) -> dict:
        """The seeds' own step counts and the number of rounds."""
        return {"seed_steps": self.seed_steps, "rounds": self.rounds}

    def load_state_dict(self, state: dict) -> None:
        """Takes over stored counts."""
        self.seed_steps, self.rounds = state["seed_steps"].clone(), state["rounds"]


def make_reinforce(
    env: Any,
    *,
    seed: int | Sequence[int],
    gamma: float = 0.99,
    baseline: bool = True,
    num_envs: int = 1,
    episodes: int = 16,
    max_episode_steps: int = 1000,
    lr: float = 5e-3,
    anneal: bool = True,
    critic_lr: float = 5e-3,
    critic_steps: int = 10,
    max_grad_norm: float = 0.5,
    normalise: bool = True,
    hidden: Sequence[int] = (64, 64),
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    discounted_returns: Callable[..., Tensor] = discounted_returns,
    policy_gradient_loss: Callable[..., Tensor] = policy_gradient_loss,
    value_loss: Callable[..., Tensor] = value_loss,
    normalise_advantages: Callable[..., Tensor] = normalise_advantages,
) -> Reinforce:
    """A REINFORCE agent, or S independent ones trained together.

    Args:
        env: a Gymnasium environment, a registered id, dynamics, or vectorised environments.
        seed: one seed, or a sequence of S seeds.
        gamma: discount.
        baseline: subtracts a learned value of the state, which also bootstraps truncated returns.
        num_envs: N, environments a seed (where `env` does not fix it).
        episodes: episodes an update, rounded up to a multiple of N.
        max_episode_steps: truncates longer episodes.
        lr: learning rate of the policy.
        anneal: lets lr fall linearly to 0 over each call of `learn`.
        critic_lr, critic_steps: learning rate of the baseline and its steps an update.
        max_grad_norm: bound on each seed's gradient norm.
        normalise: gives the advantages of an update mean 0 and deviation 1.
        hidden: widths of the hidden layers of the policy and of the baseline.
        device, dtype: where and in which precision to compute.
        discounted_returns, policy_gradient_loss, value_loss, normalise_advantages: the components;
            a replacement takes the arguments of the default. Losses are means over the rows.

    Raises:
        ValueError: the environment cannot be made.
    """
    batched, seeds = prepare_env(env, seed, num_envs, device, dtype)
    config = from_arguments(ReinforceConfig, locals())
    return Reinforce(batched, seeds, config, from_arguments(ReinforceComponents, locals()))
