"""Target networks: the Polyak average of the online weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reference_agents._expect import expect_in_range


@torch.no_grad()
def polyak_update(target: nn.Module, online: nn.Module, *, tau: float) -> None:
    """Move the target's parameters towards the online ones, in place; copy the buffers.

        theta_target <- (1 - tau) * theta_target + tau * theta_online

    Buffers (running statistics, counters) are copied, not averaged: a mean of two step counts or of
    two variances describes neither network.

    Args:
        target: the module that changes.
        online: the module being learnt, same architecture; left untouched.
        tau: weight of the online parameters in [0, 1]; 1 copies.

    Raises:
        ValueError: tau is outside [0, 1], or the modules do not have the same parameters.

    References: Lillicrap et al. 2016, arXiv:1509.02971, algorithm 1.
    """
    expect_in_range("tau", tau, 0.0, 1.0)
    target_parameters: list[Tensor] = list(target.parameters())
    online_parameters: list[Tensor] = list(online.parameters())
    target_shapes = [tuple(p.shape) for p in target_parameters]
    online_shapes = [tuple(p.shape) for p in online_parameters]
    if target_shapes != online_shapes:
        raise ValueError(
            f"`target` must have the parameters of `online`, {online_shapes}, "
            f"it has {target_shapes}; build it as a deep copy of `online`"
        )
    if target_parameters:
        torch._foreach_lerp_(target_parameters, online_parameters, tau)
    for target_buffer, online_buffer in zip(target.buffers(), online.buffers(), strict=True):
        target_buffer.copy_(online_buffer)
