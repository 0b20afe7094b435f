"""The contract `environment`: silent on Gymnasium's own environments, loud on planted faults."""

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.wrappers import TimeLimit

from ladders.environment import CONTRACT
from ladders.environment_subject import time_limits
from ladders.environment_walk import equal, first_difference, kept, show, walk
from rlcheck.contracts import Options
from rlcheck.diagnosis import combine
from rlcheck.engine.jsonable import jsonable
from rlcheck.errors import BindingError
from rlcheck.records import Context, More, Result, Status
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


def run_check(check, bound):
    """Drive one check as the engine does."""
    context = Context(facts=jsonable(dict(bound.facts)))
    asked = check.judge([], context)
    assert isinstance(asked, More)
    (trial,) = asked.trials
    evidence = jsonable(check.trial(bound.subject, trial, context))
    return check.judge([(trial, evidence)], context)


def run_all(raw, **options):
    """Name of the property -> outcome; what requires a failed check is left out."""
    bound = CONTRACT.bind(raw, Options(**options))
    outcomes = {}
    for check in CONTRACT.checks:
        if all(outcomes[name].status is Status.PASSED for name in check.requires):
            outcomes[check.name] = run_check(check, bound)
    return {name.partition("/")[2]: outcome for name, outcome in outcomes.items()}


def failed(outcomes):
    return {name for name, outcome in outcomes.items() if outcome.status is not Status.PASSED}


def first_named(outcomes):
    """The fault that the diagnosis puts first."""
    results = [
        Result("id", f"environment/{name}", o.status, o.message, suspects=o.suspects)
        for name, o in outcomes.items()
    ]
    return combine(results, CONTRACT.faults, CONTRACT.checks)[0].fault


class Line(gymnasium.Env):
    """A correct environment: a noisy walk on a line that ends at +-3."""

    def __init__(self, start=0.0):
        self.observation_space = spaces.Box(-10.0, 10.0, (2,), np.float32)
        self.action_space = spaces.Discrete(2)
        self.start = start

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.state = np.array([self.start, self.np_random.uniform(-1, 1)], np.float32)
        return self.state.copy(), {}

    def step(self, action):
        self.state[0] += (2 * int(action) - 1) * 0.5 + self.np_random.normal() * 0.1
        return (
            self.state.copy(),
            -abs(float(self.state[0])),
            bool(abs(self.state[0]) > 3),
            False,
            {},
        )


class TestCorrectEnvironments:
    @pytest.mark.filterwarnings("ignore:.*is out of date:DeprecationWarning")
    @pytest.mark.parametrize("env_id", CORRECT)
    def test_raise_no_alarm(self, env_id):
        outcomes = run_all(EnvironmentId(env_id))
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

    def test_a_fixed_length_without_a_known_limit_is_only_remarked_on(self):
        outcomes = run_all(EndsAfter)
        assert failed(outcomes) == set()
        note = outcomes["flags-are-booleans-and-apart"].notes[0]
        assert "terminated=True after 7 steps" in note

    def test_a_deterministic_environment_is_remarked_on(self):
        outcome = run_all(EnvironmentId("CliffWalking-v1"))["seeds-differ"]
        assert outcome.status is Status.PASSED
        assert "no randomness seen" in outcome.notes[0]

    def test_warnings_of_gymnasiums_checker_become_notes(self):
        notes = run_all(EnvironmentId("Pendulum-v1"))["conforms"].notes
        assert any("symmetric and normalized" in note for note in notes)
        assert not any("\x1b" in note or "unwrapped" in note for note in notes)


class EndsAfter(Line):
    """Terminates after a fixed number of steps."""

    LENGTH = 7

    def reset(self, *, seed=None, options=None):
        self.count = 0
        return super().reset(seed=seed)

    def step(self, action):
        observation, reward, _, _, info = super().step(action)
        self.count += 1
        observation[0] = np.clip(observation[0], -10, 10)
        return observation, reward, self.count == self.LENGTH, False, info


