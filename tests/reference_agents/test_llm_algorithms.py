"""The algorithms on tasks whose optimum is known exactly, and with a fault put into a component."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
import torch

from benchmarks.llm_learners import (
    make_dpo,
    make_grpo,
    make_learned_reward,
    make_rlhf,
    make_sft,
    reference_policy,
    torch_pairs,
    tree_reward,
)
from ladders.llm.group_gradient import expected_update, true_gradient
from ladders.llm.length_bias import TypeThenLength, expected_drift
from ladders.llm.preferences import PreferencePairs
from ladders.llm.rungs import TreeProblem, one_update, overfits, reaches_optimum
from ladders.llm.token_tree import (
    TokenTree,
    divergence,
    forward_penalty_optimum,
    random_tree,
)
from reference_agents.llm.dpo import DPO, DPOComponents, DPOConfig
from reference_agents.llm.grpo import GRPO, VARIANTS, GRPOComponents, GRPOConfig
from reference_agents.llm.losses import dpo_loss, group_advantages, grpo_loss
from reference_agents.llm.responses import response_log_probs
from reference_agents.llm.rewards import Component, rlhf_token_rewards
from reference_agents.llm.rlhf import adapted_kl_coef
from reference_agents.llm.tabular import TabularPolicy

PROBLEM = TreeProblem(
    random_tree(num_prompts=2, vocabulary=3, length=2, seed=0, uniform=False), 0.5
)
ONE = TreeProblem(TokenTree(np.array([[0.0, 0.0, 1.0, 0.0]]), np.full((1, 3, 2), 0.5), 2), 0.02)

centred = partial(
    make_grpo, baseline="mean", ratio="token", aggregation="constant", kl_placement="reward"
)


# --- right ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [make_dpo, make_rlhf, make_grpo, centred])
def test_one_update_raises_the_objective(make):
    rung = one_update(make, PROBLEM, range(3))
    assert rung.passed, rung.message


@pytest.mark.parametrize("make", [make_rlhf, make_grpo])
def test_one_prompt_can_be_overfitted(make):
    rung = overfits(make, ONE, 0, updates=50)
    assert rung.passed, rung.message


def test_preferences_for_one_response_can_be_overfitted():
    # Preferences of a Bradley-Terry model are noisy; ten times the reward makes them nearly certain.
    certain = TreeProblem(TokenTree(10.0 * ONE.tree.rewards, ONE.tree.reference, 2), 0.02)
    rung = overfits(partial(make_dpo, count=2000), certain, 0, updates=120)
    assert rung.passed, rung.message


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "updates", "within"),
    [
        (partial(make_dpo, count=None), 300, 2e-3),
        (make_dpo, 300, 3e-2),
        (make_rlhf, 150, 1e-3),
        (make_grpo, 200, 1e-3),
        (centred, 200, 1e-3),
        (make_learned_reward, 150, 3e-2),
    ],
)
def test_the_optimum_is_reached(make, updates, within):
    rung = reaches_optimum(make, PROBLEM, 1, updates=updates, within=within)
    assert rung.passed, rung.message


def test_k3_in_the_loss_leads_to_the_optimum_of_the_forward_penalty():
    bandit = TreeProblem(
        random_tree(num_prompts=2, vocabulary=3, length=1, seed=3, uniform=False), 0.5
    )
    learner = make_grpo(bandit, 0, kl_placement="loss", ratio="token", aggregation="constant")
    learner.learn(150)
    distance = divergence(learner.probabilities(), forward_penalty_optimum(bandit.tree, 0.5))
    assert distance.mean() < 2e-3


def test_supervised_fine_tuning_imitates():
    learner = make_sft(PROBLEM, 0)
    before = learner.trainer.iterate()["loss"]
    learner.learn(40)
    assert learner.trainer.iterate()["loss"] < before - 0.1


def test_a_single_pair_separates_as_far_as_it_is_trained():
    policy = reference_policy(PROBLEM)
    pair = torch_pairs(
        PreferencePairs(np.array([0]), chosen=np.array([[0, 1]]), rejected=np.array([[2, 2]]))
    )
    trainer = DPO(policy, pair, DPOConfig(lr=0.1, beta=0.5, anneal=False), seed=0)
    first = trainer.iterate()
    assert first["loss"] == pytest.approx(math.log(2))
    for _ in range(60):
        last = trainer.iterate()
    assert last["loss"] < 0.1
    assert last["accuracy"] == 1.0
    assert last["chosen_reward"] > 0 > last["rejected_reward"]


def test_a_reference_never_moves():
    learner = make_grpo(PROBLEM, 0)
    before = {k: v.clone() for k, v in learner.trainer.reference.state_dict().items()}
    learner.learn(3)
    for name, value in learner.trainer.reference.state_dict().items():
        assert torch.equal(value, before[name])
    assert not torch.equal(learner.policy.table, learner.trainer.reference.table)


def test_the_same_seed_trains_the_same():
    tables = []
    for seed in (0, 0, 1):
        learner = make_rlhf(PROBLEM, seed)
        learner.learn(2)
        tables.append(learner.policy.table.detach())
    assert torch.equal(tables[0], tables[1])
    assert not torch.equal(tables[0], tables[2])


def test_the_price_of_a_nat_follows_its_target():
    raised = adapted_kl_coef(0.1, 12.0, target=6.0, samples=100, horizon=1000)
    assert raised == pytest.approx(0.1 * 1.02)
    assert adapted_kl_coef(0.1, 6.0, target=6.0, samples=100, horizon=1000) == 0.1
    lowered = adapted_kl_coef(0.1, 5.4, target=6.0, samples=100, horizon=1000)
    assert lowered == pytest.approx(0.1 * 0.99)


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_every_variant_improves_on_a_reward_of_zero_and_one(variant):
    policy = TabularPolicy(num_prompts=4, vocabulary=3, length=3)
    config = GRPOConfig(length=3, end_token=2, lr=0.05, minibatches=2, **VARIANTS[variant])

    def ends_at_once(prompts, tokens, mask):
        return (mask.sum(dim=1) == 1).float()

    prompts = torch.arange(4)[:, None]
    trainer = GRPO(policy, prompts, ends_at_once, config, seed=0)
    rewards = []
    trainer.learn(15, lambda metrics: rewards.append(metrics["reward"]))
    assert rewards[0] < 0.5 < rewards[-1]
    assert trainer.samples == 15 * 32 * 8


def test_groups_without_a_difference_are_left_out_where_declared():
    policy = TabularPolicy(num_prompts=2, vocabulary=2, length=1)
    config = GRPOConfig(length=1, **VARIANTS["dapo"])
    prompts = torch.arange(2)[:, None]
    trainer = GRPO(policy, prompts, lambda p, t, m: p[:, 0].float(), config, seed=0)
    metrics = trainer.iterate()
    assert metrics["informative_groups"] == 0.0
    assert "loss" not in metrics
    assert (policy.table == 0).all()


def test_rewards_of_steps_reach_the_step_that_earns_them():
    policy = TabularPolicy(num_prompts=1, vocabulary=2, length=3)
    config = GRPOConfig(length=3, lr=0.05, normalise=False)
    components = [
        Component("ones", 1.0, lambda prompts, tokens, mask: (tokens == 1).float()),
        Component("first is zero", 3.0, lambda prompts, tokens, mask: (tokens[:, 0] == 0).float()),
    ]
    trainer = GRPO(policy, torch.zeros(1, 1).long(), components, config, seed=0)
    trainer.learn(40)
    chances = policy.table.detach()[0].softmax(-1)
    assert chances[0, 0] > 0.9  # the outcome outweighs the step
    assert chances[1, 1] > 0.9  # after 0, the steps are free to earn
    assert chances[1 * 2 + 1 + 1, 1] > 0.9  # and after (0, 1) too


# --- the loss against enumeration -----------------------------------------------------------------


def logit_update(probabilities: np.ndarray, **settings: object):
    """Minus the gradient of `grpo_loss` on one group of a bandit, in the logits."""

    def update(actions: np.ndarray, rewards: np.ndarray) -> np.ndarray:
        logits = torch.tensor(np.log(probabilities), requires_grad=True)
        log_probs = logits.log_softmax(-1)[torch.as_tensor(actions)][:, None]
        advantages = group_advantages(
            torch.as_tensor(rewards),
            torch.zeros(len(rewards)).long(),
            baseline="leave-one-out",
            normalise=False,
        )
        loss = grpo_loss(
            log_probs,
            log_probs.detach(),
            advantages,
            torch.ones_like(log_probs),
            clip_epsilon=0.2,
            **settings,
        )
        return -torch.autograd.grad(loss, logits)[0].numpy()

    return update


@pytest.mark.parametrize("ratio", ["token", "sequence-mean", "sequence-product"])
def test_the_expected_gradient_over_all_groups_is_the_true_one(ratio):
    policy, rewards = np.array([0.5, 0.3, 0.2]), np.array([1.0, -0.5, 0.3])
    update = expected_update(policy, rewards, 3, logit_update(policy, ratio=ratio))
    np.testing.assert_allclose(update, true_gradient(policy, rewards), rtol=1e-9)


def test_lengths_drift_as_the_aggregation_makes_them():
    def update(aggregation: str):
        def weights(rewards: np.ndarray, mask: np.ndarray) -> np.ndarray:
            log_probs = torch.zeros(mask.shape, dtype=torch.float64, requires_grad=True)
            advantages = group_advantages(
                torch.as_tensor(rewards), torch.zeros(len(rewards)).long(), normalise=False
            )
            loss = grpo_loss(
                log_probs,
                log_probs.detach(),
                advantages,
                torch.as_tensor(mask),
                clip_epsilon=0.2,
                aggregation=aggregation,
                denominator=float(mask.size) if aggregation == "constant" else None,
            )
            return -torch.autograd.grad(loss, log_probs)[0].numpy()

        return weights

    policy = TypeThenLength(longest=3)
    drifts = {
        name: expected_drift(policy, 2, update(name))
        for name in ("seq-mean", "token-mean", "constant")
    }
    assert drifts["constant"] == pytest.approx((0.0, 0.0), abs=1e-12)
    assert drifts["seq-mean"].after_right < drifts["token-mean"].after_right < -1e-4
    assert drifts["seq-mean"].after_wrong > drifts["token-mean"].after_wrong > 1e-4


# --- faulty components ----------------------------------------------------------------------------


def swapped_pairs(chosen, rejected, ref_chosen, ref_rejected, **settings):
    return dpo_loss(rejected, chosen, ref_rejected, ref_chosen, **settings)


def unused_reference(chosen, rejected, ref_chosen, ref_rejected, **settings):
    return dpo_loss(
        chosen, rejected, torch.zeros_like(chosen), torch.zeros_like(chosen), **settings
    )


def paid_drift(scores, log_probs, ref_log_probs, mask, *, kl_coef):
    return rlhf_token_rewards(scores, log_probs, ref_log_probs, mask, kl_coef=-kl_coef)


def last_token_missing(policy, responses, *, temperature=1.0):
    log_probs = response_log_probs(policy, responses, temperature=temperature)
    return log_probs * torch.tensor([1.0, 0.0])


def negated_advantages(rewards, group_ids, **settings):
    return -group_advantages(rewards, group_ids, **settings)


def with_components(make, **faulty):
    """A factory whose trainer has some components replaced."""

    def make_faulty(problem, seed):
        learner = make(problem, seed)
        learner.trainer.components = learner.trainer.components._replace(**faulty)
        return learner

    return make_faulty


@pytest.mark.parametrize(
    "make",
    [
        with_components(make_dpo, dpo_loss=swapped_pairs),
        with_components(make_grpo, group_advantages=negated_advantages),
    ],
)
def test_a_wrong_sign_fails_the_lowest_rung(make):
    assert not one_update(make, PROBLEM, range(2)).passed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "updates"),
    [
        (with_components(partial(make_dpo, count=None), dpo_loss=unused_reference), 300),
        (with_components(make_rlhf, rlhf_token_rewards=paid_drift), 100),
        (with_components(make_grpo, response_log_probs=last_token_missing), 150),
    ],
)
def test_a_faulty_component_does_not_reach_the_optimum(make, updates):
    rung = reaches_optimum(make, PROBLEM, 1, updates=updates, within=3e-2)
    assert not rung.passed, rung.message


def test_components_are_what_the_trainers_are_made_of():
    assert GRPOComponents().grpo_loss is grpo_loss
    assert DPOComponents().dpo_loss is dpo_loss
    reward = tree_reward(PROBLEM)(
        torch.tensor([[1]]), torch.tensor([[2, 0]]), torch.ones(1, 2).bool()
    )
    assert reward.item() == pytest.approx(PROBLEM.tree.rewards[1, 6])
