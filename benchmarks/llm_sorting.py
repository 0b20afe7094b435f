"""A small transformer learns to sort digits, by every algorithm."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ladders.llm.verifiable import VerifiableTask, sort_digits
from reference_agents.llm.dpo import DPO, DPOConfig
from reference_agents.llm.grpo import GRPO, VARIANTS, GRPOConfig
from reference_agents.llm.pairs import Pairs
from reference_agents.llm.responses import Responses, sample
from reference_agents.llm.rewards import Component
from reference_agents.llm.rlhf import RLHF, RLHFConfig
from reference_agents.llm.sft import SFT, SFTConfig
from reference_agents.llm.training import Trainer
from reference_agents.llm.transformer import TransformerConfig, make_policy, make_scalar

TASK = sort_digits(digits=3, base=6)
PROMPTS = torch.as_tensor(TASK.prompts)
SIZES = TransformerConfig(
    TASK.vocabulary, PROMPTS.shape[1] + TASK.length, width=48, depth=2, heads=4
)
BUDGET, ROUNDS_A_LOOK = 100_000, 5
"""Responses that a learner may draw, and rounds between two looks at what it has learned."""

MakeSorter = Callable[[nn.Module, int], Trainer]


class Solved(NamedTuple):
    """What became of one training."""

    solved: float  # share of all prompts answered right by the most probable tokens
    samples: int  # responses drawn or read until 95 % were, or in all


def sorting_rewards(task: VerifiableTask) -> list[Component]:
    """1 for an answer that is right throughout, and the share of right tokens."""

    def solved(prompts: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
        return torch.as_tensor(task.solved(prompts.numpy(), tokens.numpy())).float()

    def share(prompts: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
        right = task.right_tokens(prompts.numpy(), tokens.numpy())
        return torch.as_tensor(right).float().mean(dim=1)

    return [Component("solved", 1.0, solved), Component("right tokens", 1.0, share)]


def solved_share(policy: nn.Module, task: VerifiableTask) -> float:
    """Share of all prompts whose answer is right; near temperature 0 the likeliest token is drawn."""
    prompts = torch.as_tensor(task.prompts)
    generator = torch.Generator().manual_seed(0)
    answers, _ = sample(policy, prompts, length=task.length, generator=generator, temperature=1e-4)
    return float(task.solved(task.prompts, answers.tokens.numpy()).mean())


def make_rl(variant: str, policy: nn.Module, seed: int) -> Trainer:
    config = GRPOConfig(
        length=TASK.length,
        prompts_per_round=64,
        group_size=8,
        minibatches=2,
        lr=2e-3,
        **VARIANTS[variant],
    )
    return GRPO(policy, PROMPTS, sorting_rewards(TASK), config, seed=seed)


def make_ppo(policy: nn.Module, seed: int) -> Trainer:
    config = RLHFConfig(
        length=TASK.length, batch_size=512, minibatches=2, lr=2e-3, value_lr=2e-3, kl_coef=0.01
    )
    critic = make_scalar(SIZES, seed=seed)
    return RLHF(policy, critic, PROMPTS, sorting_rewards(TASK), config, seed=seed)


def right_answers() -> Responses:
    tokens = torch.as_tensor(TASK.answer(TASK.prompts))
    return Responses(PROMPTS, tokens, torch.ones_like(tokens).bool())


def make_supervised(policy: nn.Module, seed: int) -> Trainer:
    return SFT(policy, right_answers(), SFTConfig(batch_size=128, lr=2e-3, anneal=False), seed=seed)


def make_preference(policy: nn.Module, seed: int) -> Trainer:
    """The right answer against 32 draws of the untrained policy, where they are wrong."""
    chosen = Responses(*(part.repeat(32, 1) for part in right_answers()))
    generator = torch.Generator().manual_seed(seed)
    drawn, _ = sample(policy, chosen.prompts, length=TASK.length, generator=generator)
    wrong = (drawn.tokens != chosen.tokens).any(dim=1)
    pairs = Pairs(chosen, drawn).rows(wrong.nonzero().squeeze(-1))
    config = DPOConfig(batch_size=256, lr=2e-3, anneal=False)
    return DPO(policy, pairs, config, seed=seed)


SORTERS: dict[str, MakeSorter] = {
    "GRPO": partial(make_rl, "grpo"),
    "Dr. GRPO": partial(make_rl, "dr-grpo"),
    "DAPO": partial(make_rl, "dapo"),
    "GSPO": partial(make_rl, "gspo"),
    "RLOO": partial(make_rl, "rloo"),
    "RLHF (PPO, critic)": make_ppo,
    "SFT on right answers": make_supervised,
    "DPO, right answer preferred": make_preference,
}


def solve(make: MakeSorter, seed: int) -> Solved:
    """Trains until 95 % of the prompts are solved, or the budget is spent."""
    policy = make_policy(SIZES, seed=seed)
    trainer = make(policy, seed)
    read = 0
    while True:
        trainer.learn(ROUNDS_A_LOOK)
        if not trainer.samples:
            read += (
                ROUNDS_A_LOOK * (2 if isinstance(trainer, DPO) else 1) * trainer.config.batch_size
            )
        used = trainer.samples or read
        share = solved_share(policy, TASK)
        if share >= 0.95 or used >= BUDGET:
            return Solved(share, used)