class BothFlags(Line):
    def step(self, action):
        observation, reward, terminated, _, info = super().step(action)
        return observation, reward, terminated, terminated, info


class IntegerFlags(Line):
    def step(self, action):
        observation, reward, terminated, truncated, info = super().step(action)
        return observation, reward, int(terminated), int(truncated), info


class RareNan(Line):
    def step(self, action):
        observation, reward, *rest = super().step(action)
        return observation, float(np.where(observation[0] > 2.5, np.nan, reward)), *rest


class ArrayReward(Line):
    def step(self, action):
        observation, reward, *rest = super().step(action)
        return observation, np.array([reward]), *rest


class Outside(Line):
    def step(self, action):
        observation, *rest = super().step(action)
        observation[0] *= 6
        return observation, *rest


class WrongType(Line):
    def step(self, action):
        observation, *rest = super().step(action)
        return observation.astype(np.float64), *rest


class Aliased(Line):
    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.state, {}

    def step(self, action):
        _, *rest = super().step(action)
        return self.state, *rest


class GlobalNoise(Line):
    def step(self, action):
        observation, *rest = super().step(action)
        observation[1] = np.random.uniform(-1, 1)
        return observation, *rest


class OwnGenerator(Line):
    """Draws from a generator that the constructor makes and nobody seeds."""

    def __init__(self):
        super().__init__()
        self.own = np.random.default_rng(0)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.state = np.array([0.0, self.own.uniform(-1, 1)], np.float32)
        return self.state.copy(), {}

    def step(self, action):
        self.state[0] += (2 * int(action) - 1) * 0.5
        return self.state.copy(), 0.0, bool(abs(self.state[0]) > 3), False, {}


class Survivor(Line):
    """The wind of earlier episodes keeps blowing."""

    wind = 0.0

    def step(self, action):
        observation, reward, *rest = super().step(action)
        self.wind += 0.01
        return observation, reward + self.wind, *rest


class NoSuperReset(Line):
    def reset(self, *, seed=None, options=None):
        if seed is not None:
            self.own = np.random.default_rng(seed)
        self.state = np.array([0.0, self.own.uniform(-1, 1)], np.float32)
        return self.state.copy(), {}

    def step(self, action):
        self.state[0] += (2 * int(action) - 1) * 0.5
        return self.state.copy(), 0.0, bool(abs(self.state[0]) > 3), False, {}


