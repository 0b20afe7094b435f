"""Correct environments of an unusual kind, each of which resembles a mistake: none is accused."""

import gymnasium
import numpy as np
import pytest
from environment_cases import Line, failed, first_named, run_all
from gymnasium import spaces, wrappers
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import TimeLimit

from ladders.environment_jumps import jump_in_play, leap_of_rounds
from ladders.environment_search import Episode
from ladders.environment_walk import Event
from ladders.perturbations import StickyActions
from rlcheck.records import Status


def accused(make, *checks, **options):
    outcomes = run_all(make, only=("rewards-finite", *checks), **options)
    return {name: outcomes[name].message for name in failed(outcomes)}


class Market(Line):
    """Starts anywhere in a data set; the data running out truncates, at varying steps."""

    def reset(self, *, seed=None, options=None):
        got = super().reset(seed=seed)
        self.left = int(self.np_random.integers(5, 100))
        return got

    def step(self, action):
        observation, reward, _, _, info = super().step(action)
        self.left -= 1
        return observation.clip(-10, 10), reward, False, self.left == 0, info


class OutOfBounds(Market):
    """The same flag where the walk leaves the line: what is done decides when."""

    def step(self, action):
        observation, reward, terminated, _, info = Line.step(self, action)
        return observation, reward, False, terminated, info


class TestEnds:
    def test_data_that_run_out_are_no_hidden_end(self):
        assert accused(Market, "flags-are-booleans-and-apart") == {}

    def test_an_end_that_actions_decide_is_one(self):
        outcomes = run_all(OutOfBounds, only=("flags-are-booleans-and-apart",))
        assert first_named(outcomes) == "environment/terminal-as-truncation"
        assert "depending on what is done" in outcomes["flags-are-booleans-and-apart"].message

    def test_a_clock_may_be_shown_as_a_phase(self):
        class Day(Line):
            def __init__(self):
                super().__init__()
                self.observation_space = spaces.Box(-np.inf, np.inf, (3,), np.float32)

            def see(self):
                hour = 2 * np.pi * self.hour / 24
                return np.array([self.state[1], np.sin(hour), np.cos(hour)], np.float32)

            def reset(self, *, seed=None, options=None):
                super().reset(seed=seed)
                self.hour = 0
                return self.see(), {}

            def step(self, action):
                self.hour += 1
                self.state[1] = 0.7 * self.state[1] + self.np_random.normal() * 0.3
                return self.see(), float(self.state[1]), self.hour == 24, False, {}

        assert accused(Day, "flags-are-booleans-and-apart") == {}
        assert accused(lambda: TimeLimit(Day(), 24), "flags-are-booleans-and-apart") == {}

    def test_a_task_may_end_where_it_began(self):
        class OutAndHome(gymnasium.Env):
            observation_space = spaces.MultiDiscrete([5, 2])
            action_space = spaces.Discrete(2)

            def reset(self, *, seed=None, options=None):
                super().reset(seed=seed)
                self.at, self.has = 0, 0
                return np.array([0, 0]), {}

            def step(self, action):
                self.at = min(max(self.at + 2 * int(action) - 1, 0), 4)
                self.has |= self.at == 2
                home = bool(self.has and self.at == 0)
                self.has = int(self.has and not home)
                return np.array([self.at, self.has]), float(home), home, False, {}

        assert accused(OutAndHome, "end-shows-the-state-reached") == {}


