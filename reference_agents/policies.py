"""Stochastic policies of S seeds at once: categorical for discrete actions, Gaussian for continuous.

Sampling takes its uniform numbers as an argument, so a policy holds parameters and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

import gymnasium
import numpy as np
import torch
from torch import Tensor, nn

from reference_agents.distributions import (
    categorical_entropy,
    categorical_log_prob,
    gaussian_entropy,
    gaussian_log_prob,
)
from reference_agents.networks import StackedMLP
from reference_agents.streams import SeedStreams

_POLICY_GAIN = 0.01  # the first policy is close to uniform


class ActionScale:
    """Affine map between the policy's actions, about [-1, 1], and the bounds of a Box.

    Args:
        space: the environment's action space; a dimension without finite bounds is left unscaled.
        device, dtype: of the tensors mapped.
    """

    def __init__(self, space: gymnasium.Space, device: torch.device, dtype: torch.dtype) -> None:
        if not isinstance(space, gymnasium.spaces.Box):
            raise TypeError(f"Continuous actions need a Box action space, not {space}.")
        bounded = np.isfinite(space.low) & np.isfinite(space.high)
        low, high = np.where(bounded, space.low, -1.0), np.where(bounded, space.high, 1.0)
        self.size = int(np.prod(space.shape))
        self.centre = torch.tensor((high + low) / 2, device=device, dtype=dtype).flatten()
        self.half_range = torch.tensor((high - low) / 2, device=device, dtype=dtype).flatten()
        self.low = torch.tensor(space.low, device=device, dtype=dtype).flatten()
        self.high = torch.tensor(space.high, device=device, dtype=dtype).flatten()

    def to_env(self, actions: Tensor) -> Tensor:
        """Actions of the policy [..., D] as the environment's, inside its bounds."""
        scaled = self.centre + self.half_range * actions
        return torch.minimum(torch.maximum(scaled, self.low), self.high)

    def from_env(self, actions: Tensor) -> Tensor:
        """The inverse of `to_env` inside the bounds."""
        return (actions - self.centre) / self.half_range


class CategoricalPolicy(nn.Module):
    """pi(a|s) = softmax(f(s))_a for S seeds.

    Args:
        sizes: widths of observation, hidden layers and the number of actions.
        streams: random streams for the initial weights.
    """

    draws_per_action = 1

    def __init__(self, sizes: Sequence[int], streams: SeedStreams) -> None:
        super().__init__()
        self.net = StackedMLP(sizes, streams, output_gain=_POLICY_GAIN)

    def sample(self, observations: Tensor, draws: Tensor) -> Tensor:
        """Actions [S, B] by inverting the distribution function at uniform draws [S, B, 1]."""
        probabilities = self.net(observations).softmax(dim=-1)
        below = probabilities[..., :-1].cumsum(dim=-1) < draws
        return below.sum(dim=-1)

    def mode(self, observations: Tensor) -> Tensor:
        """The most probable actions [S, B]."""
        return self.net(observations).argmax(dim=-1)

    def probabilities(self, observations: Tensor) -> Tensor:
        """pi(.|s) [S, B, A]."""
        return self.net(observations).softmax(dim=-1)

    def evaluate(self, observations: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities of actions and entropies, both [S, B]."""
        logits = self.net(observations)
        return categorical_log_prob(logits, actions), categorical_entropy(logits)

    def to_env(self, actions: Tensor) -> Tensor:
        """Actions as the environment takes them."""
        return actions

    def from_env(self, actions: Tensor) -> Tensor:
        """The environment's actions as the policy's."""
        return actions.long()


class GaussianPolicy(nn.Module):
    """pi(.|s) = N(f(s), diag(std^2)) for S seeds, with a standard deviation that no state changes.

    Args:
        sizes: widths of observation, hidden layers and the action's dimension.
        streams: random streams for the initial weights.
        scale: map to the environment's bounds; an action beyond them is clipped by the environment's
            side only, so its log-probability stays that of the Gaussian.
    """

    def __init__(self, sizes: Sequence[int], streams: SeedStreams, scale: ActionScale) -> None:
        super().__init__()
        self.net = StackedMLP(sizes, streams, output_gain=_POLICY_GAIN)
        self.log_std = nn.Parameter(torch.zeros_like(self.net.biases[-1]))
        self.draws_per_action, self.scale = sizes[-1], scale

    def sample(self, observations: Tensor, draws: Tensor) -> Tensor:
        """Actions [S, B, D] from uniform draws [S, B, D]."""
        return self.net(observations) + self.log_std.exp() * torch.special.ndtri(draws)

    def mode(self, observations: Tensor) -> Tensor:
        """The mean actions [S, B, D]."""
        return self.net(observations)

    def probabilities(self, observations: Tensor) -> Tensor:
        """Not defined for continuous actions."""
        raise TypeError("action_probabilities needs discrete actions; this policy is continuous.")

    def evaluate(self, observations: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Log-densities of actions and entropies, both [S, B]."""
        mean = self.net(observations)
        log_std = self.log_std.expand_as(mean)
        return gaussian_log_prob(mean, log_std, actions), gaussian_entropy(log_std)

    def to_env(self, actions: Tensor) -> Tensor:
        """Actions scaled to the environment's bounds and clipped there."""
        return self.scale.to_env(actions)

    def from_env(self, actions: Tensor) -> Tensor:
        """The environment's actions as the policy's."""
        return self.scale.from_env(actions)


def make_policy(
    env, hidden: Sequence[int], streams: SeedStreams
) -> CategoricalPolicy | GaussianPolicy:
    """The policy that fits a batched environment's action space."""
    if isinstance(env.action_space, gymnasium.spaces.Discrete):
        return CategoricalPolicy([env.observation_size, *hidden, int(env.action_space.n)], streams)
    scale = ActionScale(env.action_space, env.device, env.dtype)
    return GaussianPolicy([env.observation_size, *hidden, scale.size], streams, scale)
