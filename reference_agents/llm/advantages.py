"""Advantages of responses: against their group, along their tokens, and by a critic."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from reference_agents._expect import expect_choice, expect_same_shape
from reference_agents.llm.log_probs import widened

BASELINES = ("mean", "leave-one-out")


class TokenAdvantages(NamedTuple):
    """Advantages and value targets of tokens, each [B, T]."""

    advantages: Tensor
    returns: Tensor


def group_advantages(
    rewards: Tensor,
    group_ids: Tensor,
    *,
    baseline: str = "mean",
    normalise: bool = True,
    ddof: int = 1,
    eps: float = 1e-4,
) -> Tensor:
    """How much better each response is than the others to the same prompt.

        mean:           A_i = r_i - mean(r),                    mean and std over the group of i
        leave-one-out:  A_i = r_i - mean(r without r_i)
        normalised:     A_i / (std(r) + eps),                   std with the divisor G - ddof

    Args:
        rewards:   [N]  r, one a response.
        group_ids: [N]  any integers; responses to the same prompt share one, in any order.
        baseline: "mean" or "leave-one-out".
        normalise: divide by the group's standard deviation.
        ddof: 1 for the sample's standard deviation, 0 for the population's.
        eps: keeps groups of almost equal rewards small.

    Returns:
        [N]. A group of equal rewards, or of one response, gets exactly 0.

    Raises:
        ValueError: the shapes differ, a reward is not finite, or the baseline is unknown.

    References: Shao et al. 2024, arXiv:2402.03300, section 4.1; without std: Liu et al. 2025,
        arXiv:2503.20783; leave-one-out: Kool et al. 2019, "Buy 4 REINFORCE samples".
    """
    expect_choice("baseline", baseline, BASELINES)
    expect_same_shape("rewards", rewards, group_ids=group_ids)
    if not rewards.is_floating_point():
        rewards = rewards.to(torch.get_default_dtype())
    if not rewards.isfinite().all():
        raise ValueError("`rewards` must be finite, they hold NaN or infinity; mend the reward")
    rewards = widened(rewards)
    _, group = group_ids.unique(return_inverse=True)
    ones = torch.ones_like(rewards)
    counts = _group_sum(ones, group)
    # Measured from the group's smallest reward: equal rewards then have a mean of exactly 0 from
    # themselves, which summing them would miss by a rounding that eps blows up.
    lowest = torch.full_like(rewards, torch.inf).scatter_reduce(0, group, rewards, "amin")[group]
    shifted = rewards - lowest
    centred = shifted - _group_sum(shifted, group) / counts
    scale = ones
    if normalise:
        variance = _group_sum(centred.square(), group) / (counts - ddof).clamp(min=1)
        scale = variance.sqrt() + eps
    if baseline == "leave-one-out":
        centred = centred * counts / (counts - 1).clamp(min=1)
    return centred / scale


def _group_sum(values: Tensor, group: Tensor) -> Tensor:
    """[N], the sum over the group of each entry; groups are numbered below N."""
    return torch.zeros_like(values).index_add(0, group, values)[group]


def process_advantages(
    step_rewards: Tensor, mask: Tensor, group_ids: Tensor, *, eps: float = 1e-4
) -> Tensor:
    """Advantages from a reward for every step, normalised within the group and summed to the end.

        A_{i,t} = sum_{s >= t} (r_{i,s} - mean(r)) / (std(r) + eps),   over all steps of the group

    Args:
        step_rewards: [N, T]  r, one a token.
        mask:         [N, T]  True where a token counts.
        group_ids:    [N]  responses to the same prompt share one.
        eps: as in `group_advantages`.

    Returns:
        [N, T], 0 where the mask is 0.

    Raises:
        ValueError: the shapes differ, or a reward is not finite.

    References: Shao et al. 2024, arXiv:2402.03300, section 4.1.3.
    """
    expect_same_shape("step_rewards", step_rewards, mask=mask)
    keep = mask.bool()
    step_groups = group_ids.unsqueeze(-1).expand_as(keep)[keep]
    normalised = widened(step_rewards).new_zeros(keep.shape)
    normalised[keep] = group_advantages(step_rewards[keep], step_groups, eps=eps)
    to_the_end = normalised.flip(-1).cumsum(dim=-1).flip(-1)
    return to_the_end.masked_fill(~keep, 0.0)


@torch.no_grad()
def token_gae(
    rewards: Tensor, values: Tensor, mask: Tensor, *, gamma: float = 1.0, lam: float
) -> TokenAdvantages:
    """Generalised advantage estimates along the tokens that count, as if the others were not there.

        delta_t = r_t + gamma V_{t+1} - V_t,   A_t = delta_t + gamma lam A_{t+1}

    with t + 1 the next token that counts, and V and A of 0 after the last one.

    Args:
        rewards: [B, T]  r.
        values:  [B, T]  V of the prefix before token t.
        mask:    [B, T]  True where a token counts.
        gamma, lam: discount and lambda, in [0, 1].

    Returns:
        `TokenAdvantages(advantages, returns)`, 0 where the mask is 0; returns are A + V.

    Raises:
        ValueError: the shapes differ.

    References: Schulman et al. 2016, arXiv:1506.02438, eq. 16.
    """
    expect_same_shape("rewards", rewards, values=values, mask=mask)
    keep = mask.bool()
    rewards = widened(rewards).masked_fill(~keep, 0.0)
    values = widened(values).masked_fill(~keep, 0.0)
    advantages = torch.zeros_like(rewards)
    next_value = following = torch.zeros_like(rewards[:, 0])
    for t in range(rewards.shape[1] - 1, -1, -1):
        delta = rewards[:, t] + gamma * next_value - values[:, t]
        advantages[:, t] = (delta + gamma * lam * following).masked_fill(~keep[:, t], 0.0)
        following = torch.where(keep[:, t], advantages[:, t], following)
        next_value = torch.where(keep[:, t], values[:, t], next_value)
    return TokenAdvantages(advantages, advantages + values)
