"""A small decoder-only transformer from a config, as a policy or as a score.

Pre-norm blocks of causal attention and a GELU network, learned positions.

References: Vaswani et al. 2017, arXiv:1706.03762; Radford et al. 2019 (pre-norm, GELU).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention


@dataclass(frozen=True)
class TransformerConfig:
    """Sizes of a transformer."""

    vocabulary: int
    context: int
    """Longest prompt and response together."""
    width: int = 64
    depth: int = 2
    heads: int = 4


class Block(nn.Module):
    """Attention to the tokens so far, then a network of its own for each token."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm, self.network_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.attention_output = nn.Linear(width, width)
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, hidden: Tensor) -> Tensor:
        """[B, S, H] -> [B, S, H]."""
        batch, length, width = hidden.shape
        joined = self.queries_keys_values(self.attention_norm(hidden))
        # [3, B, heads, S, H / heads]
        parts = joined.view(batch, length, 3, self.heads, width // self.heads).permute(
            2, 0, 3, 1, 4
        )
        queries, keys, values = parts.unbind(0)
        attended = scaled_dot_product_attention(queries, keys, values, is_causal=True)
        hidden = hidden + self.attention_output(attended.transpose(1, 2).flatten(2))
        return hidden + self.narrow(gelu(self.widen(self.network_norm(hidden))))


class Trunk(nn.Module):
    """Tokens [B, S] to hidden states [B, S, H], each of which knows its token and those before."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        if config.width % config.heads:
            raise ValueError(
                f"`width` must be a multiple of `heads`, they are {config.width} and "
                f"{config.heads}; change one"
            )
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        self.positions = nn.Embedding(config.context, config.width)
        self.blocks = nn.Sequential(
            *(Block(config.width, config.heads) for _ in range(config.depth))
        )
        self.norm = nn.LayerNorm(config.width)

    def forward(self, tokens: Tensor) -> Tensor:
        """[B, S] -> [B, S, H].

        Raises:
            ValueError: there are more tokens than positions.
        """
        length, context = tokens.shape[1], self.positions.num_embeddings
        if length > context:
            raise ValueError(
                f"`tokens` must be at most {context} long, they are {length}; raise `context`"
            )
        positions = torch.arange(length, device=tokens.device)
        return self.norm(self.blocks(self.tokens(tokens) + self.positions(positions)))


class TransformerPolicy(nn.Module):
    """Logits [B, S, V] of the token after each of [B, S]; build it with `make_policy`."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.trunk = Trunk(config)
        self.output = nn.Linear(config.width, config.vocabulary, bias=False)
        # Small, so that the first policy is close to uniform.
        nn.init.normal_(self.output.weight, std=0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        """[B, S] -> [B, S, V]."""
        return self.output(self.trunk(tokens))


class TransformerScalar(nn.Module):
    """One number [B, S] for each prefix of [B, S]: a critic or a reward model."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.trunk = Trunk(config)
        self.output = nn.Linear(config.width, 1)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        """[B, S] -> [B, S]."""
        return self.output(self.trunk(tokens)).squeeze(-1)


def make_policy(
    config: TransformerConfig, *, seed: int, device: str | torch.device = "cpu"
) -> TransformerPolicy:
    """A policy with random parameters that depend on the seed only."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return TransformerPolicy(config).to(device)


def make_scalar(
    config: TransformerConfig, *, seed: int, device: str | torch.device = "cpu"
) -> TransformerScalar:
    """A critic or reward model, 0 everywhere at first, that depends on the seed only."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return TransformerScalar(config).to(device)
