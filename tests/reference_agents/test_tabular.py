"""Tabular control: the updates against the definition, the agents on small environments."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_agents.tabular import (
    expected_sarsa_update,
    make_expected_sarsa,
    make_q_learning,
    make_sarsa,
    q_learning_update,
    sarsa_update,
)

quick = settings(max_examples=50, deadline=None)
MAKERS = [make_q_learning, make_sarsa, make_expected_sarsa]
every_maker = pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)


@given(
    seed=st.integers(0, 2**31),
    terminated=st.booleans(),
    alpha=st.floats(0.01, 1.0),
    gamma=st.floats(0.0, 1.0),
)
@quick
def test_updates_move_one_entry_towards_their_target(seed, terminated, alpha, gamma):
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(3, 2))
    before = table.copy()
    s, s2, a, a2 = rng.integers(3), rng.integers(3), rng.integers(2), rng.integers(2)
    reward, pi = float(rng.normal()), rng.dirichlet([1.0, 1.0])
    rates = {"learning_rate": alpha, "gamma": gamma}
    for got, following in (
        (q_learning_update(table, s, a, reward, s2, terminated, **rates), max(before[s2])),
        (sarsa_update(table, s, a, reward, s2, a2, terminated, **rates), before[s2, a2]),
        (
            expected_sarsa_update(table, s, a, reward, s2, pi, terminated, **rates),
            pi[0] * before[s2, 0] + pi[1] * before[s2, 1],
        ),
    ):
        target = reward + (0.0 if terminated else gamma * following)
        expected = before.copy()
        expected[s, a] = (1 - alpha) * before[s, a] + alpha * target
        np.testing.assert_allclose(got, expected, atol=1e-12)
        assert np.array_equal(table, before)


class Corridor(gymnasium.Env):
    """Stop for 1 in state 0, or walk through state 1; then the end, or a time limit, with `reward`.

    What is observed at the end is state 0 again.
    """

    action_space = gymnasium.spaces.Discrete(2, start=5)

    def __init__(self, reward: float, truncates: bool = False, one_hot: bool = True):
        self.reward, self.truncates, self.one_hot = reward, truncates, one_hot
        self.observation_space = (
            gymnasium.spaces.Box(0.0, 1.0, (2,))
            if one_hot
            else gymnasium.spaces.Discrete(2, start=3)
        )

    def observe(self):
        return np.eye(2, dtype=np.float32)[self.state] if self.one_hot else self.state + 3

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.state = 0
        return self.observe(), {}

    def step(self, action):
        assert self.action_space.contains(action)
        if self.state == 0 and action == 6:
            self.state = 1
            return self.observe(), 0.0, False, False, {}
        reward = 1.0 if self.state == 0 else self.reward
        truncated = self.truncates and self.state == 1
        self.state = 0
        return self.observe(), reward, not truncated, truncated, {}


@every_maker
@pytest.mark.parametrize(
    ("reward", "truncates", "best", "value"),
    [
        (1.5, False, 6, 0.9 * 1.5),
        # Too little after the delay: 0.9 < 1, though 1.0 >= 1 without a discount.
        (1.0, False, 5, 1.0),
        # 0.3 and a cut every second step, for ever: 0.27 + 0.81 V > 1 where V is at least 1.
        (0.3, True, 6, 0.27 / 0.19),
    ],
    ids=["wait", "do not wait", "truncation bootstraps"],
)
def test_agents_learn_what_the_flags_and_the_discount_say(make, reward, truncates, best, value):
    env = Corridor(reward, truncates)
    # A walk of 0.27 / 0.19 = 1.42 for ever beats 1 only if nobody leaves it: explore less and less.
    agent = make(env, seed=0, gamma=0.9, epsilon_end=0.0).learn(4000)
    start = np.array([1.0, 0.0])
    assert agent.predict(start) == best
    assert agent.values(start) == pytest.approx(value, abs=0.02)


@every_maker
def test_observation_forms_and_batches_agree(make):
    one_hot = make(Corridor(1.5), seed=3, gamma=0.9).learn(300)
    integer = make(Corridor(1.5, one_hot=False), seed=3, gamma=0.9).learn(300)
    batch, numbers = np.eye(2), np.array([3, 4])
    assert np.array_equal(one_hot.q_table, integer.q_table)
    assert one_hot.episode_returns == integer.episode_returns
    assert one_hot.q_values(batch).shape == integer.q_values(numbers).shape == (2, 2)
    assert one_hot.values(batch).shape == one_hot.predict(batch).shape == (2,)
    assert np.ndim(one_hot.predict(batch[0])) == np.ndim(integer.predict(3)) == 0
    assert one_hot.predict(batch, deterministic=False).shape == (2,)
    np.testing.assert_allclose(one_hot.action_probabilities(batch).sum(-1), 1.0)
    np.testing.assert_array_equal(one_hot.q_values(batch[1]), integer.q_values(4))


@every_maker
def test_one_seed_gives_one_training_and_saving_keeps_it(make, tmp_path):
    first, second = (make(Corridor(1.5), seed=4).learn(200) for _ in range(2))
    other = make(Corridor(1.5), seed=5).learn(200)
    assert np.array_equal(first.q_table, second.q_table)
    assert not np.array_equal(first.q_table, other.q_table)
    first.save(tmp_path / "agent")
    restored = make(Corridor(1.5), seed=9).load(tmp_path / "agent")
    assert np.array_equal(restored.learn(50).q_table, first.learn(50).q_table)
    with pytest.raises(ValueError, match="must come from an agent with the settings"):
        make(Corridor(1.5), seed=4, gamma=0.5).load(tmp_path / "agent")


def test_fitting_one_transition_reaches_its_target():
    agent = make_q_learning(Corridor(1.5), seed=0, gamma=0.5, initial_value=2.0)
    states = np.eye(2)
    losses = agent.fit_transition(states[0], 6, 1.0, states[1], False, True, 60)
    # Truncated: 1 + 0.5 * 2. The first error is 0 then; terminated: 1, and the first error is 1.
    assert losses[0] == 0.0
    losses = agent.fit_transition(states[0], 6, 1.0, states[1], True, False, 60)
    assert losses[0] == pytest.approx(1.0)
    assert losses[-1] < 1e-15
    assert agent.q_values(states[0])[1] == pytest.approx(1.0)


@every_maker
def test_a_faulty_update_can_be_injected(make):
    def never(q_table, *transition, **rates):
        return q_table

    agent = make(Corridor(1.5), seed=0, update=never, initial_value=7.0).learn(50)
    assert (agent.q_table == 7.0).all()


def greedy_return(agent, max_steps: int = 100) -> float:
    env = gymnasium.make("CliffWalking-v1")
    state, _ = env.reset()
    total, steps, terminated = 0.0, 0, False
    while not terminated and steps < max_steps:
        state, reward, terminated, _, _ = env.step(agent.predict(state))
        total, steps = total + float(reward), steps + 1
    return total


def test_cliff_walking_splits_q_learning_and_sarsa():
    rates = {"gamma": 1.0, "anneal": False, "epsilon_start": 0.1, "epsilon_end": 0.1}
    bold = make_q_learning(gymnasium.make("CliffWalking-v1"), seed=0, learning_rate=0.5, **rates)
    cautious = make_expected_sarsa(
        gymnasium.make("CliffWalking-v1"), seed=0, learning_rate=0.5, **rates
    )
    bold.learn(12_000)
    cautious.learn(12_000)
    assert greedy_return(bold) == -13.0
    assert greedy_return(cautious) in (-15.0, -17.0)
    # While they explore, the edge costs more than the detour.
    assert np.mean(bold.episode_returns[-150:]) < np.mean(cautious.episode_returns[-150:]) - 5.0


def test_environments_that_do_not_fit_a_table_are_refused():
    with pytest.raises(TypeError, match="needs a Discrete action space, this environment has Box"):
        make_q_learning(gymnasium.make("Pendulum-v1"), seed=0)
    with pytest.raises(ValueError, match="`observation` must be one-hot"):
        make_q_learning(gymnasium.make("CartPole-v1"), seed=0).learn(10)
    with pytest.raises(ValueError, match="the environment's reward must be finite, it is nan"):
        make_q_learning(Corridor(float("nan")), seed=0).learn(100)
    with pytest.raises(ValueError, match=r"`gamma` must lie in \[0, 1\], it is 1\.1"):
        make_sarsa(Corridor(1.0), seed=0, gamma=1.1)
