"""The heads that agents with a policy and a critic share."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from reference_agents.agent import Agent
from reference_agents.envs import BatchedEnv
from reference_agents.networks import StackedMLP
from reference_agents.policies import make_policy


class ActorCritic(Agent):
    """An agent with `policy` and `critic`, the answers of both, and nothing about how it learns.

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
