"""Direct preference optimisation: learn from preferences, the policy being its own reward model.

    L = -log sigmoid(r(y_c) - r(y_r)),   r(y) = beta log pi(y|x) / pi_ref(y|x)

`dpo_loss` has the variants.

References: Rafailov et al. 2023, arXiv:2305.18290.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from reference_agents.llm.losses import dpo_loss, sequence_log_probs
from reference_agents.llm.pairs import Pairs
from reference_agents.llm.responses import Responses, frozen_copy, response_log_probs
from reference_agents.llm.training import Metrics, Trainer


@dataclass(frozen=True)
class DPOConfig:
    """Hyper-parameters of DPO; `beta`, `label_smoothing` and `variant` as in `dpo_loss`."""

    beta: float = 0.1
    label_smoothing: float = 0.0
    variant: str = "sigmoid"
    batch_size: int = 64
    lr: float = 1e-3
    anneal: bool = True
    max_grad_norm: float = 1.0


class DPOComponents(NamedTuple):
    """The pure functions that DPO is made of, replaceable by any with the same arguments."""

    response_log_probs: Callable[..., Tensor] = response_log_probs
    sequence_log_probs: Callable[..., Tensor] = sequence_log_probs
    dpo_loss: Callable[..., Tensor] = dpo_loss


class DPO(Trainer):
    """Direct preference optimisation; the reference is the policy as it comes.

    Args:
        policy: tokens [B, S] -> logits [B, S, V].
        pairs: preferences.
        config: hyper-parameters.
        seed: of the order of the pairs.
        components: the pure functions.
    """

    def __init__(
        self,
        policy: nn.Module,
        pairs: Pairs,
        config: DPOConfig | None = None,
        *,
        seed: int,
        components: DPOComponents | None = None,
    ) -> None:
        self.policy, self.pairs, self.config = policy, pairs, config or DPOConfig()
        self.components = components or DPOComponents()
        self.reference = frozen_copy(policy)
        super().__init__(
            [(policy, self.config.lr)],
            seed=seed,
            anneal=self.config.anneal,
            max_grad_norm=self.config.max_grad_norm,
        )

    def log_probs(self, policy: nn.Module, side: Responses) -> Tensor:
        """[B] log-probabilities of whole responses."""
        tokens = self.components.response_log_probs(policy, side)
        return self.components.sequence_log_probs(tokens, side.mask)

    def iterate(self) -> Metrics:
        """One gradient step on a batch of pairs."""
        pairs = self.pairs.rows(self.draw(len(self.pairs.chosen.tokens), self.config.batch_size))
        with torch.no_grad():
            ref_chosen, ref_rejected = (self.log_probs(self.reference, side) for side in pairs)
        chosen, rejected = (self.log_probs(self.policy, side) for side in pairs)
        loss = self.components.dpo_loss(
            chosen,
            rejected,
            ref_chosen,
            ref_rejected,
            beta=self.config.beta,
            label_smoothing=self.config.label_smoothing,
            variant=self.config.variant,
        )
        norm = self.step(loss)
        rewards = [
            self.config.beta * (new - old).detach()
            for new, old in ((chosen, ref_chosen), (rejected, ref_rejected))
        ]
        return {
            "loss": float(loss.detach()),
            "accuracy": float((rewards[0] > rewards[1]).float().mean()),
            "chosen_reward": float(rewards[0].mean()),
            "rejected_reward": float(rewards[1].mean()),
            "grad_norm": norm,
        }
