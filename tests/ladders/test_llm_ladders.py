"""The exact solutions of the language-model ladders, against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from ladders.llm.binary_bandit import factors, resting_point
from ladders.llm.group_gradient import (
    binary_factor,
    expected_update,
    reference_update,
    true_gradient,
)
from ladders.llm.length_bias import TypeThenLength, expected_drift, policy_gradient_weights
from ladders.llm.over_optimisation import (
    exact_curve,
    is_over_optimised,
    peak,
    proxy_problem,
    standing,
)
from ladders.llm.preferences import (
    balanced_preferences,
    pair_loss,
    preference_probabilities,
    sample_preferences,
)
from ladders.llm.rungs import TreeProblem, one_update, overfits, reaches_optimum
from ladders.llm.token_tree import (
    TokenTree,
    all_responses,
    divergence,
    forward_penalty_optimum,
    next_token_probabilities,
    objective,
    optimal_value,
    optimum,
    random_tree,
    response_numbers,
    response_probabilities,
    softmax,
)
from ladders.llm.verifiable import modular_addition, sort_digits

TREE = random_tree(num_prompts=2, vocabulary=3, length=2, seed=0, uniform=False)


def test_objective_of_every_policy_is_the_best_less_beta_times_the_distance():
    rng = np.random.default_rng(0)
    for _ in range(5):
        policy = softmax(rng.normal(size=TREE.rewards.shape))
        lost = optimal_value(TREE, 0.4) - objective(TREE, policy, 0.4)
        np.testing.assert_allclose(lost, 0.4 * divergence(policy, optimum(TREE, 0.4)))
    np.testing.assert_allclose(
        objective(TREE, optimum(TREE, 0.4), 0.4), optimal_value(TREE, 0.4), rtol=1e-12
    )


def test_policies_of_next_tokens_and_of_responses_are_two_forms_of_one():
    best = optimum(TREE, 0.4)
    conditionals = next_token_probabilities(best, 3, 2)
    np.testing.assert_allclose(conditionals.sum(axis=-1), 1.0)
    np.testing.assert_allclose(response_probabilities(conditionals, 2), best)
    tokens = all_responses(3, 2)
    np.testing.assert_array_equal(response_numbers(tokens, 3), np.arange(9))
    # Response (2, 0) is number 6: the first token from the root, the second from its child 3.
    expected = conditionals[:, 0, 2] * conditionals[:, 3, 0]
    np.testing.assert_allclose(best[:, 6], expected)


def test_preference_loss_is_least_at_the_optimum():
    reference = response_probabilities(TREE.reference, 2)
    best = optimum(TREE, 0.4)
    least = pair_loss(best, TREE, reference, 0.4)
    rng = np.random.default_rng(1)
    for size in (1e-3, 0.1, 1.0):
        other = softmax(np.log(best) + size * rng.normal(size=best.shape))
        assert pair_loss(other, TREE, reference, 0.4) > least
    assert pair_loss(best, TREE, reference, 0.2) > least


def test_labels_come_from_the_model():
    pairs = sample_preferences(TREE, count=40_000, seed=0)
    chosen, rejected = (response_numbers(side, 3) for side in (pairs.chosen, pairs.rejected))
    assert (chosen != rejected).all()
    high = int(TREE.rewards[0].argmax())
    low = int(TREE.rewards[0].argmin())
    wins = ((pairs.prompts == 0) & (chosen == high) & (rejected == low)).sum()
    losses = ((pairs.prompts == 0) & (chosen == low) & (rejected == high)).sum()
    expected = preference_probabilities(TREE)[0, high, low]
    assert wins / (wins + losses) == pytest.approx(expected, abs=0.03)
    every = balanced_preferences(TREE, repeats=100)
    assert len(every.prompts) == 2 * 36 * 100


def test_forward_penalty_has_its_own_optimum():
    bandit = random_tree(num_prompts=2, vocabulary=4, length=1, seed=1, uniform=False)
    reference = bandit.reference[:, 0]

    def value(policy: np.ndarray) -> np.ndarray:
        return (policy * bandit.rewards).sum(1) - 0.3 * divergence(reference, policy)

    best = forward_penalty_optimum(bandit, 0.3)
    np.testing.assert_allclose(best.sum(axis=1), 1.0)
    rng = np.random.default_rng(2)
    for _ in range(20):
        other = softmax(np.log(best) + 0.1 * rng.normal(size=best.shape))
        assert (value(other) < value(best)).all()
    assert (divergence(best, optimum(bandit, 0.3)) > 0.01).all()
    with pytest.raises(ValueError, match="`tree` must have responses of one token"):
        forward_penalty_optimum(TREE, 0.3)


def leave_one_out(rewards: np.ndarray) -> np.ndarray:
    return rewards - (rewards.sum() - rewards) / (len(rewards) - 1)


def test_expected_updates_of_group_baselines():
    policy, rewards = np.array([0.5, 0.3, 0.2]), np.array([1.0, -0.5, 0.3])
    gradient = true_gradient(policy, rewards)
    unbiased = expected_update(policy, rewards, 3, reference_update(policy, leave_one_out))
    np.testing.assert_allclose(unbiased, gradient)
    centred = reference_update(policy, lambda r: r - r.mean())
    np.testing.assert_allclose(expected_update(policy, rewards, 3, centred), gradient * 2 / 3)


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize("group_size", [2, 3, 5])
def test_normalised_binary_rewards_rescale_the_gradient(group_size, ddof):
    policy, rewards = np.array([0.3, 0.7]), np.array([1.0, 0.0])

    def advantages(r: np.ndarray) -> np.ndarray:
        return (r - r.mean()) / r.std(ddof=ddof) if r.std() else 0.0 * r

    update = expected_update(policy, rewards, group_size, reference_update(policy, advantages))
    factor = binary_factor(0.3, group_size, ddof=ddof)
    np.testing.assert_allclose(update, factor * true_gradient(policy, rewards))
    if group_size == 2 and ddof == 0:
        assert factor == pytest.approx(1.0)


def test_only_a_constant_divisor_leaves_lengths_alone():
    drifts = {
        name: expected_drift(TypeThenLength(), 3, policy_gradient_weights(name))
        for name in ("seq-mean", "token-mean", "constant")
    }
    assert drifts["constant"] == pytest.approx((0.0, 0.0), abs=1e-15)
    assert drifts["seq-mean"] == pytest.approx((-0.01024, 0.01024))
    assert drifts["token-mean"] == pytest.approx((-0.003391, 0.003391), rel=1e-3)


def test_true_reward_rises_and_falls_along_the_proxys_optima():
    problem = proxy_problem()
    curve = exact_curve(problem, np.geomspace(5.0, 0.05, 60))
    top = peak(problem)
    assert np.all(np.diff([point.kl for point in curve]) > 0)
    assert np.all(np.diff([point.proxy for point in curve]) > 0)
    before = [point.true for point in curve if point.kl < top.kl]
    after = [point.true for point in curve if point.kl > top.kl]
    assert np.all(np.diff(before) > 0)
    assert np.all(np.diff(after) < 0)
    assert is_over_optimised(curve, problem)
    assert not is_over_optimised(curve[: len(before)], problem)
    assert standing(problem, problem.reference).kl == 0.0


def test_answers_of_the_verifiable_tasks():
    task = sort_digits(digits=3, base=4)
    prompt = np.array([[3, 0, 3]])
    assert task.solved(prompt, np.array([[0, 3, 3]])).tolist() == [True]
    assert task.right_tokens(prompt, np.array([[0, 3, 0]])).tolist() == [[True, True, False]]
    assert len(task.prompts) == 64
    assert modular_addition(modulus=7).answer(np.array([[5, 6]])).tolist() == [[4]]


class GradientAscent:
    """An exact learner on logits of responses; `direction` and `beta` may be wrong."""

    def __init__(self, problem: TreeProblem, *, direction: float, beta: float) -> None:
        self.problem, self.direction, self.beta, self.samples = problem, direction, beta, 0
        tree = problem.tree
        self.reference = np.log(response_probabilities(tree.reference, tree.length))
        self.logits = self.reference.copy()

    def learn(self, updates: int) -> None:
        for _ in range(updates):
            policy = softmax(self.logits)
            earned = self.problem.tree.rewards - self.beta * (np.log(policy) - self.reference)
            mean = (policy * earned).sum(axis=1, keepdims=True)
            self.logits += self.direction * policy * (earned - mean)

    def probabilities(self) -> np.ndarray:
        return softmax(self.logits)


@pytest.mark.parametrize(
    ("direction", "beta", "passes"),
    [(1.0, 0.4, (True, True)), (-1.0, 0.4, (False, False)), (1.0, 0.0, (True, False))],
)
def test_rungs_tell_right_from_wrong(direction, beta, passes):
    def make(problem: TreeProblem, seed: int) -> GradientAscent:
        return GradientAscent(problem, direction=direction, beta=beta)

    problem = TreeProblem(TREE, 0.4)
    assert one_update(make, problem, range(3)).passed == passes[0]
    reached = reaches_optimum(make, problem, 0, updates=400, within=0.01)
    assert reached.passed == passes[1], reached.message


def test_overfitting_rung_asks_for_the_one_rewarded_response():
    tree = TokenTree(np.array([[0.0, 1.0, 0.0, 0.0]]), np.full((1, 3, 2), 0.5), 2)

    def make(problem: TreeProblem, seed: int) -> GradientAscent:
        return GradientAscent(problem, direction=1.0, beta=0.05)

    problem = TreeProblem(tree, 0.05)
    assert overfits(make, problem, 0, updates=200).passed
    early = overfits(make, problem, 0, updates=1)
    assert not early.passed
    assert "after 1 updates the best response has probability" in early.message


def test_the_resting_point_with_leave_one_out_is_the_optimum():
    reference = softmax(np.random.default_rng(3).normal(size=6))
    rewards = np.array([0.0, 1.0, 0.0, 1.0, 1.0, 0.0])
    tree = TokenTree(rewards[None], reference[None, None], 1)
    p0, best = rewards @ reference, rewards @ optimum(tree, 0.4)[0]
    rest = resting_point(p0, 0.4, factors(8)["leave-one-out"], forward=False)
    assert rest == pytest.approx(best)
    forward = rewards @ forward_penalty_optimum(tree, 0.4)[0]
    rest = resting_point(p0, 0.4, factors(8)["leave-one-out"], forward=True)
    assert rest == pytest.approx(forward)


def test_dividing_by_the_deviation_moves_the_resting_point_up():
    rest = {n: resting_point(0.3, 1.0, c, forward=False) for n, c in factors(8).items()}
    assert rest["centred"] < rest["leave-one-out"] < rest["scaled by the group"]
