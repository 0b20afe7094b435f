"""Vector environments: no alarm on Gymnasium's, in each autoreset mode; planted faults are named."""

import gymnasium
import numpy as np
import pytest
from environment_cases import Line, failed, first_named, run_all
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorWrapper
from gymnasium.wrappers import TimeLimit

from ladders.environment import CONTRACT
from rlcheck.contracts import Options
from rlcheck.records import Context, Settings, Status, Trial

VECTOR = ("slots-differ", "autoreset-as-declared")


def lines(mode=AutoresetMode.NEXT_STEP, count=3):
    return SyncVectorEnv([lambda: TimeLimit(Line(), 20)] * count, autoreset_mode=mode)


class TestCorrect:
    @pytest.mark.parametrize("mode", AutoresetMode)
    def test_gymnasiums_own_raise_no_alarm(self, mode):
        outcomes = run_all(lambda: lines(mode))
        assert {name: outcomes[name].message for name in failed(outcomes)} == {}
        assert "beside single environments" in outcomes["autoreset-as-declared"].message

    def test_one_without_single_environments_is_judged_by_its_mode(self):
        def make():
            return gymnasium.make_vec(
                "CartPole-v1", num_envs=3, vectorization_mode="vector_entry_point"
            )

        outcomes = run_all(make, only=VECTOR)
        assert failed(outcomes) == set()

    def test_a_wrapper_that_changes_every_reward_is_no_fault(self):
        class Tenth(VectorWrapper):
            def step(self, actions):
                observations, rewards, *rest = self.env.step(actions)
                return observations, rewards / 10, *rest

        assert failed(run_all(lambda: Tenth(lines()), only=VECTOR)) == set()

    def test_short_episodes_may_coincide_by_chance(self):
        class Coin(Line):
            """Two steps, each of which shows a coin."""

            def __init__(self):
                super().__init__()
                self.observation_space = spaces.Discrete(2)

            def reset(self, *, seed=None, options=None):
                super().reset(seed=seed)
                self.steps = 0
                return 0, {}

            def step(self, action):
                self.steps += 1
                return int(self.np_random.integers(2)), 0.0, self.steps == 2, False, {}

        bound = CONTRACT.bind(lambda: SyncVectorEnv([Coin] * 2), Options())
        check = next(c for c in CONTRACT.checks if c.name == "environment/slots-differ")
        for seed in range(30):
            context = Context(Settings(seed=seed), bound.facts)
            evidence = check.trial(bound.subject, Trial(seed=seed), context)
            assert evidence["twins"] is None

    def test_a_deterministic_environment_may_be_alike_in_all_slots(self):
        def make():
            return gymnasium.make_vec("CliffWalking-v1", num_envs=3, vectorization_mode="sync")

        assert run_all(make, only=VECTOR)["slots-differ"].status is Status.PASSED


class Changed(VectorWrapper):
    """Changes what `step` returns where an episode ends, or just did."""

    def reset(self, **options):
        self.ended = np.zeros(self.num_envs, bool)
        self.last, infos = self.env.reset(**options)
        return self.last, infos

    def step(self, actions):
        before = self.ended
        observations, rewards, terminated, truncated, infos = self.env.step(actions)
        self.ended = terminated | truncated
        got = self.change(before, observations, rewards, terminated, truncated, infos)
        self.last = got[0].copy()
        return got


class FinalIsReset(Changed):
    def change(self, before, observations, rewards, terminated, truncated, infos):
        for index in np.flatnonzero(self.ended):
            infos["final_obs"][index] = observations[index].copy()
        return observations, rewards, terminated, truncated, infos


class FinalIsStale(Changed):
    def change(self, before, observations, rewards, terminated, truncated, infos):
        observations[self.ended] = self.last[self.ended]
        return observations, rewards, terminated, truncated, infos


class PaysForResets(Changed):
    def change(self, before, observations, rewards, terminated, truncated, infos):
        return observations, np.where(before, 1.0, rewards), terminated, truncated, infos


class DropsTheLastReward(Changed):
    def change(self, before, observations, rewards, terminated, truncated, infos):
        return observations, np.where(self.ended, 0.0, rewards), terminated, truncated, infos


class OneSeed(VectorWrapper):
    def reset(self, *, seed=None, options=None):
        seeds = None if seed is None else [seed] * self.num_envs
        return self.env.reset(seed=seeds, options=options)


class IntegerFlags(Changed):
    def change(self, before, observations, rewards, terminated, truncated, infos):
        return observations, rewards, terminated.astype(int), truncated, infos


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda: FinalIsReset(lines(AutoresetMode.SAME_STEP)), "final-observation-lost"),
        (lambda: FinalIsStale(lines()), "final-observation-lost"),
        (lambda: PaysForResets(lines()), "autoreset-invents-step"),
        (lambda: DropsTheLastReward(lines()), "autoreset-loses-step"),
        (lambda: OneSeed(lines()), "sub-environments-share-seed"),
        (lambda: IntegerFlags(lines()), "vector-does-not-conform"),
    ],
)
def test_faults_are_named(make, fault):
    assert first_named(run_all(make, only=VECTOR)) == f"environment/{fault}"
