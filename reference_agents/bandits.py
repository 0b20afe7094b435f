"""Multi-armed bandits: Thompson sampling, and a loop that plays any rule against Bernoulli arms.

The rules of `exploration` fit as they are:

    play(arms, lambda seen, rng: ucb(seen.q_values, seen.counts, seen.step, c=1.0, rng=rng), ...)
    play(arms, lambda seen, rng: thompson_bernoulli(seen.successes, seen.failures, rng=rng), ...)

References: Thompson 1933; Russo et al. 2018, arXiv:1707.02038.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from reference_agents._expect import expect_positive


class ArmStatistics(NamedTuple):
    """What has been seen of every arm, each [A], before choice number `step` (from 1)."""

    q_values: np.ndarray
    counts: np.ndarray
    successes: np.ndarray
    failures: np.ndarray
    step: int


def thompson_bernoulli(
    successes: np.ndarray, failures: np.ndarray, *, rng: np.random.Generator
) -> int:
    """The best arm of one draw from the posterior of success probabilities.

        theta_a ~ Beta(1 + successes_a, 1 + failures_a),   argmax_a theta_a

    Args:
        successes: [A]  rewards of 1 seen so far.
        failures:  [A]  rewards of 0 seen so far.
        rng: source of randomness.

    Returns:
        The arm, chosen with the posterior probability that it is the best, under uniform priors.
    """
    return int(rng.beta(1.0 + np.asarray(successes), 1.0 + np.asarray(failures)).argmax())


def thompson_gaussian(
    q_values: np.ndarray,
    counts: np.ndarray,
    *,
    prior_std: float,
    noise_std: float,
    rng: np.random.Generator,
) -> int:
    """The best arm of one draw from the posterior of Gaussian means with known noise.

        1 / v_a = 1 / prior_std^2 + N(a) / noise_std^2
        theta_a ~ Normal(v_a * N(a) * Q(a) / noise_std^2, v_a),   argmax_a theta_a

    Args:
        q_values: [A]  Q(a), mean reward seen so far.
        counts:   [A]  N(a), number of tries.
        prior_std: standard deviation of the means before any data, around 0.
        noise_std: standard deviation of one reward around its mean.
        rng: source of randomness.

    Returns:
        The arm.

    Raises:
        ValueError: a standard deviation is not positive.
    """
    expect_positive("prior_std", prior_std)
    expect_positive("noise_std", noise_std)
    counts = np.asarray(counts)
    variance = 1.0 / (prior_std**-2 + counts / noise_std**2)
    mean = variance * counts * np.asarray(q_values) / noise_std**2
    return int(rng.normal(mean, np.sqrt(variance)).argmax())


def play(
    probabilities: np.ndarray,
    choose: Callable[[ArmStatistics, np.random.Generator], int],
    *,
    n_steps: int,
    rng: np.random.Generator,
    initial_value: float = 0.0,
    learning_rate: float | None = None,
) -> np.ndarray:
    """Play a rule against Bernoulli arms and account for what it missed.

        Q(a) <- Q(a) + alpha * (r - Q(a)),   alpha = 1 / N(a), or constant
        regret_t = sum_{s <= t} (max_a p_a - p_{a_s})

    Args:
        probabilities: [A]  success probability of every arm.
        choose: the rule, called with the statistics so far and the generator.
        n_steps: number of choices.
        rng: source of randomness of the arms and the rule.
        initial_value: Q before the first try; above 1 it is optimistic.
        learning_rate: constant alpha, under which optimism fades slowly; None for the sample mean,
            which forgets the initial value at the first try.

    Returns:
        [n_steps] cumulative expected regret.
    """
    probabilities = np.asarray(probabilities, dtype=np.float64)
    q_values = np.full(len(probabilities), float(initial_value))
    successes, failures = np.zeros_like(q_values), np.zeros_like(q_values)
    missed = np.empty(n_steps)
    for t in range(n_steps):
        statistics = ArmStatistics(q_values, successes + failures, successes, failures, t + 1)
        arm = choose(statistics, rng)
        reward = float(rng.random() < probabilities[arm])
        successes[arm] += reward
        failures[arm] += 1.0 - reward
        alpha = learning_rate or 1.0 / (successes[arm] + failures[arm])
        q_values[arm] += alpha * (reward - q_values[arm])
        missed[t] = probabilities.max() - probabilities[arm]
    return missed.cumsum()
