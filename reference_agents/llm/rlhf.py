"""Reinforcement learning from human feedback with PPO: a critic, and a price on leaving the reference.

Every round: draw responses, pay each its score at its last token and -kl_coef * k1 at every token,
estimate token advantages with GAE, then take epochs of minibatch steps on

    L = L_clip + value_coef * L_value

The price may be fixed, or follow a target divergence: it rises where responses drift further.

References: Ziegler et al. 2019, arXiv:1909.08593 (adaptive price: section 2.2); Stiennon et al. 2020,
arXiv:2009.01325; Schulman et al. 2017, arXiv:1707.06347.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from reference_agents._expect import expect_same_shape
from reference_agents.llm.advantages import TokenAdvantages, token_gae
from reference_agents.llm.losses import aggregate, grpo_loss
from reference_agents.llm.responses import (
    Responses,
    frozen_copy,
    response_log_probs,
    response_values,
    sample,
)
from reference_agents.llm.rewards import Component, Reward, rlhf_token_rewards, score
from reference_agents.llm.training import Metrics, Trainer
from reference_agents.losses import normalise_advantages


@dataclass(frozen=True)
class RLHFConfig:
    """Hyper-parameters of RLHF with PPO."""

    length: int
    """T, the longest response."""
    end_token: int | None = None
    batch_size: int = 256
    minibatches: int = 4
    epochs: int = 2
    lr: float = 1e-3
    value_lr: float = 1e-3
    anneal: bool = False
    max_grad_norm: float = 1.0
    temperature: float = 1.0
    gamma: float = 1.0
    lam: float = 0.95
    clip_epsilon: float = 0.2
    value_coef: float = 0.5
    normalise: bool = True
    kl_coef: float = 0.05
    kl_target: float | None = None
    """Nats a response; None for a fixed price."""
    kl_horizon: int = 10_000
    """Responses over which the adaptive price can change e-fold per unit of clipped error."""


def token_value_loss(values: Tensor, returns: Tensor, mask: Tensor) -> Tensor:
    """Half the mean squared error of the critic over the tokens that count.

        L = 0.5 * sum m (V - G)^2 / sum m

    Args:
        values:  [B, T]  V of the prefix before each token, with gradient.
        returns: [B, T]  G, data.
        mask:    [B, T]  m, True where a token counts.

    Returns:
        Scalar.

    Raises:
        ValueError: the shapes differ.

    References: Schulman et al. 2016, arXiv:1506.02438, eq. 28.
    """
    expect_same_shape("values", values, returns=returns, mask=mask)
    errors = (values - returns).masked_fill(~mask.bool(), 0.0).square()
    return 0.5 * aggregate(errors, mask, aggregation="token-mean")


def adapted_kl_coef(
    kl_coef: float, kl: float, *, target: float, samples: int, horizon: int
) -> float:
    """The price of a nat after a batch whose divergence was `kl`.

        beta <- beta (1 + clip(kl / target - 1, -0.2, 0.2) * samples / horizon)

    References: Ziegler et al. 2019, arXiv:1909.08593, section 2.2.
    """
    error = min(max(kl / target - 1.0, -0.2), 0.2)
    return kl_coef * (1.0 + error * samples / horizon)


class RLHFComponents(NamedTuple):
    """The pure functions that RLHF is made of, replaceable by any with the same arguments."""

    response_log_probs: Callable[..., Tensor] = response_log_probs
    response_values: Callable[..., Tensor] = response_values
    rlhf_token_rewards: Callable[..., Tensor] = rlhf_token_rewards
    token_gae: Callable[..., TokenAdvantages] = token_gae
    policy_loss: Callable[..., Tensor] = grpo_loss
    value_loss: Callable[..., Tensor] = token_value_loss


class Batch(NamedTuple):
    """Judged responses, all with B rows."""

    responses: Responses
    old_log_probs: Tensor  # [B, T]
    advantages: Tensor  # [B, T]
    returns: Tensor  # [B, T]

    def rows(self, index: Tensor) -> Batch:
        """The responses with these numbers."""
        responses = Responses(*(part[index] for part in self.responses))
        return Batch(responses, *(part[index] for part in self[1:]))


class RLHF(Trainer):
    """RLHF with PPO; the reference is the policy as it comes.

    Args:
        policy: tokens [B, S] -> logits [B, S, V].
        critic: tokens [B, S] -> values [B, S] of the prefixes.
        prompts: [N, P].
        reward: one function, or weighted components; see `reference_agents.llm.rewards`.
        config: hyper-parameters.
        seed: of the prompts and responses drawn.
        components: the pure functions.
    """

    def __init__(
        self,
        policy: nn.Module,
        critic: nn.Module,
        prompts: Tensor,
        reward: Reward | Sequence[Component],
        config: RLHFConfig,
        *,
        seed: int,
        components: RLHFComponents | None = None,
    ) -> None:
        self.policy, self.critic, self.config = policy, critic, config
        self.prompts, self.reward = prompts, reward
        self.components = components or RLHFComponents()
        self.reference = frozen_copy(policy)
        self.kl_coef = config.kl_coef
        super().__init__(
            [(policy, config.lr), (critic, config.value_lr)],
            seed=seed,
            anneal=config.anneal,
            max_grad_norm=config.max_grad_norm,
        )

    def iterate(self) -> Metrics:
        """Draws responses, judges them, and learns from them."""
        config = self.config
        batch, metrics = self.collect()
        for _ in range(config.epochs):
            order = self.draw(config.batch_size, config.batch_size)
            for rows in order.chunk(config.minibatches):
                metrics |= self.update(batch.rows(rows))
        if config.kl_target is not None:
            self.kl_coef = adapted_kl_coef(
                self.kl_coef,
                metrics["kl"],
                target=config.kl_target,
                samples=config.batch_size,
                horizon=config.kl_horizon,
            )
        return metrics

    @torch.no_grad()
    def collect(self) -> tuple[Batch, Metrics]:
        """Responses with token rewards, advantages and returns."""
        config = self.config
        responses, old_log_probs = sample(
            self.policy,
            self.prompts[self.draw(len(self.prompts), config.batch_size)],
            length=config.length,
            generator=self.generator,
            temperature=config.temperature,
            end_token=config.end_token,
        )
        self.samples += config.batch_size
        ref_log_probs = self.components.response_log_probs(
            self.reference, responses, temperature=config.temperature
        )
        scores = score(self.reward, *responses)
        rewards = scores.steps + self.components.rlhf_token_rewards(
            scores.outcomes, old_log_probs, ref_log_probs, responses.mask, kl_coef=self.kl_coef
        )
        values = self.components.response_values(self.critic, responses)
        advantages, returns = self.components.token_gae(
            rewards, values, responses.mask, gamma=config.gamma, lam=config.lam
        )
        if config.normalise:
            advantages = normalise_advantages(advantages, responses.mask)
        drift = ((old_log_probs - ref_log_probs) * responses.mask).sum(dim=-1)
        metrics = {
            "reward": float(scores.totals.mean()),
            "kl": float(drift.mean()),
            "kl_coef": self.kl_coef,
            "length": float(responses.mask.sum(dim=-1).float().mean()),
            **{f"reward/{name}": float(part.mean()) for name, part in scores.parts.items()},
        }
        return Batch(responses, old_log_probs, advantages, returns), metrics

    def update(self, batch: Batch) -> Metrics:
        """One gradient step of policy and critic."""
        config, mask = self.config, batch.responses.mask
        log_probs = self.components.response_log_probs(
            self.policy, batch.responses, temperature=config.temperature
        )
        values = self.components.response_values(self.critic, batch.responses)
        policy_term = self.components.policy_loss(
            log_probs,
            batch.old_log_probs,
            batch.advantages,
            mask,
            clip_epsilon=config.clip_epsilon,
            aggregation="token-mean",
        )
        value_term = self.components.value_loss(values, batch.returns, mask)
        norm = self.step(policy_term + config.value_coef * value_term)
        return {
            "policy_loss": float(policy_term.detach()),
            "value_loss": float(value_term.detach()),
            "grad_norm": norm,
        }
