"""Value prediction on streams small enough to work out by hand, and on the random walk."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_agents.prediction import Stream, collect, monte_carlo, n_step_td, td_lambda, td_zero

quick = settings(max_examples=40, deadline=None)


def stream(*rows: tuple[int, float, int, bool, bool]) -> Stream:
    return Stream(*(np.array(column) for column in zip(*rows, strict=True)))


def random_stream(seed: int, n_steps: int = 30, n_states: int = 4) -> Stream:
    rng = np.random.default_rng(seed)
    states = rng.integers(n_states, size=n_steps + 1)
    terminated, truncated = rng.random((2, n_steps)) < 0.2
    next_states = np.where(terminated | truncated, rng.integers(n_states, size=n_steps), states[1:])
    return Stream(states[:-1], rng.normal(size=n_steps), next_states, terminated, truncated)


streams = st.integers(0, 2**31).map(random_stream)


class RandomWalk(gymnasium.Env):
    """States 0 to 4, start in the middle, one step left or right; +1 for leaving on the right."""

    observation_space = gymnasium.spaces.Discrete(5)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.state = 2
        return self.state, {}

    def step(self, action):
        self.state += 2 * int(action) - 1
        if 0 <= self.state <= 4:
            return self.state, 0.0, False, False, {}
        return 2, float(self.state > 4), True, False, {}


TRUE_VALUES = np.arange(1, 6) / 6


@given(streams, st.floats(0.0, 1.0), st.floats(0.01, 1.0))
@quick
def test_td_zero_is_the_textbook_loop(data, gamma, alpha):
    values = [0.1, 0.2, 0.3, 0.4]
    for s, r, after, terminated, _ in zip(*data, strict=True):
        following = 0.0 if terminated else values[after]
        values[s] += alpha * (r + gamma * following - values[s])
    start = np.array([0.1, 0.2, 0.3, 0.4])
    for got in (
        td_zero(start, data, learning_rate=alpha, gamma=gamma),
        td_lambda(start, data, learning_rate=alpha, gamma=gamma, lam=0.0),
    ):
        np.testing.assert_allclose(got, values, atol=1e-12)
    assert start.tolist() == [0.1, 0.2, 0.3, 0.4]


@given(streams, st.floats(0.0, 1.0), st.integers(1, 6))
@quick
def test_n_step_td_updates_when_the_last_reward_is_in(data, gamma, n):
    values, n_steps = np.zeros(4), len(data.rewards)
    cuts = data.terminated | data.truncated
    last = [next((k for k in range(t, n_steps) if cuts[k]), n_steps - 1) for t in range(n_steps)]
    for now in range(n_steps):
        for t in range(n_steps):
            final = min(t + n - 1, last[t])
            if final == now:
                target = sum(gamma ** (k - t) * data.rewards[k] for k in range(t, final + 1))
                if not data.terminated[final]:
                    target += gamma ** (final + 1 - t) * values[data.next_states[final]]
                values[data.states[t]] += 0.3 * (target - values[data.states[t]])
    got = n_step_td(np.zeros(4), data, learning_rate=0.3, gamma=gamma, n=n)
    np.testing.assert_allclose(got, values, atol=1e-12)


def test_td_lambda_by_hand():
    # 0 -> 1 -> 0 -> end, reward 1 at the end; alpha .5, gamma 1, lambda .5, V = 0 at first.
    data = stream((0, 0.0, 1, False, False), (1, 0.0, 0, False, False), (0, 1.0, 0, True, False))
    # Only the last TD error is not 0. Traces by then: state 0 has 1 + .25, state 1 has .5.
    got = td_lambda(np.zeros(2), data, learning_rate=0.5, gamma=1.0, lam=0.5)
    np.testing.assert_allclose(got, [0.625, 0.25])


def test_truncation_bootstraps_and_cuts_and_termination_ends():
    start = np.array([0.0, 10.0])
    for terminated, truncated, expected in ((True, False, 1.0), (False, True, 6.0)):
        # Step 0 leaves state 0 with reward 1; a new episode then passes state 1 with reward 100.
        data = stream((0, 1.0, 1, terminated, truncated), (1, 100.0, 1, True, False))
        for got in (
            td_zero(start, data, learning_rate=1.0, gamma=0.5),
            n_step_td(start, data, learning_rate=1.0, gamma=0.5, n=5),
            td_lambda(start, data, learning_rate=1.0, gamma=0.5, lam=1.0),
        ):
            np.testing.assert_allclose(got, [expected, 100.0])
        first = monte_carlo(start, data, gamma=0.5)
        np.testing.assert_allclose(first, [1.0 if terminated else 0.0, 100.0])


def test_td_and_monte_carlo_disagree_on_the_same_eight_episodes():
    # A, 0, B, 0 once; B, 1 six times; B, 0 once. Monte Carlo has seen A lead to 0; TD has seen it
    # lead to B, which is worth 3/4 (Sutton and Barto, example 6.4).
    episodes = [(0, 0.0, 1, False, False), (1, 0.0, 0, True, False)]
    episodes += [(1, 1.0, 0, True, False)] * 6 + [(1, 0.0, 0, True, False)]
    data = stream(*episodes)
    np.testing.assert_allclose(monte_carlo(np.zeros(2), data, gamma=1.0), [0.0, 0.75])
    values = np.zeros(2)
    for _ in range(3000):
        values = td_zero(values, data, learning_rate=0.005, gamma=1.0)
    np.testing.assert_allclose(values, [0.75, 0.75], atol=0.01)


def test_first_and_every_visit_by_hand():
    # State 0 twice in one episode, rewards 1, 2, 3: returns 6, 5 (through state 1), 3.
    data = stream((0, 1.0, 1, False, False), (1, 2.0, 0, False, False), (0, 3.0, 0, True, False))
    first = monte_carlo(np.full(3, 9.0), data, gamma=1.0)
    np.testing.assert_allclose(first, [6.0, 5.0, 9.0])
    every = monte_carlo(np.full(3, 9.0), data, gamma=1.0, first_visit=False)
    np.testing.assert_allclose(every, [4.5, 5.0, 9.0])


def test_all_methods_find_the_values_of_the_random_walk():
    rng = np.random.default_rng(0)
    data = collect(RandomWalk(), lambda state: rng.integers(2), n_steps=20_000, seed=0)
    start = np.full(5, 0.5)
    for values in (
        td_zero(start, data, learning_rate=0.01, gamma=1.0),
        n_step_td(start, data, learning_rate=0.005, gamma=1.0, n=4),
        td_lambda(start, data, learning_rate=0.005, gamma=1.0, lam=0.8),
        monte_carlo(start, data, gamma=1.0),
    ):
        # 2,200 episodes put the standard error of a mean near .01, constant steps add a little.
        np.testing.assert_allclose(values, TRUE_VALUES, atol=0.06)


def test_hyper_parameters_out_of_range_are_refused():
    data = stream((0, 1.0, 0, True, False))
    with pytest.raises(ValueError, match="`n` must be positive, it is 0"):
        n_step_td(np.zeros(1), data, learning_rate=0.1, gamma=0.9, n=0)
    with pytest.raises(ValueError, match=r"`lam` must lie in \[0, 1\], it is 1\.5"):
        td_lambda(np.zeros(1), data, learning_rate=0.1, gamma=0.9, lam=1.5)
