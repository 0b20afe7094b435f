"""What a response earns: weighted components, for the whole or for its steps, and the price of a KL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from reference_agents._expect import expect_finite, expect_last_axis, expect_same_shape
from reference_agents.llm.kl import kl_estimate
from reference_agents.llm.log_probs import widened

Reward = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(prompts [B, P], tokens [B, T], mask [B, T]) -> [B], or [B, T] with a reward for every token."""


class Component(NamedTuple):
    """One part of a reward."""

    name: str
    weight: float
    reward: Reward


class Scores(NamedTuple):
    """What responses earned."""

    outcomes: Tensor  # [B], weighted sum of the components that judge the whole
    steps: Tensor  # [B, T], weighted sum of the components that judge every token
    parts: dict[str, Tensor]  # [B] by name, unweighted, summed over tokens: for the log

    @property
    def totals(self) -> Tensor:
        """[B], all that each response earned."""
        return self.outcomes + self.steps.sum(dim=-1)


@torch.no_grad()
def score(
    reward: Reward | Sequence[Component], prompts: Tensor, tokens: Tensor, mask: Tensor
) -> Scores:
    """Ask every component about every response.

    Args:
        reward: one function, or components with weights.
        prompts: [B, P].
        tokens:  [B, T], the responses.
        mask:    [B, T], True where a token counts.

    Returns:
        `Scores`.

    Raises:
        ValueError: a component answers with anything but [B] or [B, T].

    References: several components: Guo et al. 2025, arXiv:2501.12948, section 2.2.2; rewards for
        steps: Lightman et al. 2023, arXiv:2305.20050.
    """
    components = [Component("reward", 1.0, reward)] if callable(reward) else list(reward)
    outcomes = torch.zeros(len(tokens), device=tokens.device)
    steps = torch.zeros(tokens.shape, device=tokens.device)
    parts = {}
    for component in components:
        earned = widened(component.reward(prompts, tokens, mask))
        if earned.shape == mask.shape:
            earned = earned.masked_fill(~mask.bool(), 0.0)
            steps = steps + component.weight * earned
            parts[component.name] = earned.sum(dim=-1)
        elif earned.shape == mask.shape[:1]:
            outcomes = outcomes + component.weight * earned
            parts[component.name] = earned
        else:
            raise ValueError(
                f"component `{component.name}` must answer with {tuple(mask.shape[:1])} or "
                f"{tuple(mask.shape)}, it answered with {tuple(earned.shape)}; "
                "return one reward a response, or one a token"
            )
    return Scores(outcomes, steps, parts)


def last_token(mask: Tensor) -> Tensor:
    """[B, T] bool, True at the last token of each response that counts; nowhere in an empty one."""
    keep = mask.bool()
    following = keep.flip(-1).cumsum(dim=-1).flip(-1)  # tokens that count from here to the end
    return keep & (following == 1)


def rlhf_token_rewards(
    scores: Tensor,
    log_probs: Tensor,
    ref_log_probs: Tensor,
    mask: Tensor,
    *,
    kl_coef: float,
    estimator: str = "k1",
) -> Tensor:
    """The reward of every token: a penalty on leaving the reference, and the score at the end.

        r_t = -kl_coef * kl_t + [t is the last token] * score,   kl_t = log pi(y_t) - log pi_ref(y_t)

    Args:
        scores:        [B]     one a response.
        log_probs:     [B, T]  log pi(y_t) of the policy that sampled.
        ref_log_probs: [B, T]  log pi_ref(y_t).
        mask:          [B, T]  True where a token counts.
        kl_coef: price of a nat.
        estimator: of the divergence; see `kl_estimate`. As a reward, only k1 is unbiased.

    Returns:
        [B, T], data; 0 where the mask is 0. An empty response has no token to carry its score.

    Raises:
        ValueError: the shapes do not match, a number that counts is not finite, or the estimator is
            unknown.

    References: Ziegler et al. 2019, arXiv:1909.08593, eq. 2; Stiennon et al. 2020, arXiv:2009.01325.
    """
    expect_last_axis("log_probs", log_probs, scores=scores)
    expect_same_shape("log_probs", log_probs, ref_log_probs=ref_log_probs, mask=mask)
    expect_finite(mask.bool().any(dim=-1), scores=scores)
    penalty = kl_estimate(log_probs.detach(), ref_log_probs.detach(), mask, estimator=estimator)
    ends = last_token(mask)
    return torch.where(ends, widened(scores).unsqueeze(-1), 0.0) - kl_coef * penalty
