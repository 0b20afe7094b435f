"""Replay buffers of S seeds: uniform and prioritised, with n-step transitions cut where they must be.

Rows are kept in the order of time, [S, T, N, ...], and overwritten oldest first. An n-step
transition is put together when it is sampled, so one buffer serves every n.

References: Lin 1992; Schaul et al. 2016, arXiv:1511.05952 (prioritised replay).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from reference_agents.streams import SeedStreams

_FANOUT = 16  # children of a node of the sum tree: few levels, each one small batched operation


class Transitions(NamedTuple):
    """Sampled transitions, rows [S, B].

    Attributes:
        observations: [S, B, O] s_t.
        actions: [S, B] or [S, B, D] a_t.
        rewards: [S, B] r_t + gamma r_{t+1} + ... over the k <= n steps used.
        next_observations: [S, B, O] the state really reached after k steps.
        terminated, truncated: [S, B] bool, of the last step used.
        later_discounts: [S, B] gamma^(k-1), what the next value's weight lacks beside one gamma.
        indices: [S, B] the rows' places in the buffer.
        weights: [S, B] importance weights; all ones under uniform sampling.
    """

    observations: Tensor
    actions: Tensor
    rewards: Tensor
    next_observations: Tensor
    terminated: Tensor
    truncated: Tensor
    later_discounts: Tensor
    indices: Tensor
    weights: Tensor


def unreplayed(
    observations: Tensor,
    actions: Tensor,
    rewards: Tensor,
    next_observations: Tensor,
    terminated: Tensor,
    truncated: Tensor,
) -> Transitions:
    """One-step transitions [S, B] that come from no buffer, in the form of sampled ones."""
    one = torch.ones_like(rewards)
    return Transitions(
        observations,
        actions,
        rewards,
        next_observations,
        terminated,
        truncated,
        later_discounts=one,
        indices=torch.zeros_like(terminated, dtype=torch.int64),
        weights=one,
    )


class ReplayBuffer:
    """The last `capacity` transitions of every seed, sampled uniformly.

    Args:
        capacity: transitions a seed; rounded down to a multiple of the environments.
        num_seeds, num_envs: S and N.
        gamma: discount inside n-step rewards.
        n_step: n, the largest number of rewards in a sampled transition.
    """

    def __init__(
        self, capacity: int, num_seeds: int, num_envs: int, gamma: float, n_step: int = 1
    ) -> None:
        self.num_seeds, self.num_envs = num_seeds, num_envs
        self.horizon = max(1, capacity // num_envs)  # T, steps kept
        self.gamma, self.n_step = gamma, n_step
        self.fields: list[Tensor] = []  # allocated by the first `add`, which shows the shapes
        self.position, self.size = 0, 0  # next step to write, steps held

    def add(
        self,
        observations: Tensor,
        actions: Tensor,
        rewards: Tensor,
        next_observations: Tensor,
        terminated: Tensor,
        truncated: Tensor,
    ) -> Tensor:
        """Stores one step of S x N environments, each [S, N, ...]; returns its places [N]."""
        step = (observations, actions, rewards, next_observations, terminated, truncated)
        if not self.fields:
            lead = (self.num_seeds, self.horizon, self.num_envs)
            self.fields = [value.new_zeros((*lead, *value.shape[2:])) for value in step]
        for field, value in zip(self.fields, step, strict=True):
            field[:, self.position] = value
        first = self.position * self.num_envs
        self.position = (self.position + 1) % self.horizon
        self.size = min(self.size + 1, self.horizon)
        return torch.arange(first, first + self.num_envs, device=rewards.device)

    def cut(self) -> None:
        """Marks the newest step as truncated: what is stored next does not follow from it."""
        if self.size:
            terminated, truncated = (field[:, self.position - 1] for field in self.fields[4:])
            truncated |= ~terminated

    def sample(self, count: int, streams: SeedStreams) -> Transitions:
        """`count` transitions a seed, each stored row equally likely."""
        return self.gather(streams.integers(self.size * self.num_envs, count))

    def gather(self, indices: Tensor, weights: Tensor | None = None) -> Transitions:
        """The transitions that start at places [S, B]."""
        rows = self.horizon * self.num_envs
        offsets = torch.arange(self.num_seeds, device=indices.device).unsqueeze(1) * rows
        observations, actions, rewards, next_observations, terminated, truncated = (
            field.flatten(0, 2) for field in self.fields
        )
        last = indices
        total = _rows(rewards, offsets + indices)
        later_discounts = torch.ones_like(total)
        going_on = torch.ones_like(indices, dtype=torch.bool)
        for _ in range(1, self.n_step):
            following = (last + self.num_envs) % rows
            place = offsets + last
            # Stop at the end of the episode, and before the step that will be overwritten next.
            going_on &= ~(terminated[place] | truncated[place])
            going_on &= following // self.num_envs != self.position
            factor = torch.where(going_on, self.gamma, 1.0)
            later_discounts = later_discounts * factor
            total += torch.where(going_on, later_discounts * rewards[offsets + following], 0.0)
            last = torch.where(going_on, following, last)
        first, final = offsets + indices, offsets + last
        return Transitions(
            _rows(observations, first),
            _rows(actions, first),
            total,
            _rows(next_observations, final),
            _rows(terminated, final),
            _rows(truncated, final),
            later_discounts,
            indices,
            torch.ones_like(total) if weights is None else weights,
        )

    def state_dict(self) -> dict:
        """The rows and where the next one goes."""
        return {"fields": list(self.fields), "position": self.position, "size": self.size}

    def load_state_dict(self, state: dict) -> None:
        """Takes over stored rows."""
        self.fields = [field.clone() for field in state["fields"]]
        self.position, self.size = state["position"], state["size"]


def _rows(field: Tensor, places: Tensor) -> Tensor:
    """`field[places]`, [R, ...] at [S, B] -> [S, B, ...], in half the time."""
    return field.index_select(0, places.flatten()).view(*places.shape, *field.shape[1:])


class SumTree:
    """Weights of `size` leaves for each seed, drawn in proportion in logarithmic time.

    Every inner node is recomputed from its children, so rounding does not accumulate.

    Args:
        num_seeds: S.
        size: leaves a seed.
        device: where to keep the tree.
    """

    def __init__(self, num_seeds: int, size: int, device: torch.device) -> None:
        widths = [1]
        while widths[-1] < size:
            widths.append(widths[-1] * _FANOUT)
        # float64: a draw must find its leaf among tens of thousands of summed weights.
        self.levels = [
            torch.zeros((num_seeds, width), dtype=torch.float64, device=device)
            for width in reversed(widths)
        ]

    def get(self, indices: Tensor) -> Tensor:
        """Weights [S, B] of leaves [S, B]."""
        return self.levels[0].gather(1, indices)

    def set(self, indices: Tensor, weights: Tensor) -> None:
        """Changes the weights of leaves [S, B]."""
        self.levels[0].scatter_(1, indices, weights.double())
        for below, level in zip(self.levels[:-1], self.levels[1:], strict=True):
            indices = indices // _FANOUT
            level.scatter_(1, indices, _children(below, indices).sum(dim=-1))

    def total(self) -> Tensor:
        """Sum of all weights, [S, 1]."""
        return self.levels[-1]

    def find(self, draws: Tensor) -> Tensor:
        """Leaves [S, B] at uniform draws [S, B] of the cumulative distribution."""
        target = draws.double() * self.total()
        node = torch.zeros_like(draws, dtype=torch.int64)
        order = torch.arange(_FANOUT, device=draws.device)
        for level in reversed(self.levels[:-1]):
            weights = _children(level, node)
            cumulative = weights.cumsum(dim=-1)
            # Rounding may carry a draw past the last child that has any weight.
            last = torch.where(weights > 0, order, 0).amax(dim=-1)
            child = torch.minimum((cumulative <= target.unsqueeze(-1)).sum(dim=-1), last)
            chosen = child.unsqueeze(-1)
            target = target - (cumulative - weights).gather(-1, chosen).squeeze(-1)
            node = node * _FANOUT + child
        return node


def _children(level: Tensor, parents: Tensor) -> Tensor:
    """[S, B, _FANOUT] entries of a level below parents [S, B]."""
    groups = level.view(level.shape[0], -1, _FANOUT)
    return groups.gather(1, parents.unsqueeze(-1).expand(-1, -1, _FANOUT))


class PrioritisedReplayBuffer:
    """Transitions drawn in proportion to a power of their priority.

        P(i) = p_i^alpha / sum_j p_j^alpha,    w_i = (M P(i))^-beta / max_j w_j

    with M transitions held and the maximum over the batch. New transitions get the largest
    priority seen, so that each is likely to be replayed.

    Args:
        buffer: what keeps the transitions.
        alpha: 0 samples uniformly, 1 in proportion to the priority.
        device: where to keep the priorities.

    References: Schaul et al. 2016, arXiv:1511.05952, eq. 1 and section 3.4.
    """

    def __init__(self, buffer: ReplayBuffer, alpha: float, device: torch.device) -> None:
        self.buffer, self.alpha = buffer, alpha
        self.tree = SumTree(buffer.num_seeds, buffer.horizon * buffer.num_envs, device)
        self.largest = torch.ones((buffer.num_seeds, 1), dtype=torch.float64, device=device)

    def add(self, *step: Tensor) -> None:
        """Stores one step of S x N environments, as `ReplayBuffer.add`."""
        places = self.buffer.add(*step).expand(self.buffer.num_seeds, -1)
        self.tree.set(places, (self.largest**self.alpha).expand(places.shape))

    def sample(self, count: int, streams: SeedStreams, beta: float) -> Transitions:
        """`count` transitions a seed, one from each of `count` equal shares of the probability."""
        strata = torch.arange(count, device=streams.device)
        indices = self.tree.find((strata + streams.uniform(count)) / count)
        probabilities = self.tree.get(indices) / self.tree.total()
        held = self.buffer.size * self.buffer.num_envs
        weights = (held * probabilities) ** -beta
        weights = weights / weights.amax(dim=1, keepdim=True)
        return self.buffer.gather(indices, weights.to(streams.dtype))

    def cut(self) -> None:
        """As `ReplayBuffer.cut`."""
        self.buffer.cut()

    def update_priorities(self, indices: Tensor, priorities: Tensor) -> None:
        """New priorities [S, B] > 0 of sampled places [S, B]."""
        priorities = priorities.double()
        self.largest = torch.maximum(self.largest, priorities.amax(dim=1, keepdim=True))
        self.tree.set(indices, priorities**self.alpha)

    def state_dict(self) -> dict:
        """Rows and priorities."""
        return {
            "buffer": self.buffer.state_dict(),
            "tree": list(self.tree.levels),
            "largest": self.largest,
        }

    def load_state_dict(self, state: dict) -> None:
        """Takes over stored rows and priorities."""
        self.buffer.load_state_dict(state["buffer"])
        self.tree.levels = [level.clone() for level in state["tree"]]
        self.largest = state["largest"].clone()


class SingleReplay:
    """Rows of one seed and one environment, added and sampled one transition at a time.

    Args:
        replay: what keeps the rows.
        seed: of the draws.
        beta: exponent of the importance weights, None under uniform sampling.
    """

    def __init__(
        self,
        replay: ReplayBuffer | PrioritisedReplayBuffer,
        *,
        seed: int = 0,
        beta: float | None = None,
    ) -> None:
        self.replay, self.beta = replay, beta
        self.streams = SeedStreams([seed], "replay")

    def add(
        self,
        obs: np.ndarray,
        action: int,
        reward: float,
        next_obs: np.ndarray,
        terminated: bool,
        truncated: bool,
    ) -> None:
        """Stores one transition."""
        step = (obs, action, reward, next_obs, terminated, truncated)
        self.replay.add(*(torch.as_tensor(part)[None, None] for part in step))

    def sample(self, n: int) -> Transitions:
        """`n` transitions, rows [n]."""
        if isinstance(self.replay, PrioritisedReplayBuffer):
            sampled = self.replay.sample(n, self.streams, self.beta or 0.0)
        else:
            sampled = self.replay.sample(n, self.streams)
        return Transitions(*(column[0] for column in sampled))

    def update_priorities(self, indices: Tensor, priorities: Tensor) -> None:
        """New priorities [n] > 0 of sampled rows [n]."""
        if isinstance(self.replay, PrioritisedReplayBuffer):
            self.replay.update_priorities(indices[None], priorities[None])


def make_replay_buffer(capacity: int) -> SingleReplay:
    """A uniform replay buffer of one environment."""
    return SingleReplay(ReplayBuffer(capacity, 1, 1, gamma=1.0))


def make_prioritised_replay(capacity: int, alpha: float, beta: float) -> SingleReplay:
    """A prioritised replay buffer of one environment."""
    rows = ReplayBuffer(capacity, 1, 1, gamma=1.0)
    return SingleReplay(PrioritisedReplayBuffer(rows, alpha, torch.device("cpu")), beta=beta)
