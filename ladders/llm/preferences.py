"""Preferences from a known Bradley-Terry model, and where each preference loss must lead.

    P(y preferred to z) = sigmoid(r(y) - r(z))

With every pair of responses compared, the log-likelihood has one maximum. DPO reaches it at
beta log(pi / pi_ref) = r + const, which is pi* of `token_tree`: nothing but the labels is known to it.

References: Bradley and Terry 1952; Rafailov et al. 2023, arXiv:2305.18290, section 5; IPO: Azar et al.
2023, arXiv:2310.12036, eq. 17.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ladders.llm.token_tree import TokenTree, all_responses


@dataclass(frozen=True)
class PreferencePairs:
    """Labelled comparisons; all arrays have n rows."""

    prompts: np.ndarray  # [n] number of the prompt
    chosen: np.ndarray  # [n, T]
    rejected: np.ndarray  # [n, T]


def preference_probabilities(tree: TokenTree) -> np.ndarray:
    """[P, R, R] the probability that response i is preferred to response j."""
    return 1.0 / (1.0 + np.exp(tree.rewards[:, None, :] - tree.rewards[:, :, None]))


def sample_preferences(tree: TokenTree, *, count: int, seed: int) -> PreferencePairs:
    """Uniformly chosen pairs of different responses, labelled at random by the model."""
    rng = np.random.default_rng(seed)
    prompts = rng.integers(tree.num_prompts, size=count)
    first, second = _different(rng, tree, count)
    wins = rng.random(count) < preference_probabilities(tree)[prompts, first, second]
    return _labelled(tree, prompts, first, second, wins)


def balanced_preferences(tree: TokenTree, *, repeats: int) -> PreferencePairs:
    """Every ordered pair in proportion to its probability, so that no sampling noise is left.

    Each unordered pair occurs `repeats` times, with the number of wins rounded.
    """
    rows = tree.rewards.shape[1]
    first, second = np.triu_indices(rows, k=1)
    chances = preference_probabilities(tree)[:, first, second]  # [P, pairs]
    wins = np.arange(repeats) < np.rint(chances * repeats)[..., None]  # [P, pairs, repeats]
    prompts, pairs, _ = np.indices(wins.shape).reshape(3, -1)
    return _labelled(tree, prompts, first[pairs], second[pairs], wins.reshape(-1))


def pair_loss(
    probabilities: np.ndarray, tree: TokenTree, reference: np.ndarray, beta: float
) -> float:
    """The DPO loss over all pairs, in expectation over labels; least at pi*.

    Args:
        probabilities, reference: [P, R] of responses.
        tree: where the labels come from.
        beta: of the loss.
    """
    rewards = beta * (np.log(probabilities) - np.log(reference))
    margins = rewards[:, :, None] - rewards[:, None, :]
    losses = preference_probabilities(tree) * np.logaddexp(0.0, -margins)
    different = ~np.eye(losses.shape[1], dtype=bool)
    return float(2.0 * losses[:, different].mean())


def _different(
    rng: np.random.Generator, tree: TokenTree, count: int
) -> tuple[np.ndarray, np.ndarray]:
    rows = tree.rewards.shape[1]
    first = rng.integers(rows, size=count)
    return first, (first + rng.integers(1, rows, size=count)) % rows


def _labelled(
    tree: TokenTree, prompts: np.ndarray, first: np.ndarray, second: np.ndarray, wins: np.ndarray
) -> PreferencePairs:
    tokens = all_responses(tree.vocabulary, tree.length)
    chosen, rejected = np.where(wins, first, second), np.where(wins, second, first)
    return PreferencePairs(prompts, tokens[chosen], tokens[rejected])
