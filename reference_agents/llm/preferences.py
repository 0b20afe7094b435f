"""Losses on pairs of responses of which one was preferred."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import logsigmoid

from reference_agents._expect import (
    expect_choice,
    expect_finite,
    expect_in_range,
    expect_positive,
    expect_same_shape,
)
from reference_agents.llm.log_probs import widened

VARIANTS = ("sigmoid", "robust", "hinge", "ipo")


def reward_model_loss(
    chosen_rewards: Tensor, rejected_rewards: Tensor, margin: Tensor | None = None
) -> Tensor:
    """Negative log-likelihood of preferences under the Bradley-Terry model.

        L = -mean(log sigmoid(r_chosen - r_rejected - margin))

    Args:
        chosen_rewards:   [B]  r of the preferred responses, with gradient.
        rejected_rewards: [B]  r of the others, with gradient.
        margin:           [B]  by how much the preferred one should win; None for 0.

    Returns:
        Scalar; 0 without pairs.

    Raises:
        ValueError: the shapes differ, or a reward is not finite.

    References: Ouyang et al. 2022, arXiv:2203.02155, eq. 1; margin: Touvron et al. 2023,
        arXiv:2307.09288, eq. 2.
    """
    expect_same_shape("chosen_rewards", chosen_rewards, rejected_rewards=rejected_rewards)
    expect_finite(chosen_rewards=chosen_rewards, rejected_rewards=rejected_rewards)
    difference = widened(chosen_rewards) - widened(rejected_rewards)
    if margin is not None:
        expect_same_shape("chosen_rewards", chosen_rewards, margin=margin)
        difference = difference - margin
    return _mean(-logsigmoid(difference))


def dpo_loss(
    policy_chosen_logps: Tensor,
    policy_rejected_logps: Tensor,
    ref_chosen_logps: Tensor,
    ref_rejected_logps: Tensor,
    *,
    beta: float,
    label_smoothing: float = 0.0,
    variant: str = "sigmoid",
    reduction: str = "mean",
) -> Tensor:
    """Direct preference optimisation: the policy as its own reward model.

        h = log pi(y_c)/pi_ref(y_c) - log pi(y_r)/pi_ref(y_r),   m = beta h
        sigmoid:  -(1 - e) log sigmoid(m) - e log sigmoid(-m)
        robust:   (-(1 - e) log sigmoid(m) + e log sigmoid(-m)) / (1 - 2 e)
        hinge:    max(0, 1 - m)
        ipo:      (h - 1 / (2 beta))^2

    Args:
        policy_chosen_logps, policy_rejected_logps: [B]  log pi of whole responses, with gradient.
        ref_chosen_logps, ref_rejected_logps:       [B]  log pi_ref of the same, data.
        beta: strength of the tie to the reference.
        label_smoothing: e, the share of labels believed to be flipped; "sigmoid" and "robust" only.
        variant: "sigmoid", "robust", "hinge" or "ipo".
        reduction: "mean", "sum", or "none" for [B].

    Returns:
        Scalar, 0 without pairs; or [B].

    Raises:
        ValueError: the shapes differ, a log-probability is not finite, a name is unknown, or e does
            not suit the variant.

    References: Rafailov et al. 2023, arXiv:2305.18290, eq. 7; smoothing: Mitchell 2023; robust:
        Chowdhury et al. 2024, arXiv:2403.00409, eq. 12; hinge: Zhao et al. 2023, arXiv:2305.10425;
        ipo: Azar et al. 2023, arXiv:2310.12036, eq. 17.
    """
    expect_choice("variant", variant, VARIANTS)
    expect_choice("reduction", reduction, ("mean", "sum", "none"))
    expect_positive("beta", beta)
    expect_in_range("label_smoothing", label_smoothing, 0.0, 0.5)
    expect_same_shape(
        "policy_chosen_logps",
        policy_chosen_logps,
        policy_rejected_logps=policy_rejected_logps,
        ref_chosen_logps=ref_chosen_logps,
        ref_rejected_logps=ref_rejected_logps,
    )
    expect_finite(
        policy_chosen_logps=policy_chosen_logps,
        policy_rejected_logps=policy_rejected_logps,
        ref_chosen_logps=ref_chosen_logps,
        ref_rejected_logps=ref_rejected_logps,
    )
    smooth = label_smoothing
    if (smooth and variant in ("hinge", "ipo")) or (smooth == 0.5 and variant == "robust"):
        raise ValueError(
            f"`label_smoothing` {smooth} does not go with {variant!r}; "
            "use it with 'sigmoid', or below 0.5 with 'robust'"
        )
    chosen = widened(policy_chosen_logps) - widened(ref_chosen_logps)
    rejected = widened(policy_rejected_logps) - widened(ref_rejected_logps)
    gap = chosen - rejected
    right, flipped = -logsigmoid(beta * gap), -logsigmoid(-beta * gap)
    losses = {
        "sigmoid": lambda: (1.0 - smooth) * right + smooth * flipped,
        "robust": lambda: ((1.0 - smooth) * right - smooth * flipped) / (1.0 - 2.0 * smooth),
        "hinge": lambda: (1.0 - beta * gap).clamp(min=0.0),
        "ipo": lambda: (gap - 0.5 / beta).square(),
    }[variant]()
    if reduction == "none":
        return losses
    return losses.sum() if reduction == "sum" else _mean(losses)


def _mean(losses: Tensor) -> Tensor:
    """The mean over pairs; 0 of none, so that an empty batch does no harm."""
    return losses.sum() / max(losses.numel(), 1)
