"""What an environment asks for: Markov observations, rewards that cannot be farmed, reachable goals."""

import gymnasium
import numpy as np
import pytest
from environment_cases import first_named, run_all
from gymnasium import spaces
from gymnasium.wrappers import FlattenObservation, FrameStackObservation, TransformObservation

from ladders.environment import CONTRACT
from ladders.gridworld import GridWorld
from ladders.warehouse import Warehouse
from rlcheck.records import Status

MARKOV = ("rewards-finite", "observation-is-markov")


def without_velocities():
    env = gymnasium.make("CartPole-v1")
    box = env.observation_space
    kept = spaces.Box(box.low[[0, 2]], box.high[[0, 2]])
    return TransformObservation(env, lambda seen: seen[[0, 2]], kept)


class TestMarkov:
    def test_cartpole_with_velocities_is(self):
        outcome = run_all("CartPole-v1", only=MARKOV)["observation-is-markov"]
        assert outcome.status is Status.PASSED

    def test_without_it_is_not_and_two_frames_restore_it(self):
        outcomes = run_all(without_velocities, only=MARKOV)
        message = outcomes["observation-is-markov"].message
        assert first_named(outcomes) == "environment/observation-hides-state"
        assert "the explained share of observation[" in message
        assert message.endswith("two stacked frames, with the action between them, restore it")

    def test_two_stacked_frames_pass(self):
        def stacked():
            return FlattenObservation(FrameStackObservation(without_velocities(), 2))

        outcome = run_all(stacked, only=MARKOV)["observation-is-markov"]
        assert outcome.status is Status.PASSED

    @pytest.mark.parametrize("env_id", ["FrozenLake-v1", "CliffWalkingSlippery-v1"])
    def test_chance_is_no_history(self, env_id):
        outcome = run_all(env_id, only=MARKOV)["observation-is-markov"]
        assert outcome.status is Status.PASSED

    def test_a_hidden_row_is_found_exactly(self):
        class Column(gymnasium.ObservationWrapper):
            def __init__(self):
                super().__init__(gymnasium.make("FrozenLake-v1", is_slippery=False))
                self.observation_space = spaces.Discrete(4)

            def observation(self, observation):
                return int(observation) % 4

        outcomes = run_all(Column, only=MARKOV)
        assert first_named(outcomes) == "environment/observation-hides-state"

    def test_an_observation_one_step_late_is_told_apart(self):
        class Late(gymnasium.Wrapper):
            def reset(self, **options):
                self.old, info = self.env.reset(**options)
                return self.old, info

            def step(self, action):
                observation, *rest = self.env.step(action)
                old, self.old = self.old, observation
                return old, *rest

        outcomes = run_all(lambda: Late(gymnasium.make("CartPole-v1")), only=MARKOV)
        assert first_named(outcomes) == "environment/action-or-observation-late"


LOOP = ("rewards-finite", "no-loop-pays-more-than-finishing")
GOAL = ("rewards-finite", "goal-reachable")


class TestRewards:
    def test_the_warehouse_can_be_farmed(self):
        outcomes = run_all("rlcheck/Warehouse-v0", only=LOOP)
        message = outcomes["no-loop-pays-more-than-finishing"].message
        assert first_named(outcomes) == "environment/reward-farmable"
        assert "(actions 4, 5) earns 0.5 a step without end" in message

    def test_the_repaired_one_cannot(self):
        outcome = run_all("rlcheck/WarehouseFixed-v0", only=LOOP)
        assert outcome["no-loop-pays-more-than-finishing"].status is Status.PASSED

    def test_staying_alive_is_no_farm(self):
        outcome = run_all("CartPole-v1", only=LOOP)["no-loop-pays-more-than-finishing"]
        assert outcome.status is not Status.FAILED

    @pytest.mark.parametrize(("pay", "fails"), [("pickups", True), ("shipped", False)])
    def test_a_metric_is_compared_with_the_reward(self, pay, fails):
        name = "reward-agrees-with-metric"
        outcomes = run_all(
            lambda: gymnasium.wrappers.TimeLimit(Warehouse(pay), 100),
            only=("rewards-finite", name),
            constants={"metric": "shipped"},
        )
        assert (outcomes[name].status is Status.FAILED) == fails
        if fails:
            assert first_named(outcomes) == "environment/reward-against-metric"

    def test_coins_that_can_be_taken_once_are_no_loop(self):
        class Coins(GridWorld):
            """A coin beside the start, which is gone once taken; its place shows that."""

            def reset(self, **options):
                self.taken = False
                return super().reset(**options)

            def step(self, action):
                _, reward, *rest = super().step(action)
                if self._at == (0, 1) and not self.taken:
                    self.taken = True
                    reward += 5.0
                return self._observe(), reward, *rest

            def _observe(self):
                grid = super()._observe()
                if not self.taken and self._at != (0, 1):
                    grid[1] = 1
                return grid

        outcome = run_all(lambda: Coins(obstacles=0), only=LOOP)
        assert outcome["no-loop-pays-more-than-finishing"].status is Status.PASSED


