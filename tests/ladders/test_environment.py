"""The contract `environment`: silent on Gymnasium's own environments, loud on planted faults."""

import gymnasium
import numpy as np
import pytest
from environment_cases import (
    Aliased,
    ArrayReward,
    BothFlags,
    EndsAfter,
    GlobalNoise,
    IntegerFlags,
    Line,
    NoSuperReset,
    Outside,
    OwnGenerator,
    RareNan,
    Survivor,
    WrongType,
    failed,
    first_named,
    run_all,
)
from gymnasium import spaces
from gymnasium.wrappers import TimeLimit

from rlcheck.records import Status
from rlcheck.subjects import EnvironmentId

CORRECT = (
    "Acrobot-v1",
    "CartPole-v0",
    "CartPole-v1",
    "MountainCar-v0",
    "MountainCarContinuous-v0",
    "Pendulum-v1",
    "Blackjack-v1",
    "CliffWalking-v1",
    "CliffWalkingSlippery-v1",
    "FrozenLake-v1",
    "FrozenLake8x8-v1",
    "Taxi-v4",
    "ladders:Exam-v0",
    "ladders:OneStep-v0",
)

FAST = ("CartPole-v1", "FrozenLake-v1", "ladders:OneStep-v0")


class TestCorrectEnvironments:
    @pytest.mark.filterwarnings("ignore:.*is out of date:DeprecationWarning")
    @pytest.mark.parametrize(
        "env_id",
        [pytest.param(one, marks=[] if one in FAST else pytest.mark.slow) for one in CORRECT],
    )
    def test_raise_no_alarm(self, env_id):
        outcomes = run_all(EnvironmentId(env_id), every=True)
        assert {name: outcomes[name].message for name in failed(outcomes)} == {}

    def test_a_class_of_ones_own_raises_no_alarm(self):
        assert failed(run_all(Line)) == set()

    def test_a_function_that_wraps_raises_no_alarm(self):
        def make():
            return gymnasium.wrappers.FlattenObservation(TimeLimit(Line(), 20))

        assert failed(run_all(make)) == set()

    def test_dict_and_tuple_observations_raise_no_alarm(self):
        class Nested(Line):
            def __init__(self):
                super().__init__()
                box = self.observation_space
                self.observation_space = spaces.Dict(
                    {"line": box, "both": spaces.Tuple((spaces.Discrete(2), box))}
                )

            def reset(self, *, seed=None, options=None):
                observation, info = super().reset(seed=seed)
                return self._nest(observation), info

            def step(self, action):
                observation, *rest = super().step(action)
                return self._nest(observation), *rest

            def _nest(self, observation):
                return {"line": observation, "both": (1, observation.copy())}

        assert failed(run_all(Nested)) == set()

    def test_numpy_flags_are_only_remarked_on(self):
        class NumpyFlags(Line):
            def step(self, action):
                observation, reward, terminated, _, info = super().step(action)
                return observation, reward, np.bool_(terminated), np.bool_(False), info

        outcomes = run_all(NumpyFlags)
        assert failed(outcomes) == set()
        assert "NumPy bools" in outcomes["flags-are-booleans-and-apart"].notes[0]

    def test_float_rounding_at_a_bound_is_only_remarked_on(self):
        class AtTheBound(Line):
            def __init__(self):
                super().__init__()
                self.observation_space = spaces.Box(-1.0, 1.0, (1,), np.float32)

            def step(self, action):
                _, *rest = super().step(action)
                return np.full(1, np.nextafter(np.float32(1), np.float32(2))), *rest

            def reset(self, *, seed=None, options=None):
                super().reset(seed=seed)
                return np.array([self.np_random.uniform(-1, 1)], np.float32), {}

        outcome = run_all(AtTheBound)["observations-in-space"]
        assert outcome.status is Status.PASSED
        assert "rounding" in outcome.notes[0]

    def test_a_fixed_length_that_the_observation_announces_is_only_remarked_on(self):
        class Clocked(EndsAfter):
            def step(self, action):
                observation, *rest = super().step(action)
                observation[1] = self.count
                return observation, *rest

        outcomes = run_all(Clocked)
        assert failed(outcomes) == set()
        note = outcomes["flags-are-booleans-and-apart"].notes[0]
        assert "terminated=True after 7 steps" in note

    def test_a_deterministic_environment_is_remarked_on(self):
        outcome = run_all(EnvironmentId("CliffWalking-v1"))["seeds-differ"]
        assert outcome.status is Status.PASSED
        assert "no randomness seen" in outcome.notes[0]

    def test_warnings_of_gymnasiums_checker_become_notes(self):
        notes = run_all(EnvironmentId("Pendulum-v1"))["conforms-spaces"].notes
        assert any("symmetric and normalized" in note for note in notes)
        assert not any("\x1b" in note or "unwrapped" in note for note in notes)


FAULTY = [
    (
        lambda: TimeLimit(EndsAfter(), 7),
        "flags-are-booleans-and-apart",
        "time-limit-as-termination",
    ),
    (EndsAfter, "flags-are-booleans-and-apart", "time-limit-as-termination"),
    (BothFlags, "flags-are-booleans-and-apart", "time-limit-as-termination"),
    (IntegerFlags, "flags-are-booleans-and-apart", "does-not-conform"),
    (RareNan, "rewards-finite", "reward-not-finite"),
    (ArrayReward, "rewards-finite", "reward-not-finite"),
    (Outside, "observations-in-space", "observation-outside-space"),
    (WrongType, "observations-in-space", "observation-outside-space"),
    (Aliased, "observation-not-aliased", "observation-aliased"),
    (GlobalNoise, "same-seed-same-trajectory", "global-random-generator"),
    (OwnGenerator, "seeds-differ", "seed-ignored"),
    (Survivor, "same-seed-same-trajectory", "state-survives-reset"),
    (NoSuperReset, "conforms-reset", "does-not-conform"),
]


class TestFaultyEnvironments:
    @pytest.mark.parametrize(
        ("make", "check", "fault"),
        FAULTY,
        ids=[f"{c}-{f}-{i}" for i, (_, c, f) in enumerate(FAULTY)],
    )
    def test_are_caught_and_named(self, make, check, fault):
        outcomes = run_all(make)
        assert check in failed(outcomes)
        assert first_named(outcomes) == f"environment/{fault}"

    def test_the_message_says_what_came_where(self):
        assert run_all(RareNan)["rewards-finite"].message.startswith("the reward of step ")
        assert run_all(RareNan)["rewards-finite"].message.endswith(
            "is nan; expected one finite number"
        )
        assert (
            "at index [0], outside [-10, 10]" in run_all(Outside)["observations-in-space"].message
        )
        outcome = run_all(WrongType)["observations-in-space"]
        assert "is of float64, the space says float32" in outcome.message

    def test_a_registered_limit_counts_as_known(self):
        gymnasium.register("EndsAfterForTest-v0", entry_point=EndsAfter, max_episode_steps=7)
        try:
            outcomes = run_all("EndsAfterForTest-v0")
        finally:
            del gymnasium.registry["EndsAfterForTest-v0"]
        assert first_named(outcomes) == "environment/time-limit-as-termination"

    def test_a_registration_may_declare_nondeterminism(self):
        gymnasium.register("NoisyForTest-v0", entry_point=GlobalNoise, nondeterministic=True)
        try:
            outcome = run_all("NoisyForTest-v0")["same-seed-same-trajectory"]
        finally:
            del gymnasium.registry["NoisyForTest-v0"]
        assert outcome.status is Status.PASSED
        assert "nondeterministic=True" in outcome.notes[0]
