"""Supervised fine-tuning: raise the log-probability of given responses.

    L = -mean over response tokens of log pi(y_t | x, y_<t)

Prompt tokens have no loss; the end token of a response has.

References: Ouyang et al. 2022, arXiv:2203.02155, section 3.5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from reference_agents.llm.losses import aggregate
from reference_agents.llm.responses import Responses, response_log_probs
from reference_agents.llm.training import Metrics, Trainer


@dataclass(frozen=True)
class SFTConfig:
    """Hyper-parameters of supervised fine-tuning."""

    batch_size: int = 64
    lr: float = 1e-3
    anneal: bool = True
    max_grad_norm: float = 1.0


class SFT(Trainer):
    """Supervised fine-tuning.

    Args:
        policy: tokens [B, S] -> logits [B, S, V].
        examples: the responses to imitate.
        config: hyper-parameters.
        seed: of the order of the examples.
        response_log_probs: component, replaceable by any with the same arguments.
    """

    def __init__(
        self,
        policy: nn.Module,
        examples: Responses,
        config: SFTConfig | None = None,
        *,
        seed: int,
        response_log_probs: Callable[..., Tensor] = response_log_probs,
    ) -> None:
        self.policy, self.examples, self.config = policy, examples, config or SFTConfig()
        self.response_log_probs = response_log_probs
        super().__init__(
            [(policy, self.config.lr)],
            seed=seed,
            anneal=self.config.anneal,
            max_grad_norm=self.config.max_grad_norm,
        )

    def iterate(self) -> Metrics:
        """One gradient step on a batch of examples."""
        rows = self.draw(len(self.examples.tokens), self.config.batch_size)
        batch = Responses(*(part[rows] for part in self.examples))
        log_probs = self.response_log_probs(self.policy, batch)
        loss = -aggregate(log_probs, batch.mask, aggregation="token-mean")
        return {"loss": float(loss.detach()), "grad_norm": self.step(loss)}
