"""The reference algorithms as learners of the language-model ladders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ladders.llm.preferences import PreferencePairs, balanced_preferences, sample_preferences
from ladders.llm.rungs import TreeProblem
from ladders.llm.token_tree import (
    all_responses,
    optimum,
    response_numbers,
    response_probabilities,
)
from reference_agents.llm.dpo import DPO, DPOConfig
from reference_agents.llm.grpo import GRPO, GRPOConfig
from reference_agents.llm.pairs import Pairs
from reference_agents.llm.responses import Responses
from reference_agents.llm.reward_model import RewardModel, RewardModelConfig
from reference_agents.llm.rlhf import RLHF, RLHFConfig
from reference_agents.llm.sft import SFT, SFTConfig
from reference_agents.llm.tabular import TabularPolicy, TabularScalar
from reference_agents.llm.training import Trainer


@dataclass
class TabularLearner:
    """A trainer and the tabular policy that it trains."""

    policy: TabularPolicy
    trainer: Trainer
    length: int

    @property
    def samples(self) -> int:
        return self.trainer.samples

    def learn(self, updates: int) -> None:
        self.trainer.learn(updates)

    def probabilities(self) -> np.ndarray:
        conditionals = self.policy.table.detach().double().softmax(dim=-1).numpy()
        return response_probabilities(conditionals, self.length)


def reference_policy(problem: TreeProblem) -> TabularPolicy:
    """A tabular policy that starts as the reference."""
    tree = problem.tree
    policy = TabularPolicy(tree.num_prompts, tree.vocabulary, tree.length)
    with torch.no_grad():
        policy.table.copy_(torch.as_tensor(np.log(tree.reference)))
    return policy


def tree_reward(problem: TreeProblem) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Looks the reward of a whole response up."""
    rewards = torch.as_tensor(problem.tree.rewards, dtype=torch.float32)

    def reward(prompts: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
        numbers = response_numbers(tokens.numpy(), problem.tree.vocabulary)
        return rewards[prompts[:, 0], torch.as_tensor(numbers)]

    return reward


def torch_pairs(pairs: PreferencePairs) -> Pairs:
    """Preferences as tensors."""
    prompts = torch.as_tensor(pairs.prompts)[:, None]
    sides = [torch.as_tensor(side) for side in (pairs.chosen, pairs.rejected)]
    return Pairs(*(Responses(prompts, side, torch.ones_like(side).bool()) for side in sides))


def prompts_of(problem: TreeProblem) -> Tensor:
    return torch.arange(problem.tree.num_prompts)[:, None]


# --- one factory an algorithm: (problem, seed) -> learner ------------------------------------------


def make_sft(problem: TreeProblem, seed: int) -> TabularLearner:
    """Imitates responses drawn from the optimum."""
    tree, rng = problem.tree, np.random.default_rng(seed)
    numbers = np.stack([rng.choice(len(p), size=10_000, p=p) for p in optimum(tree, problem.beta)])
    tokens = torch.as_tensor(all_responses(tree.vocabulary, tree.length)[numbers.reshape(-1)])
    prompts = prompts_of(problem).repeat_interleave(numbers.shape[1], dim=0)
    examples = Responses(prompts, tokens, torch.ones_like(tokens).bool())
    policy = reference_policy(problem)
    trainer = SFT(policy, examples, SFTConfig(batch_size=1024, lr=0.05), seed=seed)
    trainer.samples = len(tokens)
    return TabularLearner(policy, trainer, tree.length)


def make_dpo(problem: TreeProblem, seed: int, *, count: int | None = 20_000) -> TabularLearner:
    """Learns from sampled preferences, or from all of them where `count` is None."""
    tree = problem.tree
    labelled = (
        balanced_preferences(tree, repeats=200)
        if count is None
        else sample_preferences(tree, count=count, seed=seed)
    )
    policy = reference_policy(problem)
    config = DPOConfig(beta=problem.beta, batch_size=1024, lr=0.05)
    trainer = DPO(policy, torch_pairs(labelled), config, seed=seed)
    trainer.samples = len(labelled.prompts)
    return TabularLearner(policy, trainer, tree.length)


def make_rlhf(problem: TreeProblem, seed: int) -> TabularLearner:
    """PPO with a critic and a fixed price of a nat."""
    tree, policy = problem.tree, reference_policy(problem)
    critic = TabularScalar(tree.num_prompts, tree.vocabulary, tree.length)
    config = RLHFConfig(
        length=tree.length,
        batch_size=512,
        minibatches=2,
        lr=0.05,
        value_lr=0.1,
        lam=1.0,
        anneal=True,
        normalise=False,
        kl_coef=problem.beta,
    )
    trainer = RLHF(policy, critic, prompts_of(problem), tree_reward(problem), config, seed=seed)
    return TabularLearner(policy, trainer, tree.length)


def make_grpo(problem: TreeProblem, seed: int, **settings: object) -> TabularLearner:
    """GRPO; unless said otherwise leave-one-out with the price of a nat in the reward."""
    tree, policy = problem.tree, reference_policy(problem)
    chosen: dict[str, object] = {
        "baseline": "leave-one-out",
        "normalise": False,
        "ratio": "sequence-product",
        "kl_placement": "reward",
        "kl_coef": problem.beta,
        **settings,
    }
    config = GRPOConfig(
        length=tree.length,
        prompts_per_round=64,
        group_size=8,
        minibatches=2,
        lr=0.05,
        anneal=True,
        **chosen,
    )
    trainer = GRPO(policy, prompts_of(problem), tree_reward(problem), config, seed=seed)
    return TabularLearner(policy, trainer, tree.length)


def make_learned_reward(problem: TreeProblem, seed: int) -> TabularLearner:
    """A reward model from preferences, then RLHF on it: the classical pipeline."""
    tree = problem.tree
    pairs = torch_pairs(sample_preferences(tree, count=20_000, seed=seed))
    model = TabularScalar(tree.num_prompts, tree.vocabulary, tree.length)
    fitting = RewardModel(model, pairs, RewardModelConfig(batch_size=1024, lr=0.05), seed=seed)
    fitting.learn(300)
    learner = make_rlhf(problem, seed)
    learner.trainer.reward = fitting.reward()
    return learner
