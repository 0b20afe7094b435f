"""Random walks, and how two of them are compared and shown."""

import gymnasium
import numpy as np
from environment_cases import EndsAfter, Line
from gymnasium.wrappers import TimeLimit

from ladders.environment_subject import time_limits
from ladders.environment_walk import equal, first_difference, kept, show, walk


class TestWalk:
    def test_only_the_first_reset_is_seeded_and_no_step_is_taken_beyond_an_end(self):
        seeds = []

        class Spy(EndsAfter):
            def reset(self, *, seed=None, options=None):
                seeds.append(seed)
                return super().reset(seed=seed)

            def step(self, action):
                assert self.count < self.LENGTH
                return super().step(action)

        events = kept(walk(Spy(), 5, episodes=3, steps=100))
        assert seeds == [5, None, None]
        assert [event.step for event in events] == list(range(8)) * 3

    def test_the_environments_own_action_space_is_left_alone(self):
        env = Line()
        env.action_space.seed(1)
        before = env.action_space.np_random.bit_generator.state
        kept(walk(env, 5, episodes=1, steps=10))
        assert env.action_space.np_random.bit_generator.state == before

    def test_walks_differ_where_an_observation_does(self):
        one = kept(walk(Line(), 0, episodes=1, steps=10))
        other = kept(walk(Line(), 0, episodes=1, steps=10))
        assert first_difference(one, other) is None
        other[3].observation[0] += 1
        assert first_difference(one, other)["where"] == "step 3 of episode 1"

    def test_nan_equals_nan_and_shapes_count(self):
        assert equal(np.array([np.nan, 1.0]), np.array([np.nan, 1.0]))
        assert equal({"a": (1, np.ones(2))}, {"a": (1, np.ones(2))})
        assert not equal(np.zeros((1, 2)), np.zeros((2, 1)))
        assert not equal({"a": 1}, {"b": 1})

    def test_values_are_shown_on_one_short_line(self):
        assert show(np.zeros((50, 50))).count("\n") == 0
        assert len(show(np.zeros((50, 50)))) < 250
        assert show({"a": np.array([1, 2])}) == "{a: [1, 2]}"

    def test_all_limits_of_wrappers_and_registration_are_known(self):
        assert time_limits(TimeLimit(gymnasium.make("CartPole-v1"), 20)) == (20, 500)
        assert time_limits(Line()) == ()
