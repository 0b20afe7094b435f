"""Group-relative policy optimisation and its relatives: compare responses to the same prompt.

Every round: draw G responses to each of some prompts, judge them, take each reward against its
group's, then take gradient steps on the clipped surrogate `grpo_loss`. No critic.

`VARIANTS` holds what the papers declare: the original, Dr. GRPO, DAPO, GSPO and RLOO.

References: Shao et al. 2024, arXiv:2402.03300 (original); Liu et al. 2025, arXiv:2503.20783 (Dr. GRPO);
Yu et al. 2025, arXiv:2503.14476 (DAPO); Zheng et al. 2025, arXiv:2507.18071 (GSPO); Ahmadian et al.
2024, arXiv:2402.14740 (RLOO).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from reference_agents.llm.advantages import group_advantages, process_advantages
from reference_agents.llm.losses import grpo_loss, kl_estimate
from reference_agents.llm.responses import Responses, frozen_copy, response_log_probs, sample
from reference_agents.llm.rewards import Component, Reward, Scores, score
from reference_agents.llm.training import Metrics, Trainer


@dataclass(frozen=True)
class GRPOConfig:
    """Hyper-parameters of GRPO; see `VARIANTS`, `group_advantages` and `grpo_loss`."""

    length: int
    """T, the longest response."""
    end_token: int | None = None
    prompts_per_round: int = 32
    group_size: int = 8
    minibatches: int = 1
    """Gradient steps a round, each on its share of the groups."""
    epochs: int = 1
    lr: float = 1e-3
    anneal: bool = False
    max_grad_norm: float = 1.0
    temperature: float = 1.0
    baseline: str = "mean"
    normalise: bool = True
    ratio: str = "token"
    aggregation: str = "seq-mean"
    clip_epsilon: float = 0.2
    clip_epsilon_high: float | None = None
    kl_coef: float = 0.0
    kl_estimator: str = "k3"
    kl_placement: str = "loss"
    """"loss", or "reward": k1 of the whole response off its reward, before the baseline."""
    drop_constant_groups: bool = False
    """Leave out groups whose rewards are all equal: they teach nothing, but count in a mean."""


VARIANTS: dict[str, dict[str, object]] = {
    "grpo": {"kl_coef": 0.04},
    "dr-grpo": {"aggregation": "constant", "normalise": False},
    "dapo": {
        "aggregation": "token-mean",
        "clip_epsilon_high": 0.28,
        "drop_constant_groups": True,
    },
    "gspo": {"ratio": "sequence-mean", "clip_epsilon": 3e-4, "clip_epsilon_high": 4e-4},
    "rloo": {
        "baseline": "leave-one-out",
        "normalise": False,
        "ratio": "sequence-product",
        "kl_coef": 0.05,
        "kl_placement": "reward",
    },
}
"""What differs from the defaults of `GRPOConfig`: `GRPOConfig(length=8, **VARIANTS["dapo"])`."""


class GRPOComponents(NamedTuple):
    """The pure functions that GRPO is made of, replaceable by any with the same arguments."""

    response_log_probs: Callable[..., Tensor] = response_log_probs
    group_advantages: Callable[..., Tensor] = group_advantages
    process_advantages: Callable[..., Tensor] = process_advantages
    kl_estimate: Callable[..., Tensor] = kl_estimate
    grpo_loss: Callable[..., Tensor] = grpo_loss


class Batch(NamedTuple):
    """Judged responses, all with B rows."""

    responses: Responses
    old_log_probs: Tensor  # [B, T]
    ref_log_probs: Tensor  # [B, T]
    advantages: Tensor  # [B] or [B, T]

    def rows(self, index: Tensor) -> Batch:
        """The responses with these numbers."""
        responses = Responses(*(part[index] for part in self.responses))
        return Batch(responses, *(part[index] for part in self[1:]))


class GRPO(Trainer):
    """Group-relative policy optimisation; the reference is the policy as it comes.

    Args:
        policy: tokens [B, S] -> logits [B, S, V].
        prompts: [N, P].
        reward: one function, or weighted components; see `reference_agents.llm.rewards`. Where one
            judges every token, advantages are those of the steps to come.
        config: hyper-parameters.
        seed: of the prompts and responses drawn.
        components: the pure functions.
    """

    def __init__(
        self,
        policy: nn.Module,
        prompts: Tensor,
        reward: Reward | Sequence[Component],
        config: GRPOConfig,
        *,
        seed: int,
        components: GRPOComponents | None = None,
    ) -> None:
        self.policy, self.prompts, self.reward, self.config = policy, prompts, reward, config
        self.components = components or GRPOComponents()
        self.reference = frozen_copy(policy)
        super().__init__(
            [(policy, config.lr)],
            seed=seed,
            anneal=config.anneal,
            max_grad_norm=config.max_grad_norm,
        )

    def iterate(self) -> Metrics:
        """Draws groups of responses, judges them, and learns from them."""
        config = self.config

        # --- responses ---
        chosen = self.draw(len(self.prompts), config.prompts_per_round)
        group_ids = torch.arange(len(chosen), device=self.device).repeat_interleave(
            config.group_size
        )
        responses, old_log_probs = sample(
            self.policy,
            self.prompts[chosen][group_ids],
            length=config.length,
            generator=self.generator,
            temperature=config.temperature,
            end_token=config.end_token,
        )
        self.samples += len(group_ids)

        # --- rewards and advantages ---
        ref_log_probs = torch.zeros_like(old_log_probs)
        if config.kl_coef:
            with torch.no_grad():
                ref_log_probs = self.components.response_log_probs(
                    self.reference, responses, temperature=config.temperature
                )
        scores = score(self.reward, *responses)
        drift = self.components.kl_estimate(
            old_log_probs, ref_log_probs, responses.mask, estimator="k1"
        ).sum(dim=-1)
        advantages = self.advantages(scores, drift, responses.mask, group_ids)
        batch = Batch(responses, old_log_probs, ref_log_probs, advantages)

        # --- updates ---
        metrics = {
            "reward": float(scores.totals.mean()),
            "length": float(responses.mask.sum(dim=-1).float().mean()),
            "kl": float(drift.mean()) if config.kl_coef else 0.0,
            **{f"reward/{name}": float(part.mean()) for name, part in scores.parts.items()},
        }
        per_group = (
            advantages.flatten(1).abs() if advantages.dim() > 1 else advantages.abs()[:, None]
        )
        informative = per_group.amax(dim=-1).view(-1, config.group_size).amax(dim=-1) > 0
        metrics["informative_groups"] = float(informative.float().mean())
        groups = informative.nonzero().squeeze(-1)
        if not config.drop_constant_groups:
            groups = torch.arange(len(chosen), device=self.device)
        for _ in range(config.epochs):
            order = groups[self.draw(len(groups), len(groups))] if len(groups) else groups
            for part in order.chunk(config.minibatches):
                if len(part):
                    rows = part[:, None] * config.group_size + torch.arange(
                        config.group_size, device=self.device
                    )
                    metrics |= self.update(batch.rows(rows.flatten()))
        return metrics

    def advantages(self, scores: Scores, drift: Tensor, mask: Tensor, group_ids: Tensor) -> Tensor:
        """[B], or [B, T] where the reward judges every token."""
        rewards = scores.outcomes
        if self.config.kl_placement == "reward":
            rewards = rewards - self.config.kl_coef * drift
        advantages = self.components.group_advantages(
            rewards, group_ids, baseline=self.config.baseline, normalise=self.config.normalise
        )
        if not scores.steps.any():
            return advantages
        steps = self.components.process_advantages(scores.steps, mask, group_ids)
        return advantages.unsqueeze(-1) + steps

    def update(self, batch: Batch) -> Metrics:
        """One gradient step."""
        config, mask = self.config, batch.responses.mask
        log_probs = self.components.response_log_probs(
            self.policy, batch.responses, temperature=config.temperature
        )
        loss = self.components.grpo_loss(
            log_probs,
            batch.old_log_probs,
            batch.advantages,
            mask,
            batch.ref_log_probs,
            clip_epsilon=config.clip_epsilon,
            clip_epsilon_high=config.clip_epsilon_high,
            kl_coef=config.kl_coef if config.kl_placement == "loss" else 0.0,
            ratio=config.ratio,
            kl_estimator=config.kl_estimator,
            aggregation=config.aggregation,
            denominator=float(mask.numel()) if config.aggregation == "constant" else None,
        )
        return {"loss": float(loss.detach()), "grad_norm": self.step(loss)}
