"""Exploration: schedules, and the exact frequencies of every rule."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_agents.bandits import play, thompson_bernoulli, thompson_gaussian
from reference_agents.exploration import (
    boltzmann,
    boltzmann_probabilities,
    epsilon_greedy,
    epsilon_greedy_probabilities,
    epsilon_schedule,
    exponential_epsilon_schedule,
    greedy_probabilities,
    ucb,
)

quick = settings(max_examples=50, deadline=None)
q_rows = st.lists(st.integers(-3, 3), min_size=1, max_size=5).map(np.array)
N_DRAWS = 4000


def assert_frequencies(draw, probabilities) -> None:
    """Every action's count lies within 5 standard deviations of its binomial mean."""
    counts = np.bincount([draw() for _ in range(N_DRAWS)], minlength=len(probabilities))
    deviations = 5.0 * np.sqrt(N_DRAWS * probabilities * (1.0 - probabilities))
    assert (np.abs(counts - N_DRAWS * probabilities) <= deviations).all()


@pytest.mark.parametrize("schedule", [epsilon_schedule, exponential_epsilon_schedule])
@given(start=st.floats(0.01, 1.0), end=st.floats(0.01, 1.0), decay_steps=st.integers(1, 50))
@quick
def test_schedules_have_exact_ends_and_never_turn(schedule, start, end, decay_steps):
    path = [
        schedule(k, start=start, end=end, decay_steps=decay_steps) for k in range(decay_steps + 3)
    ]
    assert path[0] == start
    assert path[decay_steps:] == [end] * 3
    differences = np.diff(path) * np.sign(end - start)
    assert (differences >= -1e-15).all()


def test_schedules_half_way():
    assert epsilon_schedule(5, start=1.0, end=0.0, decay_steps=10) == 0.5
    # The geometric mean of 1 and 0.01.
    half = exponential_epsilon_schedule(5, start=1.0, end=0.01, decay_steps=10)
    assert half == pytest.approx(0.1)


@given(q_rows, st.floats(0, 1), st.floats(0.05, 20))
@quick
def test_policies_follow_their_definitions(q_values, epsilon, temperature):
    best = [q == max(q_values) for q in q_values]
    greedy = [b / sum(best) for b in best]
    np.testing.assert_allclose(greedy_probabilities(q_values), greedy)
    np.testing.assert_allclose(
        epsilon_greedy_probabilities(q_values, epsilon=epsilon),
        [epsilon / len(q_values) + (1 - epsilon) * g for g in greedy],
    )
    weights = [math.exp(q / temperature) for q in q_values]
    np.testing.assert_allclose(
        boltzmann_probabilities(q_values, temperature=temperature),
        [w / sum(weights) for w in weights],
    )


def test_draws_have_the_stated_frequencies():
    rng = np.random.default_rng(0)
    q_values = np.array([1.0, 3.0, 3.0, -1.0])
    assert_frequencies(
        lambda: epsilon_greedy(q_values, epsilon=0.4, rng=rng),
        np.array([0.1, 0.4, 0.4, 0.1]),
    )
    assert_frequencies(
        lambda: boltzmann(q_values, temperature=2.0, rng=rng),
        boltzmann_probabilities(q_values, temperature=2.0),
    )


def test_small_temperatures_do_not_overflow():
    assert boltzmann_probabilities(np.array([1e3, 0.0]), temperature=1e-6).tolist() == [1.0, 0.0]


def test_ucb_tries_everything_and_then_follows_the_bound():
    rng = np.random.default_rng(0)
    assert ucb(np.array([9.0, 0.0, 9.0]), np.array([3, 0, 1]), 5, c=1.0, rng=rng) == 1
    q_values, counts = np.array([0.5, 0.4, 0.1]), np.array([100, 4, 50])
    bounds = [q + 2.0 * math.sqrt(math.log(154) / n) for q, n in zip(q_values, counts, strict=True)]
    assert ucb(q_values, counts, 154, c=2.0, rng=rng) == bounds.index(max(bounds)) == 1
    assert ucb(q_values, counts, 154, c=0.0, rng=rng) == 0
    assert_frequencies(
        lambda: ucb(np.zeros(2), np.ones(2), 3, c=1.0, rng=rng), np.array([0.5, 0.5])
    )


def test_thompson_chooses_with_the_posterior_probability_of_being_best():
    rng = np.random.default_rng(0)
    # Beta(2, 1) beats Beta(1, 1) with probability E[theta] = 2/3.
    assert_frequencies(
        lambda: thompson_bernoulli(np.array([1, 0]), np.array([0, 0]), rng=rng),
        np.array([2 / 3, 1 / 3]),
    )
    # Posteriors N(0.8, 1/5) and N(0, 1): the difference has mean 0.8 and variance 1.2.
    wins = 0.5 * (1.0 + math.erf(0.8 / math.sqrt(2 * 1.2)))
    assert_frequencies(
        lambda: thompson_gaussian(
            np.array([1.0, 0.0]), np.array([4, 0]), prior_std=1.0, noise_std=1.0, rng=rng
        ),
        np.array([wins, 1.0 - wins]),
    )


def test_directed_exploration_has_less_regret_than_chance():
    arms, rng, n_steps = np.array([0.2, 0.5, 0.8]), np.random.default_rng(0), 2000
    rules = {
        "greedy": (lambda seen, rng: epsilon_greedy(seen.q_values, epsilon=0.0, rng=rng), 2.0),
        "ucb": (lambda seen, rng: ucb(seen.q_values, seen.counts, seen.step, c=0.5, rng=rng), 0.0),
        "thompson": (
            lambda seen, rng: thompson_bernoulli(seen.successes, seen.failures, rng=rng),
            0.0,
        ),
    }
    # Choosing at random misses (0.6 + 0.3 + 0) / 3 a step.
    by_chance = 0.3 * n_steps
    for choose, initial_value in rules.values():
        regret = play(
            arms,
            choose,
            n_steps=n_steps,
            rng=rng,
            initial_value=initial_value,
            learning_rate=0.02 if initial_value else None,
        )
        assert (np.diff(regret) >= 0.0).all()
        assert regret[-1] < 0.15 * by_chance


def test_optimism_tries_every_arm_before_settling():
    tried: list[int] = []

    def greedy(seen, rng):
        tried.append(epsilon_greedy(seen.q_values, epsilon=0.0, rng=rng))
        return tried[-1]

    rng = np.random.default_rng(0)
    play(np.array([0.5] * 6), greedy, n_steps=6, rng=rng, initial_value=5.0)
    assert sorted(tried) == list(range(6))


def test_hyper_parameters_out_of_range_are_refused():
    rng, q_values = np.random.default_rng(0), np.zeros(2)
    for call, message in (
        (lambda: epsilon_greedy(q_values, epsilon=1.5, rng=rng), r"`epsilon` must lie in \[0, 1\]"),
        (lambda: boltzmann(q_values, temperature=0.0, rng=rng), "`temperature` must be positive"),
        (lambda: ucb(q_values, q_values, 0, c=1.0, rng=rng), "`step` must be positive, it is 0"),
        (lambda: epsilon_schedule(0, start=1, end=0, decay_steps=0), "`decay_steps` must be"),
        (
            lambda: exponential_epsilon_schedule(0, start=1, end=0, decay_steps=9),
            "`end` must be positive",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            call()
