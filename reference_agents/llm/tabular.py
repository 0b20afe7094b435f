"""A policy and a score with one free parameter for every prefix: whatever can be expressed, is.

A prompt is one token, its number in [0, P). A response is a path in a tree with V branches: the empty
prefix is node 0, and token y leads from node n to node n V + 1 + y.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def prefix_nodes(tokens: Tensor, vocabulary: int) -> Tensor:
    """The nodes on the way of each response.

    Args:
        tokens: [B, 1 + S]  the prompt and S tokens.
        vocabulary: V.

    Returns:
        [B, 1 + S], entry s the node after s tokens.
    """
    node = torch.zeros_like(tokens[:, 0])
    path = [node]
    for token in tokens[:, 1:].unbind(dim=1):
        node = node * vocabulary + 1 + token
        path.append(node)
    return torch.stack(path, dim=1)


def number_of_nodes(vocabulary: int, depth: int) -> int:
    """Nodes with at most `depth` tokens."""
    return sum(vocabulary**k for k in range(depth + 1))


class TabularPolicy(nn.Module):
    """Logits of the next token, free for every prompt and prefix, uniform at first.

    Args:
        num_prompts: P.
        vocabulary: V.
        length: T, tokens of the longest response.
    """

    def __init__(self, num_prompts: int, vocabulary: int, length: int) -> None:
        super().__init__()
        nodes = number_of_nodes(vocabulary, length - 1)
        self.table = nn.Parameter(torch.zeros(num_prompts, nodes, vocabulary))

    def forward(self, tokens: Tensor) -> Tensor:
        """[B, S, V] logits of the token after each of [B, S]: the prompt and S - 1 < T tokens."""
        return self.table[tokens[:, :1], prefix_nodes(tokens, self.table.shape[-1])]


class TabularScalar(nn.Module):
    """One number for every prompt and prefix, 0 at first: a critic or a reward model.

    Args:
        num_prompts, vocabulary, length: as for `TabularPolicy`.
    """

    def __init__(self, num_prompts: int, vocabulary: int, length: int) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.table = nn.Parameter(torch.zeros(num_prompts, number_of_nodes(vocabulary, length)))

    def forward(self, tokens: Tensor) -> Tensor:
        """[B, S] the number of each prefix of [B, S]: the prompt and S - 1 <= T tokens."""
        return self.table[tokens[:, :1], prefix_nodes(tokens, self.vocabulary)]