FAULTY = [
    (
        lambda: TimeLimit(EndsAfter(), 7),
        "flags-are-booleans-and-apart",
        "time-limit-as-termination",
    ),
    (BothFlags, "flags-are-booleans-and-apart", "time-limit-as-termination"),
    (IntegerFlags, "flags-are-booleans-and-apart", "does-not-conform"),
    (RareNan, "rewards-finite", "reward-not-finite"),
    (ArrayReward, "rewards-finite", "reward-not-finite"),
    (Outside, "observations-in-space", "observation-outside-space"),
    (WrongType, "observations-in-space", "observation-outside-space"),
    (Aliased, "observation-not-aliased", "observation-aliased"),
    (GlobalNoise, "same-seed-same-trajectory", "seed-ignored"),
    (OwnGenerator, "seeds-differ", "seed-ignored"),
    (Survivor, "same-seed-same-trajectory", "state-survives-reset"),
    (NoSuperReset, "conforms", "does-not-conform"),
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

    def test_every_fault_of_the_catalogue_is_planted_here(self):
        names = {fault.name.partition("/")[2] for fault in CONTRACT.faults}
        assert {fault for _, _, fault in FAULTY} == names

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


class TestInterface:
    def test_four_values_are_one_clear_sentence(self):
        class Old(Line):
            def step(self, action):
                observation, reward, terminated, _, info = super().step(action)
                return observation, reward, terminated, info

        outcomes = run_all(Old)
        assert failed(outcomes) == set(outcomes) == {"resets-and-steps"}
        assert outcomes["resets-and-steps"].message == (
            "`step` should return (observation, reward, terminated, truncated, info), it returned "
            "4 values (ndarray, float, bool, dict); one `done` for both ends is the interface of the "
            "old Gym"
        )

    def test_so_they_are_behind_gymnasiums_wrappers(self):
        class Old(Line):
            def step(self, action):
                return super().step(action)[:4]

        gymnasium.register("OldForTest-v0", entry_point=Old, max_episode_steps=7)
        try:
            outcomes = run_all("OldForTest-v0")
        finally:
            del gymnasium.registry["OldForTest-v0"]
        assert "it returned 4 values" in outcomes["resets-and-steps"].message

    def test_a_reset_without_info_is_named(self):
        class NoInfo(Line):
            def reset(self, *, seed=None, options=None):
                return super().reset(seed=seed)[0]

        message = run_all(NoInfo)["resets-and-steps"].message
        assert (
            message
            == "`reset` should return (observation, info), it returned one value of type ndarray"
        )

    def test_a_reset_without_seed_is_named(self):
        class NoSeed(Line):
            def reset(self):
                return super().reset()

        message = run_all(NoSeed)["resets-and-steps"].message
        assert message.startswith("`reset` takes no `seed`")

    def test_what_the_environment_raises_under_the_checker_is_no_finding_of_the_checker(self):
        class Raises(Line):
            def reset(self, *, seed=None, options=None):
                if options is not None:
                    raise RuntimeError("no options here")
                return super().reset(seed=seed)

        with pytest.raises(RuntimeError, match="no options here"):
            run_all(Raises)


class TestBinding:
    @pytest.mark.parametrize(
        ("raw", "message"),
        [
            (3, r"expected an environment id .* got an object of type int"),
            (Line(), r"got an object of type Line; give its class or a function that makes it"),
            (lambda: None, r"should make an environment, it made None without `reset`"),
            (lambda: 3, r"it made an object of type int without `reset`"),
            (lambda size: Line(), r"needs a value for 'size'.*--set size=VALUE"),
            (
                lambda: gymnasium.make_vec("CartPole-v1", num_envs=2),
                r"makes a vector environment \(\w+\); give what makes a single one",
            ),
        ],
    )
    def test_what_is_no_environment_is_refused(self, raw, message):
        with pytest.raises(BindingError, match=message):
            CONTRACT.bind(raw, Options())

    @pytest.mark.parametrize("part", ["observation_space", "action_space"])
    def test_a_missing_space_is_named(self, part):
        class NoSpace(Line):
            def __init__(self):
                super().__init__()
                delattr(self, part)

        with pytest.raises(BindingError, match=f"declare `{part}` .* it is missing"):
            CONTRACT.bind(NoSpace, Options())

    def test_constructor_arguments_come_from_constants(self):
        bound = CONTRACT.bind(Line, Options(constants={"start": 1.0}))
        with bound.subject.fresh() as env:
            assert env.start == 1.0
        bound = CONTRACT.bind("FrozenLake-v1", Options(constants={"is_slippery": False}))
        assert "no randomness seen" in run_check(CONTRACT.checks[-1], bound).notes[0]

    def test_misspelt_arguments_are_refused_with_a_suggestion(self):
        with pytest.raises(BindingError, match="no parameter 'strat'; did you mean 'start'"):
            CONTRACT.bind(Line, Options(constants={"strat": 1.0}))

    def test_bound_parameters_are_refused(self):
        with pytest.raises(BindingError, match="no parameters to bind"):
            CONTRACT.bind(Line, Options(bind={"r": "rewards"}))

    def test_facts_are_json(self):
        bound = CONTRACT.bind("CartPole-v1", Options())
        assert jsonable(dict(bound.facts))["time_limits"] == [500]

    def test_recognises_classes_and_annotated_functions(self):
        def make() -> gymnasium.Env:
            return Line()

        def make_text() -> "gymnasium.Env[np.ndarray, int]":
            return Line()

        assert all(map(CONTRACT.recognises, (Line, EnvironmentId("x-v0"), make, make_text)))
        assert not any(map(CONTRACT.recognises, (len, 3, lambda: Line(), int)))


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
