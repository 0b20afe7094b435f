"""Losses of policy-gradient and value-based learning, all to be minimised.

Entries are samples: `[N]`, or any shape, averaged over everything. Agents that train S seeds at
once put the seeds first and say `seed_dims=1`: the mean is then taken within each seed, the result
is `[S]`, and the gradient of its sum is every seed's own gradient. Data (advantages, returns,
targets, old log-probabilities) come without gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor

from reference_agents._expect import expect_last_axis, expect_same_shape


def _mean_per_seed(losses: Tensor, seed_dims: int) -> Tensor:
    """Mean over all axes but the first `seed_dims`."""
    return losses.mean(dim=tuple(range(seed_dims, losses.dim())))


def policy_gradient_loss(log_probs: Tensor, advantages: Tensor, *, seed_dims: int = 0) -> Tensor:
    """Surrogate whose gradient is the policy gradient.

        L = -mean(A * log pi(a|s))

    Args:
        log_probs:  [N]  log pi(a|s) of the actions taken, with gradient.
        advantages: [N]  A, data.
        seed_dims: number of leading axes that index independent trainings.

    Returns:
        Scalar, or one entry a seed.

    Raises:
        ValueError: the shapes differ.

    References: Williams 1992; Sutton and Barto 2018, eq. 13.8.
    """
    expect_same_shape("log_probs", log_probs, advantages=advantages)
    return -_mean_per_seed(log_probs * advantages, seed_dims)


def ppo_loss(
    log_probs: Tensor,
    old_log_probs: Tensor,
    advantages: Tensor,
    *,
    clip_epsilon: float,
    dual_clip: float | None = None,
    seed_dims: int = 0,
) -> Tensor:
    """Clipped surrogate of proximal policy optimisation.

        ratio = pi(a|s) / pi_old(a|s)
        L     = -mean(min(ratio * A, clip(ratio, 1 - eps, 1 + eps) * A))

    With `dual_clip` c > 1 the surrogate of a negative advantage is not allowed below c * A, so that
    one action that has become far too likely cannot dominate the update.

    Args:
        log_probs:     [N]  log pi(a|s), with gradient.
        old_log_probs: [N]  the same under the policy that acted, data.
        advantages:    [N]  A, data.
        clip_epsilon: half-width eps of the trusted interval of ratios.
        dual_clip: c of the second clip; None leaves it out.
        seed_dims: number of leading axes that index independent trainings.

    Returns:
        Scalar, or one entry a seed.

    Raises:
        ValueError: the shapes differ, or dual_clip <= 1.

    References: Schulman et al. 2017, arXiv:1707.06347, eq. 7; dual clip: Ye et al. 2020,
        arXiv:1912.09729, eq. 5.
    """
    expect_same_shape("log_probs", log_probs, old_log_probs=old_log_probs, advantages=advantages)
    ratio = (log_probs - old_log_probs).exp()
    clipped_ratio = ratio.clamp(1.0 - clip_epsilon, 1.0 + clip_epsilon)
    surrogate = torch.minimum(ratio * advantages, clipped_ratio * advantages)
    if dual_clip is not None:
        if dual_clip <= 1.0:
            raise ValueError(
                f"`dual_clip` must exceed 1, it is {dual_clip}; 3 is the value of the paper"
            )
        floor = dual_clip * advantages
        surrogate = torch.where(advantages < 0, torch.maximum(surrogate, floor), surrogate)
    return -_mean_per_seed(surrogate, seed_dims)


def value_loss(
    values: Tensor,
    returns: Tensor,
    old_values: Tensor | None = None,
    *,
    clip_epsilon: float | None = None,
    seed_dims: int = 0,
) -> Tensor:
    """Half the mean squared error of the critic, optionally with PPO's pessimistic clipping.

        L         = 0.5 * mean((V - G)^2)
        L clipped = 0.5 * mean(max((V - G)^2, (V_old + clip(V - V_old, -eps, eps) - G)^2))

    Args:
        values:     [N]  V(s), with gradient.
        returns:    [N]  G, data.
        old_values: [N]  V(s) at the time of acting, data; needed for clipping only.
        clip_epsilon: how far V may move from V_old unpunished; None leaves clipping out.
        seed_dims: number of leading axes that index independent trainings.

    Returns:
        Scalar, or one entry a seed.

    Raises:
        ValueError: the shapes differ, or one of `old_values` and `clip_epsilon` is missing.

    References: Schulman et al. 2016, arXiv:1506.02438, eq. 28; clipping: PPO2 of OpenAI baselines,
        described in Engstrom et al. 2020, arXiv:2005.12729, section 3.
    """
    expect_same_shape("values", values, returns=returns)
    if (old_values is None) != (clip_epsilon is None):
        missing = "old_values" if old_values is None else "clip_epsilon"
        raise ValueError(
            "`old_values` and `clip_epsilon` must come together, "
            f"`{missing}` is missing; give both to clip, neither for the plain loss"
        )
    errors = (values - returns).square()
    if old_values is not None and clip_epsilon is not None:
        expect_same_shape("values", values, old_values=old_values)
        clipped = old_values + (values - old_values).clamp(-clip_epsilon, clip_epsilon)
        errors = torch.maximum(errors, (clipped - returns).square())
    return 0.5 * _mean_per_seed(errors, seed_dims)


def dqn_loss(
    q_values: Tensor,
    actions: Tensor,
    targets: Tensor,
    weights: Tensor | None = None,
    *,
    seed_dims: int = 0,
) -> Tensor:
    """Half the mean squared TD error of the actions taken.

        L = 0.5 * mean(w * (Q(s, a) - y)^2)

    Args:
        q_values: [N, A]  Q(s, .), with gradient.
        actions:  [N]     a, an index in [0, A).
        targets:  [N]     y, data.
        weights:  [N]     importance weights of prioritised replay; None for all ones.
        seed_dims: number of leading axes that index independent trainings.

    Returns:
        Scalar, or one entry a seed.

    Raises:
        ValueError: the shapes do not match.

    References: Mnih et al. 2015; weights: Schaul et al. 2016, arXiv:1511.05952, section 3.4.
    """
    expect_last_axis("q_values", q_values, actions=actions, targets=targets)
    taken = q_values.gather(-1, actions.long().unsqueeze(-1)).squeeze(-1)
    errors = (taken - targets).square()
    if weights is not None:
        expect_same_shape("targets", targets, weights=weights)
        errors = weights * errors
    return 0.5 * _mean_per_seed(errors, seed_dims)


def entropy_loss(entropies: Tensor, *, seed_dims: int = 0) -> Tensor:
    """Negative mean entropy: minimising it keeps the policy exploring.

        L = -mean(H(pi(.|s)))

    Args:
        entropies: [N]  entropy of the policy in each state, with gradient.
        seed_dims: number of leading axes that index independent trainings.

    Returns:
        Scalar, or one entry a seed.

    References: Williams and Peng 1991; Mnih et al. 2016, arXiv:1602.01783, section 4.
    """
    return -_mean_per_seed(entropies, seed_dims)


def normalise_advantages(
    advantages: Tensor,
    mask: Tensor | None = None,
    *,
    eps: float = 1e-8,
    seed_dims: int = 0,
) -> Tensor:
    """Shift and scale advantages to mean 0 and sample standard deviation 1.

        A' = (A - mean(A)) / (std(A) + eps),   std with the divisor N - 1

    Args:
        advantages: [N]  A.
        mask:       [N]  True where an entry counts; None for all. Entries that do not count are 0.
        eps: keeps constant advantages finite; they become 0.
        seed_dims: number of leading axes that index independent trainings.

    Returns:
        [N] A'. A single entry becomes 0.

    Raises:
        ValueError: the shapes differ.

    References: Andrychowicz et al. 2021, arXiv:2006.05990, section 3.6 (choice C67).
    """
    if mask is None:
        mask = torch.ones_like(advantages, dtype=torch.bool)
    expect_same_shape("advantages", advantages, mask=mask)
    keep = mask.bool()
    dims = tuple(range(seed_dims, advantages.dim()))
    count = keep.sum(dim=dims, keepdim=True)
    kept = advantages.masked_fill(~keep, 0.0)
    mean = kept.sum(dim=dims, keepdim=True) / count.clamp(min=1)
    centred = (kept - mean).masked_fill(~keep, 0.0)
    variance = centred.square().sum(dim=dims, keepdim=True) / (count - 1).clamp(min=1)
    return centred / (variance.sqrt() + eps)