class TestChance:
    @pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1"])
    def test_running_statistics_stand_still_while_they_are_checked(self, env_id):
        def make():
            env = wrappers.NormalizeObservation(gymnasium.make(env_id))
            return wrappers.NormalizeReward(env)

        checks = ("same-seed-same-trajectory", "conforms-repeats", "conforms-reset", "seeds-differ")
        assert accused(make, *checks) == {}
        notes = run_all(make, only=("rewards-finite", "scale-and-shape"))["scale-and-shape"].notes
        assert "measured before NormalizeReward and NormalizeObservation scales it" in notes

    def test_those_of_vector_environments_too(self):
        def make():
            slots = SyncVectorEnv(
                [lambda: gymnasium.make("CliffWalking-v1")] * 2,
                autoreset_mode=AutoresetMode.SAME_STEP,
            )
            return wrappers.vector.NormalizeReward(slots)

        checks = ("same-seed-same-trajectory", "slots-differ", "autoreset-as-declared")
        assert accused(make, *checks) == {}

    def test_a_map_may_be_drawn_where_the_seed_is_given_and_kept(self):
        class FixedMap(Line):
            goal = None

            def reset(self, *, seed=None, options=None):
                super().reset(seed=seed)
                if seed is not None or self.goal is None:
                    self.goal = self.np_random.uniform(-2, 2)
                self.state = np.array([0.0, self.goal], np.float32)
                return self.state.copy(), {}

            def step(self, action):
                self.state[0] += (2 * int(action) - 1) * 0.5
                done = bool(abs(self.state[0]) > 3)
                return self.state.copy(), -abs(float(self.state[0] - self.goal)), done, False, {}

        assert accused(FixedMap, "seeds-differ") == {}

    def test_a_generator_that_every_reset_makes_anew_is_still_found(self):
        class Anew(Line):
            number = 0

            def reset(self, *, seed=None, options=None):
                self.number = self.number if seed is None else seed
                super().reset(seed=seed)
                self.own = np.random.default_rng(self.number)
                self.state = np.array([0.0, self.own.uniform(-1, 1)], np.float32)
                return self.state.copy(), {}

            def step(self, action):
                self.state[0] += (2 * int(action) - 1) * 0.5 + self.own.normal() * 0.1
                return self.state.copy(), 0.0, bool(abs(self.state[0]) > 3), False, {}

        outcomes = run_all(Anew, only=("seeds-differ",))
        assert first_named(outcomes) == "environment/reseeded-every-reset"


class Corridor(gymnasium.Env):
    """Forty steps that nothing changes, then a choice; cue and step are shown."""

    observation_space = spaces.MultiDiscrete([42, 2])
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at, self.cue = 0, int(self.np_random.integers(2))
        return np.array([0, self.cue]), {}

    def step(self, action):
        self.at += 1
        reward = (1.0 if int(action) == self.cue else -1.0) if self.at > 40 else 0.0
        return np.array([self.at, self.cue]), reward, self.at > 40, False, {}


class TestActions:
    def test_they_may_matter_late(self):
        outcome = run_all(Corridor, only=("rewards-finite", "actions-matter"))["actions-matter"]
        assert outcome.status is Status.PASSED
        assert "effects come late" in outcome.notes[-1]

    def test_dict_actions_go_through_wrappers(self):
        class Both(Line):
            def __init__(self):
                super().__init__()
                box = spaces.Box(-1.0, 1.0, (1,), np.float32)
                self.action_space = spaces.Dict(move=box, gear=spaces.Discrete(2))

            def step(self, action):
                return super().step(int(action["move"][0] > 0))

        assert accused(lambda: TimeLimit(Both(), 50), "actions-arrive", "actions-matter") == {}

    def test_an_action_that_step_writes_into_is_named(self):
        class InPlace(Line):
            def __init__(self):
                super().__init__()
                self.action_space = spaces.Box(-2.0, 2.0, (1,), np.float32)

            def step(self, action):
                np.clip(action, -1.0, 1.0, out=action)
                return super().step(int(action[0] > 0))

        outcomes = run_all(InPlace, only=("actions-arrive",))
        assert first_named(outcomes) == "environment/action-overwritten"


LOOP = "no-loop-pays-more-than-finishing"


