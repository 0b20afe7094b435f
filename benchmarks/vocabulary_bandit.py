"""A bandit of very many actions, and estimates of the gradient of its expected reward.

The policy is softmax(W h) for a state of features h; or, in two steps, a cluster from softmax(U h) and a
token of that cluster from the softmax of its rows of W h.

References: Jang et al. 2017, arXiv:1611.01144; Maddison et al. 2017, arXiv:1611.00712 (Gumbel-Softmax);
Williams 1992 (REINFORCE); Morin and Bengio 2005 (hierarchical softmax).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from reference_agents.llm.log_probs import token_log_probs

WIDTH = 32


class Bandit(NamedTuple):
    """What there is to choose from, and the policy's parameters."""

    rewards: Tensor  # [V]
    states: Tensor  # [B, H], features
    shift: Tensor  # [H], added to every state; the gradient that reaches it is compared
    output: Tensor  # W [V, H]
    clusters: Tensor  # U [C, H]
    baselines: tuple[Tensor, Tensor]  # learned from draws of the two policies


def make_bandit(actions: int, batch: int, device: str) -> Bandit:
    """Tokens of a cluster have similar rows of W, and rewards follow the rows, with noise."""
    generator = torch.Generator(device).manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, device=device)

    count = round(actions**0.5)
    clusters = normal(count, WIDTH) / WIDTH**0.5
    centres = clusters.repeat_interleave(cluster_size(actions, count), dim=0)[:actions]
    output = centres + 0.5 * normal(actions, WIDTH) / WIDTH**0.5
    bandit = Bandit(
        2.0 + output @ normal(WIDTH) + 0.5 * normal(actions),
        normal(batch, WIDTH),
        torch.zeros(WIDTH, device=device).requires_grad_(),
        output.requires_grad_(),
        clusters.requires_grad_(),
        (torch.zeros((), device=device),) * 2,
    )
    learned = [learned_baseline(bandit, choose, generator) for choose in (one_step, two_steps)]
    return bandit._replace(baselines=tuple(learned))


def cluster_size(actions: int, count: int) -> int:
    """Tokens a cluster; the last clusters may have fewer, or none."""
    return -(-actions // count)


# --- policies: choices and their log-probabilities, each [B] ---------------------------------------


def one_step(bandit: Bandit, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """One of V actions a state."""
    logits = (bandit.states + bandit.shift) @ bandit.output.T
    actions = draw(logits, generator)
    return actions, token_log_probs(logits, actions)


def two_steps(bandit: Bandit, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A cluster, then a token of it: about 2 sqrt(V) logits a state in place of V."""
    vocabulary = len(bandit.rewards)
    size = cluster_size(vocabulary, len(bandit.clusters))
    states = bandit.states + bandit.shift
    cluster_logits = states @ bandit.clusters.T
    cluster = draw(cluster_logits, generator)
    members = cluster[:, None] * size + torch.arange(size, device=cluster.device)
    rows = bandit.output[members.clamp(max=vocabulary - 1)]  # [B, sqrt V, H]
    logits = (rows @ states.unsqueeze(-1)).squeeze(-1)
    logits = logits.masked_fill(members >= vocabulary, -torch.inf)
    place = draw(logits, generator)
    log_probs = token_log_probs(cluster_logits, cluster) + token_log_probs(logits, place)
    return cluster * size + place, log_probs


@torch.no_grad()
def draw(logits: Tensor, generator: torch.Generator) -> Tensor:
    """[B] choices from [B, A]."""
    return torch.multinomial(logits.softmax(dim=-1), 1, generator=generator).squeeze(-1)


@torch.no_grad()
def learned_baseline(
    bandit: Bandit,
    choose: Callable[[Bandit, torch.Generator], tuple[Tensor, Tensor]],
    generator: torch.Generator,
) -> Tensor:
    """What a critic without features has learned after 20 batches: the mean reward drawn."""
    return torch.stack([bandit.rewards[choose(bandit, generator)[0]] for _ in range(20)]).mean()


# --- estimates: losses whose gradient estimates that of minus the expected reward ------------------


def relaxed(temperature: float) -> Callable[[Bandit, torch.Generator], Tensor]:
    """Gumbel-Softmax, straight through: a hard choice forward, a soft one backward.

    It needs the reward of every action, and keeps several [B, V].
    """

    def loss(bandit: Bandit, generator: torch.Generator) -> Tensor:
        logits = (bandit.states + bandit.shift) @ bandit.output.T
        uniform = torch.rand(logits.shape, generator=generator, device=logits.device)
        noisy = logits - (-uniform.clamp(min=1e-20).log()).log()
        soft = (noisy / temperature).softmax(dim=-1)
        hard = torch.zeros_like(soft).scatter(-1, soft.argmax(-1, keepdim=True), 1.0)
        return -((hard + soft - soft.detach()) @ bandit.rewards).mean()

    return loss


def reinforce_plain(bandit: Bandit, generator: torch.Generator) -> Tensor:
    """REINFORCE without a baseline."""
    actions, log_probs = one_step(bandit, generator)
    return -(log_probs * bandit.rewards[actions]).mean()


def reinforce(bandit: Bandit, generator: torch.Generator) -> Tensor:
    """REINFORCE with a learned baseline."""
    actions, log_probs = one_step(bandit, generator)
    return -(log_probs * (bandit.rewards[actions] - bandit.baselines[0])).mean()


def hierarchical(bandit: Bandit, generator: torch.Generator) -> Tensor:
    """REINFORCE on the two-step choice, with a learned baseline."""
    actions, log_probs = two_steps(bandit, generator)
    return -(log_probs * (bandit.rewards[actions] - bandit.baselines[1])).mean()


Estimator = Callable[[Bandit, torch.Generator], Tensor]
ESTIMATORS: dict[str, tuple[Estimator, bool]] = {
    "Gumbel-Softmax, temperature 1": (relaxed(1.0), False),
    "Gumbel-Softmax, temperature 0.1": (relaxed(0.1), False),
    "REINFORCE": (reinforce_plain, False),
    "REINFORCE, learned baseline": (reinforce, False),
    "cluster, then token; learned baseline": (hierarchical, True),
}
"""Each with whether its policy chooses in two steps."""


def exact_gradient(bandit: Bandit, in_two_steps: bool) -> Tensor:
    """[H] the gradient of the expected reward in the shift of the states."""
    states = bandit.states + bandit.shift
    logits = states @ bandit.output.T
    probabilities = logits.softmax(dim=-1)
    if in_two_steps:
        count, vocabulary = len(bandit.clusters), logits.shape[1]
        missing = count * cluster_size(vocabulary, count) - vocabulary
        padded = torch.nn.functional.pad(logits, (0, missing), value=-1e9).unflatten(1, (count, -1))
        first = (states @ bandit.clusters.T).softmax(dim=-1)
        probabilities = (first.unsqueeze(-1) * padded.softmax(dim=-1)).flatten(1)[:, :vocabulary]
    value = (probabilities @ bandit.rewards).mean()
    return torch.autograd.grad(value, bandit.shift)[0]
