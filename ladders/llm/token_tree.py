"""Every response of T tokens from V: the KL-regularised optimum, its value, and distances to it.

For a reward r of whole responses and a reference policy, the objective

    J(pi) = E_pi[r(y)] - beta KL(pi || pi_ref)

has the unique maximum pi* = pi_ref exp(r / beta) / Z with J(pi*) = beta log Z, and every policy satisfies
J(pi) = beta log Z - beta KL(pi || pi*). With T = 1 this is a bandit.

Policies come as probabilities [P, N, V] of the next token after each of N prefixes; the empty prefix is
number 0, and token y leads from prefix n to prefix n V + 1 + y. Responses are numbered in the order of
counting in base V, the first token being the most significant digit.

References: Korbak et al. 2022, arXiv:2205.11275, section 2; Rafailov et al. 2023, arXiv:2305.18290,
eq. 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TokenTree:
    """Rewards of all responses to P prompts, and the policy to stay close to."""

    rewards: np.ndarray  # [P, V^T]
    reference: np.ndarray  # [P, N, V]
    length: int  # T

    @property
    def vocabulary(self) -> int:
        """V."""
        return self.reference.shape[-1]

    @property
    def num_prompts(self) -> int:
        """P."""
        return len(self.rewards)


def random_tree(
    *, num_prompts: int, vocabulary: int, length: int, seed: int, uniform: bool = True
) -> TokenTree:
    """A tree with standard normal rewards, and a uniform or a random reference."""
    rng = np.random.default_rng(seed)
    rewards = rng.normal(size=(num_prompts, vocabulary**length))
    prefixes = sum(vocabulary**k for k in range(length))
    logits = rng.normal(size=(num_prompts, prefixes, vocabulary)) * (0.0 if uniform else 0.7)
    return TokenTree(rewards, softmax(logits), length)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities along the last axis."""
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def all_responses(vocabulary: int, length: int) -> np.ndarray:
    """[V^T, T] every response, in order of its number."""
    return np.stack(np.unravel_index(np.arange(vocabulary**length), (vocabulary,) * length), axis=1)


def response_numbers(tokens: np.ndarray, vocabulary: int) -> np.ndarray:
    """[B] the numbers of responses [B, T]."""
    return tokens @ vocabulary ** np.arange(tokens.shape[1] - 1, -1, -1)


def response_probabilities(conditionals: np.ndarray, length: int) -> np.ndarray:
    """[P, V^T] probabilities of whole responses from those of next tokens [P, N, V]."""
    vocabulary = conditionals.shape[-1]
    tokens = all_responses(vocabulary, length)
    node = np.zeros(len(tokens), dtype=int)
    total = np.ones((len(conditionals), len(tokens)))
    for t in range(length):
        total = total * conditionals[:, node, tokens[:, t]]
        node = node * vocabulary + 1 + tokens[:, t]
    return total


def next_token_probabilities(responses: np.ndarray, vocabulary: int, length: int) -> np.ndarray:
    """[P, N, V] the policy of next tokens that gives these probabilities of responses [P, V^T]."""
    levels = []
    for t in range(length):
        # Mass of each prefix of t + 1 tokens, split by its last token.
        mass = responses.reshape(len(responses), vocabulary**t, vocabulary, -1).sum(axis=-1)
        levels.append(mass / mass.sum(axis=-1, keepdims=True))
    return np.concatenate(levels, axis=1)


def optimum(tree: TokenTree, beta: float) -> np.ndarray:
    """[P, V^T] pi*, proportional to pi_ref exp(r / beta)."""
    reference = response_probabilities(tree.reference, tree.length)
    return softmax(np.log(reference) + tree.rewards / beta)


def optimal_value(tree: TokenTree, beta: float) -> np.ndarray:
    """[P] J(pi*) = beta log Z."""
    reference = response_probabilities(tree.reference, tree.length)
    exponents = np.log(reference) + tree.rewards / beta
    top = exponents.max(axis=-1)
    return beta * (top + np.log(np.exp(exponents - top[:, None]).sum(axis=-1)))


def divergence(probabilities: np.ndarray, others: np.ndarray) -> np.ndarray:
    """[P] KL(p || q) over the last axis; responses without probability count 0."""
    ratio = np.where(probabilities > 0, probabilities, 1.0) / np.where(
        probabilities > 0, others, 1.0
    )
    return (probabilities * np.log(ratio)).sum(axis=-1)


def objective(tree: TokenTree, probabilities: np.ndarray, beta: float) -> np.ndarray:
    """[P] J of a policy given by its probabilities of responses [P, V^T]."""
    reference = response_probabilities(tree.reference, tree.length)
    earned = (probabilities * tree.rewards).sum(axis=-1)
    return earned - beta * divergence(probabilities, reference)


def forward_penalty_optimum(tree: TokenTree, beta: float) -> np.ndarray:
    """[P, A] where the k3 estimator as a loss leads instead, for responses of one token.

    The expected gradient of k3 is that of KL(pi_ref || pi), so the maximum is that of
    E_pi[r] - beta KL(pi_ref || pi):   pi_a = beta pi_ref_a / (lambda - r_a),  lambda by normalisation.

    Raises:
        ValueError: the responses have more than one token, where each token's penalty ignores the
            later ones and no closed form exists.
    """
    if tree.length != 1:
        raise ValueError(f"`tree` must have responses of one token, they have {tree.length}")
    reference = tree.reference[:, 0]
    low = (tree.rewards + beta * reference).max(axis=-1)  # some pi_a is at least 1 here
    high = tree.rewards.max(axis=-1) + beta  # the sum is at most 1 here
    for _ in range(200):
        middle = 0.5 * (low + high)
        total = (beta * reference / (middle[:, None] - tree.rewards)).sum(axis=-1)
        low, high = np.where(total > 1, middle, low), np.where(total > 1, high, middle)
    return beta * reference / (high[:, None] - tree.rewards)
