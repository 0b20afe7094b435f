"""What agents with a policy and a critic share: acting, advantages and the answers of both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from reference_agents.agent import Agent, Metrics
from reference_agents.envs import BatchedEnv
from reference_agents.networks import StackedMLP
from reference_agents.policies import make_policy
from reference_agents.rollout import Rollout, collect, seed_major


class Estimates(NamedTuple):
    """What a rollout says of each of its rows, [S, B].

    Attributes:
        advantages: by the component that estimates them.
        td_errors: r + gamma (1 - terminated) V(s') - V(s).
    """

    advantages: Tensor
    td_errors: Tensor


class ActorCritic(Agent):
    """An agent with `policy` and `critic`; an algorithm adds how they learn.

    Args:
        algorithm, env, seeds, config: as for `Agent`; config has `hidden`.
    """

    def __init__(
        self, algorithm: str, env: BatchedEnv, seeds: tuple[int, ...], config: Any
    ) -> None:
        super().__init__(algorithm, env, seeds, config)
        init = self.make_streams("init")
        self.policy = make_policy(env, config.hidden, init)
        self.critic = StackedMLP([env.observation_size, *config.hidden, 1], init)

    # --- acting and what comes of it ---

    def rollout(self, num_steps: int) -> tuple[Rollout, Metrics]:
        """Acts for `num_steps` steps; the rollout, and return and length of the episodes that ended."""
        draws = self.act_streams.uniform(num_steps, self.env.num_envs, self.policy.draws_per_action)
        rollout, self.observations = collect(
            self.env,
            lambda observations, t: self.policy.sample(observations, draws[:, t]),
            self.policy.to_env,
            self.observations,
            num_steps,
        )
        self.steps += num_steps * self.env.num_envs
        ended = rollout.terminated | rollout.truncated
        return rollout, self.episodes.update(rollout.rewards, ended)

    def one_step(self, *transition: Any) -> Rollout:
        """A rollout that is nothing but one transition, for every seed."""
        parts = self._transition(*transition)
        parts[1] = self.policy.from_env(parts[1])
        return Rollout(*(part.unsqueeze(0) for part in parts))

    @torch.no_grad()
    def estimates(self, gae: Callable[..., Tensor], rollout: Rollout, values: Tensor) -> Estimates:
        """Advantages of a rollout by a component like `returns.gae`, and its TD errors.

        Args:
            gae: sees plain [T, B] tensors: seeds and environments are columns alike.
            rollout: T steps of S x N environments.
            values: [S, B] V(s_t) of its rows, as `seed_major` orders them.
        """
        next_values = self.critic(seed_major(rollout.next_observations)).squeeze(-1)
        seeds_first = (rollout.rewards.shape[1], rollout.rewards.shape[0], -1)
        advantages = gae(
            rollout.rewards.flatten(1),
            values.view(seeds_first).transpose(0, 1).flatten(1),
            next_values.view(seeds_first).transpose(0, 1).flatten(1),
            rollout.terminated.flatten(1),
            rollout.truncated.flatten(1),
            gamma=self.config.gamma,
            lam=self.config.lam,
        )
        following = torch.where(seed_major(rollout.terminated), 0.0, next_values)
        td_errors = seed_major(rollout.rewards) + self.config.gamma * following - values
        return Estimates(seed_major(advantages.view_as(rollout.rewards)), td_errors)

    # --- questions ---

    def act(self, observations: Tensor, deterministic: bool) -> Tensor:
        """The environment's actions [S, B, ...]."""
        if deterministic:
            return self.policy.to_env(self.policy.mode(observations))
        draws = self.predict_streams.uniform(observations.shape[1], self.policy.draws_per_action)
        return self.policy.to_env(self.policy.sample(observations, draws))

    def values(self, obs: Any) -> np.ndarray:
        """V(s), in the leading shape of the observations."""
        return self._ask(lambda rows: self.critic(rows).squeeze(-1), obs)

    def action_probabilities(self, obs: Any) -> np.ndarray:
        """pi(.|s) of discrete actions, in the leading shape of the observations."""
        return self._ask(self.policy.probabilities, obs)


def critic_metrics(values: Tensor, returns: Tensor, td_errors: Tensor) -> Metrics:
    """What the critic says of a rollout against what it is to say, [S] each.

    The first two means show a critic that is not trained in any task: its own never moves towards its
    target's. Their difference is a sum of TD errors with positive weights, so the third mean shows
    targets of the wrong sign.

    Args:
        values, returns, td_errors: of every row, from before the update, [S, B].
    """
    return {
        "explained_variance": explained_variance(values, returns),
        "value_mean": values.mean(dim=1),
        "value_target_mean": returns.mean(dim=1),
        "td_error_mean": td_errors.mean(dim=1),
    }


def advantage_logprob_correlation(advantages: Tensor, change: Tensor) -> Tensor:
    """Whether an update made good actions likelier, for each seed: negative, and it made bad ones so.

        sum(A d) / sqrt(sum(A^2) sum(d^2)),   d = clip(log pi_new(a|s) - log pi_old(a|s), -1, 1)

    To first order a step along the policy gradient g adds lr |g|^2 to the mean of A d. The clip keeps a
    few rows whose probability all but vanished from drowning the others.

    Args:
        advantages: [S, B] as the update used them.
        change: [S, B] of the log-probabilities of the actions taken.

    Returns:
        [S]; 0 where nothing changed.
    """
    change = change.clamp(-1.0, 1.0)
    size = advantages.square().sum(dim=1).sqrt() * change.square().sum(dim=1).sqrt()
    return (advantages * change).sum(dim=1) / size.clamp(min=torch.finfo(size.dtype).tiny)


def explained_variance(values: Tensor, returns: Tensor) -> Tensor:
    """Share of the returns' variance that the critic explains, for each seed.

        1 - Var(G - V) / Var(G)

    Args:
        values, returns: [S, B].

    Returns:
        [S]; 1 is perfect, 0 no better than a constant; NaN where the returns do not vary.
    """
    variance = returns.var(dim=1, correction=0)
    explained = 1.0 - (returns - values).var(dim=1, correction=0) / variance
    return explained.masked_fill(variance == 0, float("nan"))
