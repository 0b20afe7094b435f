"""A reward model from preferences, by the likelihood of the Bradley-Terry model.

    L = -log sigmoid(r(x, y_c) - r(x, y_r))

References: Bradley and Terry 1952; Ouyang et al. 2022, arXiv:2203.02155, eq. 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reference_agents.llm.losses import reward_model_loss
from reference_agents.llm.pairs import Pairs
from reference_agents.llm.responses import Responses, response_scores
from reference_agents.llm.rewards import Reward
from reference_agents.llm.training import Metrics, Trainer


@dataclass(frozen=True)
class RewardModelConfig:
    """Hyper-parameters of the reward model."""

    batch_size: int = 64
    lr: float = 1e-3
    anneal: bool = True
    max_grad_norm: float = 1.0


class RewardModel(Trainer):
    """Fits a score to preferences; the score is fixed by them up to a constant a prompt.

    Args:
        model: tokens [B, S] -> scores [B, S], of which the last token's counts.
        pairs: preferences.
        config: hyper-parameters.
        seed: of the order of the pairs.
        reward_model_loss: component, replaceable by any with the same arguments.
    """

    def __init__(
        self,
        model: nn.Module,
        pairs: Pairs,
        config: RewardModelConfig | None = None,
        *,
        seed: int,
        reward_model_loss: Callable[..., Tensor] = reward_model_loss,
    ) -> None:
        self.model, self.pairs, self.config = model, pairs, config or RewardModelConfig()
        self.reward_model_loss = reward_model_loss
        super().__init__(
            [(model, self.config.lr)],
            seed=seed,
            anneal=self.config.anneal,
            max_grad_norm=self.config.max_grad_norm,
        )

    def iterate(self) -> Metrics:
        """One gradient step on a batch of pairs."""
        pairs = self.pairs.rows(self.draw(len(self.pairs.chosen.tokens), self.config.batch_size))
        chosen, rejected = (response_scores(self.model, side) for side in pairs)
        loss = self.reward_model_loss(chosen, rejected)
        accuracy = (chosen > rejected).float().mean()
        return {
            "loss": float(loss.detach()),
            "accuracy": float(accuracy),
            "grad_norm": self.step(loss),
        }

    def reward(self) -> Reward:
        """The score as the reward of reinforcement learning."""

        @torch.no_grad()
        def scored(prompts: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
            return response_scores(self.model, Responses(prompts, tokens, mask))

        return scored