class TestGoals:
    def test_random_obstacles_wall_off_the_goal(self):
        outcomes = run_all("rlcheck/GridWorld-v0", only=GOAL)
        assert first_named(outcomes) == "environment/goal-unreachable"
        assert "all actions were tried in all" in outcomes["goal-reachable"].message

    def test_obstacles_that_leave_a_way_pass(self):
        outcome = run_all("rlcheck/GridWorldSolvable-v0", only=GOAL)["goal-reachable"]
        assert outcome.status is Status.PASSED

    def test_a_goal_that_no_episode_reaches(self):
        def make():
            return gymnasium.make("FrozenLake-v1", desc=["SFFH", "FFHH", "FHHG"], is_slippery=False)

        outcomes = run_all(make, only=GOAL)
        assert first_named(outcomes) == "environment/goal-unreachable"
        assert outcomes["goal-reachable"].message.startswith("every policy earns the same")

    def test_cards_that_the_seed_has_dealt_are_no_wall(self):
        outcome = run_all("Blackjack-v1", only=GOAL)["goal-reachable"]
        assert outcome.status is Status.SKIPPED


class Shaped(gymnasium.Wrapper):
    """FrozenLake with a potential: minus the distance to the goal."""

    gamma, terminal, bonus = 0.9, 0.0, 0.0

    def potential(self, observation):
        row, column = divmod(int(observation), 4)
        return -0.1 * (6 - row - column)

    def reset(self, **options):
        self.at, info = self.env.reset(**options)
        return self.at, info

    def step(self, action):
        observation, reward, terminated, truncated, info = self.env.step(action)
        after = self.potential(observation) + self.terminal if not terminated else self.terminal
        extra = self.gamma * after - self.potential(self.at) + self.bonus * (action == 0)
        self.at = observation
        return observation, float(reward) + extra, terminated, truncated, info


class TestShaping:
    @pytest.mark.parametrize(
        ("change", "fault"),
        [
            ({}, ""),
            ({"terminal": 0.5}, "environment/shaping-terminal-potential"),
            ({"gamma": 1.0}, "environment/shaping-discount-missing"),
            ({"bonus": 0.2}, "environment/shaping-not-potential-based"),
        ],
    )
    def test_potentials_are_told_from_other_bonuses(self, change, fault):
        def make():
            env = Shaped(gymnasium.make("FrozenLake-v1", is_slippery=False))
            for name, value in change.items():
                setattr(env, name, value)
            return env

        def base():
            return gymnasium.make("FrozenLake-v1", is_slippery=False)

        name = "shaping-is-potential-based"
        outcomes = run_all(make, only=(name,), constants={"base": base}, gamma=0.9)
        if not fault:
            assert outcomes[name].status is Status.PASSED, outcomes[name].message
        else:
            assert first_named(outcomes) == fault
        if "bonus" in change:
            assert "the optimal policy changes: in state" in outcomes[name].message


class TestScale:
    def test_sparse_rewards_are_advice_with_an_interval(self):
        outcome = run_all("MountainCar-v0", only=("rewards-finite", "scale-and-shape"))
        notes = " ".join(outcome["scale-and-shape"].notes)
        assert outcome["scale-and-shape"].status is Status.PASSED
        assert "sparse reward: 0 of 15 episodes" in notes
        assert "95 % Clopper-Pearson" in notes

    def test_constant_and_large_numbers_are_named(self):
        class Odd(gymnasium.ObservationWrapper):
            def __init__(self):
                super().__init__(gymnasium.make("CartPole-v1"))
                self.observation_space = spaces.Box(-np.inf, np.inf, (5,), np.float32)

            def observation(self, observation):
                return np.append(1e4 * observation, np.float32(7)).astype(np.float32)

        notes = " ".join(
            run_all(Odd, only=("rewards-finite", "scale-and-shape"))["scale-and-shape"].notes
        )
        assert "observation[4] (1 of 5) never change" in notes
        assert "observation[0, 1, 2, 3] (4 of 5) exceed 100" in notes


def test_every_fault_is_explained_and_caught_by_some_check():
    caught = {name for check in CONTRACT.checks for name in check.catches}
    for fault in CONTRACT.faults:
        assert fault.name in caught
        assert all((fault.title, fault.explanation, fault.fix, fault.where, fault.references))
    assert all(check.explanation and check.title for check in CONTRACT.checks)