class TestRewards:
    def test_a_crash_at_full_speed_is_no_success(self):
        class Driver(gymnasium.Env):
            observation_space = spaces.MultiDiscrete([5, 4])
            action_space = spaces.Discrete(4)

            def reset(self, *, seed=None, options=None):
                super().reset(seed=seed)
                self.lane, self.speed = int(self.np_random.integers(1, 4)), 0
                return np.array([self.lane, self.speed]), {}

            def step(self, action):
                self.speed = min(max(self.speed + {0: 1, 1: -1}.get(int(action), 0), 0), 3)
                self.lane += {2: -1, 3: 1}.get(int(action), 0)
                crash = not 0 <= self.lane <= 4
                self.lane = min(max(self.lane, 0), 4)
                return np.array([self.lane, self.speed]), float(self.speed), crash, False, {}

        assert accused(lambda: TimeLimit(Driver(), 100), LOOP) == {}

    @pytest.mark.slow
    def test_a_failure_with_a_lucky_reward_is_no_success(self):
        class Ledge(gymnasium.Env):
            observation_space = spaces.Discrete(7)
            action_space = spaces.Discrete(3)

            def reset(self, *, seed=None, options=None):
                super().reset(seed=seed)
                self.at = 3
                return self.at, {}

            def step(self, action):
                self.at += int(action) - 1 + int(self.np_random.integers(-1, 2))
                fell = not 0 <= self.at <= 6
                self.at = min(max(self.at, 0), 6)
                return self.at, 1.0 + float(self.np_random.normal(0, 0.3)), fell, False, {}

        assert accused(lambda: TimeLimit(Ledge(), 200), LOOP) == {}

    def test_a_poorer_treasure_is_no_wall(self):
        class Treasure(gymnasium.Env):
            observation_space = spaces.MultiDiscrete([4, 2])
            action_space = spaces.Discrete(2)

            def reset(self, *, seed=None, options=None):
                super().reset(seed=seed)
                self.at, self.rich = 0, int(self.np_random.random() < 0.7)
                return np.array([0, self.rich]), {}

            def step(self, action):
                self.at = min(max(self.at + 2 * int(action) - 1, 0), 3)
                done = self.at == 3
                return (
                    np.array([self.at, self.rich]),
                    (5.0 + 5.0 * self.rich) * done,
                    done,
                    False,
                    {},
                )

        assert accused(lambda: TimeLimit(Treasure(), 30), "goal-reachable") == {}

    def test_sticky_actions_are_not_markov_on_purpose(self):
        def make():
            return StickyActions(gymnasium.make("CartPole-v1"), 0.5)

        outcomes = run_all(make, only=("rewards-finite", "observation-is-markov"))
        assert outcomes["observation-is-markov"].status is not Status.FAILED

    def test_a_constant_array_that_is_handed_out_each_time_is_a_remark(self):
        class Mapped(Line):
            def __init__(self):
                super().__init__()
                self.map = np.ones(3, np.float32)
                box = self.observation_space
                self.observation_space = spaces.Dict(
                    here=box, map=spaces.Box(0.0, 1.0, (3,), np.float32)
                )

            def reset(self, *, seed=None, options=None):
                observation, info = super().reset(seed=seed)
                return {"here": observation, "map": self.map}, info

            def step(self, action):
                observation, *rest = super().step(action)
                return {"here": observation, "map": self.map}, *rest

        outcomes = run_all(Mapped, only=("conforms-returns-new-data", "observation-not-aliased"))
        assert failed(outcomes) == set()


class TestLeaksAndJumps:
    @pytest.mark.parametrize(("shift", "said"), [(0, "of the same step"), (1, "shows the future")])
    def test_a_reward_in_the_observation_is_remarked_on(self, shift, said):
        class Prices(Line):
            def reset(self, *, seed=None, options=None):
                super().reset(seed=seed)
                self.prices = self.np_random.uniform(-1, 1, 60)
                self.day = 0
                return self.see(), {}

            def see(self):
                return np.array([self.day / 60, self.prices[self.day + shift]], np.float32)

            def step(self, action):
                self.day += 1
                return (
                    self.see(),
                    float(np.float32(self.prices[self.day])),
                    self.day == 50,
                    False,
                    {},
                )

        notes = run_all(Prices, only=("rewards-finite", "scale-and-shape"))["scale-and-shape"].notes
        assert any("observation[1] always equals the reward" in n and said in n for n in notes)

    def test_a_reward_that_jumps_in_play_is_seen(self):
        rng = np.random.default_rng(0)
        steady = rng.normal(size=60)
        assert all(jump_in_play(rng.permutation(steady), seed) is None for seed in range(20))
        place, before, after = jump_in_play(np.append(steady[:40], 4 + steady[40:]), 0)
        assert (place, round(after - before)) == (40, 4)

    def test_a_return_that_leaps_between_rounds_is_remarked_on(self):
        def rounds(*totals):
            return [[Episode(t, 10, Event(1, 10, None)) for t in one] for one in totals]

        assert leap_of_rounds(rounds([1.0, 2.0, 3.0], [2.0, 4.0])) == ""
        assert "leaps from 3 to 500" in leap_of_rounds(rounds([1.0, 2.0, 3.0], [2.0, 500.0]))
