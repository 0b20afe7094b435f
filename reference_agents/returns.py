"""Returns and advantages of rollouts: Monte Carlo, n-step, TD(lambda), GAE, V-trace.

Shapes are time-major `[T, B]`; any number of axes may follow `T` (`[T, seeds, envs]`). Step t
receives `rewards[t]`, and `next_values[t]` is V of the state that it really reached, before any
reset. `terminated[t]` and `truncated[t]` mark the *end* of step t, and they are two facts:

    terminated   nothing follows: the bootstrap is 0, whatever `next_values` says
    truncated    something would have followed: the bootstrap is `next_values`, the trace is cut

Where both are set the step counts as terminated. The last step of the rollout is a cut like
truncation. All results are data for a loss, and carry no gradient.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from reference_agents._expect import expect_positive, expect_same_shape
from reference_agents.recurrence import backward_recurrence_


class VTrace(NamedTuple):
    """Value targets v_t and policy-gradient advantages of V-trace, both [T, ...]."""

    targets: Tensor
    advantages: Tensor


def _unset(flags: Tensor, like: Tensor) -> Tensor:
    """1 where a flag is not set, 0 where it is, in the dtype of `like`."""
    # PyTorch converts bytes to floats ten times faster than the very same bytes called bool.
    return flags.bool().logical_not().view(torch.uint8).to(like.dtype)


def _cuts(terminated: Tensor, truncated: Tensor) -> Tensor:
    """Steps after which the rollout continues elsewhere or not at all, the last one included."""
    cuts = terminated.bool() | truncated.bool()
    cuts[-1] = True
    return cuts


def _decay(cuts: Tensor, factor: float, like: Tensor) -> Tensor:
    """`factor` where the next step belongs to the same episode, 0 where it does not."""
    return _unset(cuts, like).mul_(factor)


@torch.no_grad()
def discounted_returns(
    rewards: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    next_values: Tensor,
    *,
    gamma: float,
) -> Tensor:
    """Sum of discounted rewards up to the end of the episode.

        G_t = r_t + gamma * G_{t+1}              inside an episode
        G_t = r_t                                 where t terminated
        G_t = r_t + gamma * V(s_{t+1})            where t was truncated, or ends the rollout

    Args:
        rewards:     [T, B]  r_t, received for the action taken in s_t.
        terminated:  [T, B]  the step ended the episode.
        truncated:   [T, B]  the step was the last one for an outside reason.
        next_values: [T, B]  V(s_{t+1}), used where a trajectory is cut without having terminated.
        gamma: discount in [0, 1].

    Returns:
        [T, B] G_t.

    Raises:
        ValueError: the shapes differ.

    References: Sutton and Barto 2018, eq. 3.9; time limits: Pardo et al. 2018, arXiv:1712.00378.
    """
    expect_same_shape(
        "rewards", rewards, terminated=terminated, truncated=truncated, next_values=next_values
    )
    cuts = _cuts(terminated, truncated)
    bootstrap = next_values * _unset(terminated, next_values) * cuts
    inputs = torch.add(rewards, bootstrap, alpha=gamma)
    return backward_recurrence_(inputs, _decay(cuts, gamma, inputs))


@torch.no_grad()
def n_step_returns(
    rewards: Tensor,
    next_values: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    *,
    gamma: float,
    n: int,
) -> Tensor:
    """Rewards of at most n steps, then the value of the state they lead to.

        G_t = r_t + gamma r_{t+1} + ... + gamma^{k-1} r_{t+k-1} + gamma^k V(s_{t+k})

    with k = n, or less where the episode or the rollout ends sooner; V is 0 after termination.

    Args:
        rewards:     [T, B]  r_t.
        next_values: [T, B]  V(s_{t+1}) of the state that step t reached.
        terminated:  [T, B]  the step ended the episode.
        truncated:   [T, B]  the step was the last one for an outside reason.
        gamma: discount in [0, 1].
        n: number of rewards, at least 1.

    Returns:
        [T, B] G_t; n = 1 is the TD target, n >= T the discounted return.

    Raises:
        ValueError: the shapes differ, or n < 1.

    References: Sutton and Barto 2018, eq. 7.1.
    """
    expect_positive("n", n)
    if n >= rewards.shape[0]:
        return discounted_returns(rewards, terminated, truncated, next_values, gamma=gamma)
    expect_same_shape(
        "rewards", rewards, next_values=next_values, terminated=terminated, truncated=truncated
    )
    cuts = _cuts(terminated, truncated)[:-1]
    one_step = rewards + gamma * next_values * _unset(terminated, next_values)
    returns = one_step.clone()
    for _ in range(n - 1):  # one more reward each time, unless the trajectory is cut before it
        longer = torch.add(rewards[:-1], returns[1:], alpha=gamma)
        returns[:-1] = torch.where(cuts, one_step[:-1], longer)
    return returns


@torch.no_grad()
def gae(
    rewards: Tensor,
    values: Tensor,
    next_values: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    *,
    gamma: float,
    lam: float,
) -> Tensor:
    """Generalised advantage estimates.

        delta_t = r_t + gamma * (1 - terminated_t) * V(s_{t+1}) - V(s_t)
        A_t     = delta_t + gamma * lam * (1 - ended_t) * A_{t+1}

    with ended = terminated or truncated.

    Args:
        rewards:     [T, B]  r_t.
        values:      [T, B]  V(s_t).
        next_values: [T, B]  V(s_{t+1}) of the state that step t reached, before any reset.
        terminated:  [T, B]  the step ended the episode: no bootstrap.
        truncated:   [T, B]  the step was the last one for an outside reason: bootstrap, no trace.
        gamma: discount in [0, 1].
        lam: lambda in [0, 1]; 0 gives the TD error, 1 the return minus the value.

    Returns:
        [T, B] A_t, not normalised.

    Raises:
        ValueError: the shapes differ.

    References: Schulman et al. 2016, arXiv:1506.02438, eq. 16; time limits: Pardo et al. 2018,
        arXiv:1712.00378.
    """
    expect_same_shape(
        "rewards",
        rewards,
        values=values,
        next_values=next_values,
        terminated=terminated,
        truncated=truncated,
    )
    alive = _unset(terminated, next_values)
    td_errors = (rewards - values).addcmul_(next_values, alive, value=gamma)
    cuts = _cuts(terminated, truncated)
    return backward_recurrence_(td_errors, _decay(cuts, gamma * lam, td_errors))


@torch.no_grad()
def lambda_returns(
    rewards: Tensor,
    values: Tensor,
    next_values: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    *,
    gamma: float,
    lam: float,
) -> Tensor:
    """TD(lambda) returns, the exponentially weighted mean of all n-step returns.

        G_t = A_t + V(s_t),   A_t the generalised advantage estimate

    Args:
        rewards, values, next_values, terminated, truncated: [T, B], as for `gae`.
        gamma: discount in [0, 1].
        lam: lambda in [0, 1]; 0 gives the TD target, 1 the discounted return.

    Returns:
        [T, B] G_t.

    Raises:
        ValueError: the shapes differ.

    References: Sutton and Barto 2018, eqs. 12.2 and 12.18.
    """
    advantages = gae(rewards, values, next_values, terminated, truncated, gamma=gamma, lam=lam)
    return advantages + values


@torch.no_grad()
def vtrace(
    log_probs: Tensor,
    old_log_probs: Tensor,
    rewards: Tensor,
    values: Tensor,
    next_values: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    *,
    gamma: float,
    rho_clip: float,
    c_clip: float,
) -> VTrace:
    """Off-policy corrected value targets and policy-gradient advantages.

        rho_t = min(rho_clip, pi(a_t|s_t) / mu(a_t|s_t)),    c_t = min(c_clip, the same ratio)
        v_t   = V(s_t) + delta_t + gamma * c_t * (v_{t+1} - V(s_{t+1}))
        delta_t = rho_t * (r_t + gamma * V(s_{t+1}) - V(s_t))
        A_t   = rho_t * (r_t + gamma * v_{t+1} - V(s_t))

    At a cut v_{t+1} is V(s_{t+1}), and both are 0 after termination.

    Args:
        log_probs:     [T, B]  log pi(a_t|s_t) of the policy being learnt.
        old_log_probs: [T, B]  log mu(a_t|s_t) of the policy that acted.
        rewards, values, next_values, terminated, truncated: [T, B], as for `gae`.
        gamma: discount in [0, 1].
        rho_clip: largest weight of a TD error; decides which policy the targets evaluate.
        c_clip: largest weight of a trace; decides how fast, not what.

    Returns:
        `VTrace(targets, advantages)`, each [T, B].

    Raises:
        ValueError: the shapes differ.

    References: Espeholt et al. 2018, arXiv:1802.01561, section 4.1.
    """
    expect_same_shape(
        "rewards",
        rewards,
        log_probs=log_probs,
        old_log_probs=old_log_probs,
        values=values,
        next_values=next_values,
        terminated=terminated,
        truncated=truncated,
    )
    ratios = (log_probs - old_log_probs).exp()
    rho, c = ratios.clamp(max=rho_clip), ratios.clamp(max=c_clip)
    bootstrap = next_values * _unset(terminated, next_values)
    cuts = _cuts(terminated, truncated)
    td_errors = rho * (rewards + gamma * bootstrap - values)
    targets = backward_recurrence_(td_errors, c * _decay(cuts, gamma, td_errors)) + values
    next_targets = torch.cat([targets[1:], bootstrap[-1:]])
    next_targets = torch.where(cuts, bootstrap, next_targets)
    return VTrace(targets, rho * (rewards + gamma * next_targets - values))
