"""Responses of a policy to prompts: sampled, and asked for their log-probabilities and values.

A policy maps tokens [B, S] to logits [B, S, V] of the token after each. The prompts of one batch have
the same length P, so that response token t is predicted at position P - 1 + t.
"""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch
from torch import Tensor, nn

from reference_agents.llm.chunked import chunked_log_probs
from reference_agents.llm.log_probs import token_log_probs
from reference_agents.llm.rewards import last_token
from reference_agents.llm.transformer import TransformerPolicy


class Responses(NamedTuple):
    """Responses to prompts."""

    prompts: Tensor  # [B, P]
    tokens: Tensor  # [B, T], anything where the mask is 0
    mask: Tensor  # [B, T] bool, True up to the end of the response, its end token included


def joined(responses: Responses) -> Tensor:
    """[B, P + T] prompts and responses, with token 0 in the padding."""
    return torch.cat([responses.prompts, responses.tokens.masked_fill(~responses.mask, 0)], dim=1)


def frozen_copy(policy: nn.Module) -> nn.Module:
    """A copy that never changes: its own storage, no gradient, no dropout."""
    return copy.deepcopy(policy).requires_grad_(False).eval()


@torch.no_grad()
def sample(
    policy: nn.Module,
    prompts: Tensor,
    *,
    length: int,
    generator: torch.Generator,
    temperature: float = 1.0,
    end_token: int | None = None,
) -> tuple[Responses, Tensor]:
    """Draws one response to each prompt, token by token.

    Args:
        policy: tokens [B, S] -> logits [B, S, V].
        prompts: [B, P].
        length: T, the longest response.
        generator: source of randomness, on the policy's device.
        temperature: divides the logits.
        end_token: ends a response and belongs to it; None for responses of exactly T tokens.

    Returns:
        The responses, and the log-probabilities [B, T] with which they were drawn.
    """
    tokens = prompts
    alive = torch.ones_like(prompts[:, 0], dtype=torch.bool)
    log_probs, mask = [], []
    for _ in range(length):
        logits = policy(tokens)[:, -1].float() / temperature
        chosen = torch.multinomial(logits.softmax(dim=-1), 1, generator=generator)
        log_probs.append(token_log_probs(logits, chosen.squeeze(-1), alive))
        mask.append(alive)
        tokens = torch.cat([tokens, chosen], dim=1)
        if end_token is not None:
            alive = alive & (chosen.squeeze(-1) != end_token)
    drawn = tokens[:, prompts.shape[1] :]
    return Responses(prompts, drawn, torch.stack(mask, dim=1)), torch.stack(log_probs, dim=1)


def response_log_probs(
    policy: nn.Module, responses: Responses, *, temperature: float = 1.0
) -> Tensor:
    """[B, T] log-probabilities of the response tokens, 0 where the mask is 0."""
    logits = policy(joined(responses)[:, :-1])[:, responses.prompts.shape[1] - 1 :]
    return token_log_probs(logits, responses.tokens, responses.mask, temperature=temperature)


def chunked_response_log_probs(
    policy: TransformerPolicy, responses: Responses, *, temperature: float = 1.0
) -> Tensor:
    """The same for a transformer of a large vocabulary, never holding [B, T, V]."""
    hidden = policy.trunk(joined(responses)[:, :-1])[:, responses.prompts.shape[1] - 1 :]
    return chunked_log_probs(
        hidden, policy.output.weight, responses.tokens, responses.mask, temperature=temperature
    )


def response_values(critic: nn.Module, responses: Responses) -> Tensor:
    """[B, T] the critic's value of the prefix before each response token."""
    return critic(joined(responses)[:, :-1])[:, responses.prompts.shape[1] - 1 :]


def response_scores(model: nn.Module, responses: Responses) -> Tensor:
    """[B] a reward model's score, read at the last token that counts.

    Raises:
        ValueError: a response is empty, so that there is nothing to read at.
    """
    if not responses.mask.any(dim=1).all():
        raise ValueError("`responses` must not be empty to be scored; leave empty ones out")
    scores = model(joined(responses))[:, responses.prompts.shape[1] :]
    return scores.masked_fill(~last_token(responses.mask), 0.0).sum(dim=1)
